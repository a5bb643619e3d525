"""Provenance: what a model was trained on, in a form that knows a slice again but does not give it away."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import ReadError
from mriclassify._likeness._fingerprint import fingerprint
from mriclassify._reading import read_slice
from mriclassify._threads import ordered_map, worker_count

Fingerprints = NDArray[np.uint64]
"""(n,) 64 bits for each slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a bundle comes from, and by what its training slices can be known again.

    Attributes:
        slices: fingerprints of the training and validation slices, sorted.
        groups: hashes of the names of the patients or clusters that they belong to, sorted. A short list of
            names could be tried against them: they hide names from a reader, not from an attacker.
        split: a sentence on how validation was kept apart.
        created: date, ISO 8601.
        versions: of the libraries that trained it.
    """

    slices: Fingerprints = field(default_factory=lambda: np.zeros(0, np.uint64))
    groups: tuple[str, ...] = ()
    split: str = ""
    created: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def knows(self, fingerprints: Fingerprints) -> NDArray[np.bool_]:
        """Return, for each fingerprint, whether that slice was in training or validation."""
        return np.isin(fingerprints, self.slices)


def fingerprints(paths: Sequence[Path]) -> Fingerprints:
    """Return the fingerprint of each file's slice; 0 for a file that can't be read."""

    def of(path: Path) -> int:
        try:
            return fingerprint(read_slice(path).pixels)
        except ReadError:
            return 0

    workers = worker_count()
    return np.fromiter(ordered_map(of, paths, workers=workers, ahead=16 * workers), np.uint64, len(paths))


def group_hashes(groups: Iterable[str]) -> set[str]:
    """Return 12 hex digits for each different group."""
    return {hashlib.blake2b(_bytes(group), digest_size=6).hexdigest() for group in groups}


def _bytes(name: str) -> bytes:
    # Groups are named after files, and the system lets those have bytes that are no UTF-8.
    return name.encode("utf-8", "surrogatepass")
