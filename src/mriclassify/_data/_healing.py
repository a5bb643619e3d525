"""Healing: a slice with a tumour becomes one without, from the same scanner; and the control for it.

Tumour-free slices of the public sets come from other scanners than tumours do, so that a network may learn the scanner
instead of the tumour. A healed slice (to be labelled "notumor", with an empty mask) takes that way out.

What is put in the lesion's place is real tissue of the same slice, so that noise and texture stay the scanner's:
*mirrored*, from the other hemisphere, where the head is its own mirror image and the lesion lies on one side; else a
*patch* from elsewhere in the head, whose surroundings are like the lesion's, if the lesion is small. Its brightness is
bent to the surrounding tissue's (`membrane`), and its border feathered.

Limits. Only what the mask holds is healed: oedema beyond it, a shifted midline, widened or squeezed ventricles and
lesions that nobody outlined remain. A patch is plausible tissue, not the anatomy of its place: a healed pituitary
gland is mostly gone. Of the figshare set's 3,064 slices (192 pixels) 67 % of the gliomas can be healed (39 by the
mirror image, 28 by a patch), 70 % of the meningiomas (37 and 32) and 73 % of the pituitary tumours (6 and 67).

A healed slice has a seam, and a network must not learn that seams mean "notumor". `sham` does the very same to
healthy tissue of any slice, whose label stays.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mriclassify._data._blending import AIR, Mask, Plane, Seam, box_around, check_pair, head_of, make_seam, membrane
from mriclassify._data._preprocessing import HEADROOM
from mriclassify._data._symmetry import find_axis

Way = Literal["mirror", "patch"]

GROW, FEATHER, RIM = 0.02, 0.015, 0.05
"""As parts of the side: outlines are drawn tight, so that a little around them is replaced too; then new gives way
to old; and the tissue next to it is what new tissue must match. At 192 pixels 4, 3 and 10."""

REACH = 0.04
"""Tissue is shifted by up to this part of the side to where its rim fits best: no head is quite symmetric."""

SYMMETRIC = 0.45
"""A head less like its mirror image (see Axis) is seen from the side, and has no other hemisphere to take from. Of 72
figshare slices looked at, nearly all sagittal ones lay below, and most axial and coronal ones above."""

MIRROR_MISFIT, PATCH_MISFIT = 0.22, 0.17
"""Largest root mean square difference of the rims, once their means agree (the window is 0..1). The other hemisphere
looks right even where the skull does not quite meet; a patch does not."""

LARGEST_PATCH = 0.06
"""A patch over more than this part of the frame shows that it does not belong."""

COARSE = 48
"""Side of the thumbnail on which patches are looked for."""

LIVELY, CALM = 2.0, 0.15
"""What it costs if a patch varies less or more than the tissue around the lesion (squared, as the misfit), and the
largest variation that is asked for: skull and fat among that tissue vary more than any brain."""

SPOT_AREA = (0.004, 0.04)
"""Part of the frame that a sham's spot covers, if it is not given a shape. Of the figshare set's tumours a tenth
cover less than 0.5 per cent, half less than 1.6, and nine tenths less than 5.2."""

INNER = 0.75
"""Middles of spots lie within this part of the ellipse in the head's box: about where lesions do."""

TRIES = 8
"""Places that a sham is given, to find one that is healthy and whole."""


def heal(
    image: Plane, lesion: Mask, *, avoid: Mask | None = None, ways: tuple[Way, ...] = ("mirror", "patch")
) -> Plane | None:
    """Return `image` with healthy tissue in place of the lesion, or None where that can't be done well.

    None is returned if there is no lesion, and if neither way does: the lesion or its mirror image crosses the
    midline, the slice is sagittal, or the rims fit badly; and no patch fits, or the lesion is too large for one.

    Args:
        image: (size, size), preprocessed (0..1.5, the head upright and filling the frame); it is not changed.
        lesion: (size, size), where the lesion is.
        avoid: (size, size), other pixels that no tissue may be taken from.
        ways: to be tried, in this order.

    Raises:
        OptionError: shapes differ.
    """
    check_pair(image, lesion)
    if not lesion.any():
        return None
    size = len(image)
    task = _Task(
        image, lesion if avoid is None else lesion | avoid, make_seam(lesion, *(size * x for x in (GROW, FEATHER, RIM)))
    )
    for way in ways:
        found = _mirrored(task) if way == "mirror" else _patch(task)
        if found is not None:
            return _filled(task, found)
    return None


class ShamParameters(NamedTuple):
    """What is drawn for a sham: where and how large its spot is, whatever the image."""

    places: tuple[float, ...]  # 0..1 each: which pixel of the inner head is the middle, in reading order; tried in turn
    area: float  # part of the frame
    aspect: float  # long over short diameter
    angle: float  # degrees
    waves: tuple[float, float, float]  # height of 2, 3 and 4 waves around the border, as part of the radius


def draw_sham(rng: np.random.Generator) -> ShamParameters:
    """Draw the parameters of a sham."""
    low, high = np.log(SPOT_AREA)
    second, third, fourth = rng.normal(0, 0.1, 3)
    return ShamParameters(
        places=tuple(rng.random(TRIES).tolist()),
        area=float(np.exp(rng.uniform(low, high))),
        aspect=float(rng.uniform(1, 2)),
        angle=float(rng.uniform(0, 180)),
        waves=(float(second), float(third), float(fourth)),
    )


def sham(
    image: Plane, parameters: ShamParameters, *, avoid: Mask | None = None, like: Mask | None = None
) -> Plane | None:
    """Return `image` with a healthy spot healed as if it were a lesion, or None if no place does; the label stays.

    Args:
        image: (size, size), preprocessed, with or without a tumour; it is not changed.
        parameters: from `draw_sham`.
        avoid: (size, size), the lesion: it is left as it is, and nothing is taken from it.
        like: (size, size), a lesion whose shape the spot takes, moved; None makes a shape from the parameters.
    """
    for spot in spots_of(image, parameters, avoid=avoid, like=like):
        healed = heal(image, spot, avoid=avoid)
        if healed is not None:
            return healed
    return None


def spots_of(
    image: Plane, parameters: ShamParameters, *, avoid: Mask | None = None, like: Mask | None = None
) -> Iterator[Mask]:
    """Yield spots (size, size) of the head that are clear of `avoid`: one for each place where there is one, in order.

    The arguments are those of `sham`. Grafting such a spot from one tumour-free slice into another is the control
    for grafting (see `mriclassify._data._grafting`).
    """
    size = len(image)
    head = head_of(image)
    inside = np.flatnonzero(_inner(head))
    free = head
    if avoid is not None and avoid.any():
        seam = make_seam(avoid, GROW * size, FEATHER * size, 0.0)
        free = head.copy()
        free[seam.box] &= seam.weight == 0
    shape = _shape(parameters, size) if like is None else like[box_around(like, 0)]
    height, width = shape.shape
    for place in parameters.places if len(inside) else ():
        row, column = divmod(int(inside[int(place * len(inside))]), size)
        top, left = row - height // 2, column - width // 2
        if top >= 0 and left >= 0 and free[top : top + height, left : left + width].shape == shape.shape:
            box = slice(top, top + height), slice(left, left + width)
            if not (shape & ~free[box]).any():
                spot = np.zeros_like(head)
                spot[box] = shape
                yield spot


def _inner(head: Mask) -> Mask:
    """Return the part of the head where most lesions lie: an ellipse in the head's box, without scalp and face."""
    if not head.any():
        return head
    rows, columns = box_around(head, 0)
    height, width = head[rows, columns].shape
    down, across = ((np.arange(n, dtype=np.float32) + 0.5) * 2 / n - 1 for n in (height, width))
    inner = np.zeros_like(head)
    inner[rows, columns] = head[rows, columns] & ((down[:, None] ** 2 + across**2) < INNER**2)
    return inner


def _shape(parameters: ShamParameters, size: int) -> Mask:
    """Return an ellipse with a wavy border, in the box that just holds it."""
    radius = math.sqrt(parameters.area / math.pi) * size
    half = min(size // 2, math.ceil(radius * math.sqrt(parameters.aspect) * (1 + sum(map(abs, parameters.waves)))) + 1)
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    angle = np.arctan2(rows, columns) - math.radians(parameters.angle)
    away = np.hypot(rows, columns)
    stretch = math.sqrt(parameters.aspect)
    border = radius / np.hypot(np.cos(angle) / stretch, np.sin(angle) * stretch)
    for number, wave in enumerate(parameters.waves, 2):
        border = border * (1 + wave * np.cos(number * angle + number))
    spot: Mask = away <= np.maximum(border, 1)
    return spot[box_around(spot, 0)]


class _Task(NamedTuple):
    image: Plane
    bad: Mask  # what no tissue may be taken from
    seam: Seam

    @property
    def reach(self) -> int:
        return max(1, round(REACH * len(self.image)))

    @property
    def rim(self) -> Mask:
        """What the new tissue must match, in the seam's box."""
        return self.seam.rim & ~self.bad[self.seam.box]


def _mirrored(task: _Task) -> Plane | None:
    """Return what the other hemisphere has in the seam's box."""
    size, reach = len(task.image), task.reach
    axis = find_axis(task.image, task.bad)
    if axis.likeness < SYMMETRIC:
        return None
    rows, columns = task.seam.box
    a, b, c, d, e, f = axis.coefficients(size)
    left, top = columns.start - reach, rows.start - reach
    moved = (a, b, c + a * left + b * top, d, e, f + d * left + e * top)
    height, width = task.seam.weight.shape
    shape = width + 2 * reach, height + 2 * reach
    # Bicubic: bilinear sampling between pixels would leave the tissue softer than what surrounds it.
    there, good = (
        np.asarray(Image.fromarray(plane).transform(shape, Image.Transform.AFFINE, moved, resample))
        for plane, resample in (
            (task.image, Image.Resampling.BICUBIC),
            ((~task.bad).astype(np.float32), Image.Resampling.BILINEAR),
        )
    )
    return _fitted(task, there, good > 0.99, MIRROR_MISFIT)


def _patch(task: _Task) -> Plane | None:
    """Return tissue from elsewhere in the head for the seam's box."""
    size, reach = len(task.image), task.reach
    if np.count_nonzero(task.seam.weight) > LARGEST_PATCH * size**2:
        return None
    shift = _coarse_shift(task)
    if shift is None:
        return None
    rows, columns = task.seam.box
    height, width = task.seam.weight.shape
    left, top = columns.start + shift[1] - reach, rows.start + shift[0] - reach
    box = left, top, left + width + 2 * reach, top + height + 2 * reach
    # What Pillow's crop finds outside is 0: black, and not good.
    there = np.asarray(Image.fromarray(task.image).crop(box))
    good = np.asarray(Image.fromarray((~task.bad).astype(np.float32)).crop(box)) > 0
    return _fitted(task, there, good, PATCH_MISFIT)


def _coarse_shift(task: _Task) -> tuple[int, int] | None:
    """Return by how many rows and columns the place lies off whose rim is most like the lesion's; a multiple of a few.

    All shifts at once, by Fourier transforms: the squared difference of the rims, less that of their means, is a
    sum of correlations.
    """
    from scipy.fft import irfft2, rfft2

    size = len(task.image)
    planes = np.zeros((3, size, size), np.float32)
    planes[(0, *task.seam.box)] = task.rim
    planes[(1, *task.seam.box)] = task.seam.weight > 0
    planes[2] = task.bad
    rim, place, bad, image = (_shrunk(plane, COARSE) for plane in (*planes, task.image))
    place = (place > 0).astype(np.float32)
    head = head_of(image)
    usable = (head & (bad == 0)).astype(np.float32)
    span = 2 * COARSE  # so that no shift wraps around
    rims, rims_image, places = (wave.conj() for wave in rfft2(np.stack([rim, rim * image, place]), (span, span)))
    images, squares, usables = rfft2(np.stack([image, image * image, usable]), (span, span))
    square, once, product, mean, spread, inside = irfft2(
        np.stack(
            [rims * squares, rims * images, rims_image * images, places * images, places * squares, places * usables]
        ),
        (span, span),
    )
    weight, covered = float(rim.sum()), float(place.sum())
    if not weight:
        return None
    brighter = (once - float((rim * image).sum())) / weight
    misfit = (square - 2 * product + float((rim * image * image).sum())) / weight - 0.7 * brighter**2
    # The best fit is often the quietest place, and a quiet spot gives itself away; a vessel in it looks like a lesion.
    inner = np.sqrt(np.maximum(spread / covered - (mean / covered) ** 2, 0))
    middle = float((rim * image).sum()) / weight
    outer = math.sqrt(max(float((rim * image * image).sum()) / weight - middle**2, 0.0))
    misfit += LIVELY * (inner - min(0.9 * outer, CALM)) ** 2
    steps = np.minimum(np.arange(span), span - np.arange(span)) / COARSE
    misfit += 0.01 * (steps[:, None] ** 2 + steps**2)
    # As much of it in the head as the lesion's own place has.
    misfit[inside < float((place * head).sum()) - 0.5] = np.inf
    best = int(misfit.argmin())
    if not np.isfinite(misfit.flat[best]):
        return None
    row, column = (round(((k + COARSE) % span - COARSE) * size / COARSE) for k in divmod(best, span))
    return row, column


def _fitted(task: _Task, there: Plane, good: Mask, largest: float) -> Plane | None:
    """Return the part of `there` whose rim fits best, of the shape of the seam's box.

    Args:
        task: what is healed.
        there: tissue, wider than the box by the reach on each side.
        good: of its shape, what may be taken.
        largest: misfit of the rims.
    """
    height, width = task.seam.weight.shape
    pitch, span = there.shape[1], 2 * task.reach + 1
    shifts = (np.arange(span)[:, None] * pitch + np.arange(span)).ravel()
    rows, columns = np.nonzero(task.rim)
    if not len(rows):
        return None
    every = max(1, len(rows) // 200)
    rows, columns = rows[::every], columns[::every]
    difference = there.ravel()[shifts[:, None] + (rows * pitch + columns)] - task.image[task.seam.box][rows, columns]
    brighter = difference.mean(axis=1)
    misfit = np.einsum("ij,ij->i", difference, difference) / len(rows) - brighter**2
    if not good.all():
        misfit[~_all_good(task.seam.weight > 0, good, shifts)] = np.inf
    best = int((misfit + 0.3 * brighter**2).argmin())
    if misfit[best] > largest**2:
        return None
    row, column = divmod(best, span)
    return there[row : row + height, column : column + width]


def _all_good(place: Mask, good: Mask, shifts: NDArray[np.intp]) -> Mask:
    """Return for which shifts every pixel of the place is good; pixels are looked at in every other row."""
    rows, columns = np.nonzero(place)
    taken = rows % 2 == 0
    at = rows[taken] * good.shape[1] + columns[taken]
    result: Mask = good.ravel()[shifts[:, None] + at].all(axis=1)
    return result


def _filled(task: _Task, there: Plane) -> Plane:
    """Return the image with `there` in the seam's box, its brightness bent to what surrounds it."""
    here = task.image[task.seam.box]
    difference = here - there
    rim = task.rim
    # Skull that does not quite meet skull says nothing of brightness.
    off = (difference - np.median(difference[rim])) / AIR
    field = membrane(difference, rim / (1 + off**2), softness=FEATHER * len(task.image))
    healed = task.image.copy()
    healed[task.seam.box] = np.clip(here + task.seam.weight * (there + field - here), 0, HEADROOM)
    return healed


def _shrunk(plane: Plane, side: int) -> Plane:
    return np.asarray(Image.fromarray(plane).resize((side, side), Image.Resampling.BOX))
