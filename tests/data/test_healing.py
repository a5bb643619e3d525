"""Healing: a lesion gives way to the slice's own tissue, and nothing else changes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError
from mriclassify._data._blending import head_of, make_seam, membrane
from mriclassify._data._healing import SYMMETRIC, draw_sham, heal, sham, spots_of
from mriclassify._data._masks import frame_mask, read_mask
from mriclassify._data._preprocessing import Preprocessing
from mriclassify._data._symmetry import find_axis
from mriclassify._reading import read_slice

SIZE = 96


def head(*, angle: float = 0.0, offset: float = 0.0, seed: int = 0) -> NDArray[np.float32]:
    """A head, symmetric but for noise: skull, brain with a few symmetric blobs, and noise."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    turn = np.radians(angle)
    across = abs((columns * np.cos(turn) + rows * np.sin(turn)) - offset)
    down = rows * np.cos(turn) - columns * np.sin(turn)
    radius = np.hypot(down / 0.48, across / 0.4)
    image = np.where(radius < 0.85, 0.45, np.where(radius < 1, 0.9, 0.0))
    for _ in range(10):
        row, column, width = rng.uniform(-0.35, 0.35), rng.uniform(0, 0.3), rng.uniform(0.03, 0.07)
        image += (radius < 0.8) * rng.normal(0, 0.12) * np.exp(-((down - row) ** 2 + (across - column) ** 2) / width**2)
    return np.clip(image + (radius < 1) * rng.normal(0, 0.02, image.shape), 0, 1.5).astype(np.float32)


def disc(row: float, column: float, radius: float = 0.08) -> NDArray[np.bool_]:
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    mask: NDArray[np.bool_] = np.hypot(rows - row, columns - column) < radius
    return mask


def with_lesion(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(mask, np.float32(1.2), image)


@pytest.mark.parametrize(("angle", "offset"), [(0.0, 0.0), (7.0, 0.03), (-12.0, -0.04)])
def test_the_axis_is_found_beside_a_lesion(angle: float, offset: float) -> None:
    mask = disc(-0.1, 0.2)
    axis = find_axis(with_lesion(head(angle=angle, offset=offset), mask), mask)
    assert axis.angle == pytest.approx(angle, abs=2.0)
    assert axis.offset == pytest.approx(offset, abs=0.015)
    assert axis.likeness > 0.8


def test_a_head_seen_from_the_side_has_no_axis() -> None:
    image = head() * (1 + np.linspace(-0.6, 0.6, SIZE, dtype=np.float32))
    image[40:70, 10:40] *= 0.2
    assert find_axis(image, np.zeros(image.shape, bool)).likeness < SYMMETRIC


@pytest.mark.parametrize(("angle", "offset"), [(0.0, 0.0), (8.0, 0.02)])
def test_a_healed_slice_is_close_to_what_was_under_the_lesion(angle: float, offset: float) -> None:
    healthy, mask = head(angle=angle, offset=offset), disc(-0.1, 0.2)
    healed = heal(with_lesion(healthy, mask), mask, ways=("mirror",))
    assert healed is not None
    assert np.abs(healed - healthy)[mask].mean() < 0.05
    assert healed.dtype == np.float32 and healed.min() >= 0 and healed.max() <= 1.5


def test_nothing_changes_away_from_the_lesion_nor_the_input() -> None:
    mask = disc(-0.1, 0.2)
    image = with_lesion(head(), mask)
    given = image.copy()
    healed = heal(image, mask)
    assert healed is not None
    np.testing.assert_array_equal(image, given)
    changed = healed != image
    assert not (changed & ~disc(-0.1, 0.2, 0.08 + 0.05)).any()
    assert changed[mask].all()


def test_healing_is_the_same_again() -> None:
    mask = disc(-0.1, 0.2)
    image = with_lesion(head(), mask)
    first, second = heal(image, mask), heal(image, mask)
    assert first is not None and second is not None
    np.testing.assert_array_equal(first, second)


def test_the_brightness_of_the_other_side_is_matched() -> None:
    bias = np.linspace(0.8, 1.2, SIZE, dtype=np.float32)
    healthy, mask = head() * bias, disc(-0.1, 0.2)
    healed = heal(with_lesion(healthy, mask), mask, ways=("mirror",))
    assert healed is not None
    assert abs(float((healed - healthy)[mask].mean())) < 0.02
    assert abs(float((healthy[:, ::-1] - healthy)[mask].mean())) > 0.06  # what plain mirroring would give


def test_a_lesion_on_the_midline_has_no_mirror_image_but_a_patch() -> None:
    mask = disc(0.0, 0.0)
    image = with_lesion(head(), mask)
    assert heal(image, mask, ways=("mirror",)) is None
    healed = heal(image, mask)
    assert healed is not None
    assert healed[mask].max() < 0.9


def test_no_tissue_comes_from_what_is_to_be_avoided() -> None:
    mask, other = disc(-0.1, 0.2), disc(-0.1, -0.2)
    image = with_lesion(head(), mask | other)
    assert heal(image, mask, avoid=other, ways=("mirror",)) is None
    healed = heal(image, mask, avoid=other)
    assert healed is None or healed[mask].max() < 1.0
    spoilt = heal(image, mask, ways=("mirror",))
    assert spoilt is None or spoilt[mask].max() > 1.0  # the other lesion, where nobody said so


def test_large_and_empty_lesions_are_not_healed() -> None:
    assert heal(head(), disc(0, 0, 0.35)) is None
    assert heal(head(), np.zeros((SIZE, SIZE), bool)) is None
    assert heal(head(), np.ones((SIZE, SIZE), bool)) is None
    assert heal(np.zeros((SIZE, SIZE), np.float32), np.ones((SIZE, SIZE), bool)) is None


def test_shapes_must_agree() -> None:
    with pytest.raises(OptionError, match=r"\(96, 96\) and \(90, 96\)"):
        heal(head(), disc(0, 0)[:90])
    with pytest.raises(OptionError, match=r"\(size, size\)"):
        heal(head()[:90], disc(0, 0)[:90])


def test_a_sham_changes_healthy_tissue_only() -> None:
    lesion = disc(-0.1, 0.2)
    image = with_lesion(head(), lesion)
    changed = 0
    for seed in range(12):
        shammed = sham(image, draw_sham(np.random.default_rng(seed)), avoid=lesion)
        if shammed is not None:
            changed += 1
            np.testing.assert_array_equal(shammed[lesion], image[lesion])
            assert 10 < (shammed != image).sum() < 0.2 * image.size
            assert (shammed[~lesion] < 1.15).all()  # the lesion's 1.2 was copied nowhere
    assert changed >= 6


def test_a_sham_is_drawn_from_the_generator_alone() -> None:
    assert draw_sham(np.random.default_rng(5)) == draw_sham(np.random.default_rng(5))
    assert draw_sham(np.random.default_rng(5)) != draw_sham(np.random.default_rng(6))


def test_a_spot_takes_the_shape_of_a_lesion() -> None:
    lesion = disc(-0.1, 0.2)
    spot = next(spots_of(head(), draw_sham(np.random.default_rng(2)), avoid=lesion, like=lesion))
    assert spot.sum() == lesion.sum()
    assert not (spot & lesion).any()
    assert (head_of(head()) | ~spot).all()


def test_a_blank_slice_has_no_place_for_a_spot() -> None:
    assert not list(spots_of(np.zeros((SIZE, SIZE), np.float32), draw_sham(np.random.default_rng(0))))
    assert sham(np.zeros((SIZE, SIZE), np.float32), draw_sham(np.random.default_rng(0))) is None


def test_a_membrane_spans_what_is_not_known() -> None:
    rows, columns = np.mgrid[0:41, 0:40].astype(np.float32) / 40
    plane = rows + 0.5 * columns
    known = np.ones_like(plane)
    known[10:30, 10:30] = 0
    spanned = membrane(np.where(known > 0, plane, 9), known, softness=1.0)
    assert np.abs(spanned - plane)[12:28, 12:28].max() < 0.15
    np.testing.assert_allclose(membrane(np.full_like(plane, 0.3), known, softness=1.0), 0.3, atol=1e-4)


def test_a_seam_weighs_all_of_the_mask_and_fades() -> None:
    mask = disc(0.1, 0.0)
    seam = make_seam(mask, 2, 4, 6)
    assert (seam.weight[mask[seam.box]] == 1).all()
    assert seam.weight[[0, -1]].max() == 0 and seam.weight[:, [0, -1]].max() == 0
    assert not (seam.rim & mask[seam.box]).any()
    assert ((seam.weight > 0) & (seam.weight < 1)).any()


def test_the_head_is_filled() -> None:
    image = head()
    image[40:50, 40:50] = 0  # a ventricle
    assert head_of(image)[40:50, 40:50].all()
    assert not head_of(image)[0, 0]
    assert not head_of(np.zeros((8, 8), np.float32)).any()


@pytest.mark.shared
def test_real_tumours_are_healed(shared: Path) -> None:
    folder, preprocessing, healed = shared / "figshare", Preprocessing(size=128), 0
    for number in range(1, 3000, 150):
        windowed = preprocessing.windowed(read_slice(folder / f"images/{number}.jpg").pixels)
        frame = preprocessing.frame(windowed)
        lesion = frame_mask(read_mask(folder / f"masks/{number}.png"), frame, 128) > 0.5
        image = frame.cut(windowed, 128)
        result = heal(image, lesion)
        if result is not None:
            healed += 1
            assert np.isfinite(result).all()
    assert healed >= 8
