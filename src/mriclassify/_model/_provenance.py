"""Provenance: what a model was trained on, in a form that knows a slice again but does not give it away."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import OptionError, ReadError
from mriclassify._likeness._fingerprint import fingerprint
from mriclassify._likeness._hashing import NEAR_RADIUS, Hashes, hash_slice
from mriclassify._likeness._near import near_between
from mriclassify._reading import read_slice
from mriclassify._threads import ordered_map, worker_count

Fingerprints = NDArray[np.uint64]
"""(n,) 64 bits for each slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a bundle comes from, and by what its training slices can be known again.

    Attributes:
        slices: fingerprints of the training and validation slices, sorted.
        hashes: perceptual hashes of the same slices, (n, 4), sorted: near-duplicates are known by them, mirrored and
            turned ones too. None where not all of them are known, as in files from before they were kept.
        groups: hashes of the names of the patients or clusters that they belong to, sorted. A short list of
            names could be tried against them: they hide names from a reader, not from an attacker.
        split: a sentence on how validation was kept apart.
        created: date, ISO 8601.
        versions: of the libraries that trained it.
    """

    slices: Fingerprints = field(default_factory=lambda: np.zeros(0, np.uint64))
    hashes: Hashes | None = None
    groups: tuple[str, ...] = ()
    split: str = ""
    created: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def knows(self, fingerprints: Fingerprints) -> NDArray[np.bool_]:
        """Return, for each fingerprint, whether that slice was in training or validation."""
        return np.isin(fingerprints, self.slices)

    def resembles(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Return, for each hash (n, 4), whether a slice in training or validation is a near-duplicate of that slice.

        Raises:
            OptionError: these hashes are not known.
        """
        if self.hashes is None:
            raise OptionError("what the slices in training looked like is not known: fit anew")
        found = np.zeros(len(hashes), dtype=bool)
        if len(hashes) and len(self.hashes):
            found[near_between(hashes, self.hashes, radius=NEAR_RADIUS)[:, 0]] = True
        return found

    def with_others(self, others: Iterable["Provenance"]) -> "Provenance":
        """Return this with the slices and groups of others: of models that this one is made of, or was taught by."""
        parts = (self, *others)
        hashes = [part.hashes for part in parts if part.hashes is not None]
        return replace(
            self,
            slices=np.unique(np.concatenate([part.slices for part in parts])),
            hashes=np.unique(np.concatenate(hashes), axis=0) if len(hashes) == len(parts) else None,
            groups=tuple(sorted({group for part in parts for group in part.groups})),
        )


class Marks(NamedTuple):
    """What n slices are known again by.

    Attributes:
        fingerprints: (n,) of the very pixels; 0 for a file that can't be read.
        hashes: (n, 4) of what they look like; zeros for a file that can't be read.
    """

    fingerprints: Fingerprints
    hashes: Hashes


def marks_of(paths: Sequence[Path], *, strict: bool = False) -> Marks:
    """Return what each file's slice is known again by.

    Args:
        paths: of the files.
        strict: whether a file that can't be read is an error.

    Raises:
        ReadError: the first file that can't be read, if `strict`.
    """

    def of(path: Path) -> NDArray[np.uint64]:
        try:
            pixels = read_slice(path).pixels
        except ReadError:
            if strict:
                raise
            return np.zeros(5, np.uint64)
        return np.array([fingerprint(pixels), *hash_slice(pixels)], np.uint64)

    workers = worker_count()
    rows = [*ordered_map(of, paths, workers=workers, ahead=16 * workers)]
    table = np.stack(rows) if rows else np.zeros((0, 5), np.uint64)
    return Marks(table[:, 0], table[:, 1:])


def group_hashes(groups: Iterable[str]) -> set[str]:
    """Return 12 hex digits for each different group."""
    return {hashlib.blake2b(_bytes(group), digest_size=6).hexdigest() for group in groups}


def _bytes(name: str) -> bytes:
    # Groups are named after files, and the system lets those have bytes that are no UTF-8.
    return name.encode("utf-8", "surrogatepass")
