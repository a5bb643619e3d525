"""One row of a dataset: where a slice lies, and what is known of it."""

import os
from dataclasses import dataclass
from pathlib import Path

from mriclassify._errors import DatasetError

SPLITS = ("train", "validation", "test")
"""The parts that a published split may name."""


@dataclass(frozen=True, slots=True)
class Record:
    """One slice of a dataset.

    Paths are made absolute, and `..` is taken out of them by name alone (links are not followed), so that
    a table means the same from every folder and one file is never listed under two names.

    Args:
        path: the file that holds the slice; it is not opened.
        label: the class.
        group: whatever must stay together in a split: a patient, or a cluster of near-duplicates.
        split: the part the publisher put the slice in: "train", "validation" or "test".
        mask: the file of the tumour's outline, where there is one.
        source: the data set, or anything that says where the slice is from.

    Raises:
        DatasetError: a text is blank or has spaces at its ends, or `split` is not one of the three.
    """

    path: Path
    label: str
    group: str | None = None
    split: str | None = None
    mask: Path | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", absolute(self.path))
        if self.mask is not None:
            object.__setattr__(self, "mask", absolute(self.mask))
        self._check_text("label", self.label)
        for name, text in (("group", self.group), ("split", self.split), ("source", self.source)):
            if text is not None:
                self._check_text(name, text)
        if self.split is not None and self.split not in SPLITS:
            raise DatasetError(f"{self.path}: split must be train, validation or test, not {self.split!r}")

    def _check_text(self, name: str, text: object) -> None:
        if not isinstance(text, str):
            raise DatasetError(f"{self.path}: {name} must be text, not {text!r} ({type(text).__name__})")
        if not text or text != text.strip():
            raise DatasetError(f"{self.path}: {name} is blank, or has spaces at its ends: {text!r}")


def absolute(path: str | os.PathLike[str]) -> Path:
    """The path from the root of the file system, without `..`, links left as they are."""
    path = Path(path)
    if path.is_absolute() and ".." not in path.parts:
        return path
    return Path(os.path.abspath(path))  # noqa: PTH100 -- Path.absolute() leaves `..` in
