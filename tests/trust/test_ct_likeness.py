"""CtLikeness: a line between two clouds of features, 0 in the middle of one and 1 in the middle of the other."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mriclassify import CheckpointError, DatasetError, OptionError
from mriclassify._trust._tomography import FEWEST, CtLikeness

WIDTH = 12


def cloud(count: int, *, shift: float, seed: int) -> NDArray[np.float64]:
    """Features whose square roots lie around 2; of the first three, `shift` further."""
    roots = np.random.default_rng(seed).normal(2.0, 0.3, (count, WIDTH))
    roots[:, :3] += shift
    return np.sign(roots) * roots**2


@pytest.fixture(scope="module")
def line() -> CtLikeness:
    return CtLikeness.fit(cloud(300, shift=0, seed=0), cloud(80, shift=1.5, seed=1))


def test_the_means_lie_at_0_and_1_and_new_features_on_their_side(line: CtLikeness) -> None:
    assert line.score(cloud(300, shift=0, seed=0)).mean() == pytest.approx(0, abs=1e-3)
    assert line.score(cloud(80, shift=1.5, seed=1)).mean() == pytest.approx(1, abs=1e-3)
    assert line.score(cloud(500, shift=0, seed=2)).max() < 0.5 < line.score(cloud(500, shift=1.5, seed=3)).min()
    assert line.score(cloud(9, shift=0.75, seed=4)).mean() == pytest.approx(0.5, abs=0.1)


def test_more_features_than_slices_are_no_hindrance() -> None:
    rng = np.random.default_rng(0)
    own, other = rng.random((60, 400)), rng.random((60, 400))
    other[:, 7] += 3
    line = CtLikeness.fit(own, other)
    fresh = rng.random((40, 400))
    assert line.score(fresh).max() < 0.5
    fresh[:, 7] += 3
    assert line.score(fresh).min() > 0.5


def test_a_feature_that_never_changes_has_no_say() -> None:
    own, other = cloud(100, shift=0, seed=0), cloud(100, shift=1.5, seed=1)
    own[:, 5] = other[:, 5] = 4.0
    line = CtLikeness.fit(own, other)
    assert np.isfinite(line.weights).all()
    assert line.score(own).mean() == pytest.approx(0, abs=1e-3)


def test_features_that_are_not_finite_are_infinitely_like_it(line: CtLikeness) -> None:
    rows = cloud(3, shift=0, seed=5)
    rows[1, 0] = np.nan
    assert np.isinf(line.score(rows)).tolist() == [False, True, False]


def test_too_few_or_equal_features_are_refused() -> None:
    enough, few = cloud(FEWEST, shift=0, seed=0), cloud(FEWEST - 1, shift=1, seed=1)
    for own, other in ((enough, few), (few, enough)):
        with pytest.raises(DatasetError, match=f"{FEWEST} slices and of {FEWEST} drawn as CT"):
            CtLikeness.fit(own, other)
    with pytest.raises(DatasetError, match="finite"):
        CtLikeness.fit(enough, np.full((FEWEST, WIDTH), np.inf))
    with pytest.raises(DatasetError, match="are the same"):
        CtLikeness.fit(enough, enough)


def test_another_number_of_features_is_refused(line: CtLikeness) -> None:
    with pytest.raises(OptionError, match=f"expected {WIDTH} features a slice, not 5"):
        line.score(np.ones((2, 5)))


def test_tensors_bring_it_back_to_the_last_bit(line: CtLikeness) -> None:
    again = CtLikeness.from_tensors(line.tensors())
    rows = cloud(50, shift=0.5, seed=6)
    np.testing.assert_array_equal(again.score(rows), line.score(rows))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": None}, "weights, offset, not offset"),
        ({"more": torch.ones(1)}, "weights, offset, not more"),
        ({"weights": torch.ones(2, 2)}, "wrong shape"),
        ({"offset": torch.ones(2)}, "wrong shape"),
        ({"offset": torch.tensor([float("nan")])}, "impossible values"),
        ({"weights": torch.ones(3, dtype=torch.complex64)}, "real numbers"),
    ],
)
def test_tensors_that_make_no_sense_are_refused(line: CtLikeness, change: dict[str, Any], message: str) -> None:
    given = {name: value for name, value in (line.tensors() | change).items() if value is not None}
    with pytest.raises(CheckpointError, match=message):
        CtLikeness.from_tensors(given)
