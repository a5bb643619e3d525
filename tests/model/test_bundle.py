"""Bundle, prediction and provenance: from raw numbers to an answer that says when not to trust it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from mriclassify import Bundle, CalibrationError, Classifier, OptionError, Prediction, Thresholds
from mriclassify._model._network import Outputs
from mriclassify._model._provenance import Provenance, fingerprint, group_hashes, marks_of
from mriclassify._trust._conformal import Conformal
from mriclassify._trust._familiarity import Familiarity
from mriclassify._trust._tomography import CtLikeness


def decided(clf: Classifier, *rows: list[float], notes: tuple[str, ...] = ()) -> list[Prediction]:
    return asked(clf.bundle, torch.tensor(rows), notes=notes)


def asked(
    bundle: Bundle,
    logits: torch.Tensor,
    *,
    notes: tuple[str, ...] = (),
    objections: tuple[str, ...] = (),
    features: torch.Tensor | None = None,
) -> list[Prediction]:
    """What the bundle decides on logits (n, classes); each slice has the same notes and objections."""
    count = len(logits)
    return bundle.decide(
        Outputs(logits, torch.zeros(count, 1) if features is None else features),
        sources=[f"slice {number}" for number in range(count)],
        notes=[notes] * count,
        objections=[objections] * count,
        device="cpu",
    )


def test_probabilities_are_in_class_order_and_sum_to_one(fitted: Classifier) -> None:
    (answer,) = decided(fitted, [9.0, 1.0, 2.0, 3.0])
    assert tuple(answer.probabilities) == fitted.classes
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.label == fitted.classes[0]
    assert answer.confidence == answer.probabilities[answer.label]
    assert answer.source == "slice 0"


def test_an_unsure_answer_is_uncertain_and_says_why(fitted: Classifier) -> None:
    sure, unsure = decided(fitted, [50.0, 0.0, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0])
    assert (sure.status, sure.reasons) == ("ok", ())
    assert unsure.status == "uncertain"
    assert "below 0.60" in unsure.reasons[0]


def test_a_note_on_the_scan_makes_a_sure_answer_uncertain(fitted: Classifier) -> None:
    (answer,) = decided(fitted, [50.0, 0.0, 0.0, 0.0], notes=("Modality is CT, not MR.",))
    assert (answer.status, answer.reasons) == ("uncertain", ("Modality is CT, not MR.",))


def test_the_threshold_is_a_number_that_a_user_may_change(fitted: Classifier) -> None:
    strict = fitted.bundle.with_changes(thresholds=Thresholds(uncertain_below=1.0))
    (answer,) = asked(strict, torch.tensor([[2.0, 0.0, 0.0, 0.0]]))
    assert answer.status == "uncertain"


def test_what_is_no_brain_slice_is_rejected_and_still_has_an_answer(fitted: Classifier) -> None:
    logits = torch.tensor([[0.1, 0.0, 0.0, 0.0]])
    (answer,) = asked(fitted.bundle, logits, objections=("It is noise.",), notes=("Modality is CT, not MR.",))
    assert answer.status == "rejected"
    assert answer.reasons[:2] == ("It is noise.", "Modality is CT, not MR.")
    assert "confidence" in answer.reasons[2]
    (unsure,) = asked(fitted.bundle, logits)
    assert unsure.status == "uncertain"
    assert (answer.label, answer.confidence, answer.probabilities) == (
        unsure.label,
        unsure.confidence,
        unsure.probabilities,
    )


def test_features_that_are_far_from_the_training_slices_are_rejected(fitted: Classifier) -> None:
    count = fitted.bundle.network.features
    features = torch.stack([torch.zeros(count), torch.full((count,), 1e4), torch.full((count,), torch.nan)])
    familiarity = fitted.bundle.familiarity
    assert familiarity is not None
    near, far, _ = familiarity.distance(features.numpy())
    bundle = fitted.bundle.with_changes(thresholds=Thresholds(unfamiliar_above=(near + far) / 2))
    answers = asked(bundle, torch.tensor([[50.0, 0, 0, 0]] * 3), features=features)
    assert [answer.status for answer in answers] == ["ok", "rejected", "rejected"]
    assert f"its distance is {far:.1f}, and {(near + far) / 2:.1f} at most" in answers[1].reasons[0]
    # At the limit itself it is familiar; at infinity everything is.
    at = fitted.bundle.with_changes(thresholds=Thresholds(unfamiliar_above=far))
    assert [found == () for found in at.unfamiliar(Outputs(torch.zeros(3, 4), features))] == [True, True, False]
    assert fitted.bundle.unfamiliar(Outputs(torch.zeros(3, 4), features)) == [(), (), ()]


def line_of(bundle: Bundle) -> CtLikeness:
    """A line to CT that is the first feature, where that is a square."""
    weights = np.zeros(bundle.network.features)
    weights[0] = 1.0
    return CtLikeness(weights, 0.0)


def test_features_that_are_like_those_of_ct_are_rejected_and_the_reason_says_ct(fitted: Classifier) -> None:
    count = fitted.bundle.network.features
    features = torch.zeros(3, count)
    features[:, 0] = torch.tensor([0.04, 0.64, float("nan")])
    bundle = fitted.bundle.with_changes(ct_likeness=line_of(fitted.bundle), thresholds=Thresholds(ct_above=0.5))
    answers = asked(bundle, torch.tensor([[50.0, 0, 0, 0]] * 3), features=features)
    assert [answer.status for answer in answers] == ["ok", "rejected", "rejected"]
    assert answers[1].reasons[0].startswith("It looks like computed tomography (CT)")
    assert "its likeness is 0.80, and 0.50 at most" in answers[1].reasons[0]
    # At the limit itself it is MR; at infinity everything is; both reasons are given where both hold.
    said = Outputs(torch.zeros(3, 4), features)
    assert [found == () for found in bundle.with_changes(thresholds=Thresholds(ct_above=0.81)).unfamiliar(said)] == [
        True,
        True,
        False,
    ]
    assert bundle.with_changes(thresholds=Thresholds()).unfamiliar(said) == [(), (), ()]
    strict = bundle.with_changes(thresholds=Thresholds(ct_above=0.0, unfamiliar_above=0.0))
    assert [len(found) for found in strict.unfamiliar(said)] == [2, 2, 2]


def test_without_a_line_to_ct_none_can_be_told(fitted: Classifier) -> None:
    bare = fitted.bundle.with_changes(ct_likeness=None)
    with pytest.raises(CalibrationError, match=r"does not know CT: leave ct_above at infinity"):
        bare.with_changes(thresholds=Thresholds(ct_above=0.5))
    with pytest.raises(OptionError, match="of 7 features, but the network makes"):
        bare.with_changes(ct_likeness=CtLikeness(np.ones(7), 0.0))


def test_offsets_move_the_probabilities_by_bayes_rule(fitted: Classifier) -> None:
    logits = torch.tensor([[1.0, 0.5, 0.0, -1.0], [0.0, 0.0, 3.0, 0.0]])
    moved = fitted.bundle.with_changes(offsets=(np.log(3.0), 0.0, 0.0, 0.0))
    expected = fitted.bundle.probabilities(logits) * [3, 1, 1, 1]
    np.testing.assert_allclose(moved.probabilities(logits), expected / expected.sum(axis=1, keepdims=True), atol=1e-9)
    assert fitted.bundle.offsets == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("offsets", [(0.0, 0.0), (0.0, 0.0, 0.0, float("nan")), (0.0, 0.0, 0.0, float("inf"))])
def test_offsets_that_do_not_fit_are_refused(fitted: Classifier, offsets: tuple[float, ...]) -> None:
    with pytest.raises(OptionError, match="offsets must be a number for each of 4 classes"):
        fitted.bundle.with_changes(offsets=offsets)


def test_statistics_of_another_model_are_refused(fitted: Classifier) -> None:
    features = np.random.default_rng(0).random((20, 7))
    with pytest.raises(OptionError, match="of 7 features, but the network makes"):
        fitted.bundle.with_changes(familiarity=Familiarity.fit(features))
    three = Conformal(true=((0.5,),) * 3, sizes=((1,),) * 3)
    with pytest.raises(OptionError, match="of 4 classes, not 3"):
        fitted.bundle.with_changes(conformal=three)


def test_without_statistics_nothing_can_be_told_unfamiliar(fitted: Classifier) -> None:
    bare = fitted.bundle.with_changes(familiarity=None)
    assert bare.unfamiliar(Outputs(torch.zeros(2, 4), torch.full((2, 9), torch.nan))) == [(), ()]
    with pytest.raises(CalibrationError, match=r"holds no statistics .* leave unfamiliar_above at infinity"):
        bare.with_changes(thresholds=Thresholds(unfamiliar_above=5.0))


def test_a_prediction_is_plain_json_and_one_line(fitted: Classifier) -> None:
    (answer,) = decided(fitted, [3.0, 0.0, 0.0, 0.0])
    loaded = json.loads(answer.to_json())
    assert loaded == answer.to_dict()
    assert loaded["probabilities"] == answer.probabilities
    assert "\n" not in answer.to_json()
    assert "\n" not in str(answer)
    assert str(answer).startswith("slice 0: glioma ")


def test_an_error_has_no_label() -> None:
    failed = Prediction(source="x", label=None, confidence=None, status="error", reasons=("It is empty.",))
    assert str(failed) == "x: error · It is empty."
    assert json.loads(failed.to_json())["label"] is None


def test_a_fingerprint_knows_pixels_whatever_their_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40), dtype=np.uint8)
    for name in ("a.png", "b.bmp", "c.tif"):
        Image.fromarray(pixels).save(tmp_path / name)
    found = marks_of([tmp_path / "a.png", tmp_path / "b.bmp", tmp_path / "c.tif"]).fingerprints
    assert len(set(found.tolist())) == 1
    assert int(found[0]) == fingerprint(pixels.astype(np.float32))
    changed = pixels.astype(np.float32)
    changed[3, 4] += 1
    assert fingerprint(changed) != found[0]


def test_a_file_that_cannot_be_read_has_no_marks(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    found = marks_of([tmp_path / "text.png"])
    assert (found.fingerprints.tolist(), found.hashes.tolist()) == ([0], [[0, 0, 0, 0]])
    assert [each.shape for each in marks_of([])] == [(0,), (0, 4)]


def test_provenance_knows_what_it_was_given() -> None:
    provenance = Provenance(slices=np.array([3, 5, 2**64 - 1], np.uint64))
    assert provenance.knows(np.array([5, 4, 2**64 - 1], np.uint64)).tolist() == [True, False, True]


def test_provenance_knows_near_duplicates_mirrored_and_turned_ones_too(tmp_path: Path) -> None:
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(3, 96, 80)), (0, 4, 4))
    first, second, third = (255 * (plane - plane.min()) / np.ptp(plane) for plane in smooth)
    shown = {
        "first": first,
        "mirrored": first[:, ::-1],
        "turned": np.rot90(first),
        "brighter": first**0.8,
        "new": third,
    }
    for name, plane in (shown | {"second": second}).items():
        Image.fromarray(plane.astype(np.uint8)).save(tmp_path / f"{name}.png")
    provenance = Provenance(hashes=marks_of([tmp_path / "first.png", tmp_path / "second.png"]).hashes)
    found = provenance.resembles(marks_of([tmp_path / f"{name}.png" for name in shown]).hashes)
    assert dict(zip(shown, found.tolist(), strict=True)) == {name: name != "new" for name in shown}
    assert provenance.resembles(np.zeros((0, 4), np.uint64)).tolist() == []
    assert not Provenance(hashes=np.zeros((0, 4), np.uint64)).resembles(np.ones((2, 4), np.uint64)).any()


def test_provenance_of_several_has_what_each_has_seen_or_does_not_know() -> None:
    rows = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.uint64)
    one = Provenance(slices=np.array([7, 3], np.uint64), hashes=rows, groups=("b", "a"), split="by patient")
    other = Provenance(slices=np.array([3, 5], np.uint64), hashes=rows[:1], groups=("c",), split="otherwise")
    both = one.with_others([other])
    assert (both.slices.tolist(), both.groups, both.split) == ([3, 5, 7], ("a", "b", "c"), "by patient")
    assert both.hashes is not None
    assert both.hashes.tolist() == rows.tolist()
    unknown = one.with_others([other, Provenance(slices=np.array([9], np.uint64))])
    assert unknown.slices.tolist() == [3, 5, 7, 9]
    assert unknown.hashes is None
    with pytest.raises(OptionError, match="looked like is not known: fit anew"):
        unknown.resembles(rows)


def test_group_hashes_do_not_hold_the_name() -> None:
    (digest,) = group_hashes(["patient 7", "patient 7"])
    assert "patient" not in digest
    assert len(digest) == 12


def test_two_classes_of_one_name_are_refused(fitted: Classifier) -> None:
    with pytest.raises(OptionError, match="different names"):
        replace(fitted.bundle, classes=("glioma", "notumor", "glioma", "pituitary"))


def test_an_answer_that_is_no_number_is_never_ok(fitted: Classifier) -> None:
    (answer,) = decided(fitted, [float("nan"), 0.0, 0.0, 0.0])
    assert answer.status == "uncertain"


def test_permuting_logits_and_classes_permutes_the_answer(fitted: Classifier) -> None:
    order = [2, 0, 3, 1]
    logits = torch.tensor([[1.0, 4.0, 2.0, 3.0]])
    permuted = replace(fitted.bundle, classes=tuple(fitted.classes[k] for k in order))
    (one,) = asked(fitted.bundle, logits)
    (other,) = asked(permuted, logits[:, order])
    assert other.label == one.label
    assert other.probabilities == pytest.approx(one.probabilities)


def test_each_source_needs_its_row(fitted: Classifier) -> None:
    outputs = Outputs(torch.zeros(2, 4), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="zip"):
        fitted.bundle.decide(outputs, sources=["x"], notes=[()], objections=[()], device="cpu")


@pytest.mark.parametrize("name", ["Schädel.png", "sl\udcffce.png", "two\nlines\u2028.png", 'quo"te.png'])
def test_any_file_name_makes_one_line_and_json_in_utf_8(name: str) -> None:
    said = Prediction(source=name, label="glioma", confidence=0.5, reasons=("Broken:\nat once.",))
    assert json.loads(said.to_json().encode("utf-8"))["source"] == name
    assert "\n" not in said.to_json()
    assert len(str(said).splitlines()) == 1


def test_groups_named_after_files_that_are_no_text_have_hashes() -> None:
    assert len(group_hashes(["p\udcff1", "p1"])) == 2


def test_fingerprints_do_not_mind_the_layout_in_memory() -> None:
    pixels = np.random.default_rng(0).random((20, 30), np.float32)
    assert fingerprint(np.asfortranarray(pixels)) == fingerprint(pixels)
    assert fingerprint(pixels.T) != fingerprint(pixels)
