"""Grafting: a lesion in another head, as bright against its surroundings as it was."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError
from mriclassify._data._grafting import GAIN, SCALES, SHIFT, TURN, GraftParameters, draw_graft, graft, resemblance

SIZE = 96
STILL = GraftParameters(mirrored=False, scale=1.0, angle=0.0, shift=(0.0, 0.0), gain=0.0)


def head(*, brightness: float = 0.4, width: float = 0.4, seed: int = 0) -> NDArray[np.float32]:
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    inside = np.hypot(rows / 0.48, columns / width) < 1
    noise = np.random.default_rng(seed).normal(0, 0.02, inside.shape)
    return np.where(inside, brightness * (1 + noise), 0).astype(np.float32)


def disc(row: float, column: float, radius: float = 0.1) -> NDArray[np.bool_]:
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    mask: NDArray[np.bool_] = np.hypot(rows - row, columns - column) < radius
    return mask


LESION = disc(-0.1, 0.15)


def donor() -> NDArray[np.float32]:
    return np.where(LESION, head() * np.float32(1.8), head())


def middle(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.argwhere(mask).mean(axis=0)


def test_a_graft_without_changes_puts_the_lesion_where_it_was() -> None:
    grafted = graft(head(seed=1), donor(), LESION, STILL)
    assert grafted is not None
    image, mask = grafted
    np.testing.assert_array_equal(mask, LESION)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image[LESION].mean(), donor()[LESION].mean(), rtol=0.02)
    away = ~disc(-0.1, 0.15, 0.13)
    np.testing.assert_array_equal(image[away], head(seed=1)[away])


@pytest.mark.parametrize("brightness", [0.25, 0.4, 0.6])
def test_a_lesion_stays_as_bright_against_its_surroundings(brightness: float) -> None:
    grafted = graft(head(brightness=brightness, seed=1), donor(), LESION, STILL)
    assert grafted is not None
    assert grafted[0][LESION].mean() / brightness == pytest.approx(1.8, rel=0.05)


def test_a_lesion_does_not_become_a_white_patch() -> None:
    grafted = graft(head(brightness=1.0), donor(), LESION, STILL)
    assert grafted is not None
    assert 1.1 < grafted[0][LESION].mean() < 1.3
    assert grafted[0].max() <= 1.5


def test_mirrored_scaled_and_shifted() -> None:
    for change, place, area in (
        ({"mirrored": True}, (-0.1, -0.15), 1.0),
        ({"scale": 1.3}, (-0.1, 0.15), 1.69),
        ({"shift": (0.04, -0.02)}, (-0.1 + 0.04 * 0.96, 0.15 - 0.02 * 0.8), 1.0),
        ({"angle": 20.0}, (-0.1, 0.15), 1.0),
    ):
        grafted = graft(head(seed=1), donor(), LESION, STILL._replace(**change))
        assert grafted is not None
        np.testing.assert_allclose(middle(grafted[1]) / SIZE - 0.5, place, atol=0.015)
        assert grafted[1].sum() / LESION.sum() == pytest.approx(area, rel=0.06)


def test_an_angle_turns_and_mirroring_reverses() -> None:
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    bar = (abs(rows - 48) < 3) & (abs(columns - 48) < 16)
    image = np.where(bar, head() * np.float32(1.8), head())

    def slope(mirrored: bool, angle: float) -> float:
        grafted = graft(head(), image, bar, STILL._replace(mirrored=mirrored, angle=angle))
        assert grafted is not None
        row, column = np.nonzero(grafted[1])
        return float(np.polyfit(column, row, 1)[0])

    assert abs(slope(False, 0.0)) < 0.02
    assert abs(slope(False, 15.0)) == pytest.approx(np.tan(np.radians(15)), abs=0.08)
    assert slope(False, 15.0) == pytest.approx(-slope(False, -15.0), abs=0.05)
    assert slope(True, 15.0) != pytest.approx(0, abs=0.1)


def test_a_place_is_relative_to_the_head() -> None:
    grafted = graft(head(width=0.3, seed=1), donor(), LESION, STILL)
    assert grafted is not None
    assert middle(grafted[1])[1] / SIZE - 0.5 == pytest.approx(0.15 * 0.3 / 0.4, abs=0.015)


def test_a_lesion_that_would_stick_out_moves_inwards() -> None:
    outer = disc(-0.1, 0.29)
    image = np.where(outer, head() * np.float32(1.8), head())
    host = head(width=0.25)
    grafted = graft(host, image, outer, STILL)
    assert grafted is not None
    assert (host[grafted[1]] > 0).all()
    assert grafted[1].sum() > 0.95 * outer.sum()


def test_what_can_not_be_grafted_gives_none() -> None:
    black, nothing = np.zeros((SIZE, SIZE), np.float32), np.zeros((SIZE, SIZE), bool)
    assert graft(head(), donor(), nothing, STILL) is None
    assert graft(black, donor(), LESION, STILL) is None
    assert graft(head(width=0.08), donor(), LESION, STILL) is None
    assert graft(head(), head(), LESION, STILL) is None  # nothing to see


def test_inputs_are_left_alone() -> None:
    host, other, lesion = head(seed=1), donor(), LESION.copy()
    graft(host, other, lesion, STILL)
    np.testing.assert_array_equal(host, head(seed=1))
    np.testing.assert_array_equal(other, donor())
    np.testing.assert_array_equal(lesion, LESION)


def test_parameters_are_drawn_from_the_generator_within_their_limits() -> None:
    assert draw_graft(np.random.default_rng(3)) == draw_graft(np.random.default_rng(3))
    rng = np.random.default_rng(0)
    drawn = [draw_graft(rng) for _ in range(300)]
    assert {p.mirrored for p in drawn} == {True, False}
    assert all(SCALES[0] <= p.scale <= SCALES[1] and abs(p.angle) <= TURN and abs(p.gain) <= GAIN for p in drawn)
    assert max(abs(x) for p in drawn for x in p.shift) <= SHIFT


def test_drawn_grafts_lie_in_the_head_and_in_range() -> None:
    rng, host = np.random.default_rng(1), head(width=0.35, seed=4)
    for _ in range(20):
        grafted = graft(host, donor(), LESION, draw_graft(rng))
        assert grafted is not None
        image, mask = grafted
        assert (host[mask] > 0).all()
        assert image[mask].mean() > 1.3 * host[mask].mean()
        assert image.min() >= 0 and image.max() <= 1.5


def test_sizes_must_agree() -> None:
    with pytest.raises(OptionError, match=r"\(96, 96\) and \(90, 96\)"):
        graft(head(), donor(), LESION[:90], STILL)
    with pytest.raises(OptionError, match="one size"):
        graft(head()[:90, :90], donor(), LESION, STILL)


def test_a_slice_resembles_its_like_whatever_the_lesion() -> None:
    lopsided = head() * np.linspace(0.5, 1.5, SIZE, dtype=np.float32)
    sick = np.where(LESION, np.float32(1.4), lopsided)
    assert resemblance(lopsided, sick, LESION) > 0.99
    assert resemblance(lopsided, sick, LESION, mirrored=True) < resemblance(lopsided, sick, LESION)
    assert resemblance(lopsided[:, ::-1], sick, LESION, mirrored=True) > 0.99
    assert resemblance(head(width=0.2), sick, LESION) < 0.9
    assert resemblance(np.zeros((SIZE, SIZE), np.float32), sick, LESION) == 0
