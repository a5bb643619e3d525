"""Appearance: what no slice of a head looks like is told from its pixels, in words; heads of any kind pass."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mriclassify._errors import OptionError
from mriclassify._reading import Slice, read_slice
from mriclassify._trust._appearance import Appearance, AppearanceLimits, measure, objections

LIMITS = AppearanceLimits()


def make_head(*, size: int) -> NDArray[np.uint8]:
    """Scalp, brain with folds, ventricles and a little noise, surrounded by air."""
    rows, columns = np.mgrid[0:size, 0:size] / size - 0.5
    radius = np.hypot(rows / 0.45, columns / 0.36)
    head = (
        200.0 * (radius < 1)
        - 150 * (radius < 0.92)
        + (70 + 15 * np.sin(40 * rows) * np.sin(37 * columns)) * (radius < 0.85)
    )
    head -= 80 * (np.hypot(rows / 0.1, columns / 0.06) < 1)
    noise = np.random.default_rng(0).normal(0, 5, (2, size, size))
    return np.asarray(np.clip(np.hypot(np.maximum(head, 0) + noise[0], noise[1]), 0, 255), dtype=np.uint8)


HEAD = make_head(size=160)
RNG = np.random.default_rng(0)


def seen(pixels: NDArray[np.generic], *, colour: float = 0.0) -> Appearance:
    return measure(replace(read_slice(np.asarray(pixels)), colour=colour))


def reasons(pixels: NDArray[np.generic], *, colour: float = 0.0) -> str:
    return " ".join(objections(seen(pixels, colour=colour), LIMITS))


def page() -> NDArray[np.uint8]:
    """Dark text on white paper."""
    paper = Image.new("L", (210, 297), 255)
    for line in range(12, 285, 14):
        ImageDraw.Draw(paper).text((12, line), "the quick brown fox jumps over", fill=0)
    return np.asarray(paper)


def few_dots() -> NDArray[np.uint8]:
    dots = np.zeros((100, 100), np.uint8)
    dots[40:45, 40:45] = 255
    return dots


def blurred_noise() -> NDArray[np.uint8]:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 160)).astype(np.uint8))
    return np.asarray(noise.filter(ImageFilter.GaussianBlur(4)))


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.random.default_rng(0).uniform(0, 1, (160, 160)), "noise"),
        (np.random.default_rng(0).normal(size=(512, 300)), "noise"),
        (blurred_noise(), "No dark air"),
        (page(), "ground is white"),
        (255 - HEAD, "ground is white"),
        (few_dots(), "nearly empty"),
        (np.linspace(0, 1, 160)[:, None] * np.ones((160, 160)), "too smooth"),
        (255 * (make_head(size=64) > 50), "few greys"),
    ],
    ids=["uniform", "gaussian", "blurred", "page", "inverted", "dots", "gradient", "mask"],
)
def test_what_is_no_slice_is_told_in_words(pixels: NDArray[np.generic], words: str) -> None:
    assert words in reasons(pixels)


def test_colour_is_told_with_its_figures() -> None:
    assert reasons(HEAD, colour=0.31) == (
        "It is a colour picture: its mean chroma is 0.31, that of brain MR slices at most 0.05."
    )


@pytest.mark.parametrize("size", [32, 64, 96, 256, 512])
def test_a_head_passes_in_any_resolution(size: int) -> None:
    assert reasons(make_head(size=size)) == ""


def changed_heads() -> dict[str, NDArray[np.generic]]:
    head = HEAD.astype(np.float64)
    picture = Image.fromarray(HEAD)
    return {
        "other units": head * 12.5 - 1024,
        "noisy": np.hypot(head + RNG.normal(0, 20, head.shape), RNG.normal(0, 20, head.shape)),
        "dark": 255 * (head / 255) ** 1.6,
        "bright": 255 * (head / 255) ** 0.6,
        "turned": np.asarray(picture.rotate(15)),
        "blurred": np.asarray(picture.filter(ImageFilter.GaussianBlur(3))),
        "wide margins": np.pad(head, 60),
        "cropped": head[16:-16, 16:-16],
        "not square": head[:, 10:-10],
    }


@pytest.mark.parametrize("change", changed_heads())
def test_a_changed_head_passes(change: str) -> None:
    assert reasons(changed_heads()[change]) == ""


def test_units_say_nothing() -> None:
    np.testing.assert_allclose(seen(HEAD), seen(HEAD.astype(np.float64) * 7 + 100), atol=0.02)


def test_flips_and_quarter_turns_say_nothing() -> None:
    for other in (HEAD[:, ::-1], HEAD[::-1], np.rot90(HEAD)):
        np.testing.assert_allclose(seen(other), seen(HEAD), atol=0.05)


def test_white_noise_is_rough_and_a_gradient_is_not() -> None:
    assert seen(np.random.default_rng(1).normal(size=(128, 300))).roughness == pytest.approx(1, abs=0.1)
    assert seen(np.add.outer(np.arange(128.0), np.arange(128.0))).roughness < 0.01


def test_a_blank_image_is_measured_without_a_warning() -> None:
    blank = Slice(np.zeros((32, 32), np.float32), "array")
    assert "nearly empty" in " ".join(objections(measure(blank), LIMITS))


def test_every_objection_can_be_switched_off() -> None:
    off = AppearanceLimits(
        colour_above=math.inf,
        corners_above=math.inf,
        median_above=math.inf,
        tissue_below=0,
        greys_below=0,
        roughness_below=0,
        roughness_above=math.inf,
    )
    for pixels in (page(), few_dots(), 255 - HEAD, RNG.normal(size=(90, 90))):
        assert objections(seen(pixels, colour=0.9), off) == ()


@pytest.mark.parametrize("name", AppearanceLimits.__dataclass_fields__)
@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_impossible_limits_are_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=name):
        AppearanceLimits(**{name: value})
