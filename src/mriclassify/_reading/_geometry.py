"""Where slices lie along their common normal: arithmetic only.

Positions are millimetres along the normal of the slices, which points to the patient's right, front or top,
whichever is closest: so that slices run from left, back or feet, as those of a NIfTI volume do.

Reference: DICOM PS3.3 C.7.6.2.1.1 (x to the left, y to the back, z to the top).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_TO_RIGHT_FRONT_TOP = np.array([-1.0, -1.0, 1.0])

FARTHEST = 1e6
"""Millimetres from the origin: a position beyond a kilometre is none, and sums of such ones may overflow."""

_PARALLEL = 0.99
"""Cosine of 8 degrees: slices that are tilted less against each other belong together."""

_GAP = 1.5
"""A distance of so many times the usual one is a gap; less is how far scanners round."""


def normal_of(orientation: Sequence[float] | None) -> Vector | None:
    """Return the unit normal of a DICOM slice with these direction cosines (row x, y, z, column x, y, z)."""
    if orientation is None or max(map(abs, orientation)) > 2:
        return None
    normal: Vector = np.cross(orientation[:3], orientation[3:])
    length = float(np.linalg.norm(normal))
    if not 0.5 < length < 2:
        return None  # rows and columns run the same way, or nowhere
    main = int(np.abs(normal).argmax())
    return normal / (length if normal[main] * _TO_RIGHT_FRONT_TOP[main] > 0 else -length)


def parallel(one: Vector, other: Vector) -> bool:
    """Whether two unit normals are less than 8 degrees apart."""
    return bool(one @ other > _PARALLEL)


def along(normal: Vector, corner: Sequence[float]) -> float:
    """Return the position of a slice whose first pixel lies at `corner`, in millimetres."""
    return float(normal @ np.asarray(corner, np.float64))


def gaps(positions: Iterable[float]) -> list[tuple[int, float, float]]:
    """Return (how many slices are missing, below, above) for each gap among positions.

    Slices at one position count once. The usual distance is the lower median of all, so that most of the
    slices have to be there for a gap to be seen.

    Example:
        >>> gaps([0, 5, 10, 25, 30])
        [(2, 10.0, 25.0)]
    """
    ordered: NDArray[Any] = np.unique(np.round(np.fromiter(positions, np.float64), 3))
    steps = np.diff(ordered)
    if len(steps) < 2:
        return []
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    return [
        (round(float(step) / usual) - 1, float(below), float(below + step))
        for step, below in zip(steps, ordered, strict=False)
        if step > _GAP * usual
    ]
