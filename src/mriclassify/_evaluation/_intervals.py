"""How sure the figures are: a bootstrap over patients.

Slices of one patient resemble each other, so whole groups are drawn, not slices: with few patients
the interval is wide however many slices they have (Field and Welsh, "Bootstrapping clustered data",
J. R. Stat. Soc. B 2007). Every figure but the AUROC is a function of sums over slices, so the sums of
each group are taken once and a resample is one row of a matrix product.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import OptionError
from mriclassify._evaluation._metrics import (
    CALIBRATION_BINS,
    Floats,
    calibration_gaps,
    class_rates,
    confusion_figures,
    slice_briers,
    slice_losses,
    weighted_auroc,
)
from mriclassify._shapes import Probabilities, Targets

_NUMBERS_AT_ONCE = 4_000_000
"""Weights held at a time (32 MB), so that memory does not grow with slices times resamples."""


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of a figure over bootstrap resamples (percentile method, Efron 1979)."""

    low: float
    high: float


def bootstrap_intervals(
    *,
    probabilities: Probabilities,
    targets: Targets,
    classes: tuple[str, ...],
    groups: Sequence[str] | None,
    resamples: int,
    seed: int,
) -> dict[str, Interval]:
    """95 % percentile intervals of every headline figure and of the recall of each class.

    Args:
        probabilities: (n, classes), each row sums to 1.
        targets: (n,), index into the classes.
        classes: The names, in column order.
        groups: n group names to draw whole; None draws slices.
        resamples: How many times to draw; 0 for no intervals.
        seed: Of the draws.

    Returns:
        Name of the figure ("accuracy", "recall glioma") -> Interval. Empty when there is but one group,
        from which no spread can be told. A resample in which a figure is not defined (no slice of the
        class was drawn) is left out for that figure. The calibration error takes the size of noise, so
        that a resample's tends to lie above the true one: read its interval as cautious (high).

    Raises:
        OptionError: `resamples` is negative.
    """
    if resamples < 0:
        raise OptionError(f"bootstrap must be 0 resamples or more, got {resamples}")
    units = unit_of_slice(groups, len(targets))
    n_units = int(units.max()) + 1
    if resamples == 0 or n_units == 1:
        return {}
    draws = draw_counts(n_units, resamples, seed=seed, at_once=max(1, _NUMBERS_AT_ONCE // len(targets)))
    sums = _unit_sums(probabilities, targets, units, n_units)
    chunks = [
        _figures(counts, sums, probabilities=probabilities, targets=targets, classes=classes, units=units)
        for counts in draws
    ]
    figures = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    return {name: _interval(values) for name, values in figures.items() if np.isfinite(values).any()}


def accuracy_interval(
    right: NDArray[np.bool_], groups: Sequence[str] | None, *, resamples: int, seed: int
) -> Interval | None:
    """95 % percentile interval of the part of slices that is right.

    Args:
        right: (n,), whether the answer is.
        groups: n group names to draw whole; None draws slices.
        resamples: How many times to draw.
        seed: Of the draws.

    Returns:
        None without resamples, or where there is but one group.
    """
    units = unit_of_slice(groups, len(right))
    n_units = int(units.max()) + 1
    if resamples == 0 or n_units == 1:
        return None
    sums = np.column_stack([np.bincount(units, weights=right), np.bincount(units)])
    draws = draw_counts(n_units, resamples, seed=seed, at_once=max(1, _NUMBERS_AT_ONCE // n_units))
    drawn = np.concatenate([counts @ sums for counts in draws])  # (resamples, 2)
    return _interval(drawn[:, 0] / drawn[:, 1])


def resampled_figures(
    counts: Floats,
    *,
    probabilities: Probabilities,
    targets: Targets,
    classes: tuple[str, ...],
    units: Targets,
) -> dict[str, Floats]:
    """Figures of resamples that hold each unit a given number of times.

    Args:
        counts: (resamples, units), how often each unit is in each resample.
        probabilities: (n, classes), each row sums to 1.
        targets: (n,), index into the classes.
        classes: The names, in column order.
        units: (n,), the unit each slice belongs to.

    Returns:
        Name of the figure -> (resamples,), NaN where it is not defined.
    """
    sums = _unit_sums(probabilities, targets, units, counts.shape[1])
    return _figures(counts, sums, probabilities=probabilities, targets=targets, classes=classes, units=units)


def unit_of_slice(groups: Sequence[str] | None, n: int) -> NDArray[np.int64]:
    """Number the groups, or the slices themselves: (n,) from 0 without gaps."""
    if groups is None:
        return np.arange(n)
    return np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1].astype(np.int64)


def draw_counts(n_units: int, resamples: int, *, seed: int, at_once: int) -> Iterator[Floats]:
    """Draw n_units units with replacement, many times; yield how often each came: (<= at_once, units)."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = rng.integers(n_units, size=(rows, n_units)) + n_units * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n_units).reshape(rows, n_units).astype(np.float64)


def _unit_sums(probabilities: Probabilities, targets: Targets, units: Targets, n_units: int) -> Floats:
    """Sum confusion matrix, calibration gaps, loss and Brier score over each unit's slices: (units, sums)."""
    n, n_classes = probabilities.shape
    confusions = np.zeros((n, n_classes**2))
    confusions[np.arange(n), targets * n_classes + probabilities.argmax(axis=1)] = 1
    of_slices = np.column_stack(
        [
            confusions,
            calibration_gaps(probabilities=probabilities, targets=targets),
            slice_losses(probabilities=probabilities, targets=targets),
            slice_briers(probabilities=probabilities, targets=targets),
        ]
    )
    sums = np.zeros((n_units, of_slices.shape[1]))
    np.add.at(sums, units, of_slices)
    return sums


def _figures(
    counts: Floats,
    sums: Floats,
    *,
    probabilities: Probabilities,
    targets: Targets,
    classes: tuple[str, ...],
    units: Targets,
) -> dict[str, Floats]:
    n_classes = len(classes)
    edges = np.cumsum([n_classes**2, CALIBRATION_BINS, 1])
    cells, gaps, losses, briers = np.split(counts @ sums, edges, axis=1)
    confusions = cells.reshape(-1, n_classes, n_classes)
    slices = cells.sum(axis=1)
    recalls = class_rates(confusions)["recall"]  # (resamples, classes)
    weights = counts[:, units]  # (resamples, n)
    areas = [weighted_auroc(probabilities[:, k], targets == k, weights) for k in range(n_classes)]
    return {
        **confusion_figures(confusions),
        "loss": losses[:, 0] / slices,
        "auroc": np.mean(areas, axis=0),
        "brier": briers[:, 0] / slices,
        "calibration_error": np.abs(gaps).sum(axis=1) / slices,
        **{f"recall {name}": recalls[:, k] for k, name in enumerate(classes)},
    }


def _interval(values: Floats) -> Interval:
    low, high = np.percentile(values[np.isfinite(values)], [2.5, 97.5])
    return Interval(low=float(low), high=float(high))
