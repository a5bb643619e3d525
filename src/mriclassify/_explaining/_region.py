"""Region: where the lesion map finds a lesion, in pixels and in millimetres."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """The largest connected part of what the lesion map takes for lesion.

    Attributes:
        box: (left, top, right, bottom) in pixels of the slice; right and bottom are the first pixels outside.
        area: in pixels.
        size_mm: width and height of the box in millimetres; None where the file does not know its spacing.
        area_mm2: in square millimetres; None likewise.
        peak: highest value of the map in it, 0..1.
        parts: how many connected parts there are in all; more than 1 may be several lesions, or specks.
        threshold: what the map must exceed, 0..1: the model's `Thresholds.lesion_above`. It is the network's own word,
            which is not calibrated.
    """

    box: tuple[int, int, int, int]
    area: int
    size_mm: tuple[float, float] | None = None
    area_mm2: float | None = None
    peak: float
    parts: int
    threshold: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain lists and numbers."""
        return asdict(self) | {"box": list(self.box), "size_mm": self.size_mm and list(self.size_mm)}


def region_of(
    lesion_map: NDArray[np.floating], *, threshold: float, spacing: tuple[float, float] | None = None
) -> Region | None:
    """Return the region of a lesion map (height, width), or None where none of it exceeds `threshold`.

    Args:
        lesion_map: probability of lesion, 0..1.
        threshold: what a pixel must exceed.
        spacing: millimetres from row to row and from column to column, where that is known.
    """
    from scipy import ndimage  # a fifth of a second to import, and most answers need no region

    # Pixels that touch at a corner belong together.
    numbers, parts = ndimage.label(lesion_map > threshold, structure=np.ones((3, 3)))
    if not parts:
        return None
    areas = np.bincount(numbers.ravel())[1:]
    number = int(areas.argmax())
    rows, columns = ndimage.find_objects(numbers)[number]
    area, height, width = int(areas[number]), rows.stop - rows.start, columns.stop - columns.start
    return Region(
        box=(columns.start, rows.start, columns.stop, rows.stop),
        area=area,
        size_mm=None if spacing is None else (width * spacing[1], height * spacing[0]),
        area_mm2=None if spacing is None else area * spacing[0] * spacing[1],
        peak=float(lesion_map[numbers == number + 1].max()),
        parts=parts,
        threshold=threshold,
    )
