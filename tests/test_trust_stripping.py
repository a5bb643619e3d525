"""The section of `benchmarks/trust.py` on brains alone: answers about the same slices, whole and stripped."""

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mriclassify import Prediction, Preprocessing, Record

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
CLASSES = ("glioma", "notumor")
SIZE = 128

pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="needs the repository's benchmarks")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def head(*, skull: bool = True) -> NDArray[np.uint8]:
    """A brain, and around it dark bone and a bright scalp, or nothing."""
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    away = np.hypot(rows / 1.2, columns)
    return np.select([away < 0.31, away < 0.37, away < 0.4], [110, 5, 240 * skull], 0).astype(np.uint8)


def saved(pixels: NDArray[np.uint8], path: Path) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def said(label: str, status: str = "ok") -> Prediction:
    return Prediction(
        source="",
        label=label,
        confidence=1.0,
        probabilities={name: float(name == label) for name in CLASSES},
        status=status,  # type: ignore[arg-type]
        model="stand-in",
        device="cpu",
    )


@dataclass
class Bundle:
    preprocessing: Preprocessing = field(default_factory=Preprocessing)


@dataclass
class StandIn:
    """Rejects all that it is shown, and calls it tumour-free."""

    classes: tuple[str, ...] = CLASSES
    bundle: Bundle = field(default_factory=Bundle)
    shown: list[Any] = field(default_factory=list)

    def predict_many(self, images: Iterable[Any], *, batch_size: int) -> Sequence[Prediction]:
        del batch_size
        self.shown = list(images)
        return [said("notumor", "rejected") for _ in self.shown]


def test_the_same_slices_are_compared_whole_and_stripped(script: Callable[[str], ModuleType], tmp_path: Path) -> None:
    mask = saved(np.where(head() == 110, 255, 0).astype(np.uint8), tmp_path / "mask.png")
    records = [
        Record(path=saved(head(skull=False), tmp_path / "a.png"), label="notumor", group="a"),
        Record(path=saved(head(), tmp_path / "b.png"), label="glioma", group="b", mask=mask),
        Record(path=saved(head(), tmp_path / "c.png"), label="glioma", group="c"),
        Record(path=saved(head(), tmp_path / "d.png"), label="notumor", group="d"),
    ]
    answers = [said("glioma"), said("glioma"), said("notumor"), said("glioma", "rejected")]
    clf = StandIn()
    asked = script("_trust_slices").Asked(records, answers, CLASSES)
    whole, bare = script("_trust_stripping")._both(clf, asked)
    # Of the first nothing could be stripped, and of the third nobody knows where its tumour is.
    assert [record.group for record in whole.records] == [record.group for record in bare.records] == ["b", "d"]
    assert [answer.label for answer in whole.answers] == ["glioma", "glioma"]
    assert len(clf.shown) == 2 and all((image > 0.1).mean() > 0.5 for image in clf.shown)

    section = script("_trust_stripping")._of_lgg(clf, asked)
    values = {name: figure["value"] for name, figure in section.items() if name != "slices"}
    assert section["slices"] == 2
    stripped = {"tumour_seen": 0, "tumour_free_called_so": 1, "rejected": 1}
    assert values == stripped | {"tumour_seen_whole": 1, "tumour_free_called_so_whole": 0, "rejected_whole": 0.5}


def test_where_nothing_can_be_stripped_there_is_no_figure(script: Callable[[str], ModuleType], tmp_path: Path) -> None:
    record = Record(path=saved(head(skull=False), tmp_path / "a.png"), label="notumor", group="a")
    asked = script("_trust_slices").Asked([record], [said("notumor")], CLASSES)
    assert "left_out" in script("_trust_stripping")._of_lgg(StandIn(), asked)
    nothing = script("_trust_slices").Asked([], [], CLASSES)
    assert "is not there" in script("_trust_stripping")._of_lgg(StandIn(), nothing)["left_out"]
