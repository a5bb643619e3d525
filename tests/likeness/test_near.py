"""Near-duplicates: the same pairs as comparing all, for any data, by whichever way."""

from collections.abc import Iterator

import numpy as np
import pytest

from mriclassify._likeness import _near
from mriclassify._likeness._hashing import Hashes, orientations
from mriclassify._likeness._near import clusters, near_between, near_pairs


def random_hashes(count: int, *, seed: int = 0) -> Hashes:
    return np.random.default_rng(seed).integers(0, 1 << 64, size=(count, 4), dtype=np.uint64)


def with_flips(hashes: Hashes, number: int, *, seed: int = 0) -> Hashes:
    """The same with exactly that many bits the other way round, others in each row."""
    places = np.argsort(np.random.default_rng(seed).random((len(hashes), 256)), axis=1)[:, :number]
    flips = np.zeros((len(hashes), 256), np.uint64)
    np.put_along_axis(flips, places, np.uint64(1), axis=1)
    words = np.bitwise_or.reduce(flips.reshape(-1, 4, 64) << np.arange(64, dtype=np.uint64), axis=2)
    return hashes ^ words


def heads(count: int, *, seed: int = 0) -> Hashes:
    """Hashes that look alike, as those of MR slices do: some bits hardly ever differ, others half the time."""
    rng = np.random.default_rng(seed)
    often = rng.beta(0.8, 1.2, size=256) / 2
    flips = (rng.random((count, 256)) < often).astype(np.uint64).reshape(-1, 4, 64)
    words = np.bitwise_or.reduce(flips << np.arange(64, dtype=np.uint64), axis=2)
    return random_hashes(1, seed=seed) ^ words


def oriented_copies(hashes: Hashes, *, seed: int = 0) -> Hashes:
    """One of the eight mirrored and turned copies of each."""
    drawn = np.random.default_rng(seed).integers(8, size=len(hashes))
    return orientations(hashes)[drawn, np.arange(len(hashes))]


def distances(a: Hashes, b: Hashes, *, oriented: bool = True) -> np.ndarray:
    """(n, m), the plain way."""
    variants = orientations(b) if oriented else b[None]
    bits = np.unpackbits(a.view(np.uint8), axis=1).astype(np.int32)
    best = np.full((len(a), len(b)), 256)
    for variant in variants:
        other = np.unpackbits(np.ascontiguousarray(variant).view(np.uint8), axis=1).astype(np.int32)
        best = np.minimum(best, bits @ (1 - other).T + (1 - bits) @ other.T)
    return best


def plain_pairs(hashes: Hashes, radius: int, *, oriented: bool = True) -> list[list[int]]:
    near = np.triu(distances(hashes, hashes, oriented=oriented) <= radius, k=1)
    return np.argwhere(near).tolist()


@pytest.fixture(params=["all pairs", "tables"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way in turn, whatever their times are."""
    monkeypatch.setattr(_near, "PER_PAIR", 0.0 if request.param == "all pairs" else 1e9)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("oriented", [True, False])
@pytest.mark.parametrize("radius", [0, 12, 30])
def test_the_pairs_are_those_of_comparing_all(radius: int, oriented: bool) -> None:
    base = heads(150)
    hashes = np.concatenate([base, base[:20], with_flips(base[:60], radius), oriented_copies(base[:60])])
    expected = plain_pairs(hashes, radius, oriented=oriented)
    assert near_pairs(hashes, radius=radius, oriented=oriented).tolist() == expected


@pytest.mark.usefixtures("way")
def test_between_two_sets_the_pairs_are_those_of_comparing_all() -> None:
    a = heads(200)
    b = np.concatenate([oriented_copies(with_flips(a[50:120], 20)), a[:9], a[:9], heads(50, seed=5)])
    expected = np.argwhere(distances(a, b) <= 20).tolist()
    assert len(expected) >= 88
    assert near_between(a, b, radius=20).tolist() == expected


@pytest.mark.usefixtures("way")
def test_clusters_are_the_chains_of_near_pairs() -> None:
    base = heads(150, seed=2)
    chain = [base[:30]]
    for link in range(4):
        chain.append(oriented_copies(with_flips(chain[-1], 25, seed=link), seed=link))
    hashes = np.concatenate([base, *chain])[np.random.default_rng(0).permutation(300)]
    number = clusters(hashes, radius=25)
    expected = np.arange(len(hashes))
    for i, j in plain_pairs(hashes, 25):
        expected[expected == expected[j]] = expected[i]
    _, first = np.unique(number, return_index=True)
    assert (np.diff(first) > 0).all()
    assert number[0] == 0
    assert ((number[:, None] == number) == (expected[:, None] == expected)).all()


@pytest.mark.parametrize("radius", [12, 30, 40])
def test_of_pairs_at_the_radius_itself_hardly_one_is_missed(radius: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_near, "PER_PAIR", 1e9)
    base = heads(4000)
    found = near_between(base, oriented_copies(with_flips(base, radius)), radius=radius)
    assert (found[:, 0] == found[:, 1]).sum() >= 0.999 * len(base)


def test_rounds_follow_the_formula() -> None:
    rng = np.random.default_rng(0)
    for radius, length in ((30, 16), (20, 24), (40, 12)):
        differ = np.argsort(rng.random((20_000, 256)), axis=1)[:, :radius] // length
        blocks = 256 // length
        hit = np.zeros((len(differ), 256 // length + 1), bool)
        np.put_along_axis(hit, np.minimum(differ, blocks), True, axis=1)
        missed = hit[:, :blocks].all(axis=1).mean()
        expected = np.log(_near.MISSED) / np.log(missed) if missed else 1
        assert _near._rounds(radius, length) == pytest.approx(expected, rel=0.1, abs=1)


def test_with_more_substrings_than_differing_bits_one_round_misses_nothing() -> None:
    assert _near._rounds(12, 256 // 13) == 1
    assert _near._rounds(0, 128) == 1
    assert _near._rounds(30, 256 // 13) > 1


def test_substrings_share_no_bit() -> None:
    masks = _near._deal(20, np.random.default_rng(0))
    assert len(masks) == 12
    assert sum(int(_near._popcount(mask).sum()) for mask in masks) == 240
    assert int(_near._popcount(np.bitwise_or.reduce(masks)).sum()) == 240


@pytest.mark.parametrize("flips", [0, 3, 12])
def test_a_crowd_is_one_cluster_and_does_not_become_all_its_pairs(flips: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blank slices, say: 10,000 that are all near each other, among others that are not."""
    met = 0
    listed = _near._listed

    def counting(first: np.ndarray, count: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        nonlocal met
        for found, seekers in listed(first, count):
            met += len(found)
            yield found, seekers

    monkeypatch.setattr(_near, "_listed", counting)
    monkeypatch.setattr(_near, "PER_PAIR", 1e9)
    crowd = with_flips(np.repeat(random_hashes(1), 10_000, axis=0), flips)
    number = clusters(np.concatenate([crowd, random_hashes(500, seed=1)]), radius=30)
    assert number.tolist() == [0] * 10_000 + list(range(1, 501))
    assert met < 2e7  # of 4e8 pairs and orientations


def test_equal_hashes_are_all_pairs_of_each_other() -> None:
    hashes = np.repeat(random_hashes(3), [4, 1, 2], axis=0)
    assert near_pairs(hashes, radius=5).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3], [5, 6]]


def test_the_same_hashes_give_the_same_answer() -> None:
    hashes = heads(3000)
    assert (clusters(hashes, radius=30) == clusters(hashes, radius=30)).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_hashes_or_none(count: int) -> None:
    hashes = random_hashes(count)
    assert near_pairs(hashes, radius=20).shape == (0, 2)
    assert clusters(hashes, radius=20).tolist() == list(range(count))
    assert near_between(hashes, random_hashes(0), radius=20).shape == (0, 2)
    assert near_between(random_hashes(0), hashes, radius=20).shape == (0, 2)


def test_bits_are_counted_alike_with_and_without_numpy_2() -> None:
    words = np.concatenate([random_hashes(1000).reshape(-1), np.array([0, (1 << 64) - 1, 1, 1 << 63], np.uint64)])
    expected = [int(word).bit_count() for word in words]
    assert _near._popcount(words).tolist() == expected
    assert _near._popcount_by_adding(words).tolist() == expected


def test_all_bits_may_differ() -> None:
    hashes = np.concatenate([random_hashes(1), ~random_hashes(1)])
    assert len(near_pairs(hashes, radius=255, oriented=False)) == 0
    assert len(near_pairs(hashes, radius=256, oriented=False)) == 1
