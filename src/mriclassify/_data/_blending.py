"""Blending: tissue of one place or slice takes the brightness of another, without a step at the border.

What healing and grafting share. All images are preprocessed: (size, size) float32, 0..1.5, air 0.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mriclassify._errors import OptionError

Plane = NDArray[np.float32]
"""(height, width), a preprocessed image or a part of it."""

Mask = NDArray[np.bool_]
"""(height, width)."""

AIR = 0.12
"""Below this part of the window there is no tissue: air, its noise, and bone. Ventricles lie about here after
contrast, so that single pixels say little; `head_of` fills them."""


class Seam(NamedTuple):
    """Where tissue is replaced, and how: in a box around it, for all else would be wasted time."""

    box: tuple[slice, slice]
    weight: Plane  # 1 where the new tissue stands alone, 0 where the old does
    rim: Mask  # the old tissue around it, that the new has to match


def head_of(image: Plane) -> Mask:
    """Return where the head is, with what it encloses: between the first and last tissue of its row and column."""
    tissue = image > AIR
    filled: Mask = _filled(tissue) & _filled(tissue.T).T
    return filled


def _filled(mask: Mask) -> Mask:
    """Return each row filled from its first to its last pixel."""
    width = mask.shape[1]
    first, last = mask.argmax(axis=1), width - 1 - mask[:, ::-1].argmax(axis=1)
    columns = np.arange(width)
    between: Mask = (columns >= first[:, None]) & (columns <= last[:, None])
    # Where there is none, argmax says the first and, backwards, the last.
    between[~mask.any(axis=1)] = False
    return between


def check_square(image: Plane) -> None:
    """Raise OptionError unless `image` is a square."""
    if not _is_square(image):
        raise OptionError(f"expected an image (size, size), got {image.shape}: cut it with the Frame of the slice")


def check_pair(image: Plane, mask: Mask) -> None:
    """Raise OptionError unless `image` is a square and `mask` as large."""
    if not _is_square(image) or mask.shape != image.shape:
        raise OptionError(
            f"expected an image (size, size) and its mask of the same shape, got {image.shape} and {mask.shape}: "
            "cut both with the Frame of the slice"
        )


def _is_square(image: Plane) -> bool:
    return image.ndim == 2 and image.shape[0] == image.shape[1]


def make_seam(mask: Mask, grow: float, feather: float, rim: float) -> Seam:
    """Return the seam around `mask`, which has at least one pixel.

    Args:
        mask: what is replaced.
        grow: pixels around it that are replaced as well.
        feather: pixels beyond those over which new gives way to old.
        rim: pixels beyond `grow` that the new tissue is matched to.
    """
    from scipy.ndimage import distance_transform_edt

    box = box_around(mask, int(grow + max(feather, rim)) + 2)
    away = distance_transform_edt(~mask[box]).astype(np.float32)
    ramp = np.clip((grow + feather - away) / max(feather, 1e-6), 0, 1)
    return Seam(box, ramp * ramp * (3 - 2 * ramp), (away > grow) & (away <= grow + rim))


def box_around(mask: Mask, margin: int) -> tuple[slice, slice]:
    """Return the box of `mask`'s pixels, `margin` pixels wider on each side where the plane is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        slice(max(0, int(rows[0]) - margin), min(height, int(rows[-1]) + margin + 1)),
        slice(max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + margin + 1)),
    )


def membrane(values: Plane, weight: Plane, *, softness: float) -> Plane:
    """Return a smooth field that agrees with `values` where they have weight, and stretches between them elsewhere.

    It is Shepard's interpolation with the kernel (r² + s²)^(-3/2), close to the membrane that Poisson blending
    solves for (Farbman et al., "Coordinates for instant image cloning", 2009, and "Convolution pyramids", 2011), but
    a plain convolution: a quarter of the resolution, two transforms there and one back.

    Args:
        values: (height, width).
        weight: (height, width), 0 and above; somewhere above 0.
        softness: s in pixels; noise of this width is smoothed away.
    """
    from scipy.fft import irfft2, next_fast_len, rfft2

    height, width = values.shape
    rows, columns = -(-height // 2), -(-width // 2)
    both = np.zeros((2, 2 * rows, 2 * columns), np.float32)
    both[:, :height, :width] = values * weight, weight
    both = both.reshape(2, rows, 2, columns, 2).sum(axis=(2, 4))
    shape = next_fast_len(2 * rows, real=True), next_fast_len(2 * columns, real=True)
    down, across = (np.minimum(np.arange(n), n - np.arange(n)).astype(np.float32) for n in shape)
    kernel = (down[:, None] ** 2 + across**2 + (softness / 2) ** 2) ** -1.5
    total, weights = irfft2(rfft2(both, shape) * rfft2(kernel), shape)[:, :rows, :columns]
    field = Image.fromarray((total / np.maximum(weights, 1e-9)).astype(np.float32))
    return np.asarray(field.resize((2 * columns, 2 * rows), Image.Resampling.BILINEAR))[:height, :width]
