"""Cataloguing: a public set's name becomes records."""

import os
from pathlib import Path

from mriclassify import _catalogue as catalogue
from mriclassify._data._record import Record


def read_catalogued(name: str, root: str | os.PathLike[str] | None, *, download: bool) -> list[Record]:
    """Return a record for each slice of the public set `name`, with what its publisher says of it.

    Raises:
        OptionError: there is no set of that name.
        MissingFileError: the set is not there, and `download` is False.
        DatasetError: the folder is another set, or holds a part of it only.
        DownloadError: the set can't be fetched.
        MissingExtraError: the set needs the extra `datasets`.
    """
    entry = catalogue.find_entry(name)
    place = None if root is None else Path(root)
    folder = catalogue.download(entry, place) if download else catalogue.locate(entry, place)
    return [
        Record(file.path, file.label, file.group, file.split, file.mask, entry.name)
        for file in catalogue.describe_files(entry, folder)
    ]
