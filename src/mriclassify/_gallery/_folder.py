"""Folder: the page of a batch is whole under its name, or not there at all, and replaces nothing but an earlier one."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from mriclassify._errors import MriClassifyError, OutputError

PAGE, TABLE, IMAGES = "index.html", "answers.csv", "images"
MARK = "<!-- made by mriclassify predict --report -->"
"""Stands in each page, so that an earlier report is known, and nothing else is taken for one."""

_IMAGE = re.compile(r"\d{4,}(-heat|-lesion)?\.png")
_DESKTOP = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""File browsers leave these where somebody looked; nobody misses them."""
_HEAD = 2**16
"""Bytes of a page within which the mark stands."""


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder` to fill; when the block ends well it takes its place, else it is removed.

    Raises:
        OutputError: as `check_place`; or the folder can't be written.
    """
    check_place(folder)
    # Where a link leads, so that the link stays one.
    target = folder.resolve()
    part = _beside(target, "part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        yield part
        check_place(folder)
        _replace(target, part)
    except MriClassifyError:
        raise  # some are OSErrors, but none is about this folder
    except OSError as error:
        raise OutputError(
            f"{folder} can't be written: {error.strerror or error}. Choose another place, or a new folder within it."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_place(folder: Path) -> None:
    """Refuse what is there already, unless it is an earlier report or an empty folder.

    Raises:
        OutputError: a file or something else lies there; the message names it.
    """
    if "\0" in str(folder):
        raise OutputError(f"{str(folder)!r} can't be the folder of a report: no path can have a null byte")
    try:
        found = _foreign(folder)
    except OSError as error:
        raise OutputError(f"{folder} can't be looked into: {error.strerror or error}. Choose another folder") from error
    if found is not None:
        raise OutputError(found)


def _foreign(folder: Path) -> str | None:
    """Return what speaks against replacing `folder`, or None."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        return f"a report needs a folder, but {folder} is a file: choose another path"
    strays = sorted(_strays(folder))
    if not strays and not _is_ours(folder / PAGE):
        strays = sorted(path.name for path in _seen(folder))
    if not strays:
        return None
    more = f" and {len(strays) - 1} more" if len(strays) > 1 else ""
    return (
        f"{folder} holds something else than an earlier report ({strays[0]}{more}), which a new one would remove: "
        "choose another folder, or empty this one"
    )


def _strays(folder: Path) -> Iterator[str]:
    """Yield the names of what no report has."""
    for path in _seen(folder):
        if path.name == IMAGES and path.is_dir():
            yield from (
                f"{IMAGES}/{image.name}"
                for image in _seen(path)
                if not (_IMAGE.fullmatch(image.name) and image.is_file())
            )
        elif not (path.name in (PAGE, TABLE) and path.is_file()):
            yield path.name


def _seen(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name not in _DESKTOP]


def _is_ours(page: Path) -> bool:
    if not page.is_file():
        return False
    with page.open("rb") as file:
        return MARK.encode() in file.read(_HEAD)


def _replace(target: Path, part: Path) -> None:
    """Put `part` at the place of `target`, which comes back if that fails."""
    if not target.exists():
        part.rename(target)
        return
    old = _beside(target, "old")
    target.rename(old)
    try:
        part.rename(target)
    except BaseException:
        with suppress(OSError):
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path, kind: str) -> Path:
    # A name for this run alone: others may be writing the same report.
    return target.parent / f".{target.name[:40]}.{token_hex(8)}.{kind}"
