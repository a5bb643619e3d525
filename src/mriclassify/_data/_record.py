"""One row of a dataset: where a slice lies, and what is known of it."""

import os
from dataclasses import dataclass
from pathlib import Path

from mriclassify._errors import DatasetError

SPLITS = ("train", "validation", "test")
"""The parts that a published split may name."""

PROVENANCE = "provenance"
NEAR_DUPLICATES = "near-duplicates"
"""Where groups come from that nobody gave: the patient of a known slice, a cluster of slices that look alike."""


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
        label_source: where the label comes from if not from whoever made the dataset: "figshare 2546", or
            "figshare 2546, corrected from pituitary".
        group_source: where the group comes from: None (whoever made the dataset), "provenance" (the patient of
            a known slice) or "near-duplicates" (a cluster of slices that look alike).

    Raises:
        DatasetError: a text is blank or has spaces at its ends, or `split` is not one of the three.
    """

    path: Path
    label: str
    group: str | None = None
    split: str | None = None
    mask: Path | None = None
    source: str | None = None
    label_source: str | None = None
    group_source: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", absolute(self.path))
        if self.mask is not None:
            object.__setattr__(self, "mask", absolute(self.mask))
        self._check_text("label", self.label)
        for name in ("group", "split", "source", "label_source", "group_source"):
            text = getattr(self, name)
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
