"""Teaching: what a trained model answers is learnt beside the labels, and instead of masks."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mriclassify import (
    Bundle,
    Classifier,
    ClassMismatchError,
    Dataset,
    NotFittedError,
    Preprocessing,
    TrainingError,
    TrainingOptions,
)
from mriclassify._model._ensemble import Ensemble, resized
from mriclassify._model._inference import infer
from mriclassify._model._network import Network, Outputs
from mriclassify._reading import read_slice
from mriclassify._training._lesion_loss import PIXELS
from mriclassify._training._teaching import Teacher

Fit = Callable[..., Classifier]
Scaled = Callable[..., Bundle]
CPU = torch.device("cpu")
NEXT = {"glioma": "meningioma", "meningioma": "notumor", "notumor": "pituitary", "pituitary": "glioma"}


def images_of(bundle: Bundle, data: Dataset) -> torch.Tensor:
    return torch.from_numpy(np.stack([bundle.image(read_slice(record.path)) for record in data]))


def answers(clf: Classifier, data: Dataset) -> list[str]:
    return [clf.classes[k] for k in clf.predict_proba([record.path for record in data]).argmax(axis=1)]


@pytest.fixture(scope="module")
def mapping(masked: tuple[Dataset, Dataset]) -> Classifier:
    """A model that makes lesion maps."""
    clf = Classifier("small_cnn", preprocessing=Preprocessing(size=64), device="cpu")
    options = TrainingOptions(
        epochs=10, batch_size=8, learning_rate=3e-3, precision="fp32", augmentation=None, synthesis=None
    )
    return clf.fit(masked[0], validation=masked[1], options=options)


def test_a_teacher_is_believed_against_the_labels(fit: Fit, fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    wrong = Dataset([replace(record, label=NEXT[str(record.label)]) for record in parts[0]])
    options = {"data": wrong, "teacher": fitted, "size": 64, "epochs": 8, "augmentation": None}
    said, labels = answers(fitted, parts[1]), [str(record.label) for record in parts[1]]
    assert said == labels

    def agreement(weight: float) -> float:
        student = fit(**options, teacher_weight=weight)
        return float(np.mean([a == b for a, b in zip(answers(student, parts[1]), said, strict=True)]))

    assert agreement(1.0) > 0.8
    assert agreement(0.0) < 0.3


def test_the_loss_is_the_cross_entropy_to_its_calibrated_answer_and_to_its_map(
    mapping: Classifier, parts: tuple[Dataset, Dataset]
) -> None:
    bundle = mapping.bundle
    images = images_of(bundle, parts[1][:6])
    said = bundle.ask(images)
    assert said.lesions is not None
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, requires_grad=True)
    lesions = torch.randn(said.lesions.shape, generator=generator, requires_grad=True)
    loss = Teacher(bundle, device=CPU, precision="fp32").loss(
        Outputs(logits, torch.zeros(6, 1), lesions), images, lesion_weight=2.0
    )
    loss.backward()
    assert logits.grad is not None and lesions.grad is not None
    p = torch.from_numpy(bundle.probabilities(said.logits))
    classes = -(p * logits.detach().double().log_softmax(dim=1)).sum(dim=1).mean()
    shown, made = said.lesions.sigmoid().double(), lesions.detach().double()
    pixels = -(shown * functional.logsigmoid(made) + (1 - shown) * functional.logsigmoid(-made)).mean()
    assert float(loss.detach()) == pytest.approx(float(classes + 2 * PIXELS * pixels), rel=1e-5)
    # Nothing is nearer to it than itself: so it is what is learnt.
    (slope,) = torch.autograd.grad(functional.cross_entropy(own := p.log().float().requires_grad_(), p.float()), own)
    assert slope.abs().max() < 1e-6


@pytest.mark.parametrize("part", ["neither", "student", "teacher"])
def test_where_one_of_both_makes_no_map_the_classes_alone_count(
    part: str, mapping: Classifier, fitted: Classifier, parts: tuple[Dataset, Dataset]
) -> None:
    bundle = fitted.bundle if part in ("neither", "student") else mapping.bundle
    images = images_of(bundle, parts[1][:2])
    lesions = torch.zeros(2, 16, 16) if part == "student" else None
    teacher = Teacher(bundle, device=CPU, precision="fp32")
    for weight in (0.0, 1.0):
        outputs = Outputs(torch.zeros(2, 4), torch.zeros(2, 1), lesions)
        loss = float(teacher.loss(outputs, images, lesion_weight=weight))
        assert loss == pytest.approx(np.log(4), abs=1e-6)


def test_a_map_is_learnt_without_a_mask(fit: Fit, mapping: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    assert not any(record.mask for part in parts for record in part)
    student = fit(teacher=mapping, teacher_weight=1.0, size=64, epochs=10, augmentation=None).bundle
    tumours = parts[1].filter(lambda record: record.label != "notumor")
    images = images_of(student, tumours)
    maps, shown = student.ask(images).lesions, mapping.bundle.ask(images).lesions
    assert maps is not None and shown is not None
    peaks, theirs = maps.flatten(1).argmax(dim=1), shown.flatten(1).sigmoid()
    found = theirs.gather(1, peaks[:, None])
    assert float((found > 0.5).float().mean()) > 0.8, "its peak lies where the teacher sees a lesion"


def test_of_a_backbone_without_maps_the_classes_are_taught(fit: Fit, mapping: Classifier) -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 8), nn.ReLU())
    student = fit(backbone=flat, teacher=mapping, epochs=1).bundle
    assert student.network.lesion_head is None


def test_a_teacher_is_left_as_it_was(fit: Fit, fitted: Classifier) -> None:
    network = fitted.bundle.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    student = fit(teacher=fitted, epochs=1)
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert student.bundle.preprocessing.size == 32, "the size may be another"


def test_of_an_ensemble_mirror_images_are_not_asked_for(
    fitted: Classifier, parts: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(fitted.bundle.network, Network)
    network = Ensemble([fitted.bundle.network], [64]).eval()
    bundle = fitted.bundle.with_changes(network=network)
    images = images_of(bundle, parts[1][:4])
    plain, mirrored = infer(fitted.bundle.network, images), infer(network, images)
    assert (plain.logits - mirrored.logits).abs().max() > 1e-3
    teacher = Teacher(bundle, device=CPU, precision="fp32")
    torch.testing.assert_close(teacher.bundle.ask(images).logits, plain.logits, rtol=1e-3, atol=1e-3)
    assert network.mirrored


def test_a_student_has_seen_what_its_teacher_saw(fit: Fit, fitted: Classifier, scaled: Scaled) -> None:
    teacher = copy.copy(fitted)
    teacher._bundle = scaled(fitted.bundle, 1.0, name="teacher")
    provenance = fit(teacher=teacher, epochs=1).bundle.provenance
    assert {1, 2} <= set(provenance.slices.tolist())
    assert "known" in provenance.groups


def test_a_run_goes_on_with_its_own_teacher_alone(fit: Fit, fitted: Classifier, scaled: Scaled, tmp_path: Path) -> None:
    fit(teacher=fitted, epochs=1, resume=tmp_path)
    fit(teacher=fitted, epochs=1, resume=tmp_path, on_epoch=lambda epoch: pytest.fail("done again"))
    other = copy.copy(fitted)
    other._bundle = scaled(fitted.bundle, 0.5)
    assert other.bundle.name == fitted.bundle.name
    for teacher in (other, None):
        with pytest.raises(TrainingError, match="teacher"):
            fit(teacher=teacher, epochs=1, resume=tmp_path)


def test_a_teacher_that_cannot_teach_is_refused_before_the_training(
    fit: Fit, fitted: Classifier, parts: tuple[Dataset, Dataset]
) -> None:
    def never(*_: object) -> None:
        pytest.fail("trained first")

    three = [part.filter(lambda record: record.label != "glioma") for part in parts]
    with pytest.raises(ClassMismatchError, match="teacher: glioma, meningioma, notumor, pituitary; training: men"):
        fit(data=three[0], validation=three[1], teacher=fitted, on_epoch=never)
    whole = copy.copy(fitted)
    whole._bundle = fitted.bundle.with_changes(preprocessing=Preprocessing(size=64, crop="none"))
    with pytest.raises(TrainingError, match="only the size may be another"):
        fit(teacher=whole, on_epoch=never)
    with pytest.raises(NotFittedError, match="untrained"):
        fit(teacher=Classifier("small_cnn", device="cpu"), on_epoch=never)


def test_images_of_another_size_are_resized_for_it(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    images = images_of(fitted.bundle, parts[1][:2])
    large = functional.interpolate(images, size=(96, 96), mode="bilinear", antialias=True, align_corners=False)
    teacher = Teacher(fitted.bundle, device=CPU, precision="fp32")
    outputs = Outputs(torch.zeros(2, 4), torch.zeros(2, 1), None)
    assert float(teacher.loss(outputs, large, lesion_weight=1)) == pytest.approx(
        float(teacher.loss(outputs, resized(large, 64), lesion_weight=1))
    )
