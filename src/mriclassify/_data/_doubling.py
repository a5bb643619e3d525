"""Doubling: one half of a head and its mirror image become a whole head.

A healed slice keeps what nobody outlined: oedema, a squeezed ventricle, furrows that are pushed together. Labelled
"notumor", it teaches that all this means nothing, though it is most of what a tumour shows that takes up no contrast
agent. The half without the lesion, doubled, is a tumour-free slice of the tumour's scanner without any of it. The other
half, doubled, stays what it was, and so does a tumour-free slice, so that being symmetric says nothing.

Limits. Where the midline is shifted, some of it is doubled. Only slices that are about symmetric can be doubled, and a
lesion near the midline leaves no half without it.
"""

import math

import numpy as np
from PIL import Image

from mriclassify._data._blending import Mask, Plane, check_pair
from mriclassify._data._symmetry import SYMMETRIC, Axis, find_axis

CLEAR = 0.04
"""Part of the side by which a lesion must lie beyond the midline, for the other half to be called free of it: outlines
are drawn tight, and what is beside them is pushed aside."""

SEAM = 0.01
"""Width over which one half gives way to the other, as part of the side."""


def double(image: Plane, lesion: Mask, *, free: bool = False, left: bool = True) -> tuple[Plane, Mask] | None:
    """Return the head made of one half, and where the lesion lies in it; None where that can't be done.

    None is returned if the head is not about symmetric (seen from the side, say), and if `free` is asked for and no
    half is.

    Args:
        image: (size, size), preprocessed (0..1.5, the head upright); it is not changed.
        lesion: (size, size), where the lesion is; none if there is none.
        free: whether the half without the lesion is doubled, instead of the half with it (or with more of it).
        left: which half is doubled if there is no lesion, as one looks at it.

    Raises:
        OptionError: shapes differ.
    """
    check_pair(image, lesion)
    axis = find_axis(image, lesion)
    if axis.likeness < SYMMETRIC:
        return None
    size = len(image)
    away = _right_of(axis, size)
    if lesion.any():
        places = away[lesion]
        left = bool(places.mean() < 0)
        if free:
            if min(places.max(), -places.min()) > -CLEAR * size:
                return None
            left = not left
    part = np.clip((-away if left else away) / (SEAM * size) + 0.5, 0, 1)
    there, lesion_there = (
        np.asarray(
            Image.fromarray(plane).transform(
                (size, size), Image.Transform.AFFINE, axis.coefficients(size), Image.Resampling.BICUBIC
            )
        )
        for plane in (image, lesion.astype(np.float32))
    )
    doubled = np.clip(part * image + (1 - part) * there, 0, None).astype(np.float32)
    return doubled, np.where(part >= 0.5, lesion, lesion_there > 0.5)


def _right_of(axis: Axis, size: int) -> Plane:
    """Return how far each pixel lies to the right of the axis, pixels; (size, size)."""
    cosine, sine = math.cos(math.radians(axis.angle)), math.sin(math.radians(axis.angle))
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) + 0.5 - size / 2
    away: Plane = columns * cosine + rows * sine - axis.offset * size
    return away
