"""Entry: one row of the page, without its pictures, so that thousands of them fit into memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from mriclassify._gallery._folder import IMAGES
from mriclassify._model._prediction import Prediction

STATUSES = ("rejected", "error", "uncertain", "ok")
"""In the order of the page: first what somebody must look at."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One scan.

    Attributes:
        number: place in the input, from 1.
        answer: its source is the name that the page shows.
        shows: the pictures that there are, of "scan", "heat" and "lesion"; none if the scan can't be read.
    """

    number: int
    answer: Prediction
    shows: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """Place of the status among `STATUSES`."""
        return STATUSES.index(self.answer.status)

    @property
    def name(self) -> str:
        """The last part of the name."""
        return PurePath(self.answer.source).name or self.answer.source

    @property
    def place(self) -> str:
        """What stands before the last part of the name."""
        return self.answer.source.removesuffix(self.name)

    def picture(self, kind: str) -> str:
        """Return the path of a picture, as the page names it."""
        return f"{IMAGES}/{file_name(self.number, kind)}"


def file_name(number: int, kind: str) -> str:
    """Return the name of a picture.

    Example:
        >>> file_name(7, "scan"), file_name(7, "heat")
        ('0007.png', '0007-heat.png')
    """
    return f"{number:04d}.png" if kind == "scan" else f"{number:04d}-{kind}.png"


def sorted_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries as the page shows them first: by status, then in the order of the input."""
    return sorted(entries, key=lambda entry: (entry.rank, entry.number))
