"""as_ct: bone becomes the brightest, the brain nearly even, and the rest dark."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify._data._tomography import CtParameters, as_ct, draw_ct

SIZE = 160
PLAIN = CtParameters(bone=0.05, brain=0.4, contrast=0.1, scalp=0.0, blur=0.002, noise=0.0)


def away(row: float = 0.0, column: float = 0.0) -> NDArray[np.float64]:
    """Return how far pixels are from a place, as parts of the side."""
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    return np.hypot((rows - row) / 1.2, columns - column)


def head() -> NDArray[np.float32]:
    """A brain with ventricles, a dark skull, and a bright scalp, as on T1."""
    image = np.select([away() < 0.31, away() < 0.38, away() < 0.41], [0.45, 0.02, 0.95], 0.0)
    image[away(column=0.06) < 0.04] = 0.15
    return image.astype(np.float32)


def made_of(parameters: CtParameters, *, seed: int = 0) -> NDArray[np.float32]:
    made = as_ct(head(), parameters, np.random.default_rng(seed))
    assert made is not None
    assert made.shape == (SIZE, SIZE)
    assert made.dtype == np.float32
    assert made.min() >= 0
    return made


def test_bone_is_brighter_than_all_else_and_encloses_a_nearly_even_brain() -> None:
    image = head()
    made = made_of(PLAIN)
    np.testing.assert_array_equal(image, head())
    rows, columns = np.nonzero(made > 0.8)
    # What was dark around the brain is the brightest now, on all sides of it; the frame may have moved.
    assert rows.min() < 0.25 * SIZE < 0.75 * SIZE < rows.max()
    assert columns.min() < 0.3 * SIZE < 0.7 * SIZE < columns.max()
    middle = made[60:100, 60:100]
    assert 0.25 < middle.mean() < 0.5
    assert middle.std() < 0.06
    assert made[SIZE // 2, SIZE // 2 - 20] > made[SIZE // 2, SIZE // 2 + 10]  # fluid is darker


def test_contrast_may_be_turned_round_for_slices_with_bright_fluid() -> None:
    made = made_of(PLAIN._replace(contrast=-0.1))
    assert made[SIZE // 2, SIZE // 2 - 20] < made[SIZE // 2, SIZE // 2 + 10]


def test_noise_comes_from_the_generator_alone() -> None:
    noisy = PLAIN._replace(noise=0.03)
    np.testing.assert_array_equal(made_of(noisy, seed=3), made_of(noisy, seed=3))
    assert not np.array_equal(made_of(noisy, seed=3), made_of(noisy, seed=4))


@pytest.mark.parametrize("image", [np.zeros((64, 64), np.float32), np.ones((64, 64), np.float32)])
def test_where_no_brain_can_be_told_nothing_is_drawn(image: NDArray[np.float32]) -> None:
    assert as_ct(image, PLAIN, np.random.default_rng(0)) is None


def test_what_is_drawn_is_the_seeds_and_lies_in_its_ranges() -> None:
    one, same = (draw_ct(np.random.default_rng(7)) for _ in range(2))
    assert one == same
    rng = np.random.default_rng(0)
    drawn = [draw_ct(rng) for _ in range(200)]
    for name, low, high in (("bone", 0.02, 0.06), ("brain", 0.25, 0.6), ("scalp", 0, 0.3), ("noise", 0, 0.03)):
        values = [getattr(parameters, name) for parameters in drawn]
        assert low <= min(values) < max(values) <= high
    assert {np.sign(parameters.contrast) for parameters in drawn} == {-1, 1}
