"""Stripping: all but the brain becomes black, as in research data that is shared without skull, scalp and face.

The public sets show whole heads, so that a network trained on them hardly knows slices of brains alone: it finds them
unfamiliar, or misses their tumours. Programs that strip (BET: Smith 2002, "Fast robust automated brain extraction",
Hum. Brain Mapp. 17; SynthStrip: Hoopes et al. 2022) look at volumes. `brain_of` is what can be done with one slice of
any plane: what is about as bright as the middle of the head, after what is thin was taken away; tried with a few
thresholds and widths, of which the one with the fewest dents is taken, and none where it does not look like a brain.

Limits. It finds a brain in about half of the public slices, hardly ever at the base of the skull. What touches the
brain may stay (scalp beside a thin skull, eyes), and bright veins or a rim of the cortex may go.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from mriclassify._data._blending import AIR, Mask, Plane, check_pair
from mriclassify._data._preprocessing import Preprocessing

GRID = 112
"""Side of the copy that the brain is looked for in, pixels; what is measured in pixels below is meant there."""

DARKEST, BRIGHTEST = (0.45, 0.55, 0.65), 2.2
"""Brain, as parts of the brightness in the middle of the head; the first are tried in turn."""

WIDTHS = (1, 2, 3)
"""What is not wider than twice this is taken away: vessels, dura, and bridges to the scalp. Tried in turn."""

CLOSED = 4
"""Gaps that are not wider than twice this are closed: furrows."""

SKIN = 1.5
"""Nothing is brain that is nearer to the head's outline."""

DEEP = 2.0
"""Nine tenths of the brain's outline lie deeper in the head than this, or it is the head itself."""

PART = (0.35, 0.85)
"""Of the head's area that a brain has."""

FILLED = 0.85
"""Part of its convex hull that a brain fills at least."""

ENOUGH = 0.9
"""A brain that fills so much of its hull is taken without looking for a better one."""

SPREAD = (-0.012, 0.02)
"""How far outlines lie outside of the brain found, as parts of the side: programs differ by as much."""

SOFT = 0.004
"""Width of an outline, as a part of the side: no outline runs along pixels."""

KEPT = 0.95
"""Part of a lesion that must be left, or the slice would not show it any longer."""


class StripParameters(NamedTuple):
    """What is drawn for a stripping."""

    spread: float  # of the outline, as a part of the side; below 0 it lies inside of the brain found


def draw_strip(rng: np.random.Generator) -> StripParameters:
    """Draw the parameters of a stripping."""
    return StripParameters(spread=float(rng.uniform(*SPREAD)))


def strip(image: Plane, lesion: Mask, parameters: StripParameters) -> tuple[Plane, Mask] | None:
    """Return the brain alone, and the lesion, framed and windowed anew; or None where the brain can't be told.

    None also where less than 0.95 of the lesion would be left. What comes back is what `Preprocessing` makes of a slice
    that was stripped before it was given to us: the brain fills the frame.

    Args:
        image: (size, size), preprocessed (0..1.5), the head upright or not; it is not changed.
        lesion: (size, size), where the lesion is; it counts as brain.
        parameters: from `draw_strip`.

    Raises:
        OptionError: shapes differ.
    """
    from scipy.ndimage import distance_transform_edt

    check_pair(image, lesion)
    brain = brain_of(image, lesion)
    if brain is None:
        return None
    size = len(image)
    # Below 0 inside of the outline, in pixels.
    away = distance_transform_edt(~brain) - distance_transform_edt(brain)
    weight = np.clip(0.5 - (away - parameters.spread * size) / (2 * SOFT * size), 0, 1).astype(np.float32)
    if lesion.any() and (weight[lesion] > 0.5).mean() < KEPT:
        return None
    preprocessing = Preprocessing(size=size)
    windowed = preprocessing.windowed(image * weight)
    frame = preprocessing.frame(windowed)
    return frame.cut(windowed, size), frame.cut(lesion.astype(np.float32), size) > 0.5


def brain_of(image: Plane, lesion: Mask | None = None) -> Mask | None:
    """Return where the brain is, (size, size), or None where it can't be told from the rest of the head.

    Args:
        image: (size, size), preprocessed (0..1.5).
        lesion: (size, size), what belongs to the brain however bright it is.
    """
    small = _resized(image, GRID)
    known = _resized((np.zeros_like(image) if lesion is None else lesion).astype(np.float32), GRID) > 0.5
    head, depth = _head(small)
    if not head.any():
        return None
    middle = float(np.median(small[depth > 0.5 * depth.max()]))
    best, most = None, FILLED
    for darkest in DARKEST:
        tissue = (small > darkest * middle) & (small < BRIGHTEST * middle) & (depth > SKIN) | known
        for width in WIDTHS:
            brain = _smoothed(tissue, width)
            if brain is not None and _within(brain, head, depth):
                filled = np.count_nonzero(brain) / _hull_area(brain)
                if filled >= most:
                    best, most = brain, filled
        if most >= ENOUGH:
            break
    return None if best is None else _resized(best.astype(np.float32), len(image)) > 0.5


def depth_of(image: Plane) -> Plane:
    """Return how deep in the head each pixel of (size, size) lies, as a part of the side; 0 outside of it."""
    depth = _head(_resized(image, GRID))[1]
    return _resized(depth, len(image)) / np.float32(GRID)


def _head(small: Plane) -> tuple[Mask, Plane]:
    """Return the head with what it encloses, and how many pixels deep in it each pixel lies."""
    from scipy import ndimage

    head = _largest(ndimage.binary_fill_holes(ndimage.binary_opening(small > AIR, _disk(1))))
    if head is None:
        return np.zeros(small.shape, bool), np.zeros(small.shape, np.float32)
    # Padded: a head that is cut off by the frame ends there.
    return head, ndimage.distance_transform_edt(np.pad(head, 1))[1:-1, 1:-1].astype(np.float32)


def _smoothed(tissue: Mask, width: int) -> Mask | None:
    """Return the largest piece that holds together by more than `width`, without gaps and holes."""
    from scipy import ndimage

    piece = _largest(ndimage.binary_opening(tissue, _disk(width)))
    if piece is None:
        return None
    closed: Mask = ndimage.binary_closing(np.pad(piece, 2 * CLOSED), _disk(CLOSED))
    filled: Mask = ndimage.binary_fill_holes(closed)[2 * CLOSED : -2 * CLOSED, 2 * CLOSED : -2 * CLOSED]
    return filled


def _within(brain: Mask, head: Mask, depth: Plane) -> bool:
    """Whether it is of a brain's size, and has something of the head around it."""
    from scipy import ndimage

    part = np.count_nonzero(brain) / np.count_nonzero(head)
    outline = brain & ~ndimage.binary_erosion(brain)
    return bool(PART[0] < part < PART[1] and np.quantile(depth[outline], 0.1) > DEEP)


def _largest(mask: Mask) -> Mask | None:
    """Return the largest connected piece; None if there is nothing."""
    from scipy import ndimage

    pieces, count = ndimage.label(mask)
    if not count:
        return None
    largest: Mask = pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
    return largest


def _hull_area(mask: Mask) -> float:
    """Return the area of the convex hull of the pixels' corners."""
    from scipy.spatial import ConvexHull

    rows, columns = np.nonzero(mask)
    corners = np.concatenate([np.stack([rows + i, columns + j], axis=1) for i in (0, 1) for j in (0, 1)])
    return float(ConvexHull(corners).volume)


def _disk(radius: int) -> Mask:
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk: Mask = rows**2 + columns**2 <= radius**2
    return disk


def _resized(plane: Plane, side: int) -> Plane:
    kind = Image.Resampling.BOX if side < len(plane) else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize((side, side), kind))
