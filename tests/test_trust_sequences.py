"""The section of `benchmarks/trust.py` on other sequences, and its list of pictures."""

import csv
import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mriclassify import Prediction

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")

pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="needs the repository's benchmarks")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("_trust_sequences")


def said(label: str, status: str, confidence: float) -> Prediction:
    return Prediction(
        source="",
        label=label,
        confidence=confidence,
        probabilities={name: float(name == label) for name in CLASSES},
        status=status,  # type: ignore[arg-type]
        model="stand-in",
        device="cpu",
    )


@dataclass
class StandIn:
    """Says of each file what it was told to."""

    answers: dict[str, Prediction]
    asked: list[str] = field(default_factory=list)

    def predict_many(self, paths: Iterable[Path], **_: Any) -> Sequence[Prediction]:
        self.asked = [path.name for path in paths]
        return [self.answers[name] for name in self.asked]


def rows() -> list[dict[str, str]]:
    with (BENCHMARKS / "sequences.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_patient_counts_once_and_what_is_unclear_not_at_all(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [
        ("glioma_tumor/a.jpg", 1, "T1", "tumour", said("glioma", "ok", 0.9)),
        ("glioma_tumor/b.jpg", 2, "T2", "tumour", said("notumor", "ok", 0.95)),
        ("glioma_tumor/c.jpg", 2, "T2", "tumour", said("notumor", "uncertain", 0.95)),
        ("pituitary_tumor/d.jpg", 3, "FLAIR", "tumour", said("pituitary", "rejected", 0.8)),
        ("pituitary_tumor/e.jpg", 4, "T1", "tumour", said("meningioma", "ok", 0.99)),
        ("glioma_tumor/f.jpg", 5, "CT", "tumour", said("glioma", "rejected", 0.99)),
        ("glioma_tumor/g.jpg", 6, "T1", "unclear", said("notumor", "ok", 0.99)),
        ("glioma_tumor/not_there.jpg", 7, "T1", "tumour", said("notumor", "ok", 0.99)),
    ]
    table = tmp_path / "sequences.csv"
    lines = [f"{path},{patient},{sequence},{shows}" for path, patient, sequence, shows, _ in listed]
    table.write_text("\n".join(["path,patient,sequence,shows", *lines]))
    for path, *_ in listed[:-1]:
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.touch()
    monkeypatch.setattr(module, "LISTED", table)
    clf = StandIn({Path(path).name: answer for path, *_, answer in listed})
    section = module.sequences(clf, tmp_path)
    assert clf.asked == ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"]
    values = {
        name: {key: entry["value"] for key, entry in kind.items() if key != "patients"}
        for name, kind in section["by_sequence"].items()
    }
    assert values == {
        "T1": {"tumour_seen": 1, "sure_and_wrong": 0, "rejected": 0, "pituitary_called_so": 0},
        # Of the second patient's two pictures one is answered with "ok".
        "T2 and FLAIR": {"tumour_seen": 0.5, "sure_and_wrong": 0.25, "rejected": 0.5, "pituitary_called_so": 1},
    }
    assert section["ct_rejected"]["value"] == 1
    assert (section["pictures"], section["by_sequence"]["T1"]["patients"]) == (6, 2)


def test_without_the_set_there_is_no_figure(module: ModuleType, tmp_path: Path) -> None:
    assert "sartaj is not there" in module.sequences(StandIn({}), tmp_path)["left_out"]


def test_the_list_is_whole(module: ModuleType) -> None:
    listed = rows()
    assert len(listed) == len({row["path"] for row in listed}) == 124
    assert {row["sequence"] for row in listed} == {name for names in module.KINDS.values() for name in names} | {"CT"}
    assert {row["shows"] for row in listed} == {"tumour", "unclear"}
    of_patient: dict[str, set[tuple[str, str]]] = {}
    for row in listed:
        of_patient.setdefault(row["patient"], set()).add((row["sequence"], row["shows"]))
    assert all(len(kinds) == 1 for kinds in of_patient.values())


@pytest.mark.shared
def test_no_listed_picture_is_in_the_folds(shared: Path) -> None:
    with (shared / "provenance" / "sartaj.csv").open(newline="") as file:
        provenance = {f"sartaj/{row['path']}": row for row in csv.DictReader(file)}
    with (shared / "provenance" / "nickparvar.csv").open(newline="") as file:
        groups = {row["group"] for row in csv.DictReader(file)}
    for row in rows():
        found = provenance[row["path"]]
        assert not found["figshare_image"] and found["group"] not in groups
