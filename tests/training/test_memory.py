"""Memory: decoded once as far as there is room, and the same whether there is or not."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from mriclassify import Classifier
from mriclassify._data._synthesis import Sample
from mriclassify._training import _batches
from mriclassify._training._memory import GIB, Memory

Fit = Callable[..., Classifier]
SIDE = 16
BYTES = SIDE * SIDE * 3  # half precision and a byte for the lesion


def slice_of(index: int) -> Sample:
    rng = np.random.default_rng(index)
    lesion = None if index % 3 == 0 else rng.random((SIDE, SIDE)).astype(np.float32)
    return Sample((1.5 * rng.random((SIDE, SIDE))).astype(np.float32), index % 4, lesion)


class Counting:
    """A source of slices that knows how often each was decoded."""

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()

    def __call__(self, index: int) -> Sample:
        self.asked[index] += 1
        return slice_of(index)


def same(a: Sample, b: Sample) -> bool:
    if a.lesion is None or b.lesion is None:
        return np.array_equal(a.image, b.image) and a.target == b.target and a.lesion is b.lesion
    return np.array_equal(a.image, b.image) and a.target == b.target and np.array_equal(a.lesion, b.lesion)


def test_slices_are_the_same_whatever_is_kept() -> None:
    none, some, all_of_them = (Memory(limit).of(slice_of) for limit in (0, 5 * BYTES / GIB, 1))
    for _ in range(3):
        for index in range(12):
            assert same(none(index), some(index))
            assert same(none(index), all_of_them(index))


def test_a_remembered_slice_is_close_to_the_slice() -> None:
    remembered = Memory(1).of(slice_of)
    for index in range(6):
        given, kept = slice_of(index), remembered(index)
        assert kept.image.dtype == np.float32
        np.testing.assert_allclose(kept.image, given.image, atol=0.25 / 255)
        assert kept.target == given.target
        assert (kept.lesion is None) == (given.lesion is None)
        if kept.lesion is not None and given.lesion is not None:
            assert kept.lesion.dtype == np.float32
            np.testing.assert_allclose(kept.lesion, given.lesion, atol=0.5 / 255 + 1e-6)


def test_black_and_whole_lesions_are_kept_exactly() -> None:
    lesion = np.eye(SIDE, dtype=np.float32)
    given = Sample(np.zeros((SIDE, SIDE), np.float32), 2, lesion)
    assert same(Memory(0).of(lambda _: given)(0), given)


def test_with_room_each_slice_is_decoded_once() -> None:
    source = Counting()
    remembered = Memory(1).of(source)
    for _ in range(3):
        for index in range(10):
            remembered(index)
    assert source.asked == Counter(range(10))


def test_without_room_each_slice_is_decoded_each_time() -> None:
    source = Counting()
    remembered = Memory(0).of(source)
    for _ in range(3):
        for index in range(10):
            remembered(index)
    assert set(source.asked.values()) == {3}


@pytest.mark.parametrize("room", [0, 1, 4, 7])
def test_no_more_is_kept_than_the_limit(room: int) -> None:
    source = Counting()
    # A byte less than one slice more would take.
    remembered = Memory(((room + 1) * BYTES - 1) / GIB).of(source)
    indices = [index for index in range(30) if index % 3]  # those with a lesion: all of one size
    for _ in range(2):
        for index in indices:
            remembered(index)
    assert sum(times == 1 for times in source.asked.values()) == room


def test_a_slice_that_fits_no_longer_leaves_room_for_a_smaller_one() -> None:
    source = Counting()
    remembered = Memory((BYTES - 1) / GIB).of(source)
    for _ in range(2):
        for index in (1, 0):  # 0 has no lesion
            remembered(index)
    assert source.asked == {1: 2, 0: 1}


def test_a_slice_decoded_by_two_threads_at_once_takes_its_room_once() -> None:
    meeting = Barrier(2, timeout=20)
    asked: Counter[int] = Counter()

    def source(index: int) -> Sample:
        asked[index] += 1
        if index == 1:
            meeting.wait()
        return slice_of(index)

    remembered = Memory(2 * BYTES / GIB).of(source)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(remembered, [1, 1])
    assert same(first, second)
    remembered(2)
    remembered(2)
    assert asked == {1: 2, 2: 1}


def test_what_is_done_to_a_slice_is_not_remembered() -> None:
    remembered = Memory(1).of(slice_of)
    taken = remembered(1)
    taken.image[:] = 9
    assert taken.lesion is not None
    taken.lesion[:] = 9
    assert same(remembered(1), Memory(0).of(slice_of)(1))


def test_what_goes_wrong_is_not_remembered() -> None:
    source = Counting()

    def failing(index: int) -> Sample:
        if source.asked[index] == 0:
            source(index)
            raise OSError("not yet there")
        return source(index)

    remembered = Memory(1).of(failing)
    with pytest.raises(OSError, match="not yet there"):
        remembered(1)
    assert same(remembered(1), Memory(0).of(slice_of)(1))


def test_training_decodes_once_with_room_and_ends_the_same_without(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: Counter[int] = Counter()
    real = _batches.Slices.sample

    def counted(slices: _batches.Slices, index: int) -> Sample:
        decoded[index] += 1
        return real(slices, index)

    monkeypatch.setattr(_batches.Slices, "sample", counted)
    kept = fit(epochs=3, memory=1).bundle.network.state_dict()
    assert set(decoded.values()) == {1}
    decoded.clear()
    again = fit(epochs=3, memory=0).bundle.network.state_dict()
    assert set(decoded.values()) == {3}
    assert [key for key in kept if not kept[key].equal(again[key])] == []
