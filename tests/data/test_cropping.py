"""Cropping: a part of the head fills the frame, with the whole lesion in it or with none of it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError, crop, draw_crop
from mriclassify._data._cropping import CLEAR, SIDES, TRIES, CropParameters

SIZE = 96
ALL = (1.0, 1.0, 0.0, 0.0)


def head(*, brightness: float = 0.5) -> NDArray[np.float32]:
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    return np.where(np.hypot(rows / 0.48, columns / 0.4) < 1, np.float32(brightness), np.float32(0))


def disc(row: float = -0.1, column: float = 0.18, radius: float = 0.06) -> NDArray[np.bool_]:
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    mask: NDArray[np.bool_] = np.hypot(rows - row, columns - column) < radius
    return mask


def sick(lesion: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A head of 0.5 whose lesion is 1.2: what is brighter than 0.6 is of the lesion, wherever it went."""
    return np.where(lesion, np.float32(1.2), head())


def drawn(count: int = 60) -> list[CropParameters]:
    return [draw_crop(np.random.default_rng(seed)) for seed in range(count)]


def one(*window: float, enlarged: bool = False) -> CropParameters:
    return CropParameters(((window[0], window[1], window[2], window[3]),), enlarged)


@pytest.mark.parametrize("lesion", [disc(), disc(0, 0), disc(0.2, -0.1, 0.12)])
def test_a_crop_holds_the_lesion_whole(lesion: NDArray[np.bool_]) -> None:
    made, enlarged = 0, 0
    for parameters in drawn():
        cropped = crop(sick(lesion), lesion, parameters)
        if cropped is None:
            continue
        made += 1
        image, mask = cropped
        assert image.shape == mask.shape == (SIZE, SIZE)
        assert (image.dtype, mask.dtype) == (np.float32, np.bool_)
        # Where the mask says that the lesion is, it is; and none was cut off.
        assert image[mask].min() > 0.6
        assert mask.sum() == lesion.sum() if not parameters.enlarged else mask.sum() > 0.99 * lesion.sum()
        assert not (image[~mask] > 0.95).any()
        enlarged += mask.sum() > 1.2 * lesion.sum()
    assert made > 30 and enlarged > 5


@pytest.mark.parametrize("lesion", [disc(), disc(0.15, 0), disc(0.2, -0.1, 0.12)])
def test_a_crop_that_misses_shows_none_of_the_lesion(lesion: NDArray[np.bool_]) -> None:
    made = 0
    for parameters in drawn():
        cropped = crop(sick(lesion), lesion, parameters, miss=True)
        if cropped is not None:
            made += 1
            image, mask = cropped
            assert not mask.any()
            assert image.max() < 0.6
    assert made > 20


def test_a_crop_that_misses_stays_clear_of_the_outline() -> None:
    lesion, margin = disc(), round(CLEAR * SIZE)
    grown = disc(radius=0.06 + (margin - 0.5) / SIZE)
    made = 0
    for parameters in drawn():
        cropped = crop(sick(grown), lesion, parameters, miss=True)
        if cropped is not None:
            made += 1
            assert cropped[0].max() < 0.6
    assert margin > 0 and made > 20


def test_the_same_parameters_give_the_same_crop_and_others_another() -> None:
    assert draw_crop(np.random.default_rng(3)) == draw_crop(np.random.default_rng(3))
    assert draw_crop(np.random.default_rng(3)) != draw_crop(np.random.default_rng(4))
    nowhere = np.zeros((SIZE, SIZE), bool)
    pictures = set()
    for parameters in drawn(6):
        first, second = crop(head(), nowhere, parameters), crop(head(), nowhere, parameters)
        assert first is not None and second is not None
        np.testing.assert_array_equal(first[0], second[0])
        pictures.add(first[0].tobytes())
    assert len(pictures) == 6


def test_drawn_windows_lie_within_their_limits() -> None:
    parameters = drawn(200)
    assert all(len(each.windows) == TRIES for each in parameters)
    sides = np.array([window[:2] for each in parameters for window in each.windows])
    places = np.array([window[2:] for each in parameters for window in each.windows])
    assert ((sides == 1) | ((sides >= SIDES[0]) & (sides <= SIDES[1]))).all()
    assert places.min() >= 0 and places.max() <= 1
    # As high as the head, or as wide, but never both: that would be no crop.
    assert (sides == 1).any(axis=0).all()
    assert not (sides == 1).all(axis=1).any()
    assert 0.4 < np.mean([each.enlarged for each in parameters]) < 0.8


def test_without_a_lesion_any_window_does() -> None:
    nowhere = np.zeros((SIZE, SIZE), bool)
    for miss in (False, True):
        cropped = crop(head(), nowhere, one(0.5, 0.5, 0.5, 0.5), miss=miss)
        assert cropped is not None
        assert not cropped[1].any()


def test_what_is_not_enlarged_keeps_its_pixels_and_the_rest_is_black() -> None:
    lesion = disc(0, 0)
    image = sick(lesion) + np.linspace(0, 0.1, SIZE, dtype=np.float32) * (head() > 0)
    cropped = crop(image, lesion, one(0.5, 0.5, 0.5, 0.5))
    assert cropped is not None
    shown = np.argwhere(cropped[0] > 0)
    (top, left), (bottom, right) = shown.min(axis=0), shown.max(axis=0) + 1
    assert (bottom - top, right - left) == (46, 38)
    assert abs(top - (SIZE - bottom)) <= 1 and abs(left - (SIZE - right)) <= 1
    part = cropped[0][top:bottom, left:right]
    windows = np.lib.stride_tricks.sliding_window_view(image, part.shape)
    assert (windows == part).all(axis=(2, 3)).sum() == 1


def test_what_is_enlarged_fills_the_frame() -> None:
    cropped = crop(head(), np.zeros((SIZE, SIZE), bool), one(0.5, 0.5, 0.5, 0.5, enlarged=True))
    assert cropped is not None
    rows, columns = (np.flatnonzero((cropped[0] > 0.25).any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (0, SIZE - 1)
    assert len(columns) / SIZE == pytest.approx(0.4 / 0.48, abs=0.03)  # narrow heads are not stretched


def test_brightness_stays_in_its_range_and_inputs_are_left_alone() -> None:
    lesion = disc()
    image = np.where(lesion, np.float32(1.5), head(brightness=0.3))
    given, outline = image.copy(), lesion.copy()
    for parameters in drawn(20):
        for miss in (False, True):
            cropped = crop(image, lesion, parameters, miss=miss)
            if cropped is not None:
                assert cropped[0].min() >= 0 and cropped[0].max() <= (0.3 if miss else 1.5) + 1e-6
                cropped[0][:] = 9  # a crop is never a view
    np.testing.assert_array_equal(image, given)
    np.testing.assert_array_equal(lesion, outline)


def test_what_can_not_be_cropped_gives_none() -> None:
    black, nowhere = np.zeros((SIZE, SIZE), np.float32), np.zeros((SIZE, SIZE), bool)
    everywhere = head() > 0
    for parameters in drawn(20):
        assert crop(black, nowhere, parameters) is None
        assert crop(black, disc(), parameters, miss=True) is None
        assert crop(head(), everywhere, parameters, miss=True) is None
        # No window is as high and as wide as the head.
        assert crop(head(), everywhere, parameters) is None
    # A corner of the head's box shows too little tissue.
    assert crop(head(), nowhere, one(0.2, 0.2, 0.0, 0.0)) is None
    assert crop(head(), nowhere, one(0.2, 0.2, 0.5, 0.5)) is not None


def test_windows_are_tried_in_turn() -> None:
    lesion = disc(0, 0)
    small, middle = (0.05, 0.05, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)
    either = crop(sick(lesion), lesion, CropParameters((small, middle, ALL), enlarged=False))
    alone = crop(sick(lesion), lesion, CropParameters((middle,), enlarged=False))
    assert either is not None and alone is not None
    np.testing.assert_array_equal(either[0], alone[0])


def test_shapes_must_agree() -> None:
    with pytest.raises(OptionError, match=r"\(96, 96\) and \(90, 96\)"):
        crop(head(), disc()[:90], one(*ALL))
    with pytest.raises(OptionError, match=r"\(size, size\)"):
        crop(head()[:90], disc()[:90], one(*ALL))


def test_a_window_that_can_hold_the_lesion_does_wherever_it_was_drawn() -> None:
    lesion = disc(0.15, 0.1)
    for place in (0.0, 0.3, 0.7, 0.999):
        made = crop(sick(lesion), lesion, CropParameters(((0.5, 0.5, place, 1 - place),), enlarged=False))
        assert made is not None
        assert made[1].sum() == lesion.sum()
