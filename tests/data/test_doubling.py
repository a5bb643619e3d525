"""Doubling: the head becomes one half and its mirror image, with the lesion or without it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError, double
from mriclassify._data._doubling import CLEAR
from mriclassify._data._symmetry import SYMMETRIC, find_axis

SIZE = 96
NONE = np.zeros((SIZE, SIZE), bool)


def head(*, angle: float = 0.0, offset: float = 0.0, seed: int = 0) -> NDArray[np.float32]:
    """A head, symmetric but for noise and one side's brightness: skull, brain and a few blobs."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    turn = np.radians(angle)
    along = columns * np.cos(turn) + rows * np.sin(turn) - offset
    across, down = np.abs(along), rows * np.cos(turn) - columns * np.sin(turn)
    radius = np.hypot(down / 0.48, across / 0.4)
    image = np.where(radius < 0.85, 0.45, np.where(radius < 1, 0.9, 0.0))
    for _ in range(10):
        row, column, width = rng.uniform(-0.35, 0.35), rng.uniform(0, 0.3), rng.uniform(0.03, 0.07)
        image += (radius < 0.8) * rng.normal(0, 0.12) * np.exp(-((down - row) ** 2 + (across - column) ** 2) / width**2)
    noise = rng.normal(0, 0.02, image.shape) + 0.15 * along
    return np.clip(image + (radius < 1) * noise, 0, 1.1).astype(np.float32)


def disc(row: float = 0.1, column: float = 0.2, radius: float = 0.08) -> NDArray[np.bool_]:
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    mask: NDArray[np.bool_] = np.hypot(rows - row, columns - column) < radius
    return mask


def sick(lesion: NDArray[np.bool_], seed: int = 0) -> NDArray[np.float32]:
    return np.where(lesion, np.float32(1.4), head(seed=seed))


def done(
    given: NDArray[np.float32], *, lesion: NDArray[np.bool_] = NONE, **options: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    made = double(given, lesion, **options)
    assert made is not None
    image, where = made
    assert (image.shape, image.dtype, where.shape, where.dtype) == ((SIZE, SIZE), np.float32, (SIZE, SIZE), np.bool_)
    assert image.min() >= 0
    return image, where


@pytest.mark.parametrize("column", [0.2, -0.2])
def test_the_half_without_the_lesion_has_none_of_it(column: float) -> None:
    lesion = disc(column=column)
    image, where = done(sick(lesion), lesion=lesion, free=True)
    assert not where.any()
    assert image.max() < 1.3


@pytest.mark.parametrize("column", [0.2, -0.2])
def test_the_half_with_the_lesion_has_it_twice(column: float) -> None:
    lesion = disc(column=column)
    image, where = done(sick(lesion), lesion=lesion)
    both = lesion | lesion[:, ::-1]
    assert (where ^ both).sum() < 0.15 * both.sum()
    assert image[where].mean() > 1.3


@pytest.mark.parametrize("left", [True, False])
def test_without_a_lesion_the_half_that_is_asked_for_stays(left: bool) -> None:
    given = head()
    before = given.copy()
    image, where = done(given, left=left)
    assert not where.any()
    kept = slice(0, SIZE // 2 - 5) if left else slice(SIZE // 2 + 5, SIZE)
    np.testing.assert_array_equal(image[:, kept], given[:, kept])
    other = slice(SIZE // 2 + 5, SIZE) if left else slice(0, SIZE // 2 - 5)
    assert np.abs(image - given)[:, other].mean() > 0.01
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize(("angle", "offset"), [(0.0, 0.0), (12.0, 0.0), (7.0, 0.03), (0.0, -0.04)])
@pytest.mark.parametrize("left", [True, False])
def test_what_comes_out_is_symmetric_about_the_heads_own_axis(angle: float, offset: float, left: bool) -> None:
    given = head(angle=angle, offset=offset)
    image, _ = done(given, left=left)
    before, after = find_axis(given, NONE), find_axis(image, NONE)
    assert after.likeness > max(0.9, before.likeness)
    assert after.angle == pytest.approx(angle, abs=3)
    assert after.offset == pytest.approx(offset, abs=0.02)


def test_a_lesion_near_the_midline_leaves_no_half_free() -> None:
    near, far = disc(column=0.08 + CLEAR - 0.02), disc(column=0.08 + CLEAR + 0.03)
    assert double(sick(near), near, free=True) is None
    assert double(sick(near), near) is not None
    assert double(sick(far), far, free=True) is not None


def test_a_lesion_on_both_sides_leaves_no_half_free_and_the_larger_part_counts() -> None:
    lesion = disc(column=0.2, radius=0.09) | disc(column=-0.2, radius=0.04)
    image = sick(lesion)
    assert double(image, lesion, free=True) is None
    _, where = done(image, lesion=lesion)
    assert where.sum() == pytest.approx(2 * disc(radius=0.09).sum(), rel=0.15)


def test_what_is_not_symmetric_is_not_doubled() -> None:
    blocks = np.random.default_rng(0).uniform(0.2, 1, (16, 16)).astype(np.float32)
    image = np.kron(blocks, np.ones((SIZE // 16, SIZE // 16), np.float32))
    assert find_axis(image, NONE).likeness < SYMMETRIC
    assert double(image, NONE) is None
    assert double(image, disc(), free=True) is None


def test_an_empty_image_is_not_doubled() -> None:
    assert double(np.zeros((SIZE, SIZE), np.float32), NONE) is None


def test_the_halves_meet_without_a_step() -> None:
    given = head()
    image, _ = done(given)
    middle = round(SIZE / 2 + find_axis(given, NONE).offset * SIZE)
    steps, usual = (np.abs(np.diff(plane, axis=1))[20:76, middle - 4 : middle + 3].max() for plane in (image, given))
    assert steps < 1.5 * usual


def test_shapes_that_differ_are_an_error() -> None:
    with pytest.raises(OptionError, match="of the same shape"):
        double(head(), np.zeros((SIZE, SIZE - 1), bool))
