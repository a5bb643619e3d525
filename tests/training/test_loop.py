from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from mriclassify import (
    Classifier,
    ClassMismatchError,
    Dataset,
    DatasetError,
    Epoch,
    Preprocessing,
    SplitError,
    TrainingError,
    TrainingOptions,
)
from mriclassify._model._calibration import Temperature
from mriclassify._model._small_cnn import SmallCNN
from mriclassify._training._batches import Slices
from mriclassify._training._loop import _class_weights

Fit = Callable[..., Classifier]
State = dict[str, torch.Tensor]


def weights(clf: Classifier) -> State:
    return {key: value.clone() for key, value in clf.bundle.network.state_dict().items()}


def identical(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


class Dropping(nn.Module):
    """A backbone with dropout, whose randomness is the hardest to repeat."""

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(SmallCNN(width=4), nn.Dropout(rate))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.layers(images)
        return features


def test_small_network_learns_the_phantoms(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    assert fitted.history is not None
    assert fitted.history.best.validation_accuracy > 0.9
    assert fitted.evaluate(parts[1], bootstrap=0).accuracy > 0.9
    assert fitted.history[-1].train_loss < fitted.history[0].train_loss / 2


def test_same_seed_gives_the_same_weights_whatever_the_global_generators_hold(fit: Fit) -> None:
    first = fit(backbone=Dropping())
    torch.manual_seed(99)
    np.random.seed(99)
    second = fit(backbone=Dropping(), workers=1)
    assert identical(weights(first), weights(second))
    assert first.bundle.temperature == second.bundle.temperature


def test_another_seed_gives_other_weights(fit: Fit) -> None:
    assert not identical(weights(fit(epochs=1)), weights(fit(epochs=1, seed=1)))


def test_training_leaves_the_global_generators_alone(fit: Fit) -> None:
    backbone = Dropping()
    torch.manual_seed(7)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    fit(epochs=1, backbone=backbone)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_history_has_an_epoch_for_each_and_says_what_on_epoch_heard(fit: Fit) -> None:
    heard: list[Epoch] = []
    clf = fit(epochs=3, on_epoch=heard.append)
    assert clf.history is not None
    assert list(clf.history) == heard
    assert [epoch.epoch for epoch in heard] == [1, 2, 3]
    assert all(epoch.seconds > 0 and np.isfinite(epoch.train_loss) for epoch in heard)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_weights_of_the_best_epoch_are_kept_or_those_of_the_last(fit: Fit, keep: str) -> None:
    steps = 0

    def turns_bad(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return images if steps <= 12 else torch.rand(images.shape, generator=generator) * 1.5

    backbone = Dropping(rate=0)
    after: list[State] = []

    def copy_weights(_: Epoch) -> None:
        after.append({key: value.clone() for key, value in backbone.state_dict().items()})

    clf = fit(epochs=6, backbone=backbone, augmentation=turns_bad, on_epoch=copy_weights, learning_rate=1e-2, keep=keep)
    assert clf.history is not None
    best = clf.history.best.epoch
    assert best < 6  # or this test says nothing
    kept, other = (after[best - 1], after[-1]) if keep == "best" else (after[-1], after[best - 1])
    assert identical(dict(backbone.state_dict()), kept)
    assert not identical(dict(backbone.state_dict()), other)


def test_calibration_is_of_the_best_weights(fit: Fit, parts: tuple[Dataset, Dataset]) -> None:
    clf = fit(epochs=3, augmentation=None)
    report = clf.evaluate(parts[1], bootstrap=0)
    assert clf.history is not None
    assert report.accuracy == pytest.approx(clf.history.best.validation_accuracy)
    logits = np.log(report.probabilities) * clf.bundle.temperature.value
    again = Temperature.fit(torch.as_tensor(logits), report.targets.copy())
    assert again.value == pytest.approx(clf.bundle.temperature.value, rel=1e-3)


def test_training_stops_when_nothing_gets_better(fit: Fit) -> None:
    # Nothing changes, so that the first epoch stays the best.
    clf = fit(epochs=50, patience=2, learning_rate=0, freeze_backbone=True)
    assert clf.history is not None
    assert (len(clf.history), clf.history.best.epoch) == (3, 1)


def test_frozen_backbone_keeps_its_weights_and_batch_statistics_and_the_head_learns(fit: Fit) -> None:
    backbone = Dropping()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    one = fit(backbone=backbone, freeze_backbone=True, weight_decay=1.0, epochs=1)
    two = fit(backbone=backbone, freeze_backbone=True, weight_decay=1.0, epochs=2)
    assert identical(dict(backbone.state_dict()), before)
    assert all(parameter.requires_grad for parameter in backbone.parameters())
    assert not torch.equal(one.bundle.network.head.weight, two.bundle.network.head.weight)


@pytest.mark.parametrize("freeze_backbone", [False, True])
def test_what_the_maker_of_a_backbone_has_frozen_stays_frozen(fit: Fit, freeze_backbone: bool) -> None:
    backbone = Dropping()
    first = backbone.layers[0].blocks[0][0].weight.requires_grad_(False)
    before = first.clone()
    fit(backbone=backbone, freeze_backbone=freeze_backbone, epochs=1)
    assert torch.equal(first, before)
    assert not first.requires_grad


def test_loss_that_is_not_finite_stops_training_and_says_what_to_do(fit: Fit) -> None:
    def broken(images: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        return images * float("nan")

    with pytest.raises(TrainingError, match=r"loss became nan: lower the learning rate \(now 0\.00\d+\)"):
        fit(augmentation=broken)


def test_answers_that_are_not_finite_stop_training(fit: Fit) -> None:
    class Overflowing(Dropping):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            # Finite in Network's own trial with blank images, and in training.
            features = super().forward(images)
            return features if self.training or images.max() < 0 else features * float("inf")

    with pytest.raises(TrainingError, match="loss became"):
        fit(backbone=Overflowing())


def test_training_that_fails_leaves_the_model_it_began_with_as_it_was(fit: Fit, parts: tuple[Dataset, Dataset]) -> None:
    clf = fit(epochs=1)
    scan = parts[1][0].path
    before, answer = weights(clf), clf.predict(scan)
    steps = 0

    def breaks(images: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return images if steps <= 2 else images * float("nan")

    with pytest.raises(TrainingError):
        fit(before=clf, augmentation=breaks)
    assert identical(weights(clf), before)
    assert clf.predict(scan) == answer


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_single_precision_weights(fit: Fit, precision: str) -> None:
    clf = fit(epochs=1, precision=precision)
    assert {value.dtype for value in weights(clf).values() if value.is_floating_point()} == {torch.float32}
    assert clf.history is not None
    assert np.isfinite(clf.history[0].train_loss)


def imbalanced(counts: dict[str, int]) -> tuple[tuple[str, ...], Slices, list[str]]:
    classes = tuple(sorted(counts))
    labels = [label for label in classes for _ in range(counts[label])]
    targets = np.array([classes.index(label) for label in labels])
    return classes, Slices(paths=[], targets=targets, preprocessing=Preprocessing()), labels


class Counted(Slices):
    """Slices without files, as many as targets."""

    def __len__(self) -> int:
        return len(self.targets)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    classes, slices, labels = imbalanced({"glioma": 17, "notumor": 3, "pituitary": 1})
    counted = Counted(paths=[], targets=slices.targets, preprocessing=slices.preprocessing)
    mine = _class_weights(classes, counted, TrainingOptions(class_weights="balanced"))
    theirs = compute_class_weight("balanced", classes=np.array(classes), y=labels)
    assert mine.tolist() == pytest.approx(theirs.tolist())


def test_weights_by_name_go_to_the_classes_of_that_name() -> None:
    classes, slices, _ = imbalanced({"glioma": 2, "notumor": 2})
    options = TrainingOptions(class_weights={"notumor": 5, "glioma": 1})
    assert _class_weights(classes, slices, options).tolist() == [1, 5]
    assert _class_weights(classes, slices, TrainingOptions(class_weights="none")).tolist() == [1, 1]


def test_class_weights_of_other_classes_are_refused_by_name(fit: Fit) -> None:
    with pytest.raises(TrainingError, match=r"differ: benign, notumor, pituitary$"):
        fit(class_weights={"glioma": 1.0, "meningioma": 1.0, "benign": 2.0})


def test_class_weights_change_the_training(fit: Fit) -> None:
    labels = ("glioma", "meningioma", "notumor", "pituitary")
    heavy = dict.fromkeys(labels, 1.0) | {"glioma": 50.0}
    assert not identical(weights(fit(epochs=1, class_weights=heavy)), weights(fit(epochs=1, class_weights="none")))


def test_validation_with_other_classes_is_refused_and_both_sides_are_named(
    fit: Fit, parts: tuple[Dataset, Dataset]
) -> None:
    without = parts[1].filter(lambda record: record.label != "notumor")
    with pytest.raises(ClassMismatchError, match=r"training: .*notumor.*; validation: glioma, meningioma, pituitary"):
        fit(validation=without)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": Dataset([])}, "nothing to train on"),
        ({"validation": Dataset([])}, "nothing to validate on"),
    ],
)
def test_empty_data_is_refused(fit: Fit, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        fit(**changes)


def test_one_class_is_not_enough(fit: Fit, parts: tuple[Dataset, Dataset]) -> None:
    with pytest.raises(DatasetError, match="at least two classes; the dataset has glioma only"):
        fit(data=parts[0].filter(lambda record: record.label == "glioma"))


def test_without_validation_and_without_patients_the_error_says_what_to_do(phantom_folder: Any, fit: Fit) -> None:
    with pytest.raises(SplitError, match=r"with_groups\(\).*by='slice'"):
        fit(data=Dataset.from_folder(phantom_folder, recognize=False), validation=None)


def test_validation_is_set_apart_by_patient(fit: Fit, phantoms: Dataset) -> None:
    clf = fit(data=phantoms, validation=None, epochs=1)
    assert clf.bundle.provenance.split == "15% of the training slices set apart by group"
    assert len(clf.bundle.provenance.slices) == len(phantoms)


def test_order_of_records_does_not_change_the_order_of_classes(fit: Fit, parts: tuple[Dataset, Dataset]) -> None:
    reversed_data = parts[0].subset(range(len(parts[0]) - 1, -1, -1))
    assert fit(epochs=1, data=reversed_data).classes == ("glioma", "meningioma", "notumor", "pituitary")
