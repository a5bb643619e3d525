"""Pictures: the worst mistakes, seen as the user's own slices with what the network looked at."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mriclassify._errors import DatasetError, MriClassifyError, OptionError
from mriclassify._evaluation._mistakes import Mistake

if TYPE_CHECKING:
    from mriclassify._evaluation._report import Report

PICTURES = 12
"""Mistakes that are shown if nobody says how many: about 100 KB of the page each."""

SIDE = 256
"""Pixels of a picture's longer side, at most."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture of a slice.

    Args:
        png: The file's content.
        caption: What it shows, for those who see it and those who don't.
    """

    png: bytes
    caption: str


PictureOf: TypeAlias = Callable[[int], Sequence[Picture]]
"""From the index of a slice to its pictures; it may raise an error of ours, OSError, ValueError or RuntimeError."""


class Explained(Protocol):
    """What is needed of an explanation, which a room beside this one makes."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(height, width), the slice in the model's window."""
        ...

    @property
    def label(self) -> str:
        """The class that the heat map is about: the answer."""
        ...

    @property
    def method(self) -> str:
        """How the heat map was made."""
        ...

    def overlay(self) -> Image.Image:
        """Return the slice with the heat map over it."""
        ...


Explain: TypeAlias = Callable[[Path], Explained]


@dataclass(frozen=True, kw_only=True)
class ShownMistake:
    """A mistake with its pictures, or with the reason why there are none."""

    mistake: Mistake
    pictures: tuple[Picture, ...]
    trouble: str = ""


def pictures_of(explained: Explained, *, answer: str) -> tuple[Picture, ...]:
    """Return the slice, and the slice under the heat map.

    Args:
        explained: The explanation of the model's answer.
        answer: The answer that the report has.

    Raises:
        DatasetError: The model answers otherwise now, so that the heat map would explain something else.
    """
    if explained.label != answer:
        raise DatasetError(
            f"the file has changed since the evaluation: the answer was {answer} and is {explained.label} now"
        )
    return (
        Picture(png=_png(Image.fromarray(explained.pixels)), caption="The slice"),
        Picture(png=_png(explained.overlay()), caption=f"Heat map for {explained.label} ({explained.method})"),
    )


def shown_mistakes(report: "Report", count: int) -> tuple[ShownMistake, ...]:
    """Return the `count` most confident mistakes with their pictures; none where the report can't make any.

    Raises:
        OptionError: `count` is negative.
    """
    if count < 0:
        raise OptionError(f"pictures must be how many mistakes to show, 0 or more, not {count}")
    if report.pictures is None:
        return ()
    return tuple(_shown(report.pictures, mistake) for mistake in report.mistakes[:count])


def _shown(pictures: PictureOf, mistake: Mistake) -> ShownMistake:
    try:
        return ShownMistake(mistake=mistake, pictures=tuple(pictures(mistake.index)))
    except (MriClassifyError, OSError, ValueError, RuntimeError) as error:
        # Files may be gone, and a device may be full, long after the figures were computed: those must not be lost.
        return ShownMistake(mistake=mistake, pictures=(), trouble=str(error) or type(error).__name__)


def _png(picture: Image.Image) -> bytes:
    small = picture.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, format="png", optimize=True)
    return buffer.getvalue()
