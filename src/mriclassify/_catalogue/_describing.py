"""What is known of each file of an unpacked set, by its folder or by what stands in it."""

import os
from dataclasses import dataclass
from pathlib import Path

from mriclassify._catalogue._counting import class_folders, images
from mriclassify._catalogue._entries import ALL, CatalogueEntry
from mriclassify._catalogue._finding import absolute
from mriclassify._catalogue._matfiles import find_slices, patient, read_facts, read_folds


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueFile:
    """One slice of a public set.

    Attributes:
        path: the file.
        label: the class.
        split: the part the publisher put it in, "train" or "test", where there are parts.
        group: the patient, where the set names one, such as `figshare:MR040240`.
        mask: the file that holds the tumour's outline, where there is one.
        fold: the publisher's fold, 1 to 5, where there are folds.
    """

    path: Path
    label: str
    split: str | None = None
    group: str | None = None
    mask: Path | None = None
    fold: int | None = None


def describe_files(entry: CatalogueEntry, folder: str | os.PathLike[str]) -> list[CatalogueFile]:
    """List the slices of an unpacked set.

    Args:
        entry: the set.
        folder: what `locate` returned.

    Returns:
        By part, then label, then name in natural order; figshare's by number.

    Raises:
        ReadError: a .mat file is cut off, or not one of this set; the message has its path.
        DatasetError: a folder can't be listed.
        MissingExtraError: .mat files, and h5py is not installed.
    """
    folder = absolute(folder)
    if not entry.folders:
        return _describe_slices(entry, folder)
    return [
        CatalogueFile(path=path, label=label, split=None if part == ALL else part)
        for (part, label), place in class_folders(entry, folder).items()
        for path in images(place)
    ]


def _describe_slices(entry: CatalogueEntry, folder: Path) -> list[CatalogueFile]:
    folds = read_folds(folder, images=entry.images)
    files = []
    for number, path in find_slices(folder).items():
        label, pid = read_facts(path)
        group = f"{entry.name}:{patient(pid)}"
        files.append(CatalogueFile(path=path, label=label, group=group, mask=path, fold=folds.get(number)))
    return files
