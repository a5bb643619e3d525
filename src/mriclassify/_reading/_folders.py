"""A folder becomes a list of scans."""

import os
import re
import stat
from pathlib import Path

from mriclassify._errors import MissingFileError, ReadError, UnreadableFileError
from mriclassify._reading._sniffing import HEAD_SIZE, sniff
from mriclassify._suffixes import claims_scan

_DIGITS = re.compile("([0-9]+)")


def list_scans(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the scans in `folder` and its subfolders, in natural order (Te-2 before Te-10).

    A file is taken if its content is of a known kind, or if its suffix claims so: then a broken one is
    reported when it is read, rather than passed over. Hidden files and folders, DICOMDIR indices and folders
    behind symbolic links are left out; a link to a file is taken.

    Raises:
        MissingFileError: There is no such folder.
        ReadError: It is not a folder, or there is no scan in it.
        UnreadableFileError: It, or a folder in it, may not be listed.
    """
    root = Path(folder)
    if not root.exists():
        raise MissingFileError(f"There is no folder {root}: check the path.")
    if not root.is_dir():
        raise ReadError(f"{root} is a file, not a folder: use predict or read_slice for one file.")
    scans = [path for path in _visible_files(root) if _is_scan(path)]
    if not scans:
        raise ReadError(
            f"There is no scan in folder {root}: expected pictures, DICOM or NIfTI files, or MATLAB's, in it."
        )
    return sorted(scans, key=lambda path: natural_key(path.relative_to(root)))


def _visible_files(root: Path) -> list[Path]:
    """Return every file below `root` that is not hidden, nor in a hidden folder."""

    def refuse(error: OSError) -> None:
        raise UnreadableFileError(f"Folder {error.filename} can't be listed: {error.strerror}.") from error

    files = []
    for folder, subfolders, names in os.walk(root, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        files += [Path(folder, name) for name in names if not name.startswith(".")]
    return files


def _is_scan(path: Path) -> bool:
    """Whether `path` is a regular file that is a scan, or says it is one, or can't be asked."""
    if path.name.upper() == "DICOMDIR":
        return False
    claims = claims_scan(path.name)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        if claims:
            return True
        with path.open("rb") as stream:
            return sniff(stream.read(HEAD_SIZE)) is not None
    except FileNotFoundError:
        return claims  # a link to nowhere
    except OSError:
        return True  # it may be a scan: reading it will say why it can't be


def natural_key(path: Path) -> list[tuple[list[str | int], str]]:
    """Return a key that sorts the numbers in each part of `path` by value."""
    return [(_pieces(part), part) for part in path.parts]


def _pieces(part: str) -> list[str | int]:
    # Splitting at a group alternates text and digits, so that like is compared with like.
    return [int(piece) if k % 2 else piece.casefold() for k, piece in enumerate(_DIGITS.split(part))]
