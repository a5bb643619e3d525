import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mriclassify._likeness._hashing import NEAR_RADIUS, SAME_RADIUS, cosines, hash_slice, orientations

TURNS = [
    lambda x: x,
    np.fliplr,
    np.flipud,
    lambda x: np.rot90(x, 2),
    np.transpose,
    lambda x: np.fliplr(x.T),
    lambda x: np.flipud(x.T),
    lambda x: np.rot90(x.T, 2),
]


def textured(seed: int = 0, height: int = 120, width: int = 120) -> NDArray[np.float32]:
    """Noise whose waves get weaker as they get shorter, as those of pictures do."""
    rng = np.random.default_rng(seed)
    k = np.hypot(*np.mgrid[0:24, 0:24]) + 1
    down, across = (np.cos(np.pi * np.arange(24)[:, None] * (np.arange(n) + 0.5) / n) for n in (height, width))
    pixels = down.T @ (rng.normal(size=(24, 24)) / k) @ across
    return ((pixels - pixels.min()) / np.ptp(pixels) * 255).astype(np.float32)


def distance(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> int:
    return int(np.bitwise_count(one ^ other).sum())


@pytest.mark.parametrize("k", range(8))
@pytest.mark.parametrize("shape", [(120, 120), (97, 140)])
def test_orientations_are_the_hashes_of_the_turned_copies(k: int, shape: tuple[int, int]) -> None:
    pixels = textured(3, *shape)
    expected = orientations(hash_slice(pixels)[None])[k, 0]
    assert distance(expected, hash_slice(np.ascontiguousarray(TURNS[k](pixels)))) <= 1


def test_orientations_differ_from_each_other() -> None:
    turned = orientations(hash_slice(textured())[None])[:, 0]
    assert min(distance(turned[i], turned[j]) for i in range(8) for j in range(i)) > NEAR_RADIUS


def test_orientations_keep_the_order_of_many() -> None:
    hashes = np.stack([hash_slice(textured(seed)) for seed in range(5)])
    turned = orientations(hashes)
    assert turned.shape == (8, 5, 4) and turned.dtype == np.uint64
    assert np.array_equal(turned[0], hashes)
    for row in range(5):
        assert np.array_equal(turned[:, row], orientations(hashes[row : row + 1])[:, 0])


def test_orientations_of_none() -> None:
    assert orientations(np.empty((0, 4), np.uint64)).shape == (8, 0, 4)


@pytest.mark.parametrize("k", range(8))
def test_the_eight_orientations_of_an_orientation_are_the_same_eight(k: int) -> None:
    turned = orientations(hash_slice(textured(1))[None])
    again = orientations(turned[k])
    assert {tuple(row) for row in again[:, 0].tolist()} == {tuple(row) for row in turned[:, 0].tolist()}


@pytest.mark.parametrize("side", [64, 100, 300])
def test_size_hardly_matters(side: int) -> None:
    pixels = textured(2)
    resized = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
    assert distance(hash_slice(pixels), hash_slice(resized)) <= 3


@pytest.mark.parametrize("quality", [50, 75])
def test_jpeg_keeps_the_slice_the_same(quality: int) -> None:
    pixels = textured(2)
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "JPEG", quality=quality)
    assert distance(hash_slice(pixels), hash_slice(np.asarray(Image.open(stream), np.float32))) <= SAME_RADIUS


def test_offset_and_slope_do_not_matter() -> None:
    pixels = textured(4)
    assert distance(hash_slice(pixels), hash_slice(pixels * 60 + 4000)) == 0


def test_other_slices_are_far() -> None:
    hashes = [hash_slice(textured(seed)) for seed in range(12)]
    assert min(distance(hashes[i], hashes[j]) for i in range(12) for j in range(i)) > NEAR_RADIUS


def test_negative_has_all_bits_the_other_way_but_the_mean() -> None:
    pixels = textured(5)
    assert distance(hash_slice(pixels), hash_slice(-pixels)) == 255


@pytest.mark.parametrize("shape", [(40, 40), (1, 1), (1, 300)])
@pytest.mark.parametrize("value", [0.0, 3000.7])
def test_one_value_has_no_bit_set(shape: tuple[int, int], value: float) -> None:
    assert not hash_slice(np.full(shape, value, np.float32)).any()


def test_mean_is_bit_zero_and_never_set() -> None:
    assert not any(int(hash_slice(textured(seed))[0]) & 1 for seed in range(20))


def test_bits_are_in_the_documented_order() -> None:
    place = (np.arange(64) + 0.5) / 64
    wave = np.cos(np.pi * 5 * place)[:, None] * np.cos(np.pi * 3 * place)[None, :]
    assert int(hash_slice((wave * 100).astype(np.float32))[(16 * 5 + 3) // 64]) >> ((16 * 5 + 3) % 64) & 1
    assert cosines((wave * 100).astype(np.float32), 8)[5, 3] == pytest.approx(50, rel=0.02)


def test_cosines_agree_with_the_discrete_transform() -> None:
    from scipy.fft import dctn

    pixels = textured(6, 200, 200)
    expected = dctn(pixels, type=2, norm="ortho")[:8, :8] / 200
    expected[0, 0] = 0
    np.testing.assert_allclose(cosines(pixels, 8), expected, rtol=2e-3, atol=5e-3)


def test_cosines_stay_when_each_pixel_becomes_nine() -> None:
    pixels = textured(7)
    np.testing.assert_allclose(
        cosines(np.kron(pixels, np.ones((3, 3), np.float32)), 16), cosines(pixels, 16), atol=1e-3
    )
