"""Looks: one pass over the files of a dataset, and what is kept of each slice to know it again."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from mriclassify._environment import progress_hidden
from mriclassify._errors import ReadError
from mriclassify._likeness._cache import RowCache
from mriclassify._likeness._fingerprint import fingerprint
from mriclassify._likeness._hashing import Hashes, hash_slice
from mriclassify._likeness._known import TABLE_VERSION, find
from mriclassify._likeness._measures import MEASURES, measure
from mriclassify._reading import read_slice
from mriclassify._threads import ordered_map, worker_count

ROW = np.dtype(
    [
        ("fingerprint", np.uint64),
        ("hash", np.uint64, (4,)),
        ("known", np.int32),
        ("altered", np.bool_),
        ("height", np.int32),
        ("width", np.int32),
        ("file_size", np.int64),
        ("measures", np.float32, (len(MEASURES),)),
    ]
)
VERSION = f"1, table {TABLE_VERSION}, {' '.join(MEASURES)}"
"""Rows of a cache that was made by other rules are of no use: count up when a hash or a measure is made otherwise."""


@dataclass(frozen=True, eq=False, repr=False)
class Looks:
    """What was seen of n slices; every array has a row for each path.

    Args:
        paths: the files.
        errors: why a file could not be read, None where it could.
        rows: (n,) of `ROW`; zeros for files that could not be read.
    """

    paths: tuple[Path, ...]
    errors: tuple[str | None, ...]
    rows: NDArray[np.void]

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(n,) whether the file became a slice."""
        return np.array([error is None for error in self.errors], dtype=bool)

    @property
    def fingerprints(self) -> NDArray[np.uint64]:
        """(n,) 64 bits for the very pixels; 0 for files that could not be read."""
        return np.asarray(self.rows["fingerprint"])

    @property
    def hashes(self) -> Hashes:
        """(n, 4) perceptual hashes."""
        return np.asarray(self.rows["hash"])

    @property
    def known(self) -> NDArray[np.int32]:
        """(n,) the number of the figshare slice, 1 and more; 0 for slices that are none."""
        return np.asarray(self.rows["known"])

    @property
    def altered(self) -> NDArray[np.bool_]:
        """(n,) whether the known slice is turned, scaled or shifted."""
        return np.asarray(self.rows["altered"])

    @property
    def shapes(self) -> NDArray[np.int32]:
        """(n, 2) height and width in pixels."""
        return np.column_stack([self.rows["height"], self.rows["width"]])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(n,) of the file, in bytes."""
        return np.asarray(self.rows["file_size"])

    @property
    def measures(self) -> NDArray[np.float32]:
        """(n, len(MEASURES))."""
        return np.asarray(self.rows["measures"])

    @cached_property
    def places(self) -> dict[Path, int]:
        """Path -> row."""
        return {path: number for number, path in enumerate(self.paths)}

    def of(self, paths: Iterable[Path]) -> "Looks":
        """Return the rows of these paths, in their order.

        Raises:
            KeyError: a path was not looked at.
        """
        at = [self.places[path] for path in paths]
        return Looks(tuple(self.paths[i] for i in at), tuple(self.errors[i] for i in at), self.rows[at])

    def __add__(self, other: "Looks") -> "Looks":
        """Both, one after the other; of a path that both have, the first is kept."""
        new = [i for i, path in enumerate(other.paths) if path not in self.places]
        added = other.of(other.paths[i] for i in new)
        return Looks(self.paths + added.paths, self.errors + added.errors, np.concatenate([self.rows, added.rows]))

    def __len__(self) -> int:
        return len(self.paths)


def look(paths: Sequence[Path]) -> Looks:
    """Look at each file once: files that were seen before, and have not changed since, come from the cache.

    Args:
        paths: absolute. A file that can't be read gets its error, and is tried again the next time.
    """
    cache = RowCache.open(_root(paths), ROW, VERSION)
    rows, hit = cache.get(paths)
    errors: list[str | None] = [None] * len(paths)
    missing = np.flatnonzero(~hit).tolist()
    workers = worker_count()
    seen = ordered_map(_see, [paths[i] for i in missing], workers=workers, ahead=16 * workers)
    bar = tqdm(seen, total=len(missing), desc="looking at slices", unit="slice", disable=progress_hidden(), delay=2)
    read = []
    for i, row in zip(missing, bar, strict=True):
        if isinstance(row, str):
            errors[i] = row
        else:
            rows[i] = row
            read.append(i)
    if read:
        cache.put([paths[i] for i in read], rows[read])
        cache.save()
    return Looks(tuple(paths), tuple(errors), rows)


def _see(path: Path) -> NDArray[np.void] | str:
    """Return the row of a file, or why there is none."""
    try:
        pixels = read_slice(path).pixels
        size = path.stat().st_size
    except (ReadError, OSError) as error:
        return str(error)
    row = np.zeros((), ROW)
    match = find(pixels)
    row["fingerprint"], row["hash"] = fingerprint(pixels), hash_slice(pixels)
    row["known"], row["altered"] = (match.image, match.altered) if match else (0, False)
    (row["height"], row["width"]), row["file_size"] = pixels.shape, size
    row["measures"] = measure(pixels)
    return row


def _root(paths: Sequence[Path]) -> Path:
    """The folder that holds all of them, where the cache goes."""
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:  # none at all, or on several drives
        return Path.cwd()
