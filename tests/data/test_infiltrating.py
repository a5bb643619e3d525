"""Infiltration: a lesion is drawn where there is tissue, as bright, even and swollen as asked for."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError, draw_infiltration, infiltrate
from mriclassify._data._infiltrating import AREA, BRIGHT, DARK, FEATHER, REACH, InfiltrationParameters

SIZE = 128
HALFWAY = 0.5
"""Of the pixels of the inner head, in reading order."""


def plain(**changes: float) -> InfiltrationParameters:
    """Return a round, even lesion, as bright as the tissue was."""
    drawn = draw_infiltration(np.random.default_rng(0))
    spot = drawn.spot._replace(places=(HALFWAY,), area=0.03, aspect=1.0, waves=(0.0, 0.0, 0.0))
    even = InfiltrationParameters(spot=spot, level=1.0, texture=0.0, swelling=0.0, feather=0.01)
    return even._replace(**changes)


def head(*, noise: float = 0.0, striped: float = 0.0) -> NDArray[np.float32]:
    """A head of brightness 0.6, with stripes 8 pixels wide and noise of the given strengths."""
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    inside = np.hypot(rows / 0.48, columns / 0.42) < 1
    stripes = striped * np.sign(np.sin(columns * SIZE * np.pi / 8))
    grain = np.random.default_rng(0).normal(0, noise, inside.shape) if noise else 0
    return np.where(inside, 0.6 + stripes + grain, 0).astype(np.float32)


def drawn(
    image: NDArray[np.float32], parameters: InfiltrationParameters
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    made = infiltrate(image, parameters)
    assert made is not None
    return made


def inner(lesion: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels well within the lesion's feathered border."""
    rows, columns = np.nonzero(lesion)
    down, across = np.mgrid[0:SIZE, 0:SIZE]
    inside: NDArray[np.bool_] = np.hypot(down - rows.mean(), across - columns.mean()) < 0.7 * np.sqrt(
        lesion.sum() / np.pi
    )
    return inside


@pytest.mark.parametrize("level", [0.55, 0.8, 1.4])
def test_the_lesion_is_as_bright_as_asked(level: float) -> None:
    image, lesion = drawn(head(), plain(level=level))
    np.testing.assert_allclose(image[inner(lesion)], 0.6 * level, rtol=0.01)
    assert lesion.mean() == pytest.approx(0.03, rel=0.1)


def test_structure_is_damped_and_noise_is_left() -> None:
    striped = head(striped=0.15)
    kept, gone = (drawn(striped, plain(texture=texture)) for texture in (1.0, 0.0))
    inside = inner(kept[1])
    assert kept[0][inside].std() == pytest.approx(striped[inside].std(), rel=0.02)
    assert gone[0][inside].std() < 0.4 * striped[inside].std()
    noisy = head(noise=0.03)
    assert drawn(noisy, plain())[0][inside].std() > 0.7 * noisy[inside].std()


def test_what_lies_around_gives_way() -> None:
    image = head()
    middle = np.argwhere(drawn(image, plain())[1]).mean(axis=0)
    radius = np.sqrt(0.03 / np.pi) * SIZE
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    image[np.abs(np.hypot(rows - middle[0], columns - middle[1]) - 1.1 * radius) < 1] = 0.9

    def ring(swelling: float) -> float:
        """Return how far from the middle the ring lies."""
        made, _ = drawn(image, plain(texture=1.0, swelling=swelling))
        return float(np.hypot(*(np.argwhere(made > 0.75) - middle).T).mean())

    assert ring(0.0) == pytest.approx(1.1 * radius, abs=0.3)
    assert ring(0.0) + 0.5 < ring(0.25) < ring(0.0) + 0.25 * radius


def test_nothing_changes_away_from_the_lesion_nor_the_input() -> None:
    image = head(noise=0.03, striped=0.1)
    given = image.copy()
    made, lesion = drawn(image, plain(level=0.7, swelling=0.25))
    np.testing.assert_array_equal(image, given)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    middle = np.argwhere(lesion).mean(axis=0)
    away = np.hypot(rows - middle[0], columns - middle[1]) > (REACH + 0.1) * np.sqrt(0.03 / np.pi) * SIZE
    np.testing.assert_allclose(made[away], image[away], atol=1e-6)
    assert (made.dtype, lesion.dtype, lesion.shape) == (np.float32, np.bool_, (SIZE, SIZE))


def test_lesions_lie_in_tissue_and_are_the_same_again() -> None:
    image = head(noise=0.03)
    hollow = np.where(np.arange(SIZE) < SIZE // 2, image, np.where(image > 0, np.float32(0.05), 0)).astype(np.float32)
    for seed in range(20):
        parameters = draw_infiltration(np.random.default_rng(seed))
        found = infiltrate(hollow, parameters)
        if found is not None:
            made, lesion = found
            assert (hollow[lesion] > 0.12).mean() > 0.7
            assert made.min() >= 0 and made.max() <= 1.5
            again = drawn(hollow, parameters)
            np.testing.assert_array_equal(again[0], made)
            np.testing.assert_array_equal(again[1], lesion)


def test_parameters_are_drawn_from_the_generator_within_their_limits() -> None:
    assert draw_infiltration(np.random.default_rng(3)) == draw_infiltration(np.random.default_rng(3))
    rng = np.random.default_rng(0)
    many = [draw_infiltration(rng) for _ in range(400)]
    levels = np.array([each.level for each in many])
    dark = levels < 1
    assert 0.6 < dark.mean() < 0.8
    assert levels[dark].min() >= DARK[0] and levels[dark].max() <= DARK[1]
    assert levels[~dark].min() >= BRIGHT[0] and levels[~dark].max() <= BRIGHT[1]
    areas = [each.spot.area for each in many]
    assert AREA[0] <= min(areas) < 1.2 * AREA[0] and 0.8 * AREA[1] < max(areas) <= AREA[1]
    assert all(0 <= each.texture <= 0.5 and 0 <= each.swelling <= 0.25 for each in many)
    assert all(FEATHER[0] <= each.feather <= FEATHER[1] for each in many)


@pytest.mark.parametrize("image", [np.zeros((SIZE, SIZE), np.float32), np.full((SIZE, SIZE), 0.05, np.float32)])
def test_without_tissue_there_is_no_place(image: NDArray[np.float32]) -> None:
    assert infiltrate(image, plain()) is None


def test_the_image_must_be_a_square() -> None:
    with pytest.raises(OptionError, match=r"an image \(size, size\), got \(90, 128\)"):
        infiltrate(head()[:90], plain())
