"""Region: the box and the area are those of what lies above the threshold."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify._explaining._region import region_of


def lesion(*boxes: tuple[int, int, int, int], value: float = 0.9) -> NDArray[np.float32]:
    """A map (60, 80) of rectangles (left, top, right, bottom)."""
    made = np.full((60, 80), 0.1, np.float32)
    for left, top, right, bottom in boxes:
        made[top:bottom, left:right] = value
    return made


def test_box_and_area_of_a_rectangle() -> None:
    region = region_of(lesion((10, 20, 25, 50)), threshold=0.5, spacing=(0.5, 2.0))
    assert region is not None
    assert region.box == (10, 20, 25, 50)
    assert region.area == 15 * 30
    assert region.size_mm == (30.0, 15.0)
    assert region.area_mm2 == 450.0
    assert region.peak == pytest.approx(0.9)
    assert region.parts == 1


def test_without_spacing_there_are_no_millimetres() -> None:
    region = region_of(lesion((10, 20, 25, 50)), threshold=0.5)
    assert region is not None
    assert region.size_mm is None
    assert region.area_mm2 is None


def test_nothing_above_the_threshold_is_no_region() -> None:
    assert region_of(lesion((10, 20, 25, 50), value=0.5), threshold=0.5) is None
    assert region_of(lesion((10, 20, 25, 50), value=0.5), threshold=0.4) is not None


def test_a_speck_far_away_does_not_widen_the_box() -> None:
    region = region_of(lesion((10, 20, 25, 50), (70, 2, 72, 4)), threshold=0.5)
    assert region is not None
    assert region.box == (10, 20, 25, 50)
    assert region.parts == 2


def test_pixels_that_touch_at_a_corner_are_one_part() -> None:
    region = region_of(lesion((10, 10, 20, 20), (20, 20, 30, 30)), threshold=0.5)
    assert region is not None
    assert region.box == (10, 10, 30, 30)
    assert region.parts == 1


def test_a_lower_threshold_never_shrinks_the_area() -> None:
    rows, columns = np.mgrid[0:60, 0:80]
    hill = np.exp(-((rows - 25) ** 2 + (columns - 50) ** 2) / 200)
    areas = [region.area for level in (0.1, 0.3, 0.5, 0.9) if (region := region_of(hill, threshold=level))]
    assert len(areas) == 4
    assert areas == sorted(areas, reverse=True)
