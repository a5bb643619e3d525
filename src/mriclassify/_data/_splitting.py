"""Which slices go into which part: pure functions from labels and groups to positions.

The grouped split is a greedy stratified assignment, as scikit-learn's StratifiedGroupKFold but with parts
of unequal size. Every function puts each class into each part, or raises SplitError.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import SplitError

Positions: TypeAlias = NDArray[np.int64]
"""(n,), positions in the dataset, rising."""

_ADVICE = "Ask for fewer parts or add data"


def grouped_split(
    labels: Sequence[str], groups: Sequence[str], fractions: Sequence[float], *, seed: int
) -> tuple[Positions, ...]:
    """Split so that no group is on two sides, and each class is shared out as `fractions` ask.

    Args:
        labels: (n,), the class of each slice.
        groups: (n,), its patient or cluster.
        fractions: the share of each part, positive, summing to 1.
        seed: the same seed gives the same parts.

    Returns:
        The positions in each part.

    Raises:
        SplitError: a class has fewer groups than there are parts, or lies in groups that can't be shared out.
    """
    names, counts, group_of = _tabulate(labels, groups)
    _check_groups(names, counts, len(fractions))
    shares = np.asarray(fractions, dtype=float)
    part_of_group = _assign(counts, shares, np.random.default_rng(seed))
    part_of_group = _cover(names, counts, part_of_group, shares)
    return _parts(part_of_group[group_of], len(fractions))


def sliced_split(labels: Sequence[str], fractions: Sequence[float], *, seed: int) -> tuple[Positions, ...]:
    """Split slice by slice, each class as `fractions` ask. Slices of one patient fall on both sides.

    Raises:
        SplitError: a class has fewer slices than there are parts.
    """
    names, class_of = np.unique(np.asarray(labels), return_inverse=True)
    _check_slices(names, np.bincount(class_of), len(fractions))
    rng = np.random.default_rng(seed)
    part_of = np.empty(len(class_of), dtype=np.int64)
    for k in range(len(names)):
        members = rng.permutation(np.flatnonzero(class_of == k))
        part_of[members] = np.repeat(np.arange(len(fractions)), _sizes(len(members), fractions))
    return _parts(part_of, len(fractions))


def grouped_folds(labels: Sequence[str], groups: Sequence[str], n_folds: int, *, seed: int) -> tuple[Positions, ...]:
    """The test positions of each fold, by scikit-learn's StratifiedGroupKFold.

    Raises:
        SplitError: a class has fewer groups than there are folds, or lies in groups that can't be shared out.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second to import

    names, counts, group_of = _tabulate(labels, groups)
    _check_groups(names, counts, n_folds)
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    part_of_group = np.empty(len(counts), dtype=np.int64)
    for k, (_, test) in enumerate(folds.split(group_of, labels, group_of)):
        part_of_group[group_of[test]] = k
    # scikit-learn may leave a fold without a small class although it has groups enough.
    part_of_group = _cover(names, counts, part_of_group, np.full(n_folds, 1 / n_folds))
    return _parts(part_of_group[group_of], n_folds)


def sliced_folds(labels: Sequence[str], n_folds: int, *, seed: int) -> tuple[Positions, ...]:
    """The test positions of each fold, by scikit-learn's StratifiedKFold: patients fall on both sides.

    Raises:
        SplitError: a class has fewer slices than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold  # takes a second to import

    names, counts = np.unique(np.asarray(labels), return_counts=True)
    _check_slices(names, counts, n_folds)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return tuple(test.astype(np.int64) for _, test in folds.split(np.zeros(len(labels)), labels))


def _tabulate(
    labels: Sequence[str], groups: Sequence[str]
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Class names, slices per group and class (groups, classes), and the group of each slice (n,)."""
    names, class_of = np.unique(np.asarray(labels), return_inverse=True)
    unique, group_of = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.zeros((len(unique), len(names)), dtype=np.int64)
    np.add.at(counts, (group_of, class_of), 1)
    return names, counts, group_of


def _assign(counts: NDArray[np.int64], shares: NDArray[np.float64], rng: np.random.Generator) -> Positions:
    """The part of each group: large groups first, each where it brings the shares closest to those asked."""
    weights = _weights(counts)
    # Only roughly by size: else the seed would decide between groups of equal size and nothing more.
    order = np.argsort(-weights.max(axis=1) * rng.uniform(0.5, 1, len(weights)), kind="stable")
    filled = np.zeros((len(shares), weights.shape[1]))
    part_of_group = np.empty(len(counts), dtype=np.int64)
    for g in order:
        part = int(np.argmin(_costs(filled, weights[g], shares)))
        filled[part] += weights[g]
        part_of_group[g] = part
    return part_of_group


def _weights(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(groups, classes + 1): the share of each class, and of all slices, that a group holds."""
    table = np.column_stack([counts, counts.sum(axis=1)])
    return np.asarray(table / table.sum(axis=0))


def _costs(
    filled: NDArray[np.float64], weight: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What (filled - share)² / share grows by, summed over classes, when a group joins each part.

    Divided by the share, as in Pearson's chi-squared, so that small parts get large groups too.
    """
    target = shares[:, None]  # (parts, 1)
    growth = (filled + weight - target) ** 2 - (filled - target) ** 2  # (parts, classes + 1)
    return np.asarray((growth / target).sum(axis=1))


def _cover(
    names: NDArray[Any], counts: NDArray[np.int64], part_of_group: Positions, shares: NDArray[np.float64]
) -> Positions:
    """Move groups, at the least cost, until each class is in each part.

    A move never takes the last group of a class out of a part, so every move leaves one gap fewer. Where
    no group mixes classes and each class has a group for each part, there always is such a move.
    """
    part_of_group = part_of_group.copy()
    weights = _weights(counts)
    while (gap := _first_gap(counts, part_of_group, len(shares))) is not None:
        part, k = gap
        movable = _movable(counts, part_of_group, k)
        if not len(movable):
            raise SplitError(
                f"class {str(names[k])!r} can't be put into each of {len(shares)} parts, because its groups "
                "hold other classes too, which would then be missing elsewhere. "
                f"{_ADVICE}, or try another seed."
            )
        costs = _move_costs(weights, part_of_group, shares, movable, part)
        part_of_group[movable[np.argmin(costs)]] = part
    return part_of_group


def _first_gap(counts: NDArray[np.int64], part_of_group: Positions, n_parts: int) -> tuple[int, int] | None:
    """A part and a class that is missing from it."""
    gaps = np.argwhere(_groups_of_class(counts, part_of_group, n_parts) == 0)
    return (int(gaps[0][0]), int(gaps[0][1])) if len(gaps) else None


def _groups_of_class(counts: NDArray[np.int64], part_of_group: Positions, n_parts: int) -> NDArray[np.int64]:
    """(parts, classes), the number of groups in each part that hold the class."""
    held = np.zeros((n_parts, counts.shape[1]), dtype=np.int64)
    np.add.at(held, part_of_group, counts > 0)
    return held


def _movable(counts: NDArray[np.int64], part_of_group: Positions, k: int) -> Positions:
    """Groups with class `k` that their part can spare: none of their classes is there only through them."""
    held = _groups_of_class(counts, part_of_group, int(part_of_group.max()) + 1)[part_of_group]
    spare = ((counts == 0) | (held > 1)).all(axis=1)
    return np.flatnonzero(spare & (counts[:, k] > 0))


def _move_costs(
    weights: NDArray[np.float64],
    part_of_group: Positions,
    shares: NDArray[np.float64],
    movable: Positions,
    part: int,
) -> list[float]:
    """What each of the movable groups would cost, if it left its part for this one."""
    filled = np.zeros((len(shares), weights.shape[1]))
    np.add.at(filled, part_of_group, weights)
    costs = []
    for g in movable:
        without = filled.copy()
        without[part_of_group[g]] -= weights[g]
        joining = _costs(without, weights[g], shares)
        costs.append(float(joining[part] - joining[part_of_group[g]]))
    return costs


def _sizes(n: int, fractions: Sequence[float]) -> Positions:
    """How many of `n` slices go into each part: at least one, else the closest whole numbers."""
    exact = np.asarray(fractions) * n
    sizes: Positions = np.maximum(np.floor(exact).astype(np.int64), 1)
    while sizes.sum() != n:
        step = 1 if sizes.sum() < n else -1
        wish = step * (exact - sizes)
        sizes[np.argmax(np.where(sizes + step >= 1, wish, -np.inf))] += step
    return sizes


def _parts(part_of: Positions, n_parts: int) -> tuple[Positions, ...]:
    return tuple(np.flatnonzero(part_of == part) for part in range(n_parts))


def _check_groups(names: NDArray[Any], counts: NDArray[np.int64], n_parts: int) -> None:
    for name, column in zip(names, counts.T, strict=True):
        n_groups = int((column > 0).sum())
        if n_groups < n_parts:
            held = (
                f"all {column.sum()} slices of class {str(name)!r} are in one group"
                if n_groups == 1
                else f"class {str(name)!r} has {n_groups} groups"
            )
            raise SplitError(
                f"{held}, but {n_parts} parts need {n_parts}, since a group never lies on two sides. "
                f"{_ADVICE}; by='slice' does split it, but overstates accuracy."
            )


def _check_slices(names: NDArray[Any], counts: NDArray[np.int64], n_parts: int) -> None:
    for name, n_slices in zip(names, counts, strict=True):
        if n_slices < n_parts:
            raise SplitError(
                f"class {str(name)!r} has {n_slices} slices, but {n_parts} parts need {n_parts}. {_ADVICE}."
            )
