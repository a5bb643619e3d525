"""Cropping: a part of the head fills the frame, with the lesion in it or without.

A slice with a tumour, cropped so that none of it is left, is a tumour-free picture from the tumours' own scanner, of
any plane and level: what healing can't make of large lesions and of those in the midline. The same crops of slices
that keep their label take care that being cropped says nothing.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from mriclassify._data._blending import AIR, Mask, Plane, box_around, check_pair

SIDES = (0.4, 0.85)
"""Sides of a window, as parts of the box around the head."""

WHOLE = 0.3
"""Share of the windows that are as high as the head; as many are as wide."""

KEPT_SCALE = 0.4
"""Share of the crops that are not enlarged: what lies outside the window is black."""

TISSUE = 0.6
"""Smallest part of a window that shows tissue: a picture of air says nothing."""

CLEAR = 0.02
"""A window that misses a lesion stays clear of it by this part of the side, since outlines are drawn tight."""

TRIES = 20


class CropParameters(NamedTuple):
    """What is drawn for a crop, whatever the image: windows to be tried in turn, and whether they are enlarged."""

    windows: tuple[
        tuple[float, float, float, float], ...
    ]  # height and width as parts of the head's box; place 0..1 each
    enlarged: bool


def draw_crop(rng: np.random.Generator) -> CropParameters:
    """Draw the parameters of a crop."""
    sides = rng.uniform(*SIDES, (TRIES, 2))
    whole = rng.random(TRIES)
    sides[whole < WHOLE, 0] = 1
    sides[whole > 1 - WHOLE, 1] = 1
    windows = np.concatenate([sides, rng.random((TRIES, 2))], axis=1)
    return CropParameters(tuple(map(tuple, windows.tolist())), enlarged=bool(rng.random() >= KEPT_SCALE))


def crop(image: Plane, lesion: Mask, parameters: CropParameters, *, miss: bool = False) -> tuple[Plane, Mask] | None:
    """Return a part of the slice, and of the lesion's mask, or None if no window does.

    The window holds the lesion whole (any window does where there is none); with `miss` it holds none of it.

    Args:
        image: (size, size), preprocessed (0..1.5); it is not changed.
        lesion: (size, size), where the lesion is.
        parameters: from `draw_crop`.
        miss: whether the lesion is to be left out.

    Raises:
        OptionError: shapes differ.
    """
    check_pair(image, lesion)
    tissue = image > AIR
    if not tissue.any():
        return None
    head = box_around(tissue, 0)
    around = box_around(lesion, round(CLEAR * len(image)) if miss else 0) if lesion.any() else None
    for window in parameters.windows:
        box = _placed(window, head, around if around is not None and not miss else None)
        if box is None or (miss and around is not None and not _apart(box, around)):
            continue
        if tissue[box].mean() >= TISSUE:
            return _shown(image, lesion, box, enlarged=parameters.enlarged)
    return None


Box = tuple[slice, slice]


def _placed(window: tuple[float, float, float, float], head: Box, inside: Box | None) -> Box | None:
    """Return the window's box within the head's, around `inside` if that is asked for; None if it is too small."""
    sides = []
    for number, side in enumerate(head):
        whole = side.stop - side.start
        length = max(1, round(window[number] * whole))
        first, last = side.start, side.stop - length
        if inside is not None:
            # Not any window that happens to hold the lesion: those are large, and those that miss it are small.
            first, last = max(first, inside[number].stop - length), min(last, inside[number].start)
            if first > last:
                return None
        start = min(last, int(first + window[2 + number] * (last - first + 1)))
        sides.append(slice(start, start + length))
    rows, columns = sides
    return rows, columns


def _apart(a: Box, b: Box) -> bool:
    return any(x.stop <= y.start or y.stop <= x.start for x, y in zip(a, b, strict=True))


def _shown(image: Plane, lesion: Mask, box: Box, *, enlarged: bool) -> tuple[Plane, Mask]:
    """Return what lies in the box, in the middle of a black square."""
    size = len(image)
    height, width = (side.stop - side.start for side in box)
    side = max(height, width) if enlarged else size
    square = np.zeros((2, side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[:, top : top + height, left : left + width] = image[box], lesion[box]
    if side != size:
        resized = [
            Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=None)
            for plane in square
        ]
        square = np.stack([np.asarray(plane) for plane in resized])
    return square[0], square[1] > 0.5
