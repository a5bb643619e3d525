"""Is it the published set? What a folder holds against what was published, and the archives beside it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mriclassify._catalogue._counting import Difference, class_folders, compare, images, published_folders
from mriclassify._catalogue._entries import ALL, CatalogueEntry, Counts
from mriclassify._catalogue._finding import absolute, search
from mriclassify._catalogue._hosts import matches
from mriclassify._catalogue._matfiles import find_slices, read_facts, runs
from mriclassify._errors import MissingExtraError, ReadError
from mriclassify._labels import listed

AS_PUBLISHED = "as published"
OTHERWISE = "not the published file"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found.

    Attributes:
        name: the set.
        folder: where it lies.
        published: images by part and label, as published.
        found: the same, as they lie there.
        missing: images that are not there.
        surplus: images that were not published.
        damaged: files that are empty or, of figshare's, can't be read; relative to `folder`.
        archives: published files that lie there still packed, and whether their checksums are right.
        notes: anything else worth a line.
    """

    name: str
    folder: Path
    published: Counts = field(hash=False)
    found: Counts = field(hash=False)
    missing: int
    surplus: int
    damaged: tuple[str, ...] = ()
    archives: Mapping[str, str] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all is exactly as published."""
        wrong = OTHERWISE in self.archives.values()
        return not (self.missing or self.surplus or self.damaged or wrong)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in types that JSON knows."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            "complete": self.complete,
            "published": {part: dict(counts) for part, counts in self.published.items()},
            "found": {part: dict(counts) for part, counts in self.found.items()},
            "missing": self.missing,
            "surplus": self.surplus,
            "damaged": list(self.damaged),
            "archives": dict(self.archives),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """A few lines: the verdict, then a row for each class of each part."""
        verdict = "as published" if self.complete else "not as published"
        lines = [f"{self.name}: {verdict}, {self.folder}"]
        for part, counts in self.published.items():
            for label, expected in counts.items():
                got = self.found.get(part, {}).get(label, 0)
                place = label if part == ALL else f"{part} {label}"
                mark = "" if got == expected else f"  ({got - expected:+,})"
                lines.append(f"  {place:<18} {got:>6,} of {expected:>6,}{mark}")
        if self.damaged:
            lines.append(f"  damaged: {listed(self.damaged)}")
        lines += [f"  {name}: {state}" for name, state in self.archives.items()]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def verify(entry: CatalogueEntry, root: str | os.PathLike[str] | None = None) -> Verification:
    """Compare what lies at `root`, or below, with the published set.

    Of figshare's slices each label is read; images are only counted, and empty files found.

    Args:
        entry: the set.
        root: the folder, or one above it; None searches where sets are kept.

    Raises:
        MissingFileError: there is no such folder, or nothing of the set on this machine.
        DatasetError: nothing there looks like this set.
        MissingExtraError: .mat files, and h5py is not installed.
    """
    folder = search(entry, root)
    found, damaged, notes = _inspect_images(entry, folder) if entry.folders else _inspect_slices(entry, folder)
    difference: Difference = compare(entry.counts, found)
    places = {folder, folder.parent} | ({absolute(root)} if root is not None else set())
    return Verification(
        name=entry.name,
        folder=folder,
        published=entry.counts,
        found=found,
        missing=difference.missing,
        surplus=difference.surplus,
        damaged=tuple(str(path.relative_to(folder)) for path in damaged),
        archives=_archives(entry, places),
        notes=notes,
    )


def _inspect_images(entry: CatalogueEntry, folder: Path) -> tuple[Counts, list[Path], tuple[str, ...]]:
    found: dict[str, dict[str, int]] = {}
    damaged = []
    places = class_folders(entry, folder)
    for (part, label), place in places.items():
        paths = images(place)
        found.setdefault(part, {})[label] = len(paths)
        damaged += [path for path in paths if path.stat().st_size == 0]
    absent = sorted(published_folders(entry) - places.keys())
    notes = [f"no folder for {label if part == ALL else f'{label} of {part}'}" for part, label in absent]
    return found, damaged, tuple(notes)


def _inspect_slices(entry: CatalogueEntry, folder: Path) -> tuple[Counts, list[Path], tuple[str, ...]]:
    found: dict[str, int] = {}
    damaged = []
    slices = find_slices(folder)
    for path in slices.values():
        try:
            label, _ = read_facts(path)
        except MissingExtraError:
            raise
        except ReadError:
            damaged.append(path)
            continue
        found[label] = found.get(label, 0) + 1
    absent = sorted(set(range(1, entry.images + 1)) - slices.keys())
    return {ALL: found}, damaged, (f"missing slices: {runs(absent)}",) if absent else ()


def _archives(entry: CatalogueEntry, places: set[Path]) -> dict[str, str]:
    states = {}
    for file in entry.files:
        for place in sorted(places):
            path = place / file.name
            if file.checksum is not None and path.is_file():
                states[file.name] = AS_PUBLISHED if matches(path, file.checksum) else OTHERWISE
    return states
