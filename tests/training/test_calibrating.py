"""Calibrating: what augmentation makes hard takes sureness away, at home too."""

import pytest
import torch

from mriclassify import Augmentation, Bundle, Classifier, Dataset, Preprocessing, TrainingOptions
from mriclassify._data._dataset import targets
from mriclassify._model._calibration import Temperature
from mriclassify._model._outputs import outputs_of
from mriclassify._training._calibrating import calibrated, changing


@pytest.fixture(scope="module")
def bundle(fitted: Classifier) -> Bundle:
    return fitted.bundle


@pytest.fixture(scope="module")
def held(parts: tuple[Dataset, Dataset]) -> Dataset:
    return parts[1]


def drowned(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return images in which nothing is to be seen."""
    return torch.rand(images.shape, generator=generator)


def test_without_augmentation_it_is_the_temperature_of_the_slices_as_they_are(bundle: Bundle, held: Dataset) -> None:
    logits = outputs_of(bundle, [record.path for record in held]).logits
    expected = Temperature.fit(logits, targets(held, bundle.classes))
    assert calibrated(bundle, held, augment=None, seed=0).temperature == expected


def test_slices_that_are_changed_beyond_recognition_make_answers_less_sure(bundle: Bundle, held: Dataset) -> None:
    alone = calibrated(bundle, held, augment=None, seed=0).temperature
    assert calibrated(bundle, held, augment=drowned, seed=0).temperature.value > 1.5 * alone.value


def test_neither_the_order_of_the_slices_nor_chance_elsewhere_matters(bundle: Bundle, held: Dataset) -> None:
    state = torch.get_rng_state()
    found = [calibrated(bundle, held, augment=Augmentation(), seed=3).temperature for _ in range(2)]
    assert found[0] == found[1]
    assert torch.equal(torch.get_rng_state(), state)
    turned = Dataset([*held][::-1])
    assert calibrated(bundle, turned, augment=None, seed=0).temperature.value == pytest.approx(
        calibrated(bundle, held, augment=None, seed=0).temperature.value, rel=1e-3
    )


def test_a_change_goes_on_drawing(bundle: Bundle) -> None:
    change = changing(drowned, seed=0)
    first, second = change(torch.zeros(1, 1, 4, 4)), change(torch.zeros(1, 1, 4, 4))
    assert not torch.equal(first, second)
    assert torch.equal(changing(drowned, seed=0)(torch.zeros(1, 1, 4, 4)), first)


@pytest.mark.parametrize("augment", [None, Augmentation(noise=0.3)])
def test_a_fit_is_calibrated_with_its_own_augmentation(
    parts: tuple[Dataset, Dataset], augment: Augmentation | None
) -> None:
    clf = Classifier("small_cnn", preprocessing=Preprocessing(size=32), device="cpu")
    options = TrainingOptions(epochs=1, batch_size=8, precision="fp32", augmentation=augment)
    clf.fit(parts[0], validation=parts[1], options=options)
    expected = calibrated(clf.bundle, parts[1], augment=augment, seed=options.seed)
    assert clf.bundle.temperature == expected.temperature
