"""How many images a folder holds of a set, against how many were published."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mriclassify._catalogue._entries import ALL, CatalogueEntry, Counts
from mriclassify._errors import DatasetError
from mriclassify._labels import listed, simplify
from mriclassify._reading._folders import natural_key
from mriclassify._suffixes import claims_scan

OF_SET = 0.01
"""The share of a set that may be missing, or too much: copies lose a file here and there."""

OF_CLASS = 0.05
"""The share of one class folder that may be missing, or too much."""


@dataclass(frozen=True)
class Difference:
    """What differs from the published counts.

    Attributes:
        texts: a few words for each class of each part that differs, such as "notumor of train: 1,591 of 1,595".
        missing: images that are not there.
        surplus: images that were not published.
        small: whether it is so little that the set is still the published one.
    """

    texts: tuple[str, ...]
    missing: int
    surplus: int
    small: bool

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.texts)

    def __str__(self) -> str:
        """The texts, joined."""
        return listed(self.texts)


def compare(published: Counts, found: Counts) -> Difference:
    """Compare what was found with what was published."""
    texts = []
    missing = surplus = 0
    small = True
    for part, counts in published.items():
        for label, expected in counts.items():
            count = found.get(part, {}).get(label, 0)
            if count == expected:
                continue
            place = label if part == ALL else f"{label} of {part}"
            texts.append(f"{place}: {count:,} of {expected:,}")
            small &= abs(count - expected) <= OF_CLASS * expected
            missing += max(0, expected - count)
            surplus += max(0, count - expected)
    total = sum(sum(counts.values()) for counts in published.values())
    return Difference(tuple(texts), missing, surplus, small and max(missing, surplus) <= OF_SET * total)


def class_folders(entry: CatalogueEntry, folder: Path) -> dict[tuple[str, str], Path]:
    """Find those class folders of the set that lie right in `folder`, or below its folders of parts.

    Returns:
        (part, label) -> folder, in the order of the entry; case and separators of names do not matter.
    """
    parts = {ALL: folder}
    if entry.parts:
        below = subfolders(folder)
        parts = {part: below[simplify(name)] for name, part in entry.parts.items() if simplify(name) in below}
    found = {}
    for part, parent in parts.items():
        below = subfolders(parent)
        for name, label in entry.folders.items():
            if simplify(name) in below:
                found[part, label] = below[simplify(name)]
    return found


def published_folders(entry: CatalogueEntry) -> set[tuple[str, str]]:
    """(part, label) of each class folder that the whole set has."""
    return {(part, label) for part in entry.counts for label in entry.counts[part]}


def count(folders: Mapping[tuple[str, str], Path]) -> dict[str, dict[str, int]]:
    """Count the images in class folders, by part and label."""
    counts: dict[str, dict[str, int]] = {}
    for (part, label), folder in folders.items():
        counts.setdefault(part, {})[label] = len(images(folder))
    return counts


def images(folder: Path) -> list[Path]:
    """Every image below a class folder, in natural order.

    Raises:
        DatasetError: a folder can't be listed.
    """
    paths = []
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not is_hidden(name)]
        paths += [Path(parent, name) for name in names if claims_scan(name) and not is_hidden(name)]
    return sorted(paths, key=natural_key)


def subfolders(folder: Path) -> dict[str, Path]:
    """The visible folders right below, by their simplified names; empty where it can't be listed."""
    try:
        return {
            simplify(entry.name): Path(entry.path)
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)
            if not is_hidden(entry.name) and entry.is_dir()
        }
    except OSError:
        return {}  # one of many folders that are searched: what can't be read holds no set


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the set's: hidden, or left behind by macOS archives."""
    return name.startswith(".") or name == "__MACOSX"


def _refuse(error: OSError) -> None:
    raise DatasetError(
        f"{error.filename}: the folder can't be listed ({error.strerror}). Check its permissions."
    ) from error
