"""Fading: a lesion becomes as bright as asked for, and nothing else changes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError, draw_fade, fade
from mriclassify._data._fading import FEATHER, GROW, LEAST, FadeParameters

SIZE = 96
EVEN = FadeParameters(level=0.8, texture=0.0)


def head(*, brightness: float = 0.5, seed: int = 0) -> NDArray[np.float32]:
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    inside = np.hypot(rows / 0.48, columns / 0.4) < 1
    noise = np.random.default_rng(seed).normal(0, 0.02, inside.shape)
    return np.where(inside, brightness * (1 + noise), 0).astype(np.float32)


def disc(row: float = -0.1, column: float = 0.1, radius: float = 0.1) -> NDArray[np.bool_]:
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    mask: NDArray[np.bool_] = np.hypot(rows - row, columns - column) < radius
    return mask


def sick(*, brightness: float = 0.5, contrast: float = 2.0, seed: int = 0) -> NDArray[np.float32]:
    """A head whose lesion is brighter by `contrast`, and varies."""
    lesion = disc()
    texture = 1 + 0.2 * np.sin(np.arange(SIZE, dtype=np.float32))
    return np.where(lesion, head(brightness=brightness, seed=seed) * contrast * texture, head(brightness=brightness))


def faded(image: NDArray[np.float32], parameters: FadeParameters) -> NDArray[np.float32]:
    made = fade(image, disc(), parameters)
    assert made is not None
    return made


@pytest.mark.parametrize("level", [0.55, 0.8, 1.15])
@pytest.mark.parametrize("brightness", [0.3, 0.6])
@pytest.mark.parametrize("texture", [0.0, 0.5])
def test_a_lesion_becomes_as_bright_as_asked(level: float, brightness: float, texture: float) -> None:
    image = faded(sick(brightness=brightness), FadeParameters(level, texture))
    inner = disc(radius=0.08)
    assert image[inner].mean() / brightness == pytest.approx(level, rel=0.05)


def test_a_dark_lesion_becomes_brighter_where_that_is_asked() -> None:
    dark = sick(contrast=0.5)
    image = faded(dark, FadeParameters(level=1.0, texture=0.3))
    assert dark[disc()].mean() < 0.3 < 0.45 < image[disc()].mean() < 0.55


def test_nothing_changes_away_from_the_lesion_nor_the_input() -> None:
    image, lesion = sick(), disc()
    given, outline = image.copy(), lesion.copy()
    made = fade(image, lesion, EVEN)
    assert made is not None
    away = ~disc(radius=0.1 + GROW + FEATHER + 1.5 / SIZE)
    np.testing.assert_array_equal(made[away], image[away])
    assert (made != image)[lesion].mean() > 0.99
    np.testing.assert_array_equal(image, given)
    np.testing.assert_array_equal(lesion, outline)
    assert made.dtype == np.float32


def test_texture_is_what_is_left_of_the_variation() -> None:
    image, inner = sick(), disc(radius=0.07)
    spread = [float(faded(image, FadeParameters(0.8, texture))[inner].std()) for texture in (0.0, 0.3, 0.6)]
    own = float(image[inner].std())
    assert spread[0] < 1e-4
    assert spread[1] / own == pytest.approx(0.3, rel=0.02)
    assert spread[2] / own == pytest.approx(0.6, rel=0.02)


@pytest.mark.parametrize("contrast", [0.4, 2.5])
def test_no_ring_is_left_around_the_lesion(contrast: float) -> None:
    image = faded(sick(contrast=contrast), FadeParameters(level=1.0, texture=0.8))
    ring = disc(radius=0.1 + GROW + FEATHER) & ~disc(radius=0.115)
    assert image[ring].min() > 0.4
    assert image[ring].max() < 0.6


def test_brightness_stays_in_its_range() -> None:
    image = np.where(disc(), np.linspace(0, 1.5, SIZE, dtype=np.float32), head(brightness=1.3))
    for seed in range(20):
        made = faded(image, draw_fade(np.random.default_rng(seed)))
        assert made.min() >= 0 and made.max() <= 1.5


def test_parameters_are_drawn_from_the_generator_within_their_limits() -> None:
    assert draw_fade(np.random.default_rng(3)) == draw_fade(np.random.default_rng(3))
    rng = np.random.default_rng(0)
    levels, textures = zip(*(draw_fade(rng) for _ in range(300)), strict=True)
    assert 0.55 <= min(levels) < 0.7 and 1.0 < max(levels) <= 1.15
    assert 0.1 <= min(textures) < 0.2 and 0.8 < max(textures) <= 0.9


def test_fading_is_the_same_again() -> None:
    parameters = draw_fade(np.random.default_rng(5))
    np.testing.assert_array_equal(faded(sick(), parameters), faded(sick(), parameters))


def test_what_is_too_small_to_tell_gives_none() -> None:
    small, nowhere = np.zeros((SIZE, SIZE), bool), np.zeros((SIZE, SIZE), bool)
    small.reshape(-1)[40 * SIZE + 30 : 40 * SIZE + 30 + LEAST - 1] = True
    assert fade(head(), small, EVEN) is None
    assert fade(head(), nowhere, EVEN) is None
    # No tissue around it that a brightness could be read from.
    assert fade(np.where(disc(), np.float32(1), np.float32(0)), disc(), EVEN) is None
    assert fade(head(), np.ones((SIZE, SIZE), bool), EVEN) is None
    small.reshape(-1)[40 * SIZE + 30 + LEAST] = True
    assert fade(head(), small, EVEN) is not None


def test_shapes_must_agree() -> None:
    with pytest.raises(OptionError, match=r"\(96, 96\) and \(90, 96\)"):
        fade(head(), disc()[:90], EVEN)
