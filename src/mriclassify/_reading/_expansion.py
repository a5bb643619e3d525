"""What a user names becomes single sources: folders, patterns and iterables are taken apart, lazily."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mriclassify._errors import MissingFileError, ReadError, UnsupportedFormatError
from mriclassify._reading._folders import list_scans, natural_key
from mriclassify._reading._sources import Source, is_path, is_stream, is_tensor, is_url

MAX_DEPTH = 20
"""Lists within lists; more, or one that holds itself, is a mistake."""

_MAGIC = frozenset("*?[")


def expand(sources: Source | Iterable[Any]) -> Iterator[Source]:
    """Yield the single sources among `sources`, in order.

    Folders give the scans in them and in their subfolders, patterns (with `*`, `?`, `[`; `**` for any
    subfolders) what they match, both in natural order and without hidden files; links to folders are not
    followed by `**`. Lists, tuples, generators and other iterables give what they hold, taken one at a time. All
    else is a single source, even one that can't be read: reading it says why. So is, within an iterable, a folder
    without scans, or a pattern that matches nothing.

    Raises:
        MissingFileError: `sources` is a pattern that matches nothing.
        ReadError: `sources` is a folder in which there is no scan, or that may not be listed.
        UnsupportedFormatError: Iterables are nested more than MAX_DEPTH deep.
    """
    yield from _expand(sources, 0)


def _expand(sources: Any, depth: int) -> Iterator[Source]:
    if is_url(sources):
        yield sources
    elif is_path(sources):
        yield from _of_path(Path(sources), sources) if depth == 0 else _or_itself(Path(sources), sources)
    elif _is_single(sources):
        yield sources
    elif depth == MAX_DEPTH:
        raise UnsupportedFormatError(f"Sources are nested more than {MAX_DEPTH} deep: pass a flat list.")
    else:
        for source in sources:
            yield from _expand(source, depth + 1)


def _is_single(source: object) -> bool:
    """Whether `source` is one source, or nothing that could be taken apart; arrays and streams are iterable too."""
    return (
        isinstance(source, np.ndarray | Image.Image | bytes | bytearray | memoryview | Mapping)
        or is_tensor(source)
        or is_stream(source)
        or not isinstance(source, Iterable)
    )


def _or_itself(path: Path, source: Source) -> Iterator[Source]:
    """Yield what `_of_path` does; what gives nothing stays itself, so that reading it can say why at its place."""
    given = False
    try:
        for found in _of_path(path, source):
            given = True
            yield found
    except ReadError:
        if given:
            raise
        yield source


def _of_path(path: Path, source: Source) -> Iterator[Source]:
    try:
        is_folder = path.is_dir()
        is_pattern = not _MAGIC.isdisjoint(str(path)) and not path.exists()
    except (OSError, ValueError):
        is_folder = is_pattern = False  # a link loop, a null byte: reading it says why
    if is_folder:
        yield from list_scans(path)
    elif is_pattern:
        yield from _matches(path)
    else:
        yield source


def _matches(pattern: Path) -> Iterator[Path]:
    """Yield what a pattern matches; folders among it give their scans, unless `**` leads into them already."""
    parts = pattern.parts
    first = next(k for k, part in enumerate(parts) if not _MAGIC.isdisjoint(part))
    root, rest = Path(*parts[:first]), parts[first:]
    if rest[-1] == "**":
        rest = (*rest, "*")
    is_hidden_wanted = any(part.startswith(".") for part in rest)
    found = False
    # pathlib's and not glob's: that one follows links, and two that lead back make 2**40 paths.
    for path in sorted(root.glob("/".join(rest)), key=lambda path: natural_key(path.relative_to(root))):
        below = path.relative_to(root).parts
        if not is_hidden_wanted and any(part.startswith(".") for part in below):
            continue
        if not path.is_dir():
            found = True
            yield path
        elif "**" not in rest:
            found = True
            yield from list_scans(path)
    if not found:
        raise MissingFileError(f"Nothing matches {pattern}: check the pattern.")
