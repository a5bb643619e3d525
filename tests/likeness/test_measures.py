"""Measures: right where they can be reckoned by hand, and the same for any unit."""

import numpy as np
import pytest

from mriclassify._likeness._measures import BINS, MEASURES, columns, measure
from mriclassify._shapes import Pixels


def head(height: int = 200, width: int = 160) -> Pixels:
    """Black but for a rectangle: 40 rows above it, 20 below, 16 columns to its left, 32 to its right."""
    pixels = np.zeros((height, width), np.float32)
    pixels[40:-20, 16:-32] = 100
    pixels[60:80, 40:60] = 200
    return pixels


def named(pixels: Pixels) -> dict[str, float]:
    return dict(zip(MEASURES, measure(pixels).tolist(), strict=True))


def test_every_measure_has_a_name_of_its_own_and_a_family() -> None:
    families = columns("border_", "corner_", "margin_", "grey_", "intensity_", "histogram_")
    assert len(set(MEASURES)) == len(MEASURES) == len(families)
    assert [MEASURES[k] for k in columns("histogram_")] == [f"histogram_{k:02d}" for k in range(BINS)]
    assert measure(head()).dtype == np.float32


def test_margins_are_shares_of_the_slice() -> None:
    figures = named(head())
    margins = [figures[f"margin_{side}"] for side in ("top", "bottom", "left", "right")]
    assert margins == pytest.approx([0.2, 0.1, 0.1, 0.2], abs=0.02)
    assert figures["margin_background"] == pytest.approx(1 - (140 * 112) / (200 * 160), abs=0.02)


def test_a_line_of_text_beside_the_head_is_no_part_of_it() -> None:
    pixels = head()
    pixels[4:8, 30:36] = 200
    assert named(pixels)["margin_top"] == pytest.approx(0.2, abs=0.02)


def test_a_slice_without_a_head_is_all_margin() -> None:
    pixels = np.full((96, 96), 100, np.float32)
    pixels[40:44, 40:44] = -900  # all tissue but for a hole
    assert [named(pixels)[f"margin_{side}"] for side in ("top", "left")] == [0, 0]
    dots = np.zeros((96, 96), np.float32)
    dots[np.arange(0, 96, 2), np.arange(0, 96, 2)] = 100  # one bright pixel in each second row is no head
    assert [named(dots)[f"margin_{side}"] for side in ("top", "bottom", "left", "right")] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("side", "place"), [("top", np.s_[:3]), ("bottom", np.s_[-3:]), ("left", np.s_[:, :2]), ("right", np.s_[:, -2:])]
)
def test_a_frame_on_one_side_is_seen_on_that_side(side: str, place: tuple[slice, ...]) -> None:
    plain, framed = head(), head()
    framed[place] = 200
    before, after = named(plain), named(framed)
    assert before[f"border_{side}_mean"] == 0
    assert before[f"border_{side}_darkest"] == 1
    assert after[f"border_{side}_mean"] > 0.5
    assert after[f"border_{side}_max"] == 1
    assert after[f"border_{side}_darkest"] < 0.5


def test_border_noise_is_that_of_neighbours_along_the_border() -> None:
    pixels = head()
    pixels[::2, :3] = 20  # alternates from row to row: by 20 of 200
    figures = named(pixels)
    assert figures["border_left_noise"] == pytest.approx(0.1)
    assert figures["border_right_noise"] == 0


def test_each_corner_is_its_own() -> None:
    pixels = head(160, 160)
    pixels[:10, -10:] = 200
    figures = named(pixels)
    means = {name: value for name, value in figures.items() if name.startswith("corner_") and name.endswith("_mean")}
    assert [name for name, value in means.items() if value > 0] == ["corner_top_right_mean"]
    assert figures["corner_top_right_mean"] == 1


def test_grey_levels_are_counted() -> None:
    figures = named(head(96, 96))
    assert figures["grey_levels"] == 3
    assert figures["grey_darkest"] == figures["grey_commonest"] == pytest.approx((head(96, 96) == 0).mean())


def test_intensity_agrees_with_numpy_where_every_pixel_is_taken() -> None:
    pixels = np.random.default_rng(1).gamma(2, 30, (90, 80)).astype(np.float32)
    scaled = (pixels.astype(np.float64) - pixels.min()) / (pixels.max() - pixels.min())
    figures = named(pixels)
    assert figures["intensity_mean"] == pytest.approx(scaled.mean(), rel=1e-5)
    assert figures["intensity_std"] == pytest.approx(scaled.std(), rel=1e-5)
    for percentile in (1, 25, 50, 75, 99):
        assert figures[f"intensity_p{percentile:02d}"] == pytest.approx(np.percentile(scaled, percentile), abs=2e-3)
    histogram = [figures[f"histogram_{k:02d}"] for k in range(BINS)]
    assert histogram == pytest.approx(np.histogram(scaled, BINS, (0, 1))[0] / pixels.size, abs=1e-6)


@pytest.mark.parametrize(("slope", "offset"), [(1, -1024), (4, 0), (0.25, 3)])
def test_units_and_offsets_change_nothing(slope: float, offset: float) -> None:
    pixels = np.round(np.random.default_rng(2).gamma(2, 30, (130, 110))).astype(np.float32)
    assert measure(pixels * np.float32(slope) + np.float32(offset)) == pytest.approx(measure(pixels), abs=1e-6)


def test_mirroring_swaps_left_and_right() -> None:
    pixels = head(96, 96)
    pixels[:, :1] = 30
    there, back = named(pixels), named(np.fliplr(pixels))
    for figure in ("mean", "std", "max", "darkest", "noise"):
        assert there[f"border_left_{figure}"] == back[f"border_right_{figure}"]
    assert there["margin_left"] == pytest.approx(back["margin_right"])


@pytest.mark.parametrize("shape", [(16, 16), (16, 3000), (97, 191)])
@pytest.mark.parametrize("high", [1, 3e38])
def test_slices_of_any_shape_and_range_give_finite_figures(shape: tuple[int, int], high: float) -> None:
    pixels = np.full(shape, -high, np.float32)
    pixels[0, 0] = high
    assert np.isfinite(measure(pixels)).all()


def test_a_blank_slice_gives_finite_figures() -> None:
    assert np.isfinite(measure(np.full((32, 32), 7, np.float32))).all()
