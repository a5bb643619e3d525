"""figshare's slices: MATLAB v7.3 files 1.mat to 3064.mat, each with its label and its patient."""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from mriclassify._catalogue._counting import OF_SET, is_hidden
from mriclassify._catalogue._entries import CatalogueEntry
from mriclassify._errors import DamagedFileError, DatasetError
from mriclassify._labels import listed
from mriclassify._reading._matlab import matlab_facts, matlab_folds

LABELS = {1: "meningioma", 2: "glioma", 3: "pituitary"}
"""What the number in a file means."""

FOLDS = "cvind.mat"
"""The publisher's five folds: one number, 1 to 5, for each slice."""

_NAME = re.compile(r"([1-9][0-9]{0,5})\.mat", re.IGNORECASE)
_DEPTH = 4

logger = logging.getLogger("mriclassify")


def find_slices(root: Path) -> dict[int, Path]:
    """Find `N.mat` at `root` and below, whether the archives were unpacked into one folder or into four.

    Returns:
        number -> file, in the order of the numbers.

    Raises:
        DatasetError: a number is there twice.
    """
    slices: dict[int, Path] = {}
    seen: set[Path] = set()
    for parent, folders, names in os.walk(root, followlinks=True):
        real, deep = Path(parent).resolve(), len(Path(parent).relative_to(root).parts) >= _DEPTH
        if real in seen:
            folders[:] = []  # a link led here a second time
            continue
        seen.add(real)
        folders[:] = [] if deep else sorted(name for name in folders if not is_hidden(name))
        for name in names:
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            path = Path(parent, name)
            if slices.setdefault(int(match[1]), path) != path:
                raise DatasetError(
                    f"{root} holds slice {int(match[1])} twice: {slices[int(match[1])]} and {path}. "
                    "Pass the folder of one copy as root."
                )
    return dict(sorted(slices.items()))


def folder_of(slices: Mapping[int, Path]) -> Path:
    """The lowest folder that holds all the slices."""
    return Path(os.path.commonpath([path.parent for path in slices.values()]))


def check_numbers(entry: CatalogueEntry, slices: Iterable[int], root: Path) -> None:
    """Warn where a few slices are missing, refuse where more are, or where there are too many.

    Raises:
        DatasetError: more than 1 % are missing, or a number is above the last.
    """
    present = set(slices)
    missing = sorted(set(range(1, entry.images + 1)) - present)
    beyond = sorted(number for number in present if number > entry.images)
    if beyond:
        raise DatasetError(
            f"{root} holds slices that {entry.name} does not have: {runs(beyond)} are above {entry.images}. "
            "Pass a folder that holds this set and nothing else."
        )
    if len(missing) > OF_SET * entry.images:
        raise DatasetError(
            f"{root} holds only a part of {entry.name}: {len(present):,} of {entry.images:,} slices; missing are "
            f"{runs(missing)}. {_archives_of(entry, missing)}Unpack all archives into one folder."
        )
    if missing:
        logger.warning("%s: %s of %s slices are missing: %s", root, len(missing), entry.images, runs(missing))


def read_facts(path: Path) -> tuple[str, str]:
    """Read the label and the patient id of one slice; its pixels are not read.

    Raises:
        DamagedFileError: the file is cut off or broken.
        UnsupportedFormatError: it is not a slice of this set.
        MissingExtraError: h5py is not installed.
    """
    number, pid = matlab_facts(path)
    return LABELS[number], pid


def patient(pid: str) -> str:
    """The patient behind an id: a letter at its end is a further scan of the same patient.

    Example:
        >>> patient("MR040240B"), patient("100360")
        ('MR040240', '100360')
    """
    return re.sub(r"(?<=[0-9])[A-Z]$", "", pid)


def read_folds(folder: Path, *, images: int) -> dict[int, int]:
    """Read the publisher's folds from `cvind.mat` in `folder` or the one above.

    Returns:
        number of the slice -> fold, 1 to 5; empty where the file is not there.

    Raises:
        DamagedFileError: the file is cut off or broken, or does not have a fold for each slice.
        UnsupportedFormatError: it is not a file of folds.
        MissingExtraError: h5py is not installed.
    """
    path = next((place / FOLDS for place in (folder, folder.parent) if (place / FOLDS).is_file()), None)
    if path is None:
        return {}
    folds = matlab_folds(path)
    if folds.size != images:
        raise DamagedFileError(
            f"{path}: expected a fold for each of {images:,} slices, got {folds.size:,}. Fetch it again, or remove "
            "it to go without folds."
        )
    return dict(enumerate(folds.tolist(), 1))


def runs(numbers: Iterable[int]) -> str:
    """Numbers for a message, consecutive ones joined.

    Example:
        >>> runs([1, 2, 3, 7])
        '1-3, 7'
    """
    joined: list[list[int]] = []
    for number in numbers:
        if joined and joined[-1][1] == number - 1:
            joined[-1][1] = number
        else:
            joined.append([number, number])
    return listed(f"{first}-{last}" if first != last else str(first) for first, last in joined)


def _archives_of(entry: CatalogueEntry, missing: list[int]) -> str:
    """Name the archives of which nothing was unpacked."""
    absent = set(missing)
    names = []
    for file in entry.files:
        match = re.search(r"_(\d+)-(\d+)\.zip$", file.name)
        if match is not None and absent.issuperset(range(int(match[1]), int(match[2]) + 1)):
            names.append(file.name)
    return f"Nothing of {listed(names)} is there. " if names else ""
