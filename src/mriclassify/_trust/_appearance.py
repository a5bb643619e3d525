"""Appearance: what a slice's own pixels tell, before any network, of whether it is a slice of a head at all."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mriclassify._errors import OptionError
from mriclassify._reading import Slice
from mriclassify._shapes import Pixels

SIDE = 64
"""All but colour is measured on thumbnails of this longer side, so that resolution says nothing."""

WHITE = 0.99
"""The quantile of a thumbnail's pixels that counts as white; its minimum counts as black."""

CORNER_SHARE = 0.1
"""The side of a corner, as part of the thumbnail's shorter side."""

TISSUE = 0.2
"""A thumbnail pixel above this part of white is tissue rather than air."""

GREY_STEPS = 64
"""Bins of the histogram from black to white whose entropy tells how many greys there are."""


class Appearance(NamedTuple):
    """What was measured of a slice; greys are parts of its white point (0 black, 1 white).

    Attributes:
        colour: mean chroma of the source, 0..1; 0 for grey pictures and DICOM.
        corners: grey of the second-darkest corner. Air lies around a head; a photo fills its frame. Two dark corners
            suffice, since a neck, a table or burnt-in text may reach into the others.
        median: grey that half of the slice is darker than; high where the ground is white.
        tissue: share of the slice that is brighter than air, 0..1.
        greys: entropy of the histogram of greys in bits, 0..6; low for drawings, masks and blank pictures.
        roughness: 1 - the correlation of neighbouring pixels of the thumbnail: 0 smooth, 1 white noise.
    """

    colour: float
    corners: float
    median: float
    tissue: float
    greys: float
    roughness: float


class Limits(Protocol):
    """The numbers that `objections` compares with: `AppearanceLimits`, or anything with these attributes."""

    @property
    def colour_above(self) -> float: ...
    @property
    def corners_above(self) -> float: ...
    @property
    def median_above(self) -> float: ...
    @property
    def tissue_below(self) -> float: ...
    @property
    def greys_below(self) -> float: ...
    @property
    def roughness_below(self) -> float: ...
    @property
    def roughness_above(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AppearanceLimits:
    """How far the `Appearance` of a brain MR slice may go; what goes beyond one of these is rejected.

    Chosen from 3,943 training slices (folds 1-4), with a margin to all but the oddest of them. To switch a check off,
    set an "above" to infinity or a "below" to 0.

    Args:
        colour_above: mean chroma; slices with coloured marks, or tinted by JPEG, stay below 0.03.
        corners_above: grey of the second-darkest corner.
        median_above: median grey.
        tissue_below: share of tissue.
        greys_below: entropy of the greys in bits.
        roughness_below: 1 - correlation of neighbours; less than that is a gradient or a blur.
        roughness_above: 1 - correlation of neighbours; more than that is noise.

    Raises:
        OptionError: a limit is negative or no number.
    """

    colour_above: float = 0.05
    corners_above: float = 0.35
    median_above: float = 0.75
    tissue_below: float = 0.07
    greys_below: float = 1.4
    roughness_below: float = 0.008
    roughness_above: float = 0.6

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if math.isnan(value) or value < 0:
                raise OptionError(f"{name} must be 0 or more, not {value}")


def measure(scan: Slice) -> Appearance:
    """Return how a slice looks, as it was read: framing would hide its margins."""
    greys = _between_black_and_white(_thumbnail(scan.pixels))
    return Appearance(
        colour=scan.colour,
        corners=_corners(greys),
        median=float(np.median(greys)),
        tissue=float((greys > TISSUE).mean()),
        greys=_entropy(greys),
        roughness=_roughness(greys),
    )


def objections(appearance: Appearance, limits: Limits) -> tuple[str, ...]:
    """Return why a slice of this appearance is no brain MR slice, a sentence each; none if nothing speaks against it.

    Example:
        >>> head = Appearance(colour=0.0, corners=0.01, median=0.2, tissue=0.5, greys=4.2, roughness=0.14)
        >>> objections(head, AppearanceLimits())
        ()
        >>> objections(head._replace(colour=0.31), AppearanceLimits())
        ('It is a colour picture: its mean chroma is 0.31, that of brain MR slices at most 0.05.',)
    """
    a = appearance
    found = (
        (
            a.colour > limits.colour_above,
            f"It is a colour picture: its mean chroma is {a.colour:.2f}, that of brain MR slices at most "
            f"{limits.colour_above:.2f}.",
        ),
        (
            a.median > limits.median_above,
            f"Its ground is white, as that of a document or an inverted slice: half of it is brighter than "
            f"{a.median:.2f} of white, at most {limits.median_above:.2f} in brain MR slices.",
        ),
        (
            a.corners > limits.corners_above,
            f"No dark air surrounds a head: three of its corners are brighter than {a.corners:.2f} of white, "
            f"those of brain MR slices at most {limits.corners_above:.2f}.",
        ),
        (
            a.tissue < limits.tissue_below,
            f"It is nearly empty: {a.tissue:.0%} of it is brighter than air, {limits.tissue_below:.0%} or more in "
            "brain MR slices.",
        ),
        (
            a.greys < limits.greys_below,
            f"It has few greys, as a drawing or a mask: their entropy is {a.greys:.1f} bits, {limits.greys_below:.1f} "
            "or more in brain MR slices.",
        ),
        (
            a.roughness > limits.roughness_above,
            f"It is noise: neighbouring pixels differ by {a.roughness:.2f} of what distant ones do, at most "
            f"{limits.roughness_above:.2f} in brain MR slices.",
        ),
        (
            a.roughness < limits.roughness_below,
            f"It is too smooth: neighbouring pixels differ by {a.roughness:.3f} of what distant ones do, "
            f"{limits.roughness_below:.3f} or more in brain MR slices.",
        ),
    )
    return tuple(sentence for holds, sentence in found if holds)


def _thumbnail(pixels: Pixels) -> NDArray[np.float64]:
    """Return `pixels` (height, width) with the longer side at SIDE; each pixel a mean, so that fine noise stays."""
    height, width = pixels.shape
    scale = SIDE / max(height, width)
    size = max(2, round(width * scale)), max(2, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX), dtype=np.float64)


def _between_black_and_white(thumbnail: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(thumbnail, axis=None)
    black, white = float(ordered[0]), float(ordered[int(WHITE * (ordered.size - 1))])
    # A few white dots on black have no white point: the brightest is white then.
    white = white if white > black else float(ordered[-1])
    return (thumbnail - black) / (white - black) if white > black else np.zeros_like(thumbnail)


def _corners(greys: NDArray[np.float64]) -> float:
    side = max(2, round(min(greys.shape) * CORNER_SHARE))
    near, far = slice(None, side), slice(-side, None)
    medians = [float(np.median(greys[rows, columns])) for rows in (near, far) for columns in (near, far)]
    return sorted(medians)[1]


def _entropy(greys: NDArray[np.float64]) -> float:
    """Return the Shannon entropy of the histogram of `greys` in bits."""
    steps = np.clip(greys * GREY_STEPS, 0, GREY_STEPS - 1).astype(np.int64)
    share = np.bincount(steps.ravel()) / greys.size
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum())


def _roughness(greys: NDArray[np.float64]) -> float:
    """Return half the mean squared difference of neighbours over the variance: 1 - their correlation, 0..about 2."""
    variance = float(greys.var())
    if variance == 0:
        return 0.0
    steps = [float((np.diff(greys, axis=axis) ** 2).mean()) for axis in (0, 1)]
    return sum(steps) / 4 / variance
