"""Preprocessing: pixels of any scanner become an image of one frame, one range and one size."""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mriclassify._errors import OptionError
from mriclassify._shapes import Pixels

Crop = Literal["head", "none"]
Window = tuple[float, float] | Literal["dicom"]

HEADROOM = 1.5
"""Windowed values are clipped here, not at 1: an enhancing tumour is among the brightest one per cent of a
slice, and would otherwise be cut off as a flat patch."""

SAMPLE_SIDE = 256
"""Percentiles are taken from a grid of at most about this many rows and columns: four times the pixels
cost four times as much and move a percentile by less than the JPEG noise."""

PERCENTILES = (1.0, 99.0)

THUMBNAIL_SIDE = 64
TISSUE = 0.2
"""A thumbnail pixel above this part of the window counts as tissue: above the noise of air, below fat and brain."""
TISSUE_SHARE = 0.05
"""A row or column belongs to the head if this share of it is tissue: more than burnt-in text has."""
SMALLEST_HEAD = 0.25
"""A box narrower than this part of the slice is no head: the whole slice is kept."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The square of a slice that the network sees, in pixels of the slice; it may reach beyond the border.

    `top` and `left` may be negative; `side` is the length of the square's side.
    """

    top: float
    left: float
    side: float

    def cut(self, pixels: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Return this square of `pixels` (height, width) as (size, size), zero where there is no slice."""
        height, width = pixels.shape
        down, across = _span(self.top, self.side, height, size), _span(self.left, self.side, width, size)
        # Pillow's filter widens with the scale, so that shrinking does not alias; it also frees the GIL.
        part = Image.fromarray(pixels).resize(
            (across.pixels, down.pixels),
            Image.Resampling.BILINEAR,
            box=(across.start, down.start, across.stop, down.stop),
        )
        image = np.zeros((size, size), np.float32)
        image[down.first : down.first + down.pixels, across.first : across.first + across.pixels] = np.asarray(part)
        return image

    def put_back(self, image: NDArray[np.float32], *, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return `image` (size, size), such as a map of what was `cut`, at its place in a slice; zero around it.

        Args:
            image: as large as what `cut` returned.
            shape: (height, width) of the slice.
        """
        size, (height, width) = len(image), shape
        down = _span(self.top, self.side, height, size).weights(height, size)
        across = _span(self.left, self.side, width, size).weights(width, size)
        return np.asarray(down @ image @ across.T, np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Preprocessing:
    """What is done to every slice, in training as in use; deterministic, and part of the bundle.

    1. *Window*: the `window` percentiles of the foreground become 0 and 1; values are clipped to 0..1.5. MR has
       no absolute units, so nothing else makes two scanners alike. Foreground are the pixels above the slice's
       minimum, so that an offset or a slope changes nothing. `window="dicom"` takes the window that the file asks to
       be shown in, and (1, 99) for files that name none.
    2. *Frame* (`crop="head"`): the head's bounding box, padded to a square. Otherwise margins and position tell
       the source of a slice, and a network learns that instead of the tumour. `crop="none"` pads the whole slice.
    3. *Size*: `size` x `size` pixels, bilinear with antialiasing.

    Args:
        size: side of the image in pixels, 32 to 1024.
        window: lower and upper percentile of the foreground, 0 <= lower < upper <= 100; or "dicom".
        crop: "head" or "none".

    Raises:
        OptionError: a value is outside its range.
    """

    size: int = 160
    window: Window = PERCENTILES
    crop: Crop = "head"

    def __post_init__(self) -> None:
        if not 32 <= self.size <= 1024:
            raise OptionError(f"size must be 32 to 1024 pixels, not {self.size}")
        if self.window != "dicom" and not _are_percentiles(self.window):
            raise OptionError(f"window must be 'dicom' or two percentiles, 0 <= low < high <= 100, not {self.window!r}")
        if self.crop not in get_args(Crop):
            raise OptionError(f"crop must be one of {', '.join(get_args(Crop))}, not {self.crop!r}")

    def __call__(self, pixels: Pixels, *, window: tuple[float, float] | None = None) -> NDArray[np.float32]:
        """Return the image (1, size, size), 0..1.5, of a slice (height, width) in any unit.

        Args:
            pixels: of the slice.
            window: the values that its file asks to be shown black and white; used by `window="dicom"` only.
        """
        windowed = self.windowed(pixels, window=window)
        return self.frame(windowed).cut(windowed, self.size)[None]

    def same_but_for_size(self, other: "Preprocessing") -> bool:
        """Return whether `other` shows the same part of a slice, in the same range; its size may be another."""
        return replace(other, size=self.size) == self

    def windowed(self, pixels: Pixels, *, window: tuple[float, float] | None = None) -> NDArray[np.float32]:
        """Return `pixels` with the window's ends at 0 and 1, clipped to 0..1.5."""
        if self.window == "dicom" and window is not None:
            low, high = window
        else:
            low, high = _foreground_percentiles(pixels, PERCENTILES if self.window == "dicom" else self.window)
        # A blank slice, which no file can be (see read_slice) but an array may, becomes a black image.
        scaled = (pixels - np.float32(low)) * np.float32(1 / (high - low) if high > low else 0)
        return np.clip(scaled, 0, HEADROOM, out=scaled)

    def frame(self, windowed: NDArray[np.float32]) -> Frame:
        """Return the square around the head, or around the whole slice."""
        height, width = windowed.shape
        top, left, bottom, right = (
            _head_box(windowed) if self.crop == "head" else (0.0, 0.0, float(height), float(width))
        )
        side = max(bottom - top, right - left)
        return Frame((top + bottom - side) / 2, (left + right - side) / 2, side)


class _Span(NamedTuple):
    """What a frame and a slice have in common, along one axis."""

    start: float  # in pixels of the slice
    stop: float
    first: int  # in pixels of the image
    pixels: int

    def weights(self, length: int, size: int) -> NDArray[np.float32]:
        """Return how much of each of `size` pixels of the image each of `length` pixels of the slice shows.

        Each row sums to 1, or is zero where the pixel's middle lies outside. A triangle, as wide as a pixel of the
        coarser grid: Pillow's bilinear filter, which itself can't start at a part of a pixel outside of the image.
        """
        middles = np.arange(length) + 0.5
        scale = self.pixels / (self.stop - self.start)
        places = self.first + (middles - self.start) * scale - 0.5
        distances = np.abs(np.arange(size) - places[:, None])
        weights = np.maximum(0, 1 - distances / max(1.0, scale)).astype(np.float32)
        weights[:, : self.first] = weights[:, self.first + self.pixels :] = 0
        weights[(middles < self.start) | (middles > self.stop)] = 0
        totals = weights.sum(axis=1, keepdims=True)
        np.divide(weights, totals, out=weights, where=totals > 0)
        return weights


def _span(near: float, side: float, length: int, size: int) -> _Span:
    """Return what a frame from `near` to `near + side` shows of a slice of `length` pixels, in `size` of its own."""
    start, stop = max(near, 0.0), min(near + side, length)
    scale = size / side
    first = round((start - near) * scale)
    return _Span(start, stop, first, max(1, min(round((stop - start) * scale), size - first)))


def _are_percentiles(window: object) -> bool:
    return isinstance(window, tuple) and len(window) == 2 and 0 <= window[0] < window[1] <= 100


def _foreground_percentiles(pixels: Pixels, window: tuple[float, float]) -> tuple[float, float]:
    step_rows, step_columns = (max(1, length // SAMPLE_SIDE) for length in pixels.shape)
    sample = pixels[::step_rows, ::step_columns]
    lowest = pixels.min()
    foreground = sample[sample > lowest]
    if foreground.size:
        low, high = (float(value) for value in np.percentile(foreground, window))
        if high > low:
            return low, high
    # Few distinct values (a mask, a drawing): the full range is the only window there is.
    return float(lowest), float(pixels.max())


def _head_box(windowed: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Return (top, left, bottom, right) of the head, in pixels of the slice."""
    height, width = windowed.shape
    shrink = max(height, width) / THUMBNAIL_SIDE
    rows, columns = max(1, round(height / shrink)), max(1, round(width / shrink))
    thumbnail = Image.fromarray(windowed).resize((columns, rows), Image.Resampling.BOX)
    tissue = np.asarray(thumbnail) > TISSUE
    top, bottom = _extent(tissue.mean(axis=1))
    left, right = _extent(tissue.mean(axis=0))
    if bottom - top < SMALLEST_HEAD * rows or right - left < SMALLEST_HEAD * columns:
        return 0.0, 0.0, float(height), float(width)
    down, across = height / rows, width / columns
    return top * down, left * across, bottom * down, right * across


def _extent(share: NDArray[np.floating]) -> tuple[int, int]:
    inside = np.flatnonzero(share >= TISSUE_SHARE)
    return (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, 0)
