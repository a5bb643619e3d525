"""Folders become records: class folders, or Training/ and Testing/ above them."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from mriclassify._data._record import SPLITS, Record, absolute
from mriclassify._errors import ClassMismatchError, DatasetError, MissingFileError
from mriclassify._labels import Classes, listed, map_names, simplify
from mriclassify._suffixes import SUFFIXES, claims_scan

GroupOf: TypeAlias = Callable[[Path], str | None]
"""From the path of a slice to its patient or cluster, or None where that is unknown."""

_SPLIT_OF_FOLDER = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}


def read_folder(
    root: str | os.PathLike[str], *, group: GroupOf | None, classes: Classes, source: str | None
) -> list[Record]:
    """One record for each image below the class folders of `root`; no file is opened.

    Returns:
        Records by part (train, validation, test), then class folder, then name; names in natural order
        (`slice2` before `slice10`).

    Raises:
        MissingFileError: there is no such folder.
        ClassMismatchError: a class folder's name is unknown, or two mean one class.
        DatasetError: there are no class folders, or one is empty, or a folder can't be listed.
    """
    root = absolute(root)
    records = []
    for split, folder in _split_folders(root):
        folders = _folders(folder)
        for name, label in _map_folders(folder, folders, classes).items():
            for path in _images(folders[name]):
                records.append(Record(path, label, group(path) if group else None, split, source=source))
    return records


def split_name(name: str) -> str | None:
    """ "train", "validation" or "test" for the usual spellings of them, else None."""
    return _SPLIT_OF_FOLDER.get(simplify(name))


def natural_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that puts `slice2` before `slice10`, ignores case, and is never a tie for different names."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(int(part), "") if part[0] in "0123456789" else (-1, part) for part in parts], name


def _split_folders(root: Path) -> list[tuple[str | None, Path]]:
    """The folders whose subfolders are classes, with the part that each stands for."""
    folders = _folders(root)
    splits: dict[str, Path] = {}
    for name, folder in folders.items():
        split = split_name(name)
        if split is None:
            continue
        if split in splits:
            raise DatasetError(f"{root}: {splits[split].name!r} and {name!r} both mean the {split} part. Keep one.")
        splits[split] = folder
    if not splits:
        return [(None, root)]
    others = [repr(name) for name in folders if split_name(name) is None]
    if others:
        raise DatasetError(
            f"{root}: folders of parts ({listed(folder.name for folder in splits.values())}) "
            f"and others ({listed(others)}) lie side by side. "
            "Give a folder that holds either parts or classes, and nothing else."
        )
    return [(split, splits[split]) for split in SPLITS if split in splits]


def _map_folders(parent: Path, folders: dict[str, Path], classes: Classes) -> dict[str, str]:
    """Folder name -> label."""
    if not folders:
        raise DatasetError(
            f"{parent}: no class folders. Expected one folder per class, such as glioma/ and notumor/, "
            "or Training/ and Testing/ above them. For a list of files, use a table (from_csv)."
        )
    try:
        return map_names(folders, classes=classes)
    except ClassMismatchError as error:
        raise ClassMismatchError(f"{parent}: {error}{_hint(folders)}") from error


def _hint(folders: dict[str, Path]) -> str:
    """Where an unpacked archive put its files one folder further down, say so."""
    if len(folders) > 1:
        return ""
    (folder,) = folders.values()
    below = _folders(folder)
    return f" Or did you mean {folder}, which holds {listed(below)}?" if below else ""


def _folders(parent: Path) -> dict[str, Path]:
    """The visible folders right below, in natural order."""
    if not parent.exists():
        raise MissingFileError(f"{parent}: no such folder. Check the path (relative ones start at {Path.cwd()}).")
    if not parent.is_dir():
        raise DatasetError(f"{parent}: expected a folder of class folders, but it is a file.")
    try:
        names = [entry.name for entry in parent.iterdir() if entry.is_dir() and not _is_hidden(entry.name)]
    except OSError as error:
        raise _unlistable(error) from error
    return {name: parent / name for name in sorted(names, key=natural_order)}


def _images(folder: Path) -> list[Path]:
    """Every image in the folder, in natural order, then those in the folders below it."""
    files = list(_files(folder))
    images = [path for path in files if _is_image(path.name)]
    if not images:
        others = sorted({path.suffix for path in files})
        found = f"only files of other kinds ({listed(others)})" if files else "is empty"
        raise DatasetError(
            f"{folder}: the class folder holds no images: {found}. "
            f"Read are {listed(sorted(SUFFIXES), limit=len(SUFFIXES))}, and files without a suffix. "
            "Fill or remove the folder."
        )
    return images


def _files(folder: Path) -> Iterator[Path]:
    """Every visible regular file below. Links to files are followed, links to folders are not (loops)."""
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = sorted((name for name in folders if not _is_hidden(name)), key=natural_order)
        names = sorted((name for name in names if not _is_hidden(name)), key=natural_order)
        paths = (Path(parent, name) for name in names)
        yield from (path for path in paths if path.is_file())


def _is_image(name: str) -> bool:
    lower = name.lower()
    # DICOM exports name files by their UID, so that the last number looks like a suffix.
    suffix = re.sub(r"^\.[0-9]+$", "", Path(lower).suffix)
    return claims_scan(lower) or (not suffix and lower != "dicomdir")


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"  # left behind by macOS archives


def _refuse(error: OSError) -> None:
    raise _unlistable(error) from error


def _unlistable(error: OSError) -> DatasetError:
    return DatasetError(f"{error.filename}: the folder can't be listed ({error.strerror}). Check its permissions.")
