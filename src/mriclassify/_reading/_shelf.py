"""Shelves: where the files of a study lie, each opened by its number when it is needed."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from mriclassify._reading._sources import opened


class Shelf(Protocol):
    """Files that are told apart by number; names are for messages, and hold nothing of what is in the files."""

    @property
    def title(self) -> str:
        """What messages call all of it."""

    @property
    def count(self) -> int:
        """How many files there are."""

    def name(self, number: int) -> str:
        """Return what messages call a file."""

    def label(self, number: int) -> str:
        """Return a short name of a file, within its folder or archive."""

    def claims(self, number: int) -> bool:
        """Whether a file ought to be a scan, so that it is a failure if it is not."""

    def opened(self, number: int) -> AbstractContextManager[BinaryIO]:
        """Open a file at its first byte; it is closed when the block ends."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Files at `paths`, all below `root`."""

    root: Path
    paths: tuple[Path, ...]

    @property
    def title(self) -> str:
        """The path of the folder."""
        return str(self.root)

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self.paths)

    def name(self, number: int) -> str:
        """Return the path."""
        return str(self.paths[number])

    def label(self, number: int) -> str:
        """Return the path below the root."""
        return self.paths[number].relative_to(self.root).as_posix()

    def claims(self, number: int) -> bool:
        """Yes: else it would not be listed."""
        return True

    @contextmanager
    def opened(self, number: int) -> Iterator[BinaryIO]:
        """Open a file, as long as it is a regular one and not empty."""
        with opened(self.paths[number], self.name(number)) as stream:
            yield stream


@dataclass(frozen=True, slots=True)
class Single:
    """One file: a path, or the bytes of it, which are called `title`."""

    source: Path | bytes
    title: str

    @property
    def count(self) -> int:
        """One."""
        return 1

    def name(self, number: int) -> str:
        """Return what the source is called."""
        return self.title

    def label(self, number: int) -> str:
        """Return its last part: a file's name without its folders."""
        return Path(self.title).name

    def claims(self, number: int) -> bool:
        """Yes: it was asked for."""
        return True

    @contextmanager
    def opened(self, number: int) -> Iterator[BinaryIO]:
        """Open it, as long as it is a regular file and not empty."""
        with opened(self.source, self.title) as stream:
            yield stream
