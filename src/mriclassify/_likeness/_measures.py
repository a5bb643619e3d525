"""Measures: figures of a slice that should not tell its class, and its grey values. Pure functions.

Names begin with what they are about, so that families can be made of them. All but the grey levels are of the slice
scaled from 0 (its darkest pixel) to 1 (its brightest), so that units and offsets change nothing.

* `border_`: four bands along the sides, a fiftieth of the height or width: mean, spread, brightest pixel, the share
  that is exactly the darkest value, and how noisy they are.
* `corner_`: four squares, a sixteenth of the height and width: mean and spread.
* `margin_`: how far the head is from each side, and how much of the slice is background, as shares of the slice.
* `grey_`: how many different values there are, and how much the darkest and the commonest of them take.
* `intensity_`: mean, spread and percentiles of the whole slice. These may differ between classes for good reasons.
* `histogram_`: the share of the pixels in 16 bins of equal width.
"""

import numpy as np
from numpy.typing import NDArray

from mriclassify._shapes import Pixels

SAMPLE_SIDE = 96
"""Whole-slice figures come from a grid of at most so many rows and columns: they are to cost next to nothing."""

BAND = 1 / 50
CORNER = 1 / 16
PERCENTILES = (1, 25, 50, 75, 99)
BINS = 16

TISSUE = 0.2
"""Brighter than this part of the 99th percentile is tissue: above the noise of air, below fat and brain."""
TISSUE_SHARE = 0.05
"""A row or column belongs to the head if this share of it is tissue: more than burnt-in text has."""

SIDES = ("top", "bottom", "left", "right")
CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")

MEASURES: tuple[str, ...] = (
    *(f"border_{side}_{figure}" for side in SIDES for figure in ("mean", "std", "max", "darkest", "noise")),
    *(f"corner_{corner}_{figure}" for corner in CORNERS for figure in ("mean", "std")),
    *(f"margin_{side}" for side in SIDES),
    "margin_background",
    "grey_levels",
    "grey_darkest",
    "grey_commonest",
    "intensity_mean",
    "intensity_std",
    *(f"intensity_p{percentile:02d}" for percentile in PERCENTILES),
    *(f"histogram_{bin_:02d}" for bin_ in range(BINS)),
)
"""The name of each figure that `measure` gives."""


def measure(pixels: Pixels) -> NDArray[np.float32]:
    """Return the figures that `MEASURES` names, (len(MEASURES),), of a slice (height, width) in any unit.

    All are 0..1, but `grey_levels`, which is a count (of at most 96 x 96 pixels).
    """
    low, high = float(pixels.min()), float(pixels.max())
    scale = 1 / (high - low) if high > low else 0.0
    sample = np.ascontiguousarray(_sampled(pixels))
    grid, values = _scaled(sample, low, scale), _scaled(np.sort(sample, axis=None), low, scale)
    figures = [
        *_borders(pixels, low, scale),
        *_corners(pixels, low, scale),
        *_margins(grid, TISSUE * values[_place(99, values.size)]),
        *_whole(values),
    ]
    return np.array(figures, dtype=np.float32)


def columns(*prefixes: str) -> list[int]:
    """Return the places in `MEASURES` of the figures whose names begin with one of these."""
    return [place for place, name in enumerate(MEASURES) if name.startswith(prefixes)]


def _sampled(pixels: Pixels) -> Pixels:
    down, across = (max(1, -(-length // SAMPLE_SIDE)) for length in pixels.shape)
    return pixels[::down, ::across]


def _scaled(pixels: Pixels, low: float, scale: float) -> NDArray[np.float64]:
    # In double precision: float32 loses whole grey levels of a slice whose values lie far from 0.
    return (pixels.astype(np.float64) - low) * scale


def _borders(pixels: Pixels, low: float, scale: float) -> list[float]:
    height, width = (max(1, round(length * BAND)) for length in pixels.shape)
    bands = (pixels[:height], pixels[-height:], pixels[:, :width].T, pixels[:, -width:].T)
    figures = []
    for band in bands:
        values = _scaled(band, low, scale)  # (thickness, length), whichever side it is
        noise = np.abs(np.diff(values, axis=1)).mean()
        figures += [values.mean(), values.std(), values.max(), (values == 0).mean(), noise]
    return [float(figure) for figure in figures]


def _corners(pixels: Pixels, low: float, scale: float) -> list[float]:
    height, width = (max(1, round(length * CORNER)) for length in pixels.shape)
    squares = (pixels[:height, :width], pixels[:height, -width:], pixels[-height:, :width], pixels[-height:, -width:])
    values = [_scaled(square, low, scale) for square in squares]
    return [float(figure) for square in values for figure in (square.mean(), square.std())]


def _margins(grid: NDArray[np.float64], threshold: float) -> list[float]:
    tissue = grid > threshold
    top, bottom = _margins_of(tissue.mean(axis=1))
    left, right = _margins_of(tissue.mean(axis=0))
    return [top, bottom, left, right, float(1 - tissue.mean())]


def _margins_of(share: NDArray[np.float64]) -> tuple[float, float]:
    """The part of an axis before the head and behind it; all of it on both sides where there is no head."""
    inside = np.flatnonzero(share >= TISSUE_SHARE)
    if not inside.size:
        return 1.0, 1.0
    return float(inside[0] / len(share)), float(1 - (inside[-1] + 1) / len(share))


def _whole(values: NDArray[np.float64]) -> list[float]:
    """Figures of all values, sorted."""
    n = values.size
    starts = np.flatnonzero(np.diff(values, prepend=-1.0))
    counts = np.diff(starts, append=n)
    # The brightest value belongs to the last bin.
    ends = np.searchsorted(values, [*(np.arange(1, BINS) / BINS), np.inf])
    return [
        float(len(counts)),
        float(np.searchsorted(values, 0.0, side="right") / n),
        float(counts.max() / n),
        float(values.mean()),
        float(values.std()),
        *(float(values[_place(percentile, n)]) for percentile in PERCENTILES),
        *(np.diff(ends, prepend=0) / n).tolist(),
    ]


def _place(percentile: int, n: int) -> int:
    """Where a percentile stands among n sorted values."""
    return round(percentile / 100 * (n - 1))
