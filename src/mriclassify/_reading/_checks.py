"""What every slice must be before anyone builds an answer on it."""

import operator

import numpy as np

from mriclassify._errors import OptionError, PixelError, UnsupportedFormatError
from mriclassify._shapes import Pixels

MAX_PIXELS = 25_000_000
"""More pixels are not decoded: no scanner makes such a slice, and a small file can claim any size. In colour so
many take less than a gigabyte while they are decoded."""

MIN_SIDE = 16
"""A slice has at least as many rows and columns: nothing can be told from less."""


def check_size(height: int, width: int, name: str) -> None:
    """Raise UnsupportedFormatError if a header claims more than MAX_PIXELS; before anything is decoded."""
    if height * width > MAX_PIXELS:
        raise UnsupportedFormatError(
            f"{name} claims {width}x{height} pixels, more than the {MAX_PIXELS:,} that are read: reduce it first."
        )


def check_axis(axis: int) -> None:
    """Raise OptionError unless `axis` is 0 (sagittal), 1 (coronal) or 2 (axial)."""
    if axis not in (0, 1, 2):
        raise OptionError(f"axis must be 0 (sagittal), 1 (coronal) or 2 (axial), got {axis!r}.")


def whole(value: object, what: str) -> int:
    """Return `value` as an int.

    Raises:
        OptionError: It is not a whole number.
    """
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise OptionError(f"{what} must be a whole number or None, got {value!r}.") from error


def place(index: int | None, count: int, *, what: str, name: str) -> int:
    """Return which of `count` slices to read: `index`, or the middle one if it is None.

    Raises:
        OptionError: `index` is not an integer from 0 to count - 1.
    """
    if index is None:
        return count // 2
    number = whole(index, "index")
    if not 0 <= number < count:
        plural = "" if count == 1 else "s"
        raise OptionError(f"index {number} is out of range 0..{count - 1}: {name} has {count} {what}{plural}.")
    return number


def check_pixels(pixels: Pixels, name: str) -> None:
    """Raise PixelError unless `pixels` (height, width) are large enough, finite and not all the same."""
    height, width = pixels.shape
    if min(height, width) < MIN_SIDE:
        raise PixelError(f"{name} is {width}x{height} pixels: a slice has at least {MIN_SIDE} on each side.")
    # Both extremes are NaN where any pixel is, and infinite where any is: two passes instead of three.
    low, high = pixels.min(), pixels.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = pixels.size - int(np.isfinite(pixels).sum())
        raise PixelError(
            f"{name} has {bad} of {pixels.size} pixels that are NaN, infinite or beyond float32: replace them first."
        )
    if low == high:
        raise PixelError(f"{name} is blank: every pixel has the same value, {low:g}.")
