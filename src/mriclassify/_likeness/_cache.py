"""Row cache: what was found out about files is kept beside them, so that it is found out once.

A row holds for a file as long as its path, its size and the time of its last change stay the same.
"""

import io
import logging
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriclassify._environment import cache_home
from mriclassify._errors import OutputError
from mriclassify._output import whole_file

NAME = ".mriclassify-cache"
"""The file in the folder of the data: hidden, so that nobody takes it for data."""

FORMAT = "mriclassify rows, format 1"

State = tuple[int, int]
"""Size in bytes, and time of the last change in nanoseconds."""

logger = logging.getLogger("mriclassify")


class RowCache:
    """Rows of one dtype for the files of a folder.

        cache = RowCache.open(root, dtype, version)
        rows, hit = cache.get(paths)      # notes size and time of each file, before anybody reads it
        ...                               # read those that were not hit
        cache.put(read, rows_of_them)     # kept under the size and time that were noted
        cache.save()

    A file that changes after `get` has another time than the one that its row is kept under: the next run reads it
    again.
    """

    def __init__(self, root: Path, dtype: np.dtype[Any], version: str) -> None:
        self._root, self._dtype, self._version = _absolute(root), dtype, version
        self._rows = np.zeros(0, dtype)
        self._kept: dict[str, tuple[State, int]] = {}
        self._noted: dict[str, State | None] = {}

    @classmethod
    def open(cls, root: Path, dtype: np.dtype[Any], version: str) -> "RowCache":
        """Return the cache of a folder: empty where none is kept, or none that fits.

        What is damaged, foreign, or of another dtype or version is passed over, and replaced by `save`.

        Args:
            root: the folder that holds the files, or most of them.
            dtype: of a row, structured, without objects.
            version: of the rules by which rows are made.
        """
        cache = cls(root, dtype, version)
        for file in reversed(cache._places()):
            cache._read(file)
        return cache

    def get(self, paths: Sequence[Path]) -> tuple[NDArray[np.void], NDArray[np.bool_]]:
        """Return what is kept of these files as they are now, and note their size and time for `put`.

        Returns:
            (n,) rows, zeros where none is kept; (n,) whether one is.
        """
        places = np.full(len(paths), -1)
        for number, (path, key) in enumerate(zip(paths, self._keys(paths), strict=True)):
            state = self._noted[key] = _state(path)
            kept, place = self._kept.get(key, (None, -1))
            if state is not None and kept == state:
                places[number] = place
        hit = places >= 0
        rows = np.zeros(len(paths), self._dtype)
        rows[hit] = self._rows[places[hit]]
        return rows, hit

    def put(self, paths: Sequence[Path], rows: NDArray[np.void]) -> None:
        """Keep rows (n,) of files that `get` was asked for; of files that were missing then, nothing is kept.

        Raises:
            KeyError: `get` was not asked for a file, so that its size and time before it was read are not known.
        """
        noted = [(key, self._noted[key]) for key in self._keys(paths)]
        for place, (key, state) in enumerate(noted, start=len(self._rows)):
            if state is not None:
                self._kept[key] = (state, place)
        self._rows = np.concatenate([self._rows, rows.astype(self._dtype, copy=False)])

    def save(self) -> None:
        """Write the cache in the folder of the data, or else in the user's cache folder.

        Rows of files that are gone are dropped. Where two processes write, the later one wins. Where neither folder can
        be written a warning says so, and nothing is lost but the time of the next run.
        """
        content, refused = self._content(), []
        for file in self._places():
            try:
                with whole_file(file) as part:
                    part.write_bytes(content)
            except OutputError as error:
                refused.append(str(error))
            else:
                return
        logger.warning(
            "the files in %s will all be read again the next time, since what was found out can't be kept: %s "
            "Let MRICLASSIFY_HOME name a folder that can be written.",
            self._root,
            " ".join(refused),
        )

    def _places(self) -> tuple[Path, ...]:
        """Where the cache is kept: beside the data, which move with it, or else in the user's cache folder."""
        apart = cache_home() / "rows" / sha256(os.fsencode(self._root)).hexdigest()[:32]
        return (self._root / NAME, apart) if _is_meant_to_be_written(self._root) else (apart,)

    def _keys(self, paths: Sequence[Path]) -> list[str]:
        """Paths below the root, or absolute for files elsewhere."""
        prefix = f"{self._root}{os.sep}"
        return [str(path.absolute()).removeprefix(prefix) for path in paths]

    def _content(self) -> bytes:
        """A digest and a numpy archive without pickles: the names (null between them), states (n, 2) and rows (n,)."""
        alive = {key: entry for key, entry in self._kept.items() if self._is_alive(key)}
        archive = io.BytesIO()
        np.savez(
            archive,
            names=np.frombuffer(os.fsencode("\0".join(alive)), np.uint8),
            states=np.array([state for state, _ in alive.values()], np.int64).reshape(-1, 2),
            rows=self._rows[[place for _, place in alive.values()]],
        )
        return self._digest(archive.getvalue()) + archive.getvalue()

    def _is_alive(self, key: str) -> bool:
        if key in self._noted:
            return self._noted[key] is not None
        return (self._root / key).exists()

    def _digest(self, archive: bytes) -> bytes:
        """32 bytes that only an undamaged cache of this format, dtype and version begins with."""
        return sha256(f"{FORMAT}\n{self._version}\n{self._dtype.descr}\n".encode() + archive).digest()

    def _read(self, file: Path) -> None:
        try:
            content = file.read_bytes()
        except OSError as error:
            logger.debug("no rows are kept in %s: %s", file, error)
            return
        digest, archive = content[:32], content[32:]
        if digest != self._digest(archive):
            logger.info("%s is damaged, or of another version, and will be replaced", file)
            return
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            names, states, rows = os.fsdecode(arrays["names"].tobytes()).split("\0"), arrays["states"], arrays["rows"]
        places = range(len(self._rows), len(self._rows) + len(rows))
        # Without a row there is no name either, but splitting nothing gives one.
        self._kept |= dict(zip(names, zip(map(tuple, states.tolist()), places, strict=True), strict=False))
        self._rows = np.concatenate([self._rows, rows])


def _state(path: Path) -> State | None:
    """Size and time of a file as it is now, None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _is_meant_to_be_written(folder: Path) -> bool:
    """Whether its owner may write into a folder: one that is marked read-only is left alone by root too."""
    state = None
    with suppress(OSError):
        state = folder.stat()
    return state is not None and bool(state.st_mode & stat.S_IWUSR)


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().absolute()
