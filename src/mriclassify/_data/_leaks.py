"""Leaks: what two parts of a split share, and what two datasets share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriclassify._data._record import Record
from mriclassify._likeness._hashing import NEAR_RADIUS, SAME_RADIUS
from mriclassify._likeness._looks import Looks
from mriclassify._likeness._near import near_between


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """What the test part of a split shares with what is trained on.

    Args:
        n_test: slices of the test part.
        slices: those of them whose patient or cluster of near-duplicates has slices in training.
        groups: those patients and clusters.
        copies: test slices with the very pixels of a training slice.
    """

    n_test: int
    slices: int
    groups: int
    copies: int

    @property
    def sentence(self) -> str:
        """What leaks, in words."""
        copies = f", and {self.copies:,} have the very pixels of a training slice" if self.copies else ""
        return (
            f"{self.slices:,} of {self.n_test:,} test slices ({self.slices / self.n_test:.1%}) share a patient or "
            f"a cluster of near-duplicates with the training part{copies}"
        )


def find_leak(train: Sequence[Record], test: Sequence[Record], looks: Looks | None) -> Leak | None:
    """Return what leaks from training into the test part, as far as groups and looks tell; None if nothing does.

    Args:
        train: the records trained on.
        test: the records tested on.
        looks: what was seen of all of them, or None if they were not looked at.
    """
    trained = {record.group for record in train if record.group is not None}
    shared = np.array([record.group in trained for record in test], dtype=bool)
    copied = np.zeros(len(test), dtype=bool)
    if looks is not None:
        here, there = looks.of(record.path for record in test), looks.of(record.path for record in train)
        copied = np.isin(here.fingerprints, there.fingerprints[there.readable]) & here.readable
    leaking = shared | copied
    if not leaking.any():
        return None
    groups = {record.group for record, leaks in zip(test, shared, strict=True) if leaks}
    return Leak(n_test=len(test), slices=int(leaking.sum()), groups=len(groups), copies=int(copied.sum()))


def same_slices(here: Looks, there: Looks) -> NDArray[np.bool_]:
    """Return which slices of `here` are in `there` too: copied, resized, recompressed, mirrored or stretched: (n,)."""
    known = np.isin(here.known, there.known[there.known > 0])
    # Known slices are told apart by the table. Among the others, only those that look alike can be the same.
    return known | _alike(here, there, radius=SAME_RADIUS, among=here.known == 0)


def alike(here: Looks, there: Looks) -> NDArray[np.bool_]:
    """Return which slices of `here` have a near-duplicate in `there`: (n,)."""
    return _alike(here, there, radius=NEAR_RADIUS, among=np.ones(len(here), dtype=bool))


def _alike(here: Looks, there: Looks, *, radius: int, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = np.zeros(len(here), dtype=bool)
    ours, theirs = np.flatnonzero(here.readable & among), np.flatnonzero(there.readable)
    if len(ours) and len(theirs):
        pairs = near_between(here.hashes[ours], there.hashes[theirs], radius=radius)
        found[ours[pairs[:, 0]]] = True
    return found
