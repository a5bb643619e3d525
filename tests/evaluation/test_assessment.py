"""assess, by Classifier.evaluate: what a report is told about the data, and the pictures that it can make."""

import copy
import json
import re
import shutil
from pathlib import Path

import pytest

from mriclassify import Classifier, Dataset, Record


@pytest.fixture
def slices(phantoms: Dataset, tmp_path: Path) -> Dataset:
    """Copies of twelve phantoms of two sources; six have the label of another class, so that there are mistakes."""
    wrong = {"glioma": "pituitary", "pituitary": "glioma"}
    records = []
    for number, record in enumerate([record for record in phantoms if record.label in wrong][::2]):
        path = tmp_path / f"slice_{number}.png"
        shutil.copy(record.path, path)
        label = wrong[record.label] if number % 2 else record.label
        records.append(Record(path, label, group=record.group, source=f"site {number % 3}"))
    return Dataset(records)


def test_the_page_shows_the_mistakes_themselves_and_says_which_files_are_gone(
    fitted: Classifier, slices: Dataset, tmp_path: Path
) -> None:
    report = fitted.evaluate(slices, bootstrap=20)
    assert len(report.mistakes) >= 3
    first, second = report.mistakes[:2]
    Path(first.name).unlink()
    report.save(tmp_path / "report", pictures=3)
    html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert html.count('alt="The slice: ') == 2
    assert html.count(f"Heat map for {second.predicted}") >= 1
    assert re.search(rf"No picture: [^<]*{Path(first.name).name}", html)


def test_pictures_are_of_the_model_that_gave_the_answers(fitted: Classifier, slices: Dataset) -> None:
    clf = copy.copy(fitted)
    report = clf.evaluate(slices, bootstrap=0)
    clf._bundle = None
    assert report.pictures is not None
    assert len(report.pictures(0)) == 2


def test_sources_statuses_and_versions_are_told(fitted: Classifier, slices: Dataset) -> None:
    found = json.loads(json.dumps(fitted.evaluate(slices, bootstrap=0).to_dict()))
    assert {name: part["n"] for name, part in found["per_source"].items()} == {f"site {k}": 4 for k in range(3)}
    assert sum(part["n"] for part in found["per_status"].values()) == 12
    assert {"mriclassify", "python", "torch", "numpy"} <= set(found["settings"]["evaluated with"])
    limits = {"uncertain_below", "unfamiliar_above", "ct_above", "appearance", "lesion_above"}
    assert set(found["settings"]["thresholds"]) == limits
