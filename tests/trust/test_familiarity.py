"""Familiarity: distances from the training's features, their limit, and their way into a file and back."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA

from mriclassify._errors import CheckpointError, DatasetError, OptionError
from mriclassify._trust import _familiarity
from mriclassify._trust._familiarity import FAMILIAR_SHARE, Familiarity, familiar_below


def features(count: int, *, seed: int, width: int = 40) -> NDArray[np.float64]:
    """Features of one kind of slices: few causes, many of them, and a little noise; never below 0."""
    mixing = np.random.default_rng(0).normal(size=(6, width))
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(count, 6)) @ mixing + 3 + 0.1 * rng.normal(size=(count, width)), 0)


TRAINING = features(400, seed=1)
HELD_OUT = features(200, seed=2)
KNOWN = Familiarity.fit(TRAINING)


def test_the_training_features_lie_at_a_distance_of_one_on_average() -> None:
    assert KNOWN.distance(TRAINING).mean() == pytest.approx(1, rel=0.01)


def test_held_out_features_are_nearer_than_strange_ones() -> None:
    strange = np.random.default_rng(3).uniform(0, 6, (200, 40))
    limit = familiar_below(KNOWN.distance(HELD_OUT), share=0.95)
    assert (KNOWN.distance(strange) > limit).mean() > 0.95
    assert (KNOWN.distance(features(500, seed=4)) > limit).mean() < 0.1


def test_what_leaves_the_plane_of_the_training_is_strange_though_it_is_small() -> None:
    known = Familiarity.fit(np.pad(TRAINING, ((0, 0), (0, 60)), constant_values=1.0))
    row = np.pad(HELD_OUT[:1], ((0, 0), (0, 60)), constant_values=1.0)
    beyond = row.copy()
    beyond[:, -1] = 4.0
    assert known.distance(beyond)[0] > 10 * known.distance(row)[0]


def test_the_distance_is_mahalanobis_in_the_principal_plane_and_the_residual_outside() -> None:
    rows = np.sqrt(TRAINING)
    scale = rows.std(axis=0) + _familiarity.SCALE_FLOOR * np.median(rows.std(axis=0))
    standard = (rows - rows.mean(axis=0)) / scale
    pca = PCA(len(KNOWN.variance)).fit(standard)
    inside = pca.transform(standard)
    near = EmpiricalCovariance().fit(inside).mahalanobis(inside)
    left = ((standard - pca.inverse_transform(inside)) ** 2).sum(axis=1)
    expected = (near / near.mean() + left / left.mean()) / 2
    np.testing.assert_allclose(KNOWN.distance(TRAINING), expected, rtol=0.02)


def test_one_by_one_is_as_all_at_once_in_any_order_and_precision() -> None:
    together = KNOWN.distance(HELD_OUT)
    np.testing.assert_allclose([KNOWN.distance(row[None])[0] for row in HELD_OUT], together, rtol=1e-12)
    np.testing.assert_allclose(KNOWN.distance(HELD_OUT[::-1]), together[::-1], rtol=1e-12)
    np.testing.assert_allclose(KNOWN.distance(HELD_OUT.astype(np.float32)), together, rtol=1e-3)


def test_the_order_of_the_training_slices_changes_nothing() -> None:
    shuffled = Familiarity.fit(np.random.default_rng(0).permutation(TRAINING))
    np.testing.assert_allclose(shuffled.distance(HELD_OUT), KNOWN.distance(HELD_OUT), rtol=1e-2)


def test_no_slices_give_no_distances() -> None:
    assert KNOWN.distance(np.empty((0, 40))).shape == (0,)


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_broken_features_are_infinitely_far_and_harm_no_neighbour(strange: float) -> None:
    rows = HELD_OUT[:2].copy()
    rows[0, 3] = strange
    distances = KNOWN.distance(rows)
    assert distances[0] == np.inf
    assert distances[1] == pytest.approx(KNOWN.distance(HELD_OUT[1:2])[0])


def test_huge_features_stay_finite() -> None:
    assert np.isfinite(KNOWN.distance(np.full((1, 40), 3e38))).all()


def test_statistics_survive_the_file_exactly() -> None:
    again = Familiarity.from_tensors(KNOWN.tensors())
    np.testing.assert_array_equal(again.distance(HELD_OUT), KNOWN.distance(HELD_OUT))


def test_statistics_of_a_large_network_stay_small() -> None:
    tensors = Familiarity.fit(np.random.default_rng(0).normal(size=(300, 320))).tensors()
    assert sum(tensor.nbytes for tensor in tensors.values()) < 400_000 * 320 / 1500


@pytest.mark.parametrize("count", [4, 5, 39])
def test_few_slices_are_enough(count: int) -> None:
    assert np.isfinite(Familiarity.fit(TRAINING[:count]).distance(HELD_OUT)).all()


def test_features_that_never_vary_are_no_trouble() -> None:
    flat = np.hstack([TRAINING[:, :5], np.zeros((400, 35))])
    assert np.isfinite(Familiarity.fit(flat).distance(flat)).all()


@pytest.mark.parametrize("rows", [TRAINING[:3], np.full((10, 4), np.nan), np.ones((10, 4))])
def test_statistics_of_nothing_are_refused(rows: NDArray[np.float64]) -> None:
    with pytest.raises(DatasetError, match="slices"):
        Familiarity.fit(rows)


@pytest.mark.parametrize("rows", [np.ones(40), np.ones((3, 39)), np.ones((3, 1))])
def test_features_of_another_network_are_refused(rows: NDArray[np.float64]) -> None:
    with pytest.raises(OptionError, match="features"):
        KNOWN.distance(rows)


def broken_statistics() -> dict[str, dict[str, torch.Tensor]]:
    whole = KNOWN.tensors()
    return {
        "missing": {name: value for name, value in whole.items() if name != "scale"},
        "one too many": whole | {"extra": torch.ones(1)},
        "another shape": whole | {"mean": torch.ones(7)},
        "flat basis": whole | {"basis": torch.ones(40)},
        "no variance": whole | {"variance": torch.zeros_like(whole["variance"])},
        "not finite": whole | {"basis": whole["basis"] * float("nan")},
    }


@pytest.mark.parametrize("kind", broken_statistics())
def test_broken_statistics_are_refused(kind: str) -> None:
    with pytest.raises(CheckpointError, match="statistic"):
        Familiarity.from_tensors(broken_statistics()[kind])


def test_the_limit_is_the_quantile_of_held_out_distances() -> None:
    distances = np.arange(1, 1001, dtype=float)
    limit = familiar_below(distances)
    assert (distances <= limit).mean() >= FAMILIAR_SHARE
    assert limit == 991
    assert familiar_below(distances, share=0.995) == 996
    assert familiar_below(distances[:10]) == 10


def test_a_larger_share_gives_no_smaller_limit() -> None:
    distances = KNOWN.distance(HELD_OUT)
    limits = [familiar_below(distances, share=share) for share in (0.5, 0.9, 0.99, 1.0)]
    assert limits == sorted(limits)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(OptionError, match="share"):
        familiar_below([1.0, 2.0], share=share)


@pytest.mark.parametrize("distances", [[], [1.0, float("inf")]])
def test_a_limit_of_nothing_is_refused(distances: list[float]) -> None:
    with pytest.raises(DatasetError, match="held-out"):
        familiar_below(distances)
