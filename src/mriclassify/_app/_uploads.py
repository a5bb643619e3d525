"""Uploads: files that a browser sent are taken into memory and deleted, before anything is done with them."""

import io
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any

from mriclassify._errors import MissingFileError, TooMuchError

MOST_BYTES = 100_000_000
"""Bytes of all files that are dropped together."""

MOST_FILES = 1000
"""Files that are dropped together; Gradio takes no more in one request."""


class Named(io.BytesIO):
    """The bytes of a file, which messages and answers call by the name that its owner gave it."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was dropped.

    Attributes:
        name: its own, without folders.
        content: all of it.
    """

    name: str
    content: bytes = field(repr=False)

    def opened(self) -> Named:
        """Return a stream of its own at the first byte."""
        return Named(self.content, self.name)


def take(files: Iterable[Mapping[str, Any]], folder: Path) -> list[Upload]:
    """Return the files with their bytes; they are deleted, whatever happens.

    Args:
        files: as Gradio describes uploads: where each lies ("path"), and what its owner calls it ("orig_name").
        folder: where uploads lie. What a request claims to lie elsewhere is not touched.

    Raises:
        TooMuchError: they are more than MOST_FILES, or larger than MOST_BYTES together.
        MissingFileError: one is not, or no longer, in the folder.
    """
    named = [(_own_name(file), _within(folder, Path(str(file["path"])))) for file in files]
    try:
        if len(named) > MOST_FILES:
            raise TooMuchError(too_many(len(named)))
        size = sum(path.stat().st_size for _, path in named)
        if size > MOST_BYTES:
            raise TooMuchError(too_large(size))
        return [Upload(name, path.read_bytes()) for name, path in named]
    except OSError as error:
        raise MissingFileError("The upload is no longer there: drop it again.") from error
    finally:
        for _, path in named:
            delete(path)


def _own_name(file: Mapping[str, Any]) -> str:
    return re.split(r"[/\\]", str(file.get("orig_name") or file["path"]))[-1]


def _within(folder: Path, path: Path) -> Path:
    """Return where an upload lies: in a folder of its own in `folder`, and not by way of a link."""
    if path.is_symlink() or path.resolve().parent.parent != folder.resolve():
        raise MissingFileError("The upload is no longer there: drop it again.")
    return path


def too_many(count: int) -> str:
    """Return what is said of so many files."""
    return (
        f"These are {count:,} files, and {MOST_FILES:,} at most can be dropped at once. Drop fewer, or a ZIP of them."
    )


def too_large(size: int) -> str:
    """Return what is said of files of so many bytes."""
    return (
        f"These files have {megabytes(size)} together, and {megabytes(MOST_BYTES)} at most can be dropped at once. "
        "Drop fewer; for a larger series use the command line: mriclassify predict FILE --study."
    )


def megabytes(size: int) -> str:
    """Return a number of bytes for people.

    Example:
        >>> megabytes(100_000_000)
        '100 MB'
    """
    return f"{size / 1e6:,.0f} MB"


def delete(path: Path) -> None:
    """Delete a file, and the folder that held nothing else."""
    # Another page that dropped the same file may have taken it.
    with suppress(OSError):
        path.unlink()
    with suppress(OSError):
        path.parent.rmdir()


def delete_parts(folder: Path) -> None:
    """Delete what uploads that broke off left behind, at a time when none is under way: whole ones have a folder."""
    for path in folder.iterdir():
        # The folder itself stays, and so does one that another thread is about to delete.
        with suppress(OSError):
            path.unlink()


def sweep(folder: Path, *, age: float) -> None:
    """Delete what has lain in `folder` for more than `age` seconds: of uploads that were broken off or never asked for.

    The folder itself stays.
    """
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder comes before it
        with suppress(OSError):
            if time() - path.lstat().st_mtime > age:
                path.rmdir() if path.is_dir() else path.unlink()
