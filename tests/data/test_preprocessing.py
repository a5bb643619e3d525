"""Preprocessing: the same head gives the same image, whatever the scanner, the archive and the margins."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError, Preprocessing
from mriclassify._data._preprocessing import HEADROOM, Frame


def head(height: int = 120, width: int = 100) -> NDArray[np.float32]:
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    inside = ((rows - height / 2) / (0.4 * height)) ** 2 + ((columns - width / 2) / (0.4 * width)) ** 2 < 1
    texture = 100 + 60 * np.sin(rows / 7) * np.cos(columns / 5) + rows / 3
    return np.where(inside, texture, 0).astype(np.float32)


@pytest.mark.parametrize(("slope", "offset"), [(1, 0), (16, 0), (0.001, 0), (3, -1024), (1, 500)])
def test_slope_and_offset_change_nothing(slope: float, offset: float) -> None:
    expected = Preprocessing()(head())
    np.testing.assert_allclose(Preprocessing()(head() * np.float32(slope) + np.float32(offset)), expected, atol=2e-3)


def test_eight_bits_and_sixteen_bits_of_a_slice_are_alike() -> None:
    scaled = head() / head().max()
    eight, sixteen = np.round(scaled * 255), np.round(scaled * 65535)
    difference = Preprocessing()(eight.astype(np.float32)) - Preprocessing()(sixteen.astype(np.float32))
    assert np.abs(difference).max() < 0.02


@pytest.mark.parametrize("margins", [((40, 0), (0, 0)), ((0, 60), (10, 90)), ((60, 60), (60, 60))])
def test_black_margins_do_not_move_the_head(margins: tuple[tuple[int, int], tuple[int, int]]) -> None:
    bare, padded = Preprocessing(size=96)(head()), Preprocessing(size=96)(np.pad(head(), margins))
    # The box is found on a thumbnail: a pixel of the thumbnail is its tolerance.
    assert np.corrcoef(bare.ravel(), padded.ravel())[0, 1] > 0.9


def test_without_cropping_margins_stay() -> None:
    padded = np.pad(head(), 100)
    assert (Preprocessing(size=96, crop="none")(padded)[0, :20] == 0).all()
    assert (Preprocessing(size=96, crop="head")(padded)[0, 8] > 0).any()


@pytest.mark.parametrize("shape", [(16, 16), (40, 300), (300, 40), (17, 333), (1024, 768)])
@pytest.mark.parametrize("size", [32, 97])
def test_image_has_the_promised_shape_type_and_range(shape: tuple[int, int], size: int) -> None:
    pixels = np.random.default_rng(0).normal(0, 1000, shape).astype(np.float32)
    image = Preprocessing(size=size)(pixels)
    assert image.shape == (1, size, size)
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= HEADROOM


def test_aspect_is_kept() -> None:
    disc = np.hypot(*(np.mgrid[0:60, 0:200] - np.array([[[30]], [[100]]]))) < 28
    image = Preprocessing(size=64)(disc.astype(np.float32))[0] > 0.5
    assert abs(int(image.any(axis=0).sum()) - int(image.any(axis=1).sum())) <= 2


def test_few_distinct_values_use_their_full_range() -> None:
    pixels = np.zeros((40, 40), np.float32)
    pixels[10:30, 10:30] = 7
    assert Preprocessing(size=40, crop="none")(pixels).max() == 1


def test_a_frame_beyond_the_border_is_filled_with_zero() -> None:
    ones = np.ones((10, 10), np.float32)
    cut = Frame(top=-10, left=-10, side=30).cut(ones, 30)
    assert cut[10:20, 10:20].min() == 1
    assert cut.sum() == 100


def test_preprocessing_leaves_its_input_alone() -> None:
    pixels = head()
    before = pixels.copy()
    Preprocessing()(pixels)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(
    "wrong", [{"size": 31}, {"size": 2000}, {"window": (99, 1)}, {"window": (-1, 50)}, {"crop": "face"}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Preprocessing(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, 5, -3])
@pytest.mark.parametrize("crop", ["head", "none"])
def test_a_blank_slice_is_a_black_image(value: float, crop: str) -> None:
    image = Preprocessing(size=32, crop=crop)(np.full((40, 50), value, np.float32))  # type: ignore[arg-type]
    assert (image == 0).all()


def test_a_head_keeps_its_image_when_a_bright_pixel_burns() -> None:
    # One broken pixel must not darken all others: that is what the percentiles are for.
    burnt = head()
    burnt[60, 50] = 1e6
    np.testing.assert_allclose(Preprocessing()(burnt), Preprocessing()(head()), atol=HEADROOM)
    assert np.median(np.abs(Preprocessing()(burnt) - Preprocessing()(head()))) < 0.01


def test_frame_and_cut_agree_for_a_head_off_the_middle() -> None:
    shifted = np.pad(head(), ((0, 80), (70, 0)))
    preprocessing = Preprocessing(size=64)
    frame = preprocessing.frame(preprocessing.windowed(shifted))
    assert frame.top < 40 < frame.top + frame.side
    assert frame.left + frame.side > 120


FRAMES = [
    ((120, 100), Frame(10, 5, 80)),
    ((120, 100), Frame(0, -10, 120)),  # beyond the left and the right border
    ((97, 151), Frame(-27.5, 0, 151.5)),
    ((97, 151), Frame(12.3, 60.7, 70.9)),
    ((300, 200), Frame(-40, -35, 350)),
]


@pytest.mark.parametrize(("shape", "frame"), FRAMES)
@pytest.mark.parametrize("size", [64, 160, 333])
def test_what_is_cut_and_put_back_lies_where_it_was(shape: tuple[int, int], frame: Frame, size: int) -> None:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    ramp = 1 + rows / 40 + columns / 70
    back = frame.put_back(frame.cut(ramp, size), shape=shape)
    assert back.shape == shape
    assert back.dtype == np.float32
    top, left = int(max(0, frame.top)) + 4, int(max(0, frame.left)) + 4
    bottom, right = int(min(shape[0], frame.top + frame.side)) - 4, int(min(shape[1], frame.left + frame.side)) - 4
    inside = (slice(top, bottom), slice(left, right))
    # Half a pixel of either grid is what rounding may cost.
    tolerance = 0.5 * (1 / 40 + 1 / 70) * max(1, frame.side / size)
    np.testing.assert_allclose(back[inside], ramp[inside], atol=tolerance)


@pytest.mark.parametrize(("shape", "frame"), FRAMES)
@pytest.mark.parametrize("size", [32, 500])
def test_what_is_put_back_fills_the_frame_and_nothing_else(shape: tuple[int, int], frame: Frame, size: int) -> None:
    back = frame.put_back(np.ones((size, size), np.float32), shape=shape)
    rows, columns = (np.arange(length) + 0.5 for length in shape)
    down = (rows > frame.top) & (rows < frame.top + frame.side)
    across = (columns > frame.left) & (columns < frame.left + frame.side)
    np.testing.assert_allclose(back, np.outer(down, across), atol=1e-5)
