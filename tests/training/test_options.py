from functools import partial
from typing import Any

import numpy as np
import pytest

from mriclassify import Augmentation, OptionError, Synthesis, TrainingOptions

BAD: list[tuple[str, Any]] = [
    *(("epochs", value) for value in (0, -1, 2.5, float("nan"), "20", None, True)),
    *(("batch_size", value) for value in (1, 0, 8.0)),
    *(("learning_rate", value) for value in (-1e-3, float("nan"), float("inf"), "fast", None)),
    *(("weight_decay", value) for value in (-0.1, float("nan"))),
    *(("warmup", value) for value in (-0.1, 1.1, float("nan"))),
    *(("label_smoothing", value) for value in (-0.1, 1.1)),
    *(("patience", value) for value in (0, -2, 1.5, "3")),
    *(("keep", value) for value in ("first", None)),
    *(("workers", value) for value in (0, -2, 1.5)),
    *(("seed", value) for value in (-1, 2**32, 0.5, "0", None)),
    *(("averaging", value) for value in (-0.1, 1.1, float("nan"), "0.9", None)),
    *(("memory", value) for value in (-1, 2000, float("nan"), float("inf"), None)),
    *(("precision", value) for value in ("fp8", "", None)),
    *(("class_weights", value) for value in ("even", None, 1.0, [1, 2])),
    *(("class_weights", {"glioma": value}) for value in (-1, 0, float("nan"), float("inf"), "1")),
    *(("augmentation", value) for value in ("flip", 3)),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_value_out_of_range_is_refused_with_its_name_and_value(name: str, value: Any) -> None:
    with pytest.raises(OptionError) as caught:
        TrainingOptions(**{name: value})
    shown = next(iter(value.values())) if isinstance(value, dict) else value
    assert name.replace("class_weights", "class") in str(caught.value)
    assert str(shown) in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_numbers_of_numpy_are_numbers() -> None:
    options = TrainingOptions(epochs=np.int64(3), learning_rate=np.float32(0.1), seed=np.uint32(7))
    assert (options.epochs, options.seed) == (3, 7)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 21},
        {"batch_size": 16},
        {"learning_rate": 1e-4},
        {"freeze_backbone": True},
        {"class_weights": "none"},
        {"augmentation": None},
        {"augmentation": Augmentation(flip=0)},
        {"precision": "bf16"},
        {"seed": 1},
        {"averaging": 0.9},
        {"augmentation": Augmentation(coarse=0)},
        {"synthesis": Synthesis(miss=0)},
        {"synthesis": Synthesis(faded_classes=())},
    ],
)
def test_description_tells_other_options_apart(change: dict[str, Any]) -> None:
    assert TrainingOptions(**change).described() != TrainingOptions().described()


def test_description_leaves_out_what_does_not_change_the_result() -> None:
    assert TrainingOptions(workers=3).described() == TrainingOptions(workers=1).described()
    assert TrainingOptions(memory=0).described() == TrainingOptions(memory=8).described()


def test_description_of_a_function_has_no_address_which_differs_from_run_to_run() -> None:
    def mirrored(images: Any, generator: Any) -> Any:
        return images.flip(-1)

    for augmentation in (mirrored, partial(mirrored, generator=None), lambda images, generator: images):
        assert "0x" not in TrainingOptions(augmentation=augmentation).described()["augmentation"]
