"""Symmetry: the line across which a head is its own mirror image, as far as it is."""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mriclassify._data._blending import Mask, Plane, head_of

COARSE, FINE = 24, 48
"""Sides of the thumbnails: the first is compared with all its mirror images, the second with a few."""

ANGLES = np.arange(-20.0, 21.0, 5.0)
"""Degrees."""

OFFSETS = np.arange(-3, 4) / COARSE
"""Parts of the side."""


class Axis(NamedTuple):
    """A line near the vertical through the middle of an image.

    Attributes:
        angle: how far its normal is turned from the image's rows, degrees, clockwise as one looks at it.
        offset: how far along the normal it lies from the middle, as part of the side.
        likeness: correlation of the head with its mirror image, -1..1, the lesion left out. Small in
            sagittal slices.
    """

    angle: float
    offset: float
    likeness: float

    def coefficients(self, size: int) -> tuple[float, ...]:
        """Return the mirroring of an image of this side as the six numbers of Pillow's affine transform."""
        return _coefficients(size, self.angle, self.offset)


def find_axis(image: Plane, lesion: Mask) -> Axis:
    """Return the axis across which the head is most like its mirror image, where neither is lesion.

    Angles up to 24 degrees, to about 1; offsets up to 0.15 of the side, to about 0.01.

    Args:
        image: (size, size), preprocessed, the head upright.
        lesion: (size, size).
    """
    angle, offset = _Thumbnail(image, lesion, COARSE).best_of_all()
    thumbnail = _Thumbnail(image, lesion, FINE)
    best = thumbnail.likeness(angle, offset)
    turn, shift = 2.5, 0.5 / COARSE
    for _ in range(2):
        for more_angle, more_offset in ((turn, 0.0), (-turn, 0.0), (0.0, shift), (0.0, -shift)):
            likeness = thumbnail.likeness(angle + more_angle, offset + more_offset)
            if likeness > best:
                best, angle, offset = likeness, angle + more_angle, offset + more_offset
        turn, shift = turn / 2, shift / 2
    return Axis(angle, offset, best)


class _Thumbnail:
    """A small copy, with the weight of each pixel: 1 in the head, 0 in the lesion and in air."""

    def __init__(self, image: Plane, lesion: Mask, side: int) -> None:
        self._side = side
        self._image = _shrunk(image, side)
        clean = np.asarray(_shrunk(lesion.astype(np.float32), side)) == 0
        self._pixels: Plane = np.asarray(self._image)
        self._weight = (head_of(self._pixels) & clean).astype(np.float32)

    def likeness(self, angle: float, offset: float) -> float:
        """Return the correlation with the mirror image across this axis."""
        weight = (self._weight * self._mirrored(Image.fromarray(self._weight), angle, offset)).ravel()
        here, there = self._pixels.ravel(), self._mirrored(self._image, angle, offset).ravel()
        weighted, other = weight * here, weight * there
        return float(
            _correlation(weight.sum(), weighted.sum(), other.sum(), weighted @ here, other @ there, weighted @ there)
        )

    def best_of_all(self) -> tuple[float, float]:
        """Return the angle and offset, of all in the table, with the largest correlation."""
        weight, pixels = self._weight.ravel(), self._pixels.ravel()
        powers = np.stack([weight, weight * pixels, weight * pixels * pixels])
        # The last entry stands for everything outside.
        there, there_once, there_twice = np.pad(powers, ((0, 0), (0, 1)))[:, _table()]  # each (axes, pixels)
        total, here_once, here_twice = (there @ powers.T).T
        other_once, both = (there_once @ powers[:2].T).T
        likeness = _correlation(total, here_once, other_once, here_twice, there_twice @ weight, both)
        # An axis at the edge compares little, and so finds likeness easily.
        likeness = np.where(total > 0.5 * weight.sum(), likeness, -1)
        row, column = divmod(int(likeness.argmax()), len(OFFSETS))
        return float(ANGLES[row]), float(OFFSETS[column])

    def _mirrored(self, image: Image.Image, angle: float, offset: float) -> Plane:
        side = self._side
        coefficients = _coefficients(side, angle, offset)
        return np.asarray(
            image.transform((side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
        )


def _shrunk(plane: Plane, side: int) -> Image.Image:
    return Image.fromarray(plane).resize((side, side), Image.Resampling.BOX)


def _correlation(total: Any, here: Any, there: Any, here_twice: Any, there_twice: Any, both: Any) -> Any:
    """Return the weighted correlation from sums of weights, values, squares and products; numbers or arrays."""
    n = total + 1e-6
    spread = (here_twice / n - (here / n) ** 2) * (there_twice / n - (there / n) ** 2)
    return (both / n - here * there / n**2) / np.sqrt(np.maximum(spread, 1e-9))


@cache
def _table() -> NDArray[np.intp]:
    """Return, for each angle and offset, which pixel of the coarse thumbnail is mirrored to which: (axes, pixels)."""
    rows, columns = np.mgrid[0:COARSE, 0:COARSE] + 0.5
    table = []
    for angle in ANGLES:
        for offset in OFFSETS:
            a, b, c, d, e, f = _coefficients(COARSE, float(angle), float(offset))
            column, row = np.floor(a * columns + b * rows + c), np.floor(d * columns + e * rows + f)
            inside = (row >= 0) & (row < COARSE) & (column >= 0) & (column < COARSE)
            table.append(np.where(inside, row * COARSE + column, COARSE**2).ravel())
    return np.array(table, np.intp)


def _coefficients(size: int, angle: float, offset: float) -> tuple[float, ...]:
    """p' = p - 2 ((p - middle) . n - d) n, as Pillow writes affine maps: of x, y and 1, for x, then for y."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    a, b, e = 1 - 2 * cosine**2, -2 * cosine * sine, 1 - 2 * sine**2
    middle, away = size / 2, 2 * offset * size
    return a, b, middle * (1 - a - b) + away * cosine, b, e, middle * (1 - b - e) + away * sine
