"""The slices that `explain.py` asks about: tumours with their masks, as the network sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _trust_slices import fold_records, lgg_records, with_outlines
from numpy.typing import NDArray
from slices import training_records

from mriclassify import Classifier, Dataset, Record
from mriclassify._data._dataset import targets
from mriclassify._training._batches import Slices


@dataclass(frozen=True, eq=False)
class Outlined:
    """Slices in the network's frame.

    Args:
        images: (n, size, size), 0..1.5.
        masks: (n, size, size).
        targets: index of the true class, (n,).
        groups: patients, (n,).
    """

    images: NDArray[np.float32]
    masks: NDArray[np.bool_]
    targets: NDArray[np.int64]
    groups: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def of(cls, clf: Classifier, records: Sequence[Record]) -> "Outlined":
        """Read records that have masks.

        Raises:
            ReadError: a slice or a mask can't be read.
        """
        part = Dataset(records)
        slices = Slices(
            paths=[record.path for record in part],
            targets=targets(part, clf.classes),
            preprocessing=clf.bundle.preprocessing,
            masks=[record.mask for record in part],
        )
        samples = [slices.sample(number) for number in range(len(slices))]
        return cls(
            images=np.stack([sample.image for sample in samples]),
            masks=np.stack([sample.lesion > 0.5 for sample in samples]),
            targets=np.array([sample.target for sample in samples]),
            groups=[record.group or str(record.path) for record in part],
        )


def validation_records(data: Path, folder: Path) -> list[Record]:
    """Return the slices with masks of the part of folds 1-4 that the recipes validate on."""
    _, validation = Dataset(training_records(data)).split((7 / 8, 1 / 8), seed=0)  # as in training/recipe.py
    return with_outlines(list(validation), data, folder)


def tested_records(data: Path, fold: str, folder: Path) -> list[Record]:
    """Return the slices with masks of a fold."""
    return with_outlines(fold_records(data, fold), data, folder)


def outside_records(data: Path) -> list[Record]:
    """Return the tumour slices of `external_lgg`; none if the set is not there."""
    return [record for record in lgg_records(data) if record.mask is not None]


def sample(records: Sequence[Record], count: int, *, seed: int = 0) -> list[Record]:
    """Return at most `count` records, the same number of each patient as far as there are so many, in a fixed order."""
    order = np.random.default_rng(seed).permutation(len(records))
    turns: dict[str, int] = {}
    drawn = []
    for index in order.tolist():
        group = records[index].group or str(records[index].path)
        turns[group] = turns.get(group, 0) + 1
        drawn.append((turns[group], index))
    # First one of each patient, then a second one, until there are enough.
    return [records[index] for _, index in sorted(drawn, key=lambda item: item[0])[:count]]
