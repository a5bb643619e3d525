"""Channels become one grey value."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import PixelError
from mriclassify._shapes import Pixels

CHROMA_SIDE = 128
"""Rows and columns that suffice to tell how colourful a picture is."""


def grey(channels: NDArray[Any]) -> Pixels:
    """Return grey values of `channels`: (h, w) or (h, w, c) with c of 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA.

    Values keep their scale. Alpha is full at the largest value of uint8 or uint16, or at 1 for floats and
    booleans, and what it covers is composited over black. The result is a new float32 array.

    Raises:
        PixelError: The alpha channel is of another type, or outside 0..1.
    """
    if channels.ndim == 2:
        return as_float32(channels, copy=True)
    count = channels.shape[2]
    value = _luma(channels[..., :3]) if count >= 3 else as_float32(channels[..., 0], copy=True)
    return value * _opacity(channels[..., -1]) if count in (2, 4) else value


def chroma(channels: NDArray[Any]) -> float:
    """Return how colourful `channels` (h, w) or (h, w, c) are, 0..1: the mean chroma of RGB, 0 for grey.

    Chroma is the largest less the smallest of red, green and blue, as in the HSV hexcone (Smith 1978, "Color gamut
    transform pairs", SIGGRAPH), as part of the largest value of uint8 or uint16, or else of the largest in the picture.
    It is measured on a grid of at most about 2 x 128 rows and columns, and nothing that is transparent counts.
    """
    if channels.ndim == 2 or channels.shape[2] < 3:
        return 0.0
    rows, columns = (max(1, length // CHROMA_SIDE) for length in channels.shape[:2])
    sample = channels[::rows, ::columns]
    red, green, blue = (as_float32(sample[..., channel]) for channel in range(3))
    # Plane by plane: NumPy takes ten times as long along an axis of three.
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    full = float(np.iinfo(channels.dtype).max) if channels.dtype in (np.uint8, np.uint16) else float(highest.max())
    spread = highest - lowest
    if channels.shape[2] == 4:
        spread = spread * _opacity(sample[..., 3])
    mean = float(spread.mean()) / full if full > 0 else 0.0
    return mean if np.isfinite(mean) else 0.0  # NaN or infinite pixels are told by the check that follows


def as_float32(values: NDArray[Any], *, copy: bool = False) -> Pixels:
    """Return `values` as C-contiguous float32; what is beyond its range becomes infinite, unwarned."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32, order="C", copy=copy)


def _luma(rgb: NDArray[Any]) -> Pixels:
    """Return the luma of `rgb` (h, w, 3) by ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B.

    Written as green and differences from it, so that equal channels give exactly that value.
    """
    green = as_float32(rgb[..., 1], copy=True)
    if np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 2], rgb[..., 1]):
        return green  # grey stored as RGB, as most published slices are
    # NaN or infinite pixels are told by the check that follows.
    with np.errstate(invalid="ignore", over="ignore"):
        red, blue = as_float32(rgb[..., 0]) - green, as_float32(rgb[..., 2]) - green
        value: Pixels = green + np.float32(0.299) * red + np.float32(0.114) * blue
        return value


def _opacity(alpha: NDArray[Any]) -> Pixels:
    """Return `alpha` as 0..1."""
    if alpha.dtype in (np.uint8, np.uint16):
        return as_float32(alpha) / np.float32(np.iinfo(alpha.dtype).max)
    if alpha.dtype.kind not in "fb" or not ((alpha >= 0) & (alpha <= 1)).all():
        raise PixelError(
            f"An alpha channel is uint8, uint16, or 0..1 in floats or booleans; got {alpha.dtype}: "
            "convert the array, or leave the fourth channel out."
        )
    return as_float32(alpha)
