"""Bundle, prediction and provenance: from raw numbers to an answer that says when not to trust it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mriclassify import Classifier, OptionError, Prediction
from mriclassify._model._network import Outputs
from mriclassify._model._provenance import Provenance, fingerprint, fingerprints, group_hashes


def decided(clf: Classifier, *rows: list[float], notes: tuple[str, ...] = ()) -> list[Prediction]:
    outputs = Outputs(torch.tensor(rows), torch.zeros(len(rows), 1))
    names = [f"slice {number}" for number in range(len(rows))]
    return clf.bundle.decide(outputs, sources=names, notes=[notes] * len(rows), device="cpu")


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
    strict = replace(fitted.bundle, uncertain_below=1.0)
    outputs = Outputs(torch.tensor([[2.0, 0.0, 0.0, 0.0]]), torch.zeros(1, 1))
    (answer,) = strict.decide(outputs, sources=["x"], notes=[()], device="cpu")
    assert answer.status == "uncertain"
    with pytest.raises(OptionError, match="uncertain_below"):
        replace(fitted.bundle, uncertain_below=1.1)


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
    found = fingerprints([tmp_path / "a.png", tmp_path / "b.bmp", tmp_path / "c.tif"])
    assert len(set(found.tolist())) == 1
    assert int(found[0]) == fingerprint(pixels.astype(np.float32))
    changed = pixels.astype(np.float32)
    changed[3, 4] += 1
    assert fingerprint(changed) != found[0]


def test_a_file_that_cannot_be_read_has_no_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    assert fingerprints([tmp_path / "text.png"]).tolist() == [0]


def test_provenance_knows_what_it_was_given() -> None:
    provenance = Provenance(slices=np.array([3, 5, 2**64 - 1], np.uint64))
    assert provenance.knows(np.array([5, 4, 2**64 - 1], np.uint64)).tolist() == [True, False, True]


def test_group_hashes_do_not_hold_the_name() -> None:
    (digest,) = group_hashes(["patient 7", "patient 7"])
    assert "patient" not in digest
    assert len(digest) == 12
