"""Chroma: how colourful a picture is, whatever its type and size."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify._reading._grey import chroma

GREY = np.random.default_rng(0).integers(0, 256, (40, 30)).astype(np.uint8)
RED = np.zeros((40, 30, 3), np.uint8)
RED[..., 0] = 255


@pytest.mark.parametrize("channels", [GREY, GREY[..., None], np.stack([GREY] * 3, axis=-1), RED * 0])
def test_grey_has_no_chroma(channels: NDArray[np.uint8]) -> None:
    assert chroma(channels) == 0


@pytest.mark.parametrize("channels", [RED, RED.astype(np.uint16) * 257, RED / 255, np.tile(RED, (20, 20, 1))])
def test_pure_red_has_all_of_it(channels: NDArray[np.generic]) -> None:
    assert chroma(channels) == pytest.approx(1)


def test_the_channels_order_says_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    assert chroma(noise) == pytest.approx(chroma(noise[..., ::-1]))


def test_what_is_transparent_does_not_count() -> None:
    assert chroma(np.dstack([RED, np.zeros((40, 30), np.uint8)])) == 0


def test_pixels_that_are_no_numbers_have_none() -> None:
    assert chroma(np.full((20, 20, 3), np.nan)) == 0
