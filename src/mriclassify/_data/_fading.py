"""Fading: a lesion that took up contrast agent becomes one that did not.

Most gliomas of the public sets are high-grade: bright rims on T1 after contrast. Lower-grade ones, of other hospitals,
are often a little darker than the brain around them, and even. Fading moves a lesion's brightness towards that of its
surroundings or below, and flattens what is in it; where it lies and what it pushes aside stays.
"""

from typing import NamedTuple

import numpy as np

from mriclassify._data._blending import AIR, Mask, Plane, check_pair, make_seam

GROW, FEATHER, RIM = 0.01, 0.03, 0.06
"""Around the lesion, as parts of the side: what is faded as well, how far fading tapers off, and what is compared."""

SOFT = 0.005
"""Width of an outline, as a part of the side: no lesion ends between two pixels."""

LEAST = 30
"""Pixels that a lesion and its surroundings must have, for a brightness to be read from them."""


class FadeParameters(NamedTuple):
    """What is drawn for a fading."""

    level: float  # brightness afterwards, as a part of the surroundings'
    texture: float  # what is left of the lesion's own variation, 0..1


def draw_fade(rng: np.random.Generator) -> FadeParameters:
    """Draw the parameters of a fading."""
    return FadeParameters(level=float(rng.uniform(0.55, 1.15)), texture=float(rng.uniform(0.1, 0.9)))


def fade(image: Plane, lesion: Mask, parameters: FadeParameters) -> Plane | None:
    """Return `image` with its lesion faded, or None where the lesion or the tissue around it is too small to tell.

    Args:
        image: (size, size), preprocessed (0..1.5); it is not changed.
        lesion: (size, size), where the lesion is.
        parameters: from `draw_fade`.

    Raises:
        OptionError: shapes differ.
    """
    from scipy.ndimage import gaussian_filter

    check_pair(image, lesion)
    if np.count_nonzero(lesion) < LEAST:
        return None
    size = len(image)
    seam = make_seam(lesion, GROW * size, FEATHER * size, RIM * size)
    here = image[seam.box]
    around = here[seam.rim & (here > AIR)]
    if around.size < LEAST:
        return None
    middle = float(np.median(around))
    # What is faded beside the lesion is compared with its own kind, or a bright lesion would leave a dark ring there.
    inside = gaussian_filter(lesion[seam.box].astype(np.float32), SOFT * size)
    usual = middle + inside * (float(image[lesion].mean()) - middle)
    faded = parameters.level * middle + parameters.texture * (here - usual)
    made = image.copy()
    made[seam.box] = here * (1 - seam.weight) + np.clip(faded, 0, 1.5) * seam.weight
    return made
