"""PredictionSet: the plausible classes as text and as JSON."""

import json
from dataclasses import replace

import pytest

from mriclassify import Prediction, PredictionSet

ANSWER = Prediction(
    source="a.png", label="glioma", confidence=0.7, probabilities={"glioma": 0.7, "notumor": 0.3}, status="ok"
)
FOUND = PredictionSet(source="a.png", labels=("glioma", "notumor"), coverage=0.9, prediction=ANSWER)


def test_as_text_it_is_one_line_with_its_coverage() -> None:
    assert str(FOUND) == "a.png: glioma, notumor (90% coverage)"
    assert str(replace(FOUND, labels=())) == "a.png: none of the classes (90% coverage)"
    failed = Prediction(source="a.png", label=None, confidence=None, status="error", reasons=("It is empty.",))
    assert str(replace(FOUND, labels=(), prediction=failed)) == "a.png: error (90% coverage)"


def test_as_json_it_is_complete() -> None:
    values = json.loads(FOUND.to_json())
    assert values == FOUND.to_dict()
    assert values["labels"] == ["glioma", "notumor"]
    assert values["prediction"] == ANSWER.to_dict()


@pytest.mark.parametrize("name", ["Schädel.png", "sl\udcffce.png", "two\nlines\u2028.png"])
def test_any_file_name_makes_one_line_and_json_in_utf_8(name: str) -> None:
    said = replace(FOUND, source=name)
    assert json.loads(said.to_json().encode("utf-8"))["source"] == name
    assert "\n" not in said.to_json()
    assert len(str(said).splitlines()) == 1
