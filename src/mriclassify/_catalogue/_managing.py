"""Managing: what `mriclassify data` does with the public sets."""

import json
from collections.abc import Callable
from pathlib import Path

from mriclassify._catalogue import _downloading
from mriclassify._catalogue._entries import CatalogueEntry
from mriclassify._catalogue._sets import find_entry, list_datasets
from mriclassify._catalogue._verifying import verify
from mriclassify._errors import MissingFileError

Write = Callable[[str], None]


def show(name: str | None = None, *, as_json: bool, write: Write) -> None:
    """Write a line for each public set, and for one asked by name all that is known of it; or JSON.

    Raises:
        OptionError: no set has that name.
    """
    entries = _chosen(name)
    if as_json:
        write(json.dumps([entry.to_dict() for entry in entries]))
        return
    for entry in entries:
        write(str(entry))
        if name is not None:
            write(f"  {entry.url}\n  Cite: {entry.citation}")
            _warn(entry, write=write)


def download(name: str, root: Path | None, *, write: Write) -> None:
    """Fetch a set, unless it is there, and write where it lies and what to know about it.

    Raises:
        MriClassifyError: as the download of a set.
    """
    entry = find_entry(name)
    write(f"{entry.name}: {_downloading.download(entry, root)}")
    _warn(entry, write=write)


def check(name: str | None, root: Path | None, *, as_json: bool = False, write: Write) -> bool:
    """Verify a set, or all that are on this machine; return whether they are as published.

    Raises:
        MissingFileError: the set that was named is not there.
        DatasetError: nothing at `root` looks like the set that was named.
    """
    reports = []
    for entry in _chosen(name):
        try:
            reports.append(verify(entry, root))
        except MissingFileError:
            if name is not None:
                raise
            if not as_json:
                write(f"{entry.name}: not on this machine")
    if as_json:
        write(json.dumps([report.to_dict() for report in reports]))
    else:
        for report in reports:
            write(str(report))
    return all(report.complete for report in reports)


def _chosen(name: str | None) -> tuple[CatalogueEntry, ...]:
    return list_datasets() if name is None else (find_entry(name),)


def _warn(entry: CatalogueEntry, *, write: Write) -> None:
    for defect in entry.defects:
        write(f"  - {defect}")
