"""The figures of `trust.py` as pure functions: arrays in, plain numbers with intervals out."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mriclassify._evaluation._intervals import draw_counts, unit_of_slice
from mriclassify._evaluation._metrics import CALIBRATION_BINS, weighted_auroc

Figure: TypeAlias = dict[str, Any]
"""`value`, and where they are known `low` and `high` (95 %), and `n`; or `value` None and a `reason`."""
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

RESAMPLES = 1000
SEED = 0
DIGITS = 4


def missing(reason: str) -> Figure:
    """Return a figure that could not be measured, and why."""
    return {"value": None, "reason": reason}


def plain(value: float | None, low: float | None = None, high: float | None = None, *, n: int | None = None) -> Figure:
    """Return a figure of numbers that are known already; what is not finite is left out."""
    numbers = {"low": low, "high": high}
    found = {name: round(float(x), DIGITS) for name, x in numbers.items() if x is not None and np.isfinite(x)}
    known = value is not None and bool(np.isfinite(value))
    size = {} if n is None else {"n": n}
    if not known:
        return missing("not defined for these slices") | size
    return {"value": round(float(value or 0), DIGITS), **found, **size}


def mean(values: Sequence[float] | NDArray[Any], groups: Sequence[str]) -> Figure:
    """Return the mean of values (n,), a share if they are flags, with its interval over groups.

    Where all flags are alike no resample differs: the interval is then the exact one of as many independent groups
    (Clopper and Pearson 1934).
    """
    each = np.asarray(values, dtype=np.float64)
    if not len(each):
        return missing("there are no such slices")
    if np.asarray(values).dtype == np.bool_ and each.min() == each.max():
        reach = 1 - 0.025 ** (1 / len(set(groups)))
        return plain(each[0], *((1 - reach, 1) if each[0] else (0, reach)), n=len(each))
    return _resampled(lambda weights: weights @ each / weights.sum(axis=1), groups, n=len(each))


def area_under_roc(scores: NDArray[Any], positive: Flags, groups: Sequence[str]) -> Figure:
    """Return the area under the ROC curve of scores (n,), with its interval over groups."""
    if positive.all() or not positive.any():
        return missing("only one of the two kinds of slices is there")
    each = np.asarray(scores, dtype=np.float64)
    return _resampled(lambda weights: weighted_auroc(each, positive, weights), groups, n=len(each))


def balanced(correct: Flags, kinds: NDArray[np.int64], groups: Sequence[str]) -> Figure:
    """Return the mean over kinds of the part that is correct (balanced accuracy); `n` is that of the rarest kind."""
    masks = [kinds == kind for kind in np.unique(kinds)]

    def of(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore"):  # a kind of which nothing was drawn
            return np.mean([weights[:, mask] @ correct[mask] / weights[:, mask].sum(axis=1) for mask in masks], axis=0)

    return _resampled(of, groups, n=min(int(mask.sum()) for mask in masks))


def reliability(probabilities: Floats, targets: NDArray[np.int64]) -> list[dict[str, float]]:
    """Return, for each bin of confidence that holds slices, how many, their mean confidence and their accuracy."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.searchsorted(edges[1:-1], confidence)
    return [
        {
            "above": round(float(edges[number]), DIGITS),
            "to": round(float(edges[number + 1]), DIGITS),
            "n": int((bins == number).sum()),
            "confidence": round(float(confidence[bins == number].mean()), DIGITS),
            "accuracy": round(float(right[bins == number].mean()), DIGITS),
        }
        for number in np.unique(bins)
    ]


def mean_of_groups(values: NDArray[Any], groups: Sequence[str]) -> Figure:
    """Return the mean in which each group counts once, whatever its number of slices."""
    units = unit_of_slice(groups, len(groups))
    if not len(units):
        return missing("there are no such slices")
    means = np.bincount(units, values.astype(np.float64)) / np.bincount(units)
    if values.dtype == np.bool_ and np.isin(means, (0, 1)).all():
        means = means.astype(np.bool_)
    return mean(means, [str(unit) for unit in range(len(means))])


def _resampled(statistic: Callable[[Floats], Floats], groups: Sequence[str], *, n: int) -> Figure:
    """Return a statistic of weighted slices, (resamples, n) -> (resamples,), with its interval over groups."""
    units = unit_of_slice(groups, len(groups))
    value = float(statistic(np.ones((1, len(units))))[0])
    count = int(units.max()) + 1
    if count == 1:
        return plain(value, n=n)
    draws = draw_counts(count, RESAMPLES, seed=SEED, at_once=RESAMPLES)
    values = np.concatenate([statistic(counts[:, units]) for counts in draws])
    low, high = np.percentile(values[np.isfinite(values)], [2.5, 97.5])
    return plain(value, low, high, n=n)
