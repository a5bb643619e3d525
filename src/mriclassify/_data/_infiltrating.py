"""Infiltration: a tumour-free brain gets a diffuse glioma that took up no contrast agent.

Most gliomas of the public sets are high-grade: bright rims on T1 after contrast. Lower-grade ones, of other hospitals,
grow between the cells instead: the tissue is evenly a little darker, grey and white matter and the furrows are told
apart less, and what lies around gives way. That can be drawn, without any donor, in tumour-free slices of any scanner
(to be labelled "glioma", with the mask returned here): in a spot of the head, as a sham's, the image is magnified from
the middle, its structure damped, its noise left, and its brightness changed.

Limits. There is no oedema along the white matter, no cyst and no calcification; a spot may cross a ventricle or the
midline, which gliomas do less often.
"""

import math
from typing import NamedTuple

import numpy as np

from mriclassify._data._blending import AIR, Mask, Plane, box_around, check_square
from mriclassify._data._healing import ShamParameters, draw_sham, spots_of
from mriclassify._data._preprocessing import HEADROOM

AREA = (0.008, 0.07)
"""Part of the frame that a lesion covers."""

DARK, BRIGHT, BRIGHT_SHARE = (0.55, 0.9), (1.1, 1.5), 0.3
"""Brightness afterwards as a part of that before; and how often a lesion is bright, as on T2 and FLAIR."""

TEXTURE = (0.0, 0.5)
SWELLING = (0.0, 0.25)
FEATHER = (0.008, 0.035)

COARSE, FINE = 0.045, 0.006
"""Structure is what is finer and coarser than these, as parts of the side: shading of the coil, and noise."""

LEAST_TISSUE = 0.85
"""Part of a spot that must be tissue: elsewhere are air and bone."""

REACH = 2.0
"""Nothing is moved farther from the middle than this many radii."""


class InfiltrationParameters(NamedTuple):
    """What is drawn for an infiltration."""

    spot: ShamParameters  # where, and of what shape
    level: float  # brightness afterwards, as a part of that before
    texture: float  # what is left of the structure, 0..1
    swelling: float  # by how much the middle is magnified, 0 and above
    feather: float  # width of the border, as a part of the side


def draw_infiltration(rng: np.random.Generator) -> InfiltrationParameters:
    """Draw the parameters of an infiltration."""
    low, high = np.log(AREA)
    return InfiltrationParameters(
        spot=draw_sham(rng)._replace(area=float(np.exp(rng.uniform(low, high)))),
        level=float(rng.uniform(*(BRIGHT if rng.random() < BRIGHT_SHARE else DARK))),
        texture=float(rng.uniform(*TEXTURE)),
        swelling=float(rng.uniform(*SWELLING)),
        feather=float(rng.uniform(*FEATHER)),
    )


def infiltrate(image: Plane, parameters: InfiltrationParameters) -> tuple[Plane, Mask] | None:
    """Return `image` with a lesion, and the lesion (size, size); or None if there is no place for it.

    Args:
        image: (size, size), preprocessed (0..1.5), tumour-free; it is not changed.
        parameters: from `draw_infiltration`.

    Raises:
        OptionError: the image is no square.
    """
    from scipy.ndimage import gaussian_filter

    check_square(image)
    spots = (spot for spot in spots_of(image, parameters.spot) if (image[spot] > AIR).mean() >= LEAST_TISSUE)
    spot = next(spots, None)
    if spot is None:
        return None
    size = len(image)
    swollen = _swollen(image, spot, parameters.swelling)
    tissue = (swollen > AIR).astype(np.float32)
    # Of tissue alone: bone and furrows would darken what lies beside them.
    known = np.maximum(gaussian_filter(tissue, COARSE * size), 1e-3)
    shading = gaussian_filter(swollen * tissue, COARSE * size) / known
    smooth = gaussian_filter(swollen, FINE * size)
    changed = parameters.level * (shading + parameters.texture * (smooth - shading)) + (swollen - smooth)
    weight = gaussian_filter(spot.astype(np.float32), parameters.feather * size)
    return np.clip(swollen + weight * (changed - swollen), 0, HEADROOM), weight > 0.5


def _swollen(image: Plane, spot: Mask, amount: float) -> Plane:
    """Return `image` magnified around the spot's middle, less and less towards REACH radii."""
    from scipy.ndimage import map_coordinates

    rows, columns = np.nonzero(spot)
    middle, radius = (rows.mean(), columns.mean()), math.sqrt(len(rows) / math.pi)
    box = box_around(spot, math.ceil(REACH * radius))
    down, across = (axis - at for axis, at in zip(np.mgrid[box].astype(np.float32), middle, strict=True))
    away = np.hypot(down, across) / radius
    nearer = 1 - amount * np.where(away < REACH, np.exp(-(away**2)) - math.exp(-(REACH**2)), 0)
    made = image.copy()
    made[box] = map_coordinates(image, [middle[0] + down * nearer, middle[1] + across * nearer], order=1)
    return made
