"""The slices that `trust.py` asks about, the answers, and what the network says beside them."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from _trust_figures import Flags, Floats
from numpy.typing import NDArray

from mriclassify import Classifier, Dataset, Prediction, Record
from mriclassify._data._dataset import targets
from mriclassify._model._outputs import outputs_of
from mriclassify._training._batches import Slices
from mriclassify._training._outlining import outlines_of

sys.path.append(str(Path(__file__).resolve().parents[1] / "training"))
from slices import with_masks

BATCH = 32
FIGSHARE, OTHERS = "figshare", "others"
FREE, TUMOUR = "notumor", "glioma"


@dataclass(frozen=True, eq=False)
class Asked:
    """Slices, and the answers about them in the same order.

    Args:
        records: with groups; the label "notumor" for slices without a tumour.
        answers: of the classifier, all with probabilities.
        classes: in the order of the probabilities.
    """

    records: Sequence[Record]
    answers: Sequence[Prediction]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, clf: Classifier, records: Sequence[Record]) -> "Asked":
        """Ask.

        Raises:
            ReadError: a slice can't be read.
        """
        answers = list(clf.predict_many([record.path for record in records], on_error="raise", batch_size=BATCH))
        return cls(records, answers, clf.classes)

    @cached_property
    def groups(self) -> list[str]:
        """Patient or cluster of each slice."""
        return [record.group or str(record.path) for record in self.records]

    @cached_property
    def probabilities(self) -> Floats:
        """Of each slice, (n, classes)."""
        return np.array([list(answer.probabilities.values()) for answer in self.answers])

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """Index of the true class, (n,)."""
        return np.array([self.classes.index(record.label) for record in self.records])

    @cached_property
    def correct(self) -> Flags:
        """Whether the most probable class is the true one, (n,)."""
        return self.probabilities.argmax(axis=1) == self.targets

    @cached_property
    def confidence(self) -> Floats:
        """Probability of the most probable class, (n,)."""
        return self.probabilities.max(axis=1)

    @cached_property
    def tumour(self) -> Flags:
        """Whether there is a tumour in truth, (n,)."""
        return np.array([record.label != FREE for record in self.records])

    @cached_property
    def seen(self) -> Flags:
        """Whether a tumour is the answer, (n,)."""
        return np.array([answer.label != FREE for answer in self.answers])

    def has(self, status: str) -> Flags:
        """Whether each answer has that status, (n,)."""
        return np.array([answer.status == status for answer in self.answers])

    def of_group(self, chosen: Flags) -> list[str]:
        """Return the groups of the chosen slices."""
        return [self.groups[index] for index in np.flatnonzero(chosen)]


def fold_records(data: Path, fold: str) -> list[Record]:
    """Return the slices of a fold of `folds.csv`, with `source` "figshare" or "others"; none if there is no table."""
    return [record for of_fold, record in _all_records(data) if of_fold == fold]


def other_records(data: Path, fold: str) -> list[Record]:
    """Return the slices of all folds but one."""
    return [record for of_fold, record in _all_records(data) if of_fold != fold]


def _all_records(data: Path) -> list[tuple[str, Record]]:
    if not (data / "folds.csv").is_file():
        return []
    with (data / "folds.csv").open(newline="") as file:
        return [
            (
                row["fold"],
                Record(
                    path=data / row["path"],
                    label=row["label"],
                    group=row["group"],
                    source=FIGSHARE if row["figshare_image"] else OTHERS,
                ),
            )
            for row in csv.DictReader(file)
        ]


def with_outlines(records: Sequence[Record], data: Path, folder: Path) -> list[Record]:
    """Return those slices of a fold that have a mask, made in `folder` to fit them."""
    return [record for record in with_masks(records, data, folder) if record.mask is not None]


def lgg_records(data: Path) -> list[Record]:
    """Return the slices of `external_lgg`, labelled glioma or notumor; none if there are none."""
    folder = data / "external_lgg"
    if not (folder / "index.csv").is_file():
        return []
    with (folder / "index.csv").open(newline="") as file:
        return [
            Record(
                path=folder / row["path"],
                label=TUMOUR if row["label"] == TUMOUR else FREE,
                group=row["patient"],
                mask=folder / row["mask"] if row["mask"] else None,
            )
            for row in csv.DictReader(file)
        ]


def looked(clf: Classifier, records: Sequence[Record]) -> tuple[Floats, Floats | None]:
    """Return the features (n, d), and the lesion map's highest logit (n,) of networks that have a map."""
    seen = outputs_of(clf.bundle, [record.path for record in records], batch_size=BATCH)
    return seen.features.double().numpy(), None if seen.highest is None else seen.highest.double().numpy()


def outlined(clf: Classifier, records: Sequence[Record]) -> tuple[Flags, Floats]:
    """Return whether the lesion map's peak lies inside the mask, and the Dice coefficient: (n,) each.

    A pixel counts as lesion where the map exceeds `clf.thresholds.lesion_above`. Both are measured in the network's
    frame.
    """
    part = Dataset(records)
    slices = Slices(
        paths=[record.path for record in part],
        targets=targets(part, clf.classes),
        preprocessing=clf.bundle.preprocessing,
        masks=[record.mask for record in part],
    )
    inside, dice = [], []
    for shown, mask in outlines_of(clf.bundle, slices):
        said = shown > clf.thresholds.lesion_above
        inside.append(bool(mask.flat[shown.argmax()]))
        dice.append(2 * float((mask & said).sum()) / max(1, int(mask.sum() + said.sum())))
    return np.array(inside), np.array(dice)
