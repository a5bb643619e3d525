"""Colours: the scale is the one it is named after, and an overlay leaves alone what the map leaves alone."""

import numpy as np
import pytest

from mriclassify._explaining._colours import blended, colours


def test_the_scale_is_matplotlibs_inferno() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    values = np.linspace(0, 1, 256)
    expected = matplotlib.colormaps["inferno"](values)[:, :3] * 255
    assert np.abs(colours(values) - expected).max() < 6  # between the table's colours


def test_higher_is_lighter() -> None:
    lightness = colours(np.linspace(0, 1, 50)) @ [0.299, 0.587, 0.114]
    assert (np.diff(lightness) > 0).all()


def test_values_beyond_the_scale_have_the_colour_of_its_end() -> None:
    assert colours(np.array([-1.0, 0.0, 1.0, 7.0])).tolist() == colours(np.array([0.0, 0.0, 1.0, 1.0])).tolist()


def test_where_the_map_is_zero_the_slice_shows() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    values = np.zeros((16, 16), np.float32)
    values[8:] = 1
    mixed = blended(pixels, values, 1.0)
    np.testing.assert_array_equal(mixed[:8], pixels[:8, :, None].repeat(3, axis=2))
    assert (mixed[8:] == colours(np.array(1.0))).all()
    np.testing.assert_array_equal(blended(pixels, values, 0.0), pixels[..., None].repeat(3, axis=2))
