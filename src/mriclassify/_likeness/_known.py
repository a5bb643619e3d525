"""Known slices: the 3,064 of the figshare set are found again under any name, mirrored, resized, turned or shifted.

J. Cheng, brain tumor dataset, figshare 2017, doi:10.6084/m9.figshare.1512427 (CC BY 4.0). The public sets are made of
these slices. The table that lies beside this file holds of each slice its lowest cosine coefficients, its patient and
its label.

A slice is compared with all of them in two ways. *Directly*: the similarity is the cosine of the angle between the
coefficients, each times its frequency, which is the correlation of the two gradients; over eight orientations. Copies
that were resized, recompressed, stretched, mirrored or quarter-turned have almost the similarity one. *Aligned*, where
no slice is directly similar: a grid of turns, scales and shifts, applied to the coefficients, names candidates; each
is then registered to the slice by least squares (S. Baker and I. Matthews, Lucas-Kanade 20 Years On, IJCV 56, 2004)
and the correlation of the third derivatives, to which the outline of the head matters less, decides.
"""

import itertools
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriclassify._likeness._hashing import FREQUENCIES, cosines
from mriclassify._shapes import Pixels

TABLE_VERSION = "1"
"""Count up when the table changes, or what is found with it: what was found before is then looked for anew."""

TABLE = Path(__file__).with_name("known_slices.npz")
LARGEST = 400_000
"""Bytes that the table may have."""

CERTAIN = 0.99
"""A direct similarity above this is taken at once. Two slices of one patient reach 0.986."""
DIRECT = 0.95
"""Above this, a slice that can't be aligned is taken for a copy with other contrast. Slices of no known origin reach
0.915."""
ALIGNED = 0.991
"""Aligned copies correlate better than this, other slices less: those of no known origin up to 0.982, but for one that
looks like the neighbour of a slice in the table: 0.9894. Measured, as are the others, by
training/check_known_slices.py."""

TINY = float(np.finfo(np.float32).tiny)
"""Divided by instead of zero, by pictures that have nothing in the frequencies that are looked at."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def _frequency(count: int) -> Floats:
    """(count, count): the length of the wave vector of each coefficient, in half waves per side."""
    down, across = np.mgrid[0:count, 0:count]
    frequency: Floats = np.hypot(down, across).astype(np.float32)
    return frequency


WAVE_NUMBER = _frequency(FREQUENCIES)
KEPT = (WAVE_NUMBER > 0) & (WAVE_NUMBER < FREQUENCIES - 0.5)
"""The coefficients in the table. A disc, so that what a turned slice has in it is the same."""


@dataclass(frozen=True, slots=True)
class KnownSlice:
    """What the figshare set says of one of its slices.

    Args:
        image: its number there, 1 to 3,064.
        patient: the patient's id, without the suffixes that tell examinations apart.
        label: "glioma", "meningioma" or "pituitary".
    """

    image: int
    patient: str
    label: str


@dataclass(frozen=True, slots=True)
class Match:
    """The known slice that a slice is.

    Args:
        image: the known slice's number, 1 to 3,064.
        similarity: 0 to 1; near to 1 for all that match.
        altered: whether it had to be aligned: it is turned, scaled or shifted against the known slice.
    """

    image: int
    similarity: float
    altered: bool


def known_slice(image: int) -> KnownSlice:
    """Return what is known of the slice of this number.

    Raises:
        IndexError: there is none; they are numbered from 1.
    """
    table = _table()
    if not 1 <= image <= len(table.patient):
        raise IndexError(f"figshare slices are numbered 1 to {len(table.patient)}, there is no {image}")
    return KnownSlice(image, table.patient[image - 1], table.label[image - 1])


def find(pixels: Pixels) -> Match | None:
    """Return the known slice that these pixels show, or None.

    Args:
        pixels: (height, width), of any size and range. Turned by up to about 10 degrees, scaled by 0.9 to 1.1 and
            shifted by up to 5 % of the side, a slice is found most of the time; all the else, nearly always.
    """
    coefficients = cosines(pixels, QUERY)
    largest = float(np.abs(coefficients).max())
    if not 0 < largest < np.inf:  # one value, or a range that float32 can't hold: similar to nothing
        return None
    coefficients /= largest
    direct = _direct(coefficients)
    if direct.similarity >= CERTAIN:
        return direct
    return _aligned(coefficients) or (direct if direct.similarity >= DIRECT else None)


def _direct(coefficients: Floats) -> Match:
    """Return the most similar slice, however little it is."""
    weighted = coefficients[:FREQUENCIES, :FREQUENCIES] * WAVE_NUMBER * KEPT
    weighted /= max(float(np.linalg.norm(weighted)), TINY)
    rows = _oriented(weighted[None])[:, 0][:, KEPT]  # (8, kept)
    similarity = rows @ _table().weighted.T  # (8, slices)
    best = int(similarity.max(axis=0).argmax())
    return Match(best + 1, min(1.0, float(similarity[:, best].max())), altered=False)


# --- the table ---


@dataclass(frozen=True, eq=False, repr=False)
class _Table:
    """Args: weighted (slices, kept), of norm one; plain (slices, 16, 16), unweighted; and a name for each slice."""

    weighted: Floats
    plain: Floats
    patient: list[str]
    label: list[str]


@cache
def _table() -> _Table:
    with np.load(TABLE, allow_pickle=False) as file:
        stored = file["coefficients"].T.astype(np.float32)
        patient = np.char.decode(file["patients"], "ascii")[file["patient"]].tolist()
        label = np.char.decode(file["labels"], "ascii")[file["label"]].tolist()
    weighted = stored / np.linalg.norm(stored, axis=1, keepdims=True)
    plain = np.zeros((len(stored), FREQUENCIES, FREQUENCIES), np.float32)
    plain[:, KEPT] = weighted / WAVE_NUMBER[KEPT]
    return _Table(weighted, plain, patient, label)


def _oriented(coefficients: Floats) -> Floats:
    """(n, k, k) -> (8, n, k, k): in the order of `orientations`, with rows and columns exchanged in the last four."""
    sign = np.where(np.arange(coefficients.shape[-1]) % 2, -1, 1).astype(np.float32)
    across, down = sign[None, :], sign[:, None]
    return np.stack(
        [
            turned * mirror
            for turned in (coefficients, coefficients.swapaxes(-1, -2))
            for mirror in (np.ones_like(across * down), across, down, across * down)
        ]
    ).reshape(8, *coefficients.shape)


# --- alignment ---
#
# A pose (a, b, x, y) says where a point (u, v) of a known slice, counted from its centre in parts of its side, lies in
# the slice that is looked at: at (a u - b v + x, b u + a v + y). a and b are the scale times the turn's cosine and
# sine.

QUERY = 24
"""Frequencies taken of a slice: more than the table's 16, since one that was made larger has them moved up."""

TURNS = (-8.0, -4.0, 0.0, 4.0, 8.0)
SCALES = (0.93, 1.0, 1.07)
SHIFTS = (-0.033, 0.0, 0.033)
CANDIDATES = 64
HOPELESS = 0.6
"""Altered copies have a candidate that is more similar than this; most pictures of other things have none."""
WIDEST_TURN, WIDEST_SCALE, WIDEST_SHIFT = 14.0, 1.17, 0.09
"""What is aligned by more than this is another slice that was bent to fit."""

GRID_IN, GRID_OUT = 12, 10
"""Frequencies of the slice and of the known ones that the grid of poses looks at."""
GRID_BLUR = 8.0


@dataclass(frozen=True, slots=True)
class _Stage:
    """How a known slice is registered.

    Args:
        side: of the pictures that are compared, in pixels.
        blur: the frequency at which a Gaussian has fallen to exp(-1/2), in half waves per side.
        order: of the derivative that is compared: the power of the frequency, as in a gradient (1) or Laplacian (2).
        margin: part of the side, left out along each border, where a slice that was shifted has been filled up.
        steps: of least squares.
        kept: candidates that go on.
    """

    side: int
    blur: float
    order: int
    margin: float
    steps: int
    kept: int


STAGES = (
    _Stage(side=16, blur=4, order=1, margin=0.06, steps=4, kept=8),
    _Stage(side=32, blur=8, order=1, margin=0.1, steps=4, kept=4),
    _Stage(side=32, blur=5, order=3, margin=0.13, steps=3, kept=1),
)


def _aligned(coefficients: Floats) -> Match | None:
    """Return the slice that the coefficients (24, 24) show after a turn, a scaling and a shift."""
    similarity, known, pose = _candidates(coefficients)
    if similarity.max() < HOPELESS:
        return None
    for stage in STAGES:
        similarity, pose = _register(coefficients, known, pose, stage)
        best = np.argsort(-similarity, kind="stable")[: stage.kept]
        similarity, known, pose = similarity[best], known[best], pose[best]
    if similarity[0] < ALIGNED or not _is_likely(pose[0]):
        return None
    return Match(int(known[0]) % len(_table().patient) + 1, min(1.0, float(similarity[0])), altered=True)


def _is_likely(pose: Floats) -> bool:
    a, b, x, y = pose.tolist()
    scale, turn = np.hypot(a, b), np.degrees(np.arctan2(b, a))
    return bool(
        1 / WIDEST_SCALE <= scale <= WIDEST_SCALE and abs(turn) <= WIDEST_TURN and max(abs(x), abs(y)) <= WIDEST_SHIFT
    )


@dataclass(frozen=True, eq=False, repr=False)
class _Grid:
    """Args: poses (p, 4); maps (p, out, in) from coefficients to weighted ones; known (8 slices, out), of norm one."""

    poses: Floats
    maps: Floats
    known: Floats


def _candidates(coefficients: Floats) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Return similarities (n,), rows (n,) of the eight times 3,064 known slices, and poses (n, 4)."""
    grid = _grid()
    inside = _frequency(GRID_IN) < GRID_IN
    posed = grid.maps @ coefficients[:GRID_IN, :GRID_IN][inside]  # (poses, out)
    posed /= np.maximum(np.linalg.norm(posed, axis=1, keepdims=True), TINY)
    similarity = grid.known @ posed.T  # (8 slices, poses)
    best = similarity.max(axis=1)
    rows = np.argpartition(-best, CANDIDATES)[:CANDIDATES]
    return best[rows], rows, grid.poses[similarity[rows].argmax(axis=1)]


@cache
def _grid() -> _Grid:
    points = 24  # enough for products of these frequencies to be summed exactly
    axis = (np.arange(points) + 0.5) / points
    u, v = np.meshgrid(axis - 0.5, axis - 0.5)
    inside, outside = _frequency(GRID_IN) < GRID_IN, _frequency(GRID_OUT)
    kept = (outside > 0) & (outside < GRID_OUT)
    weight = _band(outside, GRID_BLUR, 1)
    waves = _cosine(GRID_OUT, axis) / points
    analysis = np.einsum("kp,lq->klpq", waves, waves)[kept].reshape(kept.sum(), -1) * weight[kept][:, None]
    poses, maps = [], []
    for turn, scale, x, y in itertools.product(np.radians(TURNS), SCALES, SHIFTS, SHIFTS):
        pose = (scale * np.cos(turn), scale * np.sin(turn), x, y)
        columns, rows = _moved(pose, u, v)
        waves = np.einsum("kpq,lpq->klpq", _cosine(GRID_IN, rows), _cosine(GRID_IN, columns))[inside]
        poses.append(pose)
        maps.append(analysis @ waves.reshape(len(waves), -1).T)
    plain = _oriented(_table().plain)[:, :, :GRID_OUT, :GRID_OUT]
    known = (plain * weight)[:, :, kept].reshape(-1, kept.sum())
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    return _Grid(np.array(poses, np.float32), np.array(maps, np.float32), known.astype(np.float32))


def _register(coefficients: Floats, known: NDArray[np.int64], pose: Floats, stage: _Stage) -> tuple[Floats, Floats]:
    """Improve the pose of each candidate by Gauss-Newton steps.

    Args:
        coefficients: (24, 24) of the slice.
        known: (n,) rows of the eight times 3,064 known slices.
        pose: (n, 4) to begin with.
        stage: what is compared.

    Returns:
        The best correlation of each (n,), and the pose (n, 4) that it was found at.
    """
    u, v, waves, slopes = _raster(stage.side)
    template = _templates(known) * _band(WAVE_NUMBER, stage.blur, stage.order)
    picture = (waves.T @ template @ waves).reshape(len(known), -1)  # (n, points)
    strength = picture.std(axis=1, keepdims=True)
    across = (waves.T @ template @ slopes).reshape(picture.shape) / strength
    down = (slopes.T @ template @ waves).reshape(picture.shape) / strength
    picture /= strength
    looked_at = _looked_at(coefficients, np.hypot(pose[:, 0], pose[:, 1]), stage)
    inner = (np.maximum(np.abs(u), np.abs(v)) < 0.5 - stage.margin).astype(np.float32)

    best, best_pose = np.full(len(known), -1, np.float32), pose
    for step in range(stage.steps + 1):
        columns, rows = _moved(tuple(pose.T[:, :, None]), u, v)  # (n, points)
        mask = inner * (np.maximum(np.abs(columns - 0.5), np.abs(rows - 0.5)) <= 0.5 - stage.margin)
        seen = _sampled(looked_at, columns, rows)
        correlation = _correlation(seen, picture, mask)
        better = correlation > best
        best, best_pose = np.where(better, correlation, best), np.where(better[:, None], pose, best_pose)
        if step < stage.steps:
            pose = pose - _correction(pose, seen, picture, across, down, mask, u, v)
    return best, best_pose


def _correction(
    pose: Floats, seen: Floats, picture: Floats, across: Floats, down: Floats, mask: Floats, u: Floats, v: Floats
) -> Floats:
    """(n, 4): what the pose is off by, where `seen` = gain * (picture, moved by it) + offset in least squares."""
    a, b = pose[:, 0:1], pose[:, 1:2]
    size = a * a + b * b
    # The known slice's slopes, along the axes of the slice that is looked at.
    right, below = (a * across - b * down) / size, (b * across + a * down) / size
    parts: list[Any] = [picture, np.ones_like(picture), right * u + below * v, below * u - right * v, right, below]
    design = np.stack(parts, axis=1) * mask[:, None]  # (n, 6, points)
    normal = design @ design.transpose(0, 2, 1)
    normal[:, range(6), range(6)] *= np.float32(1 + RIDGE)
    solution = np.linalg.solve(normal, design @ seen[:, :, None])[:, :, 0]
    off: Floats = (solution[:, 2:] / np.maximum(solution[:, :1], SMALLEST_GAIN)).astype(np.float32)
    return np.clip(off, -LONGEST_STEP, LONGEST_STEP)


RIDGE = 5e-4
"""Keeps the equations solvable where a mask has left nearly nothing."""
SMALLEST_GAIN = 0.2
LONGEST_STEP = np.array([0.08, 0.08, 0.03, 0.03], np.float32)


def _correlation(one: Floats, other: Floats, mask: Floats) -> Floats:
    """(n,): of the points inside the mask; -1 where that has left less than a quarter of them."""
    count = mask.sum(axis=1, keepdims=True)
    enough = count[:, 0] >= mask.shape[1] / 4
    count = np.maximum(count, 1)
    one = (one - (one * mask).sum(axis=1, keepdims=True) / count) * mask
    other = (other - (other * mask).sum(axis=1, keepdims=True) / count) * mask
    norms = np.sqrt((one * one).sum(axis=1) * (other * other).sum(axis=1))
    correlation = (one * other).sum(axis=1) / np.maximum(norms, TINY)
    return np.where(enough, correlation, -1).astype(np.float32)


def _templates(known: NDArray[np.int64]) -> Floats:
    """(n, 16, 16): the plain coefficients of rows of the eight times 3,064 known slices."""
    orientation, image = np.divmod(known, len(_table().patient))
    return _oriented(_table().plain[image])[orientation, np.arange(len(known))]


def _looked_at(coefficients: Floats, scale: Floats, stage: _Stage) -> Floats:
    """(n, side, side): the slice, blurred as a known one of that scale (n,) is."""
    frequency = _frequency(QUERY) * scale[:, None, None]
    # The known ones end at a frequency, and so must this.
    weight = _band(frequency, stage.blur, stage.order) * np.clip(FREQUENCIES - frequency, 0, 1)
    side = FINER * stage.side
    waves = _cosine(QUERY, (np.arange(side) + 0.5) / side)
    picture: Floats = waves.T @ (coefficients * weight) @ waves
    strength: Floats = np.maximum(picture.std(axis=(1, 2), keepdims=True), TINY)
    return picture / strength


FINER = 2
"""The picture that is interpolated in has this many times the pixels along a side."""


def _sampled(pictures: Floats, columns: Floats, rows: Floats) -> Floats:
    """(n, points): bilinear interpolation in (n, side, side), at places in parts of the side."""
    side = pictures.shape[-1]
    x, y = (np.clip(place * side - 0.5, 0, side - 1.001) for place in (columns, rows))
    left, top = x.astype(np.int32), y.astype(np.int32)
    x, y = x - left, y - top
    flat = pictures.ravel()
    at = top * side + left + (np.arange(len(pictures)) * side**2)[:, None]
    above = flat[at] * (1 - x) + flat[at + 1] * x
    below = flat[at + side] * (1 - x) + flat[at + side + 1] * x
    values: Floats = (above * (1 - y) + below * y).astype(np.float32)
    return values


@cache
def _raster(side: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the points' u and v (side * side,), and the cosines (16, side) and their derivatives there."""
    axis = ((np.arange(side) + 0.5) / side).astype(np.float32)
    u, v = np.meshgrid(axis - 0.5, axis - 0.5)
    k = np.arange(FREQUENCIES)[:, None]
    slopes = -np.pi * k * np.sin(np.pi * k * axis) * np.sqrt(2)
    return u.ravel(), v.ravel(), _cosine(FREQUENCIES, axis), slopes.astype(np.float32)


def _moved(pose: tuple[Any, ...], u: Any, v: Any) -> tuple[Any, Any]:
    """Return the columns and rows, 0 to 1 inside, at which a pose finds the points (u, v)."""
    a, b, x, y = pose
    return a * u - b * v + x + 0.5, b * u + a * v + y + 0.5


def _cosine(count: int, place: Floats | Doubles) -> Floats:
    """(count, ...): the cosines, of norm one, at places from 0 to 1."""
    k = np.arange(count).reshape(-1, *[1] * place.ndim)
    cosine: Floats = (np.cos(np.pi * k * place) * np.where(k == 0, 1, np.sqrt(2))).astype(np.float32)
    return cosine


def _band(frequency: Floats, blur: float, order: int) -> Floats:
    """The weight of each frequency: a derivative of a Gaussian-blurred slice."""
    band: Floats = (frequency**order * np.exp(-0.5 * (frequency / blur) ** 2)).astype(np.float32)
    return band
