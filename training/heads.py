"""Tumour-free slices of whole heads, cut anew and changed: the levels below the brain, which the public sets lack.

    python training/heads.py --heads heads --out /tmp/slices

In axial slices the public sets show the base of the skull, the face and the neck only beside tumours, so that a network
calls them tumours in the next hospital. A few whole heads are too few to learn from as they are. So each slice is cut
along an oblique plane, of a head that was stretched and bent, as thick as scanners cut them, with a contrast of its own
in which brain and all else differ (fat that is suppressed, mucosa and muscles that took up contrast agent).
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from mriclassify import Record

Volume = NDArray[np.float32]
"""(x, y, z), to the right, front and top, 1 mm a voxel; 1 is the brightest tissue."""

Slice = NDArray[np.float32]
"""(SIDE, SIDE), 0 and above."""

COUNT = 200
"""Slices of each head."""

SHARES = {"axial": 0.5, "coronal": 0.25, "sagittal": 0.25}
"""Of the planes. Axial slices are those of which the public sets show too few levels; tumour-free ones of the other
planes are hardly in them."""

AT_SELLA = 0.4
"""Share of the slices that are cut near the pituitary gland, in any plane: the public sets show that place in three
planes with a tumour, and hardly ever without."""

SELLA = (0.0, 20.0, 120.0)
"""Where the gland is, millimetres: right of the head's middle, in front of it, below the top of the head (roughly:
in MNI space it lies at 0, 5, -32)."""

NEAR = (6.0, 12.0, 10.0)
"""Standard deviation of the distance from it, millimetres, along each axis."""

LOW = 0.5
"""Share of the other axial slices that lie below the brain or at its base."""

CROWN, BASE, NECK = 20, 105, 200
"""Millimetres below the top of the head: the highest slice, the base of the brain, the lowest slice."""

SIDE = 256
"""Pixels of a slice, 1 mm each."""

UP = 2
"""Axis of a volume."""

TILT = 18.0
"""Largest turn about each axis, degrees; small ones are likelier."""

STRETCH, BEND = 0.12, 5.0
"""Largest relative change of a length, and the standard deviation in mm of what bends the head between knots."""

THICKEST = 5
"""Slices are the mean of up to so many millimetres."""

KNOTS = 6
"""A head is bent by displacements at KNOTS x KNOTS x KNOTS places."""

TISSUE = 0.1
"""What is brighter is no air."""

LEAST_TISSUE = 0.1
"""Smallest part of a slice that must be tissue."""

LEAST_BRAIN = 0.3
"""Part of the tissue that must be brain for a tumour to be set in."""

BRAIN, LITTLE_BRAIN = "whole heads", "whole heads, little brain"
"""Sources of the slices."""


class Head(NamedTuple):
    """A whole head."""

    volume: Volume
    brain: Volume  # 0..1, roughly where the brain is
    middle: tuple[float, float, float]  # of the brain's levels
    top: int  # highest level with tissue


def read_volume(path: Path) -> tuple[NDArray[np.float32], tuple[float, ...]]:
    """Return the voxels (x, y, z) in a NIfTI file, to the right, front and top, and their sides in millimetres."""
    image = nibabel.as_closest_canonical(nibabel.load(path))  # type: ignore[attr-defined]
    return np.asarray(image.dataobj, dtype=np.float32), tuple(map(float, image.header.get_zooms()[:3]))


def read_head(path: Path) -> Head:
    """Return the head in a NIfTI file."""
    voxels, sides = read_volume(path)
    volume = ndimage.zoom(voxels, sides, order=1)
    volume /= np.percentile(volume[volume > 0.05 * volume.max()], 99)
    area = (volume > TISSUE).sum(axis=(0, 1))
    top = int(np.flatnonzero(area > 1000)[-1])
    low = max(0, top - BASE)
    x, y, z = ndimage.center_of_mass(volume[:, :, low:top] > TISSUE)
    return Head(volume.clip(0, 1.5), _brain_of(volume), (x, y, z + low), top)


def _brain_of(volume: Volume) -> Volume:
    """Return roughly where the brain is: the largest piece that is left when what is thin is worn away."""
    small = ndimage.zoom(volume, 0.5, order=1)
    ball = ndimage.iterate_structure(ndimage.generate_binary_structure(3, 1), 3)
    pieces, count = ndimage.label(ndimage.binary_erosion(small > 2.5 * TISSUE, ball))
    if not count:
        return np.zeros_like(volume)
    largest = 1 + int(np.argmax(ndimage.sum_labels(pieces > 0, pieces, range(1, count + 1))))
    grown = ndimage.binary_closing(ndimage.binary_dilation(pieces == largest, ball), ball, iterations=2)
    soft = ndimage.gaussian_filter(grown.astype(np.float32), 1.5)
    return ndimage.zoom(soft, np.divide(volume.shape, small.shape), order=1)


def cut(head: Head, plane: str, rng: np.random.Generator) -> tuple[Slice, float]:
    """Return a slice of the head along `plane`, with the front or top upwards, and how much of its tissue is brain.

    Args:
        head: the head.
        plane: "axial", "coronal" or "sagittal".
        rng: what to draw from.
    """
    turn = np.radians(rng.triangular(-TILT, 0, TILT, size=3))
    centre = np.array(head.middle)
    right, up, normal = {"axial": (0, 1, UP), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}[plane]
    # What lies below the volume was never scanned: a plane that is tilted must not come too near.
    lowest = max(head.top - NECK, SIDE / 3 * np.abs(np.sin(turn[:2])).max())
    if rng.random() < AT_SELLA:
        middle = centre[normal] + SELLA[normal] if normal != UP else head.top - SELLA[normal]
        centre[normal] = rng.normal(middle, NEAR[normal])
        if normal == UP:
            centre[UP] = max(lowest, centre[UP])
    elif plane == "axial":
        base = max(lowest, head.top - BASE)
        low, high = (lowest, base) if rng.random() < LOW else (base, head.top - CROWN)
        centre[normal] = rng.uniform(low, high)
    else:
        centre[normal] += rng.uniform(-0.4, 0.4) * (160 if plane == "sagittal" else 200)
    stretch = 1 + rng.uniform(-STRETCH, STRETCH, size=3)
    bend = rng.normal(0, BEND, size=(3, KNOTS, KNOTS, KNOTS))
    thick = int(rng.integers(1, THICKEST + 1))
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    scale = (KNOTS - 1) / (np.array(head.volume.shape)[:, None, None] - 1)
    sums = np.zeros((2, SIDE, SIDE))
    for layer in range(thick):
        offsets = np.zeros((3, SIDE, SIDE))
        offsets[right], offsets[up], offsets[normal] = columns, -rows, layer - (thick - 1) / 2
        points = np.tensordot(_turned(turn), offsets * stretch[:, None, None], axes=1) + centre[:, None, None]
        points += np.stack([ndimage.map_coordinates(one, points * scale, order=1, mode="nearest") for one in bend])
        sums += np.stack([ndimage.map_coordinates(one, points, order=1) for one in (head.volume, head.brain)])
    pixels, brain = sums / thick
    tissue = pixels > TISSUE
    share = float(brain[tissue].mean()) if tissue.any() else 0.0
    return _recoloured(pixels, brain, rng), share


def _turned(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation about x, y and z."""
    made = np.eye(3)
    for axis, angle in enumerate(angles):
        one = np.eye(3)
        a, b = (number for number in range(3) if number != axis)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        made = made @ one
    return made


def _recoloured(pixels: NDArray[np.float64], brain: NDArray[np.float64], rng: np.random.Generator) -> Slice:
    """Return the slice with a curve of its own for the brain and for all else, and a field over what is no brain."""
    inside, outside = (np.interp(pixels, *_curve(rng)) for _ in range(2))
    grid = int(rng.integers(6, 24))
    field = rng.normal(0, rng.uniform(0, 0.35), size=(grid, grid))
    field = ndimage.zoom(field, SIDE / grid, order=1, grid_mode=True, mode="nearest")
    outside = outside * rng.uniform(0.45, 1.3) * np.exp(field)
    return np.asarray(brain * inside + (1 - brain) * outside, dtype=np.float32).clip(0)


def _curve(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the knots of a curve of brightness: air stays air, the rest rises, but unevenly."""
    at = np.array([0, 0.08, 0.25, 0.4, 0.55, 0.7, 1.0, 1.5])
    rise = np.exp(rng.normal(0, 0.5, size=len(at) - 1)) * np.diff(at)
    return at, np.concatenate([[0], np.cumsum(rise) / rise[:-1].sum()])


def head_records(volumes: Iterable[Path], folder: Path, *, count: int = COUNT, seed: int = 0) -> list[Record]:
    """Return `count` tumour-free slices of each head, saved as PNG files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        record
        for number, path in enumerate(volumes)
        for record in _records(path, folder, count, np.random.default_rng([seed, number]))
    ]


def _records(path: Path, folder: Path, count: int, rng: np.random.Generator) -> list[Record]:
    head, name = read_head(path), path.name.split(".")[0]
    records: list[Record] = []
    while len(records) < count:
        plane = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        pixels, brain = cut(head, plane, rng)
        pixels = pixels / max(float(pixels.max()), 1e-6)
        if (pixels > TISSUE).mean() < LEAST_TISSUE:
            continue
        file = folder / f"{name}_{len(records):03}_{plane}.png"
        Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).save(file)
        records.append(
            Record(path=file, label="notumor", group=name, source=BRAIN if brain >= LEAST_BRAIN else LITTLE_BRAIN)
        )
    return records


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=Path, required=True, help="folder of NIfTI files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=COUNT)
    options = parser.parse_args()
    found = sorted(options.heads.glob("*.nii.gz"))
    print(f"{len(head_records(found, options.out, count=options.count))} slices of {len(found)} heads in {options.out}")
