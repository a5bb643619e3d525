"""The shortcut test: how well the class can be told from what should not matter, without looking at the brain.

A network takes the easiest way. Where tumours come from one hospital and healthy brains from another, the frame of a
picture tells its class, and a network that learns the frame scores well on every split of such a set, and badly in the
next hospital. A small forest that sees only borders, corners, margins, grey levels, sizes and file sizes shows how far
that way leads. It is tested on groups that it was not trained on, so that knowing a patient again is no part of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriclassify._data._audit._findings import Shortcut, Told
from mriclassify._data._splitting import grouped_folds
from mriclassify._errors import SplitError
from mriclassify._likeness._looks import Looks
from mriclassify._likeness._measures import columns
from mriclassify._shapes import Targets

LEAST_SLICES = 20
"""A class with fewer readable slices is left out of the test."""

N_FOLDS = 5
"""A class with fewer groups is left out as well: each fold needs one."""

MOST_SLICES = 12_000
"""More are not needed to see a shortcut; of larger sets whole groups are drawn, the classes in equal parts."""

TREES = 50
LEAF = 3
SEED = 0

RESAMPLES = 1000
SHARE = 95
"""Per cent that the interval covers."""

Features = NDArray[np.float64]
"""(n, features)."""


@dataclass(frozen=True, eq=False)
class Material:
    """What the test looks at: n slices, with the class and the group of each as numbers."""

    classes: tuple[str, ...]
    left_out: tuple[str, ...]
    rows: NDArray[np.int64]
    targets: Targets
    groups: NDArray[np.int64]


def find_shortcut(labels: Sequence[str], groups: Sequence[str], looks: Looks) -> Shortcut:
    """Return how well the class is told from what should not matter.

    Args:
        labels: of n readable slices.
        groups: the patient or cluster of each.
        looks: what was seen of each.

    Raises:
        SplitError: fewer than two classes have slices and groups enough, or the groups can't be dealt into folds.
    """
    material = _material(np.asarray(labels), np.asarray(groups))
    folds = _folds(material)
    families = {name: values[material.rows] for name, values in _families(looks).items()}
    answers = {name: _answers(values, material, folds) for name, values in families.items()}
    overall = _answers(np.hstack(list(families.values())), material, folds)
    brightness = looks.measures[:, columns("intensity_")].astype(np.float64)
    intensity = _answers(brightness[material.rows], material, folds)
    told = {name: _told(material.targets, answered, material.groups) for name, answered in answers.items()}
    return Shortcut(
        classes=material.classes,
        left_out=material.left_out,
        n=len(material.rows),
        n_groups=len(np.unique(material.groups)),
        n_folds=N_FOLDS,
        overall=_told(material.targets, overall, material.groups),
        families=dict(sorted(told.items(), key=lambda item: -item[1].balanced_accuracy)),
        one_vs_rest={
            label: _told((material.targets == k).astype(np.int64), (overall == k).astype(np.int64), material.groups)
            for k, label in enumerate(material.classes)
        },
        intensity=_told(material.targets, intensity, material.groups),
    )


def _material(labels: NDArray[np.str_], groups: NDArray[np.str_]) -> Material:
    """Choose the classes that can be tested, and of many slices a part."""
    names, class_of = np.unique(labels, return_inverse=True)
    _, group_of = np.unique(groups, return_inverse=True)
    held = [(class_of == k).sum() for k in range(len(names))]
    held_groups = [len(np.unique(group_of[class_of == k])) for k in range(len(names))]
    fit = [k for k in range(len(names)) if held[k] >= LEAST_SLICES and held_groups[k] >= N_FOLDS]
    if len(fit) < 2:
        short = [f"{names[k]} has {held[k]} in {held_groups[k]}" for k in range(len(names)) if k not in fit]
        raise SplitError(
            f"it takes two classes of at least {LEAST_SLICES} readable slices in {N_FOLDS} groups each"
            + (f": {', '.join(short)}" if short else ", and there is one class only")
        )
    chosen = np.sort(np.concatenate([_drawn(class_of, group_of, k, MOST_SLICES // len(fit)) for k in fit]))
    return Material(
        classes=tuple(str(names[k]) for k in fit),
        left_out=tuple(str(name) for k, name in enumerate(names) if k not in fit),
        rows=chosen,
        targets=np.searchsorted(fit, class_of[chosen]).astype(np.int64),
        groups=np.unique(group_of[chosen], return_inverse=True)[1].astype(np.int64),
    )


def _drawn(class_of: Targets, group_of: NDArray[np.int64], k: int, most: int) -> NDArray[np.int64]:
    """Slices of a class: all, or those of groups drawn at random until there are about so many."""
    members = np.flatnonzero(class_of == k)
    if len(members) <= most:
        return members
    groups, sizes = np.unique(group_of[members], return_counts=True)
    order = np.random.default_rng(SEED).permutation(len(groups))
    enough = max(N_FOLDS, int(np.searchsorted(np.cumsum(sizes[order]), most)))
    return members[np.isin(group_of[members], groups[order[:enough]])]


def _folds(material: Material) -> tuple[NDArray[np.int64], ...]:
    labels = [material.classes[k] for k in material.targets.tolist()]
    try:
        return grouped_folds(labels, [str(group) for group in material.groups.tolist()], N_FOLDS, seed=SEED)
    except SplitError as error:
        raise SplitError(f"groups hold several classes, and can't be dealt into {N_FOLDS} folds") from error


def _families(looks: Looks) -> Mapping[str, Features]:
    """What should not matter, by family: (n, features) each."""
    heights, widths = looks.shapes.astype(np.float64).T
    sizes = looks.sizes.astype(np.float64)
    measures = looks.measures.astype(np.float64)
    return {
        "file size": np.column_stack([sizes, sizes / np.maximum(heights * widths, 1)]),
        "dimensions": np.column_stack([heights, widths, heights / np.maximum(widths, 1)]),
        "borders": measures[:, columns("border_")],
        "corners": measures[:, columns("corner_")],
        "margins": measures[:, columns("margin_")],
        "grey levels": measures[:, columns("grey_")],
    }


def _answers(features: Features, material: Material, folds: Sequence[NDArray[np.int64]]) -> Targets:
    """The class that each slice is given by a forest that has not seen its group: (n,)."""
    from sklearn.ensemble import ExtraTreesClassifier  # takes a second to import

    answers = np.empty(len(material.targets), dtype=np.int64)
    for test in folds:
        train = np.ones(len(answers), dtype=bool)
        train[test] = False
        forest = ExtraTreesClassifier(TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=SEED)
        answers[test] = forest.fit(features[train], material.targets[train]).predict(features[test])
    return answers


def _told(targets: Targets, answers: Targets, groups: NDArray[np.int64]) -> Told:
    """Balanced accuracy with its percentile interval over resamples of whole groups."""
    n_classes = int(targets.max()) + 1
    shape = (int(groups.max()) + 1, n_classes)
    there, right = np.zeros(shape), np.zeros(shape)
    np.add.at(there, (groups, targets), 1)
    np.add.at(right, (groups, targets), targets == answers)
    rng = np.random.default_rng(SEED)
    drawn = [_resampled(there, right, rng) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, [(100 - SHARE) / 2, (100 + SHARE) / 2])
    accuracy = (right.sum(axis=0) / there.sum(axis=0)).mean()
    return Told(balanced_accuracy=float(accuracy), low=float(low), high=float(high), chance=1 / n_classes)


def _resampled(there: NDArray[np.float64], right: NDArray[np.float64], rng: np.random.Generator) -> float:
    times = np.bincount(rng.integers(len(there), size=len(there)), minlength=len(there))
    slices, hits = times @ there, times @ right
    held = slices > 0  # a resample may miss a small class
    return float((hits[held] / slices[held]).mean())
