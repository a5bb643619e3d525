"""Conformal sets: for each class, which answers a slice of that class would give often enough."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import OptionError
from mriclassify._shapes import Probabilities, Targets

DIGITS = 4
"""Significant digits kept of each probability, so that hundreds of them are a few kB of JSON."""

_HAIR = 1e-9
"""Floating-point sums of weights that should be equal to a bound may miss it by less than this."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformal:
    """Class-conditional (Mondrian) split conformal prediction.

    Vovk 2012, "Conditional validity of inductive conformal predictors" (arXiv 1209.2673); the sets are those of
    Sadinle, Lei and Wasserman 2019, "Least ambiguous set-valued classifiers with bounded error levels", J. Am.
    Stat. Assoc. 114; an introduction is Angelopoulos and Bates 2021 (arXiv 2107.07511). The score of a slice is
    1 - p(its true class); class k is in the set of a new slice if the score that k would have there is at most the
    ceil((n_k + 1) * coverage)-th smallest among the n_k calibration slices of class k.

    The guarantee: if a new slice of class k and the n_k calibration slices of class k are exchangeable, then
    P(k is in its set) >= coverage, for each class k and any network. The probability is taken over the draw of the
    calibration slices too: it is kept on average over such draws, not for each slice and not exactly for one draw.
    It says nothing about slices of no known class, nor about slices of another hospital: calibrate anew there.

    Slices of a patient are alike and so not exchangeable with those of others. With `groups`, each patient counts
    once, his slices of a class sharing his weight (Lee, Barber and Willett 2023, "Distribution-free inference with
    hierarchical data", arXiv 2306.06342): then the guarantee holds for a slice drawn from a new patient if patients
    are exchangeable, and n_k is the number of patients. Without `groups` it is approximate, as though each slice
    were a patient of its own.

    A class with too few calibration patients for a coverage (fewer than `fewest_patients(coverage)`) is in every
    set: that keeps the guarantee. A set may be empty: the slice is unlike the calibration slices of every class.

    Attributes:
        true: for each class, the probabilities that its calibration slices got for it, 0..1, ascending. They are
            rounded down, which makes sets larger, never smaller.
        sizes: for each of these slices, how many slices of the class its patient has; a slice weighs 1 / size.
    """

    true: tuple[tuple[float, ...], ...]
    sizes: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.true or [len(row) for row in self.true] != [len(row) for row in self.sizes]:
            raise OptionError("conformal scores must have one row per class, and one size for each probability")
        for k, (row, sizes) in enumerate(zip(self.true, self.sizes, strict=True)):
            # Written so that NaN fails.
            if not all(0 <= p <= 1 for p in row) or any(a > b for a, b in pairwise(row)):
                raise OptionError(f"conformal scores must be ascending numbers in 0..1; those of class {k} are not")
            if not all(size >= 1 for size in sizes):
                raise OptionError(f"conformal sizes must be 1 or more; those of class {k} are not")

    @classmethod
    def fit(cls, probabilities: Probabilities, targets: Targets, groups: Sequence[str] | None = None) -> "Conformal":
        """Keep the scores of calibration slices that the network was not trained on.

        Args:
            probabilities: (n, classes), each row sums to 1.
            targets: (n,), index into the classes.
            groups: n names of patients or clusters; None counts each slice as a patient.

        Raises:
            OptionError: shapes do not fit, a probability is not in 0..1, or a class has no slice.
        """
        _check(probabilities, targets, groups)
        missing = sorted(set(range(probabilities.shape[1])) - set(targets.tolist()))
        if missing:
            raise OptionError(
                f"conformal sets need calibration slices of every class, but class {missing[0]} has none: "
                "add some, or leave prediction sets out"
            )
        return _of_classes(probabilities, targets, groups)

    @property
    def patients(self) -> tuple[int, ...]:
        """For each class, how many patients (without groups: slices) the scores come from."""
        return tuple(round(float(_weights(sizes).sum())) for sizes in self.sizes)

    def sets(self, probabilities: Probabilities, coverage: float) -> NDArray[np.bool_]:
        """Return which classes are plausible: bool (n, classes).

        Args:
            probabilities: (n, classes), each row sums to 1, from the same network and calibration.
            coverage: how often the true class is to be in the set, between 0 and 1 (both excluded).

        Raises:
            OptionError: coverage is not between 0 and 1, or the classes are not as many as those that were fitted.
        """
        _check_coverage(coverage)
        values = np.asarray(probabilities, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.true):
            raise OptionError(f"probabilities must be (slices, {len(self.true)}), got shape {values.shape}")
        limits = np.array(self.limits(coverage))
        # So that NaN, which says nothing, rules nothing out.
        return ~(values < limits)

    def limits(self, coverage: float) -> tuple[float, ...]:
        """Return, for each class, the smallest probability with which it is in a set; 0 where it always is."""
        _check_coverage(coverage)
        rows = zip(self.true, self.sizes, strict=True)
        return tuple(_limit(np.array(true), _weights(sizes), coverage) for true, sizes in rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists for JSON."""
        return {"true": [list(row) for row in self.true], "sizes": [list(row) for row in self.sizes]}

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> "Conformal":
        """Return what `to_dict` wrote.

        Raises:
            OptionError: it is anything else.
        """
        if set(entries) != {"true", "sizes"}:
            raise OptionError(f"conformal scores have the entries true and sizes, not {', '.join(sorted(entries))}")
        return cls(true=_rows(entries["true"], (int, float)), sizes=_rows(entries["sizes"], (int,)))


def fewest_patients(coverage: float) -> int:
    """Return how many calibration patients of a class it takes before the class can be left out of a set.

    ceil((n + 1) * coverage) <= n, so 9 for a coverage of 0.9, 19 for 0.95, 99 for 0.99.

    Raises:
        OptionError: coverage is not between 0 and 1.
    """
    _check_coverage(coverage)
    return max(1, math.ceil(coverage / (1 - coverage) - _HAIR))


def cross_sets(
    probabilities: Probabilities,
    targets: Targets,
    folds: NDArray[np.int64],
    coverage: float,
    *,
    groups: Sequence[str] | None = None,
) -> NDArray[np.bool_]:
    """Return the sets (n, classes) that each fold's slices get from the scores of the other folds.

    A class that the other folds do not have is in every set.

    Args:
        probabilities: (n, classes), each row sums to 1.
        targets: (n,), index into the classes.
        folds: (n,), the fold of each slice.
        coverage: between 0 and 1.
        groups: n names of patients or clusters.
    """
    sets = np.ones(probabilities.shape, dtype=np.bool_)
    for fold in np.unique(folds):
        here = folds == fold
        names = None if groups is None else [name for name, held in zip(groups, here, strict=True) if not held]
        conformal = _of_classes(probabilities[~here], targets[~here], names)
        sets[here] = conformal.sets(probabilities[here], coverage)
    return sets


def _of_classes(probabilities: Probabilities, targets: Targets, groups: Sequence[str] | None) -> Conformal:
    true, sizes = [], []
    names = np.arange(len(targets)) if groups is None else np.asarray(groups, dtype=str)
    for k in range(probabilities.shape[1]):
        own = targets == k
        values = _rounded_down(probabilities[own, k])
        _, unit, counts = np.unique(names[own], return_inverse=True, return_counts=True)
        order = np.lexsort((counts[unit], values))
        true.append(tuple(values[order].tolist()))
        sizes.append(tuple(counts[unit][order].tolist()))
    return Conformal(true=tuple(true), sizes=tuple(sizes))


def _limit(true: _Floats, weights: _Floats, coverage: float) -> float:
    """Go from the best score to worse ones until coverage * (patients + 1) of the weight is passed."""
    needed = coverage * (weights.sum() + 1) - _HAIR
    passed = np.cumsum(weights[::-1])
    place = int(np.searchsorted(passed, needed))
    return float(true[::-1][place]) if place < len(true) else 0.0


def _weights(sizes: Sequence[int]) -> _Floats:
    return 1 / np.array(sizes, dtype=np.float64)


def _rounded_down(values: _Floats) -> _Floats:
    """Keep `DIGITS` significant digits; downwards, because a lower limit makes sets larger."""
    with np.errstate(divide="ignore"):
        step = 10.0 ** (np.floor(np.log10(values)) - DIGITS + 1)
    steps = np.divide(values, step, out=np.zeros_like(values), where=step > 0)
    near = np.array([float(f"{value:.{DIGITS}g}") for value in np.floor(steps) * step])
    rounded: _Floats = np.minimum(near, values)
    return rounded


def _check(probabilities: Probabilities, targets: Targets, groups: Sequence[str] | None) -> None:
    if probabilities.ndim != 2 or targets.shape != probabilities.shape[:1]:
        raise OptionError(
            f"probabilities must be (slices, classes) and targets (slices,), "
            f"got {probabilities.shape} and {targets.shape}"
        )
    if groups is not None and len(groups) != len(targets):
        raise OptionError(f"groups must have one name per slice ({len(targets)}), got {len(groups)}")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise OptionError("probabilities must lie in 0..1: pass probabilities, not logits")
    classes = probabilities.shape[1]
    if len(targets) and not (targets.min() >= 0 and targets.max() < classes):
        raise OptionError(f"targets must be 0..{classes - 1}, got {targets.min()}..{targets.max()}")


def _check_coverage(coverage: float) -> None:
    if not 0 < coverage < 1:
        raise OptionError(f"coverage must lie between 0 and 1, both excluded (0.95 is usual), not {coverage}")


def _rows(rows: object, kinds: tuple[type, ...]) -> tuple[tuple[Any, ...], ...]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise OptionError("conformal scores must be lists of lists of numbers")
    if not all(type(value) in kinds for row in rows for value in row):
        raise OptionError(f"conformal scores must be numbers ({' or '.join(kind.__name__ for kind in kinds)})")
    return tuple(tuple(row) for row in rows)
