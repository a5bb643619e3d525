"""Where an unpacked set lies: a folder is known by its class folders and their counts, whatever it is called."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from mriclassify._catalogue._counting import (
    class_folders,
    compare,
    count,
    published_folders,
    subfolders,
)
from mriclassify._catalogue._entries import CatalogueEntry
from mriclassify._catalogue._matfiles import check_numbers, find_slices, folder_of
from mriclassify._catalogue._sets import list_datasets
from mriclassify._environment import cache_home
from mriclassify._errors import DatasetError, MissingFileError
from mriclassify._labels import listed

DEPTH = 5
"""Folders below the root that are searched: kagglehub's cache has the set in datasets/OWNER/NAME/versions/N."""

MAX_FOLDERS = 2_000
"""Folders that are searched at most: a root is where sets are kept, not a whole disk."""

logger = logging.getLogger("mriclassify")


def usual_root() -> Path:
    """Return where sets are kept when no folder is named: `$MRICLASSIFY_HOME/datasets`, else in the user's cache."""
    return cache_home() / "datasets"


def locate(entry: CatalogueEntry, root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of an unpacked set, at `root` or below.

    The set is known by its class folders (case and separators of their names do not matter) and their counts, or
    by its numbered .mat files. Where 1 % of it, or less, is missing or too much, that is logged as a warning.

    Args:
        entry: the set.
        root: the folder, or one above it; None searches `usual_root()` and, for Kaggle's sets, kagglehub's cache.

    Raises:
        MissingFileError: there is no such folder; without `root`, the set is not on this machine.
        DatasetError: nothing there is this set, or not the whole of it; the message has what is missing.
    """
    folder = search(entry, root)
    check(entry, folder)
    return folder


def search(entry: CatalogueEntry, root: str | os.PathLike[str] | None = None) -> Path:
    """Return what `locate` does, or the folder of half a set; for the caller to look at what is missing.

    Raises:
        MissingFileError, DatasetError: as `locate`, but for what is missing.
    """
    if root is None:
        return _search_anywhere(entry)
    folder = absolute(root)
    try:
        exists, is_folder = folder.exists(), folder.is_dir()
    except OSError as error:
        raise DatasetError(f"{folder} can't be reached: {error.strerror or error}. Check its permissions.") from error
    if not exists:
        raise MissingFileError(f"{folder}: no such folder. {how_to_get(entry)}")
    if not is_folder:
        raise DatasetError(
            f"{folder} is a file: expected a folder that holds the set {entry.name}, unpacked. {how_to_get(entry)}"
        )
    found = find(entry, folder)
    if found is None:
        raise _nothing_there(entry, folder)
    return found


def find(entry: CatalogueEntry, root: Path) -> Path | None:
    """Return the folder at `root` or below that looks most like the set, None where nothing does.

    A set as published comes first, then one with all class folders, then half a set.
    """
    if not entry.folders:
        slices = find_slices(root)
        return folder_of(slices) if slices else None
    whole = partly = None
    for folder in _searched(root):
        found = class_folders(entry, folder)
        if found.keys() == published_folders(entry):
            difference = compare(entry.counts, count(found))
            if not difference or difference.small:
                return folder
            whole = whole or folder
        elif found and partly is None and not _is_of_another(entry, folder):
            partly = folder
    return whole or partly


def check(entry: CatalogueEntry, folder: Path) -> None:
    """Warn where a folder that `find` returned differs a little from the published set; refuse where it is more.

    Raises:
        DatasetError: a part is missing, or there is more than was published; the message has the counts.
    """
    if not entry.folders:
        check_numbers(entry, find_slices(folder), folder)
        return
    difference = compare(entry.counts, count(class_folders(entry, folder)))
    if not difference:
        return
    if difference.small:
        logger.warning("%s: a little differs from the published set %s: %s", folder, entry.name, difference)
        return
    if difference.surplus > difference.missing:
        raise DatasetError(
            f"{folder} has the class folders of {entry.name}, but more images than were published: {difference}. "
            "It may be another version, or have other images mixed in. Read it as a set of your own with "
            "Dataset.from_folder."
        )
    raise DatasetError(
        f"{folder} holds only a part of {entry.name}: {difference}. Unpack the archive again, whole, into an empty "
        "folder; or read what there is as a set of your own with Dataset.from_folder."
    )


def recognise(root: Path) -> tuple[CatalogueEntry, ...]:
    """Return the sets whose class folders, or numbered slices, lie at `root` or below; nothing is counted."""
    folders = list(_searched(root))
    return tuple(
        entry
        for entry in list_datasets()
        if (any(_is_whole(entry, folder) for folder in folders) if entry.folders else find_slices(root))
    )


def how_to_get(entry: CatalogueEntry) -> str:
    """Say how a set gets onto this machine, by the library or by hand."""
    account = " (Kaggle may ask for an account)" if entry.may_need_login else ""
    return (
        f"To fetch it: mriclassify data download {entry.name}, or download=True. By hand: download it from "
        f"{entry.url}{account}, unpack it, and pass the folder as root."
    )


def absolute(path: str | os.PathLike[str]) -> Path:
    """The path from the root of the file system, `~` replaced, links left as they are."""
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 -- Path.absolute() leaves `..` in


def _search_anywhere(entry: CatalogueEntry) -> Path:
    roots = [usual_root(), *_kaggle_folders(entry)]
    for root in roots:
        found = find(entry, root) if root.is_dir() else None
        if found is not None:
            return found
    raise MissingFileError(
        f"the set {entry.name} is not on this machine; searched were {listed(roots)}. {how_to_get(entry)}"
    )


def _kaggle_folders(entry: CatalogueEntry) -> list[Path]:
    """Where kagglehub keeps the set, if it is one of Kaggle's."""
    if entry.route != "kaggle":
        return []
    cache = absolute(os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub")
    owner, name, *version = entry.handle.split("/")
    return [cache / "datasets" / owner / name / Path(*version)]


def _searched(root: Path) -> Iterator[Path]:
    """`root` and the folders below, the nearest first; links are followed, but no folder is searched twice."""
    level, seen = [root], {root.resolve()}
    for _ in range(DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            yield folder
            for path in subfolders(folder).values():
                if len(seen) >= MAX_FOLDERS:
                    logger.warning("%s holds more than %s folders, and was not searched to its end", root, MAX_FOLDERS)
                    return
                if path.resolve() not in seen:
                    seen.add(path.resolve())
                    below.append(path)
        level = below


def _is_whole(entry: CatalogueEntry, folder: Path) -> bool:
    return class_folders(entry, folder).keys() == published_folders(entry)


def _is_of_another(entry: CatalogueEntry, folder: Path) -> bool:
    """Whether the folder belongs to another set: nickparvar's Training/ looks like three quarters of rm1000."""
    others = [other for other in list_datasets() if other.folders and other.name != entry.name]
    return any(_is_whole(other, place) for other in others for place in (folder, folder.parent))


def _nothing_there(entry: CatalogueEntry, root: Path) -> DatasetError:
    """Say what is there instead, and what to do about it."""
    start = f"{root} does not hold the set {entry.name}"
    if entry.folders and _is_whole(entry, root.parent):
        return DatasetError(f"{start}, but is a part of it: pass {root.parent} as root.")
    others = recognise(root)
    if others:
        found = " and ".join(f"{other.name} ({other.title})" for other in others)
        return DatasetError(
            f"{start}: it looks like {found}. Ask for that, or pass another folder. {how_to_get(entry)}"
        )
    expected = listed(entry.folders) if entry.folders else "1.mat, 2.mat and so on"
    above = f" in {' and '.join(entry.parts)}" if entry.parts else ""
    zips = sorted(path.name for path in root.glob("*.zip"))
    packed = f" {listed(zips)} lies there, still packed: unpack it, or run the download, which will." if zips else ""
    return DatasetError(
        f"{start}, nor any other of the catalogue: expected {expected}{above}, found "
        f"{listed(path.name for path in subfolders(root).values()) or 'no folders'}.{packed} {how_to_get(entry)} "
        "A set of your own is read with Dataset.from_folder."
    )
