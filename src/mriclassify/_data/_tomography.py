"""Tomography: an MR slice as computed tomography (CT) might show it, for models to know CT by.

On CT the skull is the brightest by far, so bright that it is cut off in the windows that are used for the brain; the
brain is nearly even, fluid a little darker, fat and skin are dark. Whoever asks a model of MR about CT gets an answer,
and a sure one where CT slices got into its training set. Real ones of heads are not needed to know them: the outline of
the brain is where the skull begins.

Limits. The skull is as thick everywhere, and there is none where the brain can't be told (see `brain_of`): the base of
the skull is never drawn.
"""

from typing import NamedTuple

import numpy as np

from mriclassify._data._blending import Plane
from mriclassify._data._preprocessing import Preprocessing
from mriclassify._data._stripping import brain_of, depth_of

RANGE = (2, 98)
"""Percentiles of the brain between which tissues differ."""


class CtParameters(NamedTuple):
    """What is drawn for a slice as CT; brightnesses are parts of the bone's."""

    bone: float  # how thick, as a part of the side
    brain: float  # brightness of the brain's mean
    contrast: float  # between the brain's darkest and brightest tissue; below 0 turned round, as T2 needs it
    scalp: float  # brightness outside of the bone
    blur: float  # sigma, as a part of the side
    noise: float  # sigma


def draw_ct(rng: np.random.Generator) -> CtParameters:
    """Draw the parameters of a slice as CT."""
    return CtParameters(
        bone=float(rng.uniform(0.02, 0.06)),
        brain=float(rng.uniform(0.25, 0.6)),
        contrast=float(rng.uniform(0.05, 0.25) * rng.choice((-1, 1))),
        scalp=float(rng.uniform(0.0, 0.3)),
        blur=float(rng.uniform(0.0015, 0.01)),
        noise=float(rng.uniform(0.0, 0.03)),
    )


def as_ct(image: Plane, parameters: CtParameters, rng: np.random.Generator) -> Plane | None:
    """Return the slice as CT, framed and windowed anew, or None where the brain can't be told.

    Args:
        image: (size, size), preprocessed (0..1.5); it is not changed.
        parameters: from `draw_ct`.
        rng: for the noise.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    brain = brain_of(image)
    if brain is None:
        return None
    p, size = parameters, len(image)
    low, high = np.percentile(image[brain], RANGE)
    tissue = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1)
    away = distance_transform_edt(~brain)
    made = np.where(depth_of(image) > 0, p.scalp, 0.0)
    made[(away > 0) & (away < p.bone * size)] = 1.0
    made[brain] = (p.brain + p.contrast * (tissue - 0.5))[brain]
    made = gaussian_filter(made, p.blur * size)
    made += rng.normal(0, p.noise, made.shape) * (made > p.noise)
    preprocessing = Preprocessing(size=size)
    windowed = preprocessing.windowed(np.clip(made, 0, None).astype(np.float32))
    return preprocessing.frame(windowed).cut(windowed, size)
