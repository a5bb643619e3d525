"""Grafting: a tumour of one slice is set into another, tumour-free one, from another scanner.

The tumour-free slices of the public sets come from other scanners than their tumours do, so that a network may learn
the scanner instead of the tumour. A grafted slice (to be labelled with the donor's class, with the mask returned here)
is a tumour on such a scanner. The pair of healing.

The lesion keeps its place relative to the head's box, mirrored or not, because place belongs to the class:
meningiomas lie at the skull or the falx, pituitary tumours in the middle of the base. It is turned, scaled and shifted
a little. What it is to its surroundings, it stays: each pixel is multiplied by the ratio of the host's tissue around
it to the donor's, a smooth field (`membrane`), and its border is feathered.

Limits. Nothing shifts to make room. A lesion looks on a T2 slice as it did after contrast on T1. Slices are not aligned
but by the head's box: choose hosts that resemble the donor's slice (`resemblance`), so that a pituitary tumour of a
sagittal slice does not come to lie in the middle of an axial one.

Grafted slices have seams, as healed ones do. The control: graft a healthy spot (`mriclassify._data._healing.spots_of`)
of one tumour-free slice into another, whose label stays and whose mask is empty.
"""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from mriclassify._data._blending import AIR, Mask, Plane, box_around, check_pair, head_of, make_seam, membrane
from mriclassify._data._preprocessing import HEADROOM
from mriclassify._errors import OptionError

GROW, FEATHER, RIM = 0.005, 0.015, 0.05
"""As parts of the side: what is taken beyond the mask, the border over which it gives way to the host, and the tissue
around it that is compared. At 192 pixels 1, 3 and 10."""

SCALES = (0.7, 1.3)
TURN = 20.0
"""Largest turn, degrees."""

SHIFT = 0.04
"""Largest shift, as part of the head's box."""

GAIN = 0.15
"""Largest change of the lesion's brightness, as a logarithm."""

LARGEST_RATIO = 2.5
"""Brightness of the host over the donor's is held between this and its inverse."""

INSIDE = 0.97
"""Part of the lesion that must lie in the host's head; the rest is cut off."""

INWARD = (0.0, 0.1, 0.2, 0.3)
"""Parts of the way to the middle of the head by which a lesion is moved, in turn, until it lies inside."""

BRIGHTEST = 1.2
"""A lesion whose brightest part would be brighter is darkened as a whole, before it becomes a flat white patch; but
not below `STILL_SEEN`. On a bright T2 slice its ratio to its surroundings can't be kept."""

STILL_SEEN = 0.6
"""Least factor by which it is darkened."""

LEAST_CHANGE = 0.04
"""Mean absolute change within the mask (the window is 0..1) below which there is nothing to see."""

FEWEST = 12
"""Pixels of tissue around the lesion without which brightness can't be compared."""

THUMBNAIL = 24


class GraftParameters(NamedTuple):
    """What is drawn for a graft, whatever the images."""

    mirrored: bool  # left and right exchanged
    scale: float
    angle: float  # degrees
    shift: tuple[float, float]  # rows, columns, as part of the head's box
    gain: float  # logarithm of the change of the lesion's brightness


def draw_graft(rng: np.random.Generator) -> GraftParameters:
    """Draw the parameters of a graft."""
    low, high = np.log(SCALES)
    down, across = rng.uniform(-SHIFT, SHIFT, 2)
    return GraftParameters(
        mirrored=bool(rng.random() < 0.5),
        scale=float(np.exp(rng.uniform(low, high))),
        angle=float(rng.uniform(-TURN, TURN)),
        shift=(float(down), float(across)),
        gain=float(rng.uniform(-GAIN, GAIN)),
    )


def graft(host: Plane, donor: Plane, lesion: Mask, parameters: GraftParameters) -> tuple[Plane, Mask] | None:
    """Return the host with the donor's lesion, and where it lies; None if no place does.

    None is returned if there is no lesion, if it does not lie inside the host's head even when moved inwards, if
    there is no tissue around it to compare, or if it can't be seen there.

    Args:
        host: (size, size), preprocessed (0..1.5, the head upright and filling the frame); it is not changed.
        donor: (size, size), likewise.
        lesion: (size, size), where the donor's lesion is.
        parameters: from `draw_graft`.

    Returns:
        The image (size, size) float32, 0..1.5, and the mask (size, size) of the lesion in it.

    Raises:
        OptionError: shapes differ.
    """
    check_pair(donor, lesion)
    if host.shape != donor.shape:
        raise OptionError(f"expected a host and a donor of one size, got {host.shape} and {donor.shape}")
    heads = head_of(host), head_of(donor)
    if not lesion.any() or not all(head.any() for head in heads):
        return None
    for inward in INWARD:
        placed = _Placement.of(heads, lesion, parameters, inward)
        moved = placed.mask(lesion)
        if moved.any() and (moved & heads[0]).sum() >= INSIDE * parameters.scale**2 * lesion.sum():
            return _blended(host, donor, placed, moved & heads[0], heads[0], parameters.gain)
    return None


def resemblance(host: Plane, donor: Plane, lesion: Mask, *, mirrored: bool = False) -> float:
    """Return the correlation of two slices outside the lesion, -1..1, seen from afar.

    Slices of one direction and height have a larger one. A caller draws some donors for a host (or hosts for a donor)
    and takes the one with the largest.

    Args:
        host: (size, size), preprocessed.
        donor: (size, size), preprocessed.
        lesion: (size, size), where the donor's lesion is.
        mirrored: whether the donor is to be mirrored, as the parameters of the graft say: it makes a difference in
            sagittal slices.
    """
    check_pair(donor, lesion)
    if mirrored:
        donor, lesion = donor[:, ::-1], lesion[:, ::-1]
    here, there, masked = (
        np.asarray(Image.fromarray(plane).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))
        for plane in (host, donor, lesion.astype(np.float32))
    )
    clear = masked == 0
    pair = np.stack([here[clear], there[clear]])
    pair -= pair.mean(axis=1, keepdims=True)
    norms = np.sqrt((pair * pair).sum(axis=1))
    return float(pair[0] @ pair[1] / max(norms[0] * norms[1], 1e-9))


class _Placement(NamedTuple):
    """The affine map from pixels of the host to those of the donor, as Pillow writes it."""

    coefficients: tuple[float, ...]

    @classmethod
    def of(cls, heads: tuple[Mask, Mask], lesion: Mask, parameters: GraftParameters, inward: float) -> "_Placement":
        host, donor = (box_around(head, 0) for head in heads)
        source = _middle(box_around(lesion, 0))
        # Where it lies in the head's box, -0.5..0.5.
        row, column = (
            (at - middle) / side for at, middle, side in zip(source, _middle(donor), _sides(donor), strict=True)
        )
        column = -column if parameters.mirrored else column
        down, across = parameters.shift
        target = tuple(
            middle + side * (part * (1 - inward) + shift)
            for middle, side, part, shift in zip(
                _middle(host), _sides(host), (row, column), (down, across), strict=True
            )
        )
        angle, flip = math.radians(parameters.angle), -1 if parameters.mirrored else 1
        cosine, sine = math.cos(angle) / parameters.scale, math.sin(angle) / parameters.scale
        a, b, d, e = flip * cosine, flip * -sine, sine, cosine
        c, f = source[1] - a * target[1] - b * target[0], source[0] - d * target[1] - e * target[0]
        return cls((a, b, c, d, e, f))

    def image(self, donor: Plane, box: tuple[slice, slice]) -> Plane:
        """Return what the donor has for this box of the host."""
        # Bicubic: bilinear sampling would leave the lesion softer than its new surroundings.
        return self._moved(donor, box, Image.Resampling.BICUBIC)

    def mask(self, lesion: Mask) -> Mask:
        """Return the donor's lesion as it lies in the host."""
        whole = slice(0, len(lesion)), slice(0, len(lesion))
        return self._moved(lesion.astype(np.float32), whole, Image.Resampling.BILINEAR) > 0.5

    def _moved(self, plane: Plane, box: tuple[slice, slice], resample: Image.Resampling) -> Plane:
        a, b, c, d, e, f = self.coefficients
        top, left = box[0].start, box[1].start
        shape = box[1].stop - left, box[0].stop - top
        moved = a, b, c + a * left + b * top, d, e, f + d * left + e * top
        return np.asarray(Image.fromarray(plane).transform(shape, Image.Transform.AFFINE, moved, resample))


def _blended(
    host: Plane, donor: Plane, placed: _Placement, mask: Mask, head: Mask, gain: float
) -> tuple[Plane, Mask] | None:
    """Return the host with the donor's tissue where the mask is, as bright relative to its surroundings as it was."""
    size = len(host)
    seam = make_seam(mask, *(size * x for x in (GROW, FEATHER, RIM)))
    here, there = host[seam.box], placed.image(donor, seam.box)
    tissue = seam.rim & (here > AIR) & (there > AIR)
    if tissue.sum() < FEWEST:
        return None
    ratio = np.log(np.maximum(here, AIR) / np.maximum(there, AIR))
    # Skull, vessels and what else differs from most of the rim says little of how bright tissue is.
    off = (ratio - np.median(ratio[tissue])) / 0.3
    limit = math.log(LARGEST_RATIO)
    field = membrane(ratio, tissue / (1 + off**2), softness=FEATHER * size)
    lesion = there * np.exp(np.clip(field, -limit, limit) + np.float32(gain))
    brightest = float(np.percentile(lesion[mask[seam.box]], 98))
    lesion *= min(1.0, max(STILL_SEEN, BRIGHTEST / max(brightest, 1e-6)))
    weight = seam.weight * head[seam.box]
    blended = np.clip(here + weight * (lesion - here), 0, HEADROOM)
    if np.abs(blended - here)[mask[seam.box]].mean() < LEAST_CHANGE:
        return None
    grafted = host.copy()
    grafted[seam.box] = blended
    return grafted, mask


def _middle(box: tuple[slice, slice]) -> tuple[float, float]:
    return (box[0].start + box[0].stop) / 2, (box[1].start + box[1].stop) / 2


def _sides(box: tuple[slice, slice]) -> tuple[float, float]:
    return float(box[0].stop - box[0].start), float(box[1].stop - box[1].start)
