"""Recasting: a slice as another sequence might show it; the lesion is bright there, dark, or hardly told.

In the public sets every outlined tumour is T1 after contrast agent, and T2 and FLAIR occur among tumour-free slices
alone: whoever can tell the sequence need not look at the tumour, and misses it where the sequence is another. Random
brightnesses of tissues make networks indifferent to contrast (Billot et al. 2023, "SynthSeg", Med. Image Anal. 86).
Here they are drawn around those of T2, FLAIR and T1 without contrast agent, or from all, as a curve over the brightness
of the slice. A curve would make bright rims of contrast agent dark: lesions get a brightness of their own instead, as
does oedema: bright on T2 and FLAIR, dark on T1.

Limits. Tissues that T1 shows alike stay alike. Where the brain can't be told (see `strip`) the deep part of the head is
taken for it, bone and air of the skull base as well.
"""

from typing import NamedTuple

import numpy as np

from mriclassify._data._blending import AIR, Mask, Plane, check_pair
from mriclassify._data._preprocessing import HEADROOM, PERCENTILES
from mriclassify._data._stripping import brain_of, depth_of

TISSUES = (0.0, 0.35, 0.85, 1.1, 1.5, 2.5)
"""Nothing, fluid, grey and white matter, vessels, and the brightest on T1 after contrast agent, as parts of the brain's
median."""

SHARES = {"T2": 0.35, "FLAIR": 0.35, "T1": 0.15, "any": 0.15}
"""How often tissues are as bright as there, or of any brightness."""

DEEP = 0.1
"""What lies deeper in the head, as a part of the side, is taken for brain where that can't be told."""

SOFT = 0.006
"""Width of an outline, as a part of the side."""

LESS_SHARE = 0.2
"""How often a lesion is of any brightness, also that of the brain around it: as meningiomas often are."""

OEDEMA_SHARE, OEDEMA = 0.5, (0.01, 0.07)
"""How often there is oedema around a lesion, and how wide, as a part of the side."""


class RecastParameters(NamedTuple):
    """What is drawn for a recasting."""

    tissues: tuple[float, ...]  # brightness of `TISSUES`, 0..1.1
    outside: float  # exponent for what is not brain: its bright fat stays bright, and bone dark
    lesion: float  # brightness of the lesion, 0.1..1.2
    texture: float  # what becomes of its variation: -1 turned round, 0 evened out, 1 as it was
    oedema: float  # width of what swells around it, as a part of the side; 0 for none
    swollen: float  # brightness of that


def draw_recast(rng: np.random.Generator) -> RecastParameters:
    """Draw the parameters of a recasting."""
    kind, grey = str(rng.choice(list(SHARES), p=list(SHARES.values()))), rng.uniform(0.4, 0.7)
    tissues: dict[str, tuple[float, float, float]] = {
        "T2": (rng.uniform(0.8, 1.1), grey - rng.uniform(0.05, 0.25), rng.uniform(0.05, 0.6)),
        "FLAIR": (rng.uniform(0.02, 0.25), grey - rng.uniform(0.02, 0.15), rng.uniform(0.2, 0.8)),
        "T1": (rng.uniform(0.02, 0.25), grey + rng.uniform(0.05, 0.2), rng.uniform(0.3, 0.8)),
        "any": (rng.uniform(0.02, 1.1), rng.uniform(0.02, 1.1), rng.uniform(0.02, 1.1)),
    }
    fluid, white, vessel = tissues[kind]
    bright = kind in ("T2", "FLAIR") or (kind == "any" and rng.random() < 0.5)
    level, swollen = (
        (grey + rng.uniform(0.08, 0.5), grey + rng.uniform(0.05, 0.4))
        if bright
        else (grey - rng.uniform(0.0, 0.3), grey - rng.uniform(0.0, 0.25))
    )
    if rng.random() < LESS_SHARE:
        level = rng.uniform(0.3, 0.9)
    oedema = rng.uniform(*OEDEMA) if rng.random() < OEDEMA_SHARE else 0.0
    return RecastParameters(
        tissues=tuple(float(value) for value in (fluid, fluid, grey, white, vessel, vessel)),
        outside=float(rng.uniform(0.6, 1.8)),
        lesion=float(level),
        texture=float(rng.uniform(-0.8, 0.8)),
        oedema=float(oedema),
        swollen=float(swollen),
    )


def recast(image: Plane, lesion: Mask, parameters: RecastParameters) -> Plane | None:
    """Return the slice in another contrast, windowed anew, or None where there is no head.

    Args:
        image: (size, size), preprocessed (0..1.5); it is not changed.
        lesion: (size, size), where the lesion is.
        parameters: from `draw_recast`.

    Raises:
        OptionError: shapes differ.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    check_pair(image, lesion)
    p, size = parameters, len(image)
    brain = brain_of(image, lesion)
    if brain is None:
        brain = (depth_of(image) > DEEP) | lesion
    tissue = image[brain & ~lesion & (image > AIR)]
    if not tissue.size:
        return None
    middle = float(np.median(tissue))
    made = np.interp(image / middle, TISSUES, p.tissues).astype(np.float32)
    if lesion.any():
        away = distance_transform_edt(~lesion).astype(np.float32)
        if p.oedema:
            weight = np.clip(1 - away / (p.oedema * size), 0, 1) ** 0.5
            made += weight * (p.swollen - made)
        inside = gaussian_filter(lesion.astype(np.float32), SOFT * size)
        texture = p.texture * (image - float(image[lesion].mean())) / middle
        made += inside * (p.lesion + texture - made)
    outside = image**p.outside
    whole = gaussian_filter(brain.astype(np.float32), SOFT * size)
    made = np.clip(outside + whole * (made - outside), 0, None)
    high = float(np.percentile(made[made > 0], PERCENTILES[1]))
    return np.clip(made / high, 0, HEADROOM, dtype=np.float32) if high > 0 else None
