"""Stripping: the brain is what is left, wherever it can be told; the lesion with it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError, Preprocessing, draw_strip, strip
from mriclassify._data._stripping import SPREAD, StripParameters, brain_of

SIZE = 160
FITTING = StripParameters(spread=0.0)


def distance(row: float = 0.0, column: float = 0.0, *, tall: float = 1.0, size: int = SIZE) -> NDArray[np.float64]:
    """Return how far pixels are from a place, as parts of the side; rows count 1 / `tall`."""
    rows, columns = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    return np.hypot((rows - row) / tall, columns - column)


def brain(size: int = SIZE) -> NDArray[np.bool_]:
    return distance(tall=1.2, size=size) < 0.31


def head(*, skull: float = 0.07, noise: float = 0.02, size: int = SIZE) -> NDArray[np.float32]:
    """A brain of 0.45, ventricles of 0.15, a dark skull as thick as asked, and a bright scalp."""
    away = distance(tall=1.2, size=size)
    image = np.select([away < 0.31, away < 0.31 + skull, away < 0.41], [0.45, 0.02, 0.95], 0.0)
    image[distance(column=0.06, tall=2.5, size=size) < 0.03] = 0.15
    grain = np.random.default_rng(0).normal(0, noise, image.shape)
    return np.clip(image + (away < 0.41) * grain, 0, 1.5).astype(np.float32)


def nowhere(size: int = SIZE) -> NDArray[np.bool_]:
    return np.zeros((size, size), bool)


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("size", [96, 160, 224])
def test_the_brain_is_found_with_its_ventricles(size: int) -> None:
    found = brain_of(head(size=size))
    assert found is not None
    assert overlap(found, brain(size)) > 0.97
    assert found[distance(column=0.06, tall=2.5, size=size) < 0.03].all()


def test_what_is_left_is_seen_as_a_file_without_a_skull_would_be() -> None:
    image = head(noise=0.0)
    made = strip(image, nowhere(), FITTING)
    assert made is not None
    stripped = np.where(brain(), image, 0).astype(np.float32)
    expected = Preprocessing(size=SIZE)(stripped)[0]
    assert np.abs(made[0] - expected).mean() < 0.03
    # The frame is filled again, and the brightest is bright again.
    assert (made[0] > 0.1).any(axis=1).mean() > 0.97
    assert made[0].max() > 0.9
    assert made[0].dtype == np.float32 and made[1].dtype == np.bool_ and not made[1].any()


def test_a_bright_lesion_at_the_rim_stays_and_its_mask_goes_along() -> None:
    lesion = (distance(column=0.24) < 0.06) & brain()
    image = np.where(lesion, np.float32(1.4), head()).astype(np.float32)
    without = brain_of(image)
    assert without is not None and without[lesion].mean() < 0.7
    made = strip(image, lesion, FITTING)
    assert made is not None
    stripped, mask = made
    # Larger, since the brain fills the frame now.
    assert mask.sum() > 1.2 * lesion.sum()
    assert stripped[mask].mean() > 2 * stripped[~mask & (stripped > 0.1)].mean()


def test_a_lesion_that_would_be_lost_is_not_stripped_away() -> None:
    outside = distance(row=-0.46, tall=0.4) < 0.05
    assert strip(head(), nowhere(), FITTING) is not None
    assert strip(head(), outside, FITTING) is None


def test_outlines_lie_where_they_are_asked_to() -> None:
    image = head()
    given = image.copy()
    narrow, wide = (strip(image, brain() & (distance() < 0.1), StripParameters(spread)) for spread in (-0.03, 0.03))
    assert narrow is not None and wide is not None
    # The same lesion fills more of the frame where less brain is left.
    assert narrow[1].sum() > 1.1 * wide[1].sum()
    np.testing.assert_array_equal(image, given)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((SIZE, SIZE), np.float32),
        np.where(distance() < 0.4, np.float32(0.5), 0).astype(np.float32),
        np.random.default_rng(0).random((SIZE, SIZE)).astype(np.float32),
        head(skull=0.0),
        np.where(distance() < 0.12, np.float32(0.5), np.where(distance() < 0.41, np.float32(0.95), 0)).astype(
            np.float32
        ),
    ],
    ids=["air", "no skull", "noise", "scalp on the brain", "small for a brain"],
)
def test_where_no_brain_can_be_told_there_is_none(image: NDArray[np.float32]) -> None:
    assert strip(image, nowhere(), FITTING) is None


def test_parameters_are_drawn_from_the_generator_within_their_limits() -> None:
    assert draw_strip(np.random.default_rng(3)) == draw_strip(np.random.default_rng(3))
    rng = np.random.default_rng(0)
    spreads = [draw_strip(rng).spread for _ in range(300)]
    assert SPREAD[0] <= min(spreads) < 0.8 * SPREAD[0] and 0.8 * SPREAD[1] < max(spreads) <= SPREAD[1]


def test_shapes_must_agree() -> None:
    with pytest.raises(OptionError, match=r"\(160, 160\) and \(96, 96\)"):
        strip(head(), nowhere(96), FITTING)
