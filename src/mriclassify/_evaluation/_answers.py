"""What a model answered and what was true, checked once before anything is computed from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import DatasetError, OptionError
from mriclassify._shapes import Probabilities, Targets

TOLERANCE = 1e-4
"""How far from 1 the probabilities of a slice may sum, and how far outside 0..1 one may lie."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """Probabilities that sum to exactly 1, beside the truth; arrays are read-only copies."""

    probabilities: Probabilities
    targets: Targets
    classes: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...] | None
    sources: tuple[str | None, ...] | None = None
    statuses: tuple[str, ...] | None = None


def check_answers(
    *,
    probabilities: Probabilities,
    targets: Targets,
    classes: Sequence[str],
    names: Sequence[str],
    groups: Sequence[str] | None,
    sources: Sequence[str | None] | None = None,
    statuses: Sequence[str] | None = None,
) -> Answers:
    """Check that the pieces fit each other, and rescale the probabilities of each slice to sum to 1.

    Args:
        probabilities: (n, classes), 0..1, each row sums to 1 within 1e-4.
        targets: (n,) integers, index into the classes.
        classes: Two or more different names.
        names: n file names.
        groups: n group names, or None.
        sources: n names of where slices are from, None for each that is not known; or None.
        statuses: n of "ok", "uncertain", "rejected"; or None.

    Returns:
        The same, with rows that sum to 1 as closely as float64 can.

    Raises:
        DatasetError: There is no slice, or a target is no index into the classes.
        OptionError: Shapes do not fit, or rows are no probabilities.
    """
    classes = tuple(classes)
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise OptionError(f"classes must be two or more different names, got {classes}")
    checked_targets = _check_targets(np.asarray(targets), classes)
    n = len(checked_targets)
    for what, values in (("names", names), ("groups", groups), ("sources", sources), ("statuses", statuses)):
        if values is not None and len(values) != n:
            raise OptionError(f"{what} must have one entry per slice ({n}), got {len(values)}")
    return Answers(
        probabilities=_check_probabilities(np.array(probabilities, dtype=np.float64), n, classes),
        targets=checked_targets,
        classes=classes,
        names=tuple(map(str, names)),
        groups=None if groups is None else tuple(map(str, groups)),
        sources=None if sources is None else tuple(sources),
        statuses=None if statuses is None else tuple(statuses),
    )


def _check_targets(targets: NDArray[np.generic], classes: tuple[str, ...]) -> Targets:
    if targets.size == 0:
        raise DatasetError("there is no slice to evaluate on: the dataset is empty, or none of its files could be read")
    if targets.ndim != 1 or not np.issubdtype(targets.dtype, np.integer):
        raise OptionError(f"targets must be one integer per slice, got shape {targets.shape} of {targets.dtype}")
    checked = targets.astype(np.int64)
    if checked.min() < 0 or checked.max() >= len(classes):
        raise DatasetError(
            f"targets must be 0..{len(classes) - 1}, an index into {', '.join(classes)}, "
            f"got {checked.min()}..{checked.max()}: map the dataset's labels to the model's classes by name"
        )
    checked.setflags(write=False)
    return checked


def _check_probabilities(probabilities: NDArray[np.float64], n: int, classes: tuple[str, ...]) -> Probabilities:
    if probabilities.shape != (n, len(classes)):
        raise OptionError(f"probabilities must be (slices, classes) = ({n}, {len(classes)}), got {probabilities.shape}")
    sums = probabilities.sum(axis=1)
    # written so that NaN counts as bad
    good = (np.abs(sums - 1) <= TOLERANCE) & (probabilities >= -TOLERANCE).all(axis=1)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise OptionError(
            f"each row of probabilities must be 0..1 and sum to 1, but row {row} is "
            f"{probabilities[row].tolist()} (sum {sums[row]:.6g}), and {int((~good).sum())} of {n} "
            "rows are so: pass probabilities, not logits"
        )
    positive = np.clip(probabilities, 0, None)
    # a float32 softmax misses 1 by 1e-7, at which sklearn's log_loss would warn
    scaled: Probabilities = positive / positive.sum(axis=1, keepdims=True)
    scaled.setflags(write=False)
    return scaled
