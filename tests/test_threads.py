"""Loading: in order, in threads, with bounded memory, and errors at their places."""

import threading
import time
from collections.abc import Iterator
from itertools import count, islice

import pytest

from mriclassify._threads import batched, map_batches, ordered_map, worker_count


def slow_square(number: int) -> int:
    time.sleep(0.002 * (number % 3))  # later items are often done first
    return number * number


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("ahead", [0, 1, 10])
def test_results_come_in_order(workers: int, ahead: int) -> None:
    found = list(ordered_map(slow_square, range(30), workers=workers, ahead=ahead))
    assert found == [n * n for n in range(30)]


def test_an_endless_source_is_read_no_further_than_ahead() -> None:
    pulled: list[int] = []

    def numbers() -> Iterator[int]:
        for number in count():
            pulled.append(number)
            yield number

    results = ordered_map(slow_square, numbers(), workers=2, ahead=4)
    assert list(islice(results, 3)) == [0, 1, 4]
    assert len(pulled) <= 3 + 4
    results.close()  # type: ignore[attr-defined]


def test_an_error_comes_at_its_place() -> None:
    def fails_at_three(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = ordered_map(fails_at_three, range(10), workers=4, ahead=8)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_stopping_half_way_ends_the_threads() -> None:
    before = threading.active_count()
    results = ordered_map(slow_square, count(), workers=3, ahead=3)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_each_thread_prepares_once_and_first() -> None:
    prepared = threading.local()

    def prepare() -> None:
        prepared.done = getattr(prepared, "done", 0) + 1

    found = list(ordered_map(lambda _: prepared.done, range(20), workers=2, ahead=4, prepare=prepare))
    assert set(found) == {1}


@pytest.mark.parametrize("ahead", [0, 2])
def test_batches_stay_batches(ahead: int) -> None:
    batches = [[1, 2, 3], [4], [5, 6]]
    assert list(map_batches(slow_square, batches, workers=2, ahead=ahead)) == [[1, 4, 9], [16], [25, 36]]


def test_nothing_is_decoded_while_a_batch_is_worked_on() -> None:
    done: list[int] = []
    batches = map_batches(lambda n: done.append(n), [[1, 2], [3, 4]], workers=2, ahead=0)
    next(batches)
    time.sleep(0.05)
    assert sorted(done) == [1, 2]
    next(batches)
    assert sorted(done) == [1, 2, 3, 4]


def test_batched_cuts_the_last_short() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched([], 2)) == []


def test_there_is_a_worker_for_each_core_within_reason() -> None:
    assert 1 <= worker_count() <= 16


def test_an_error_of_the_source_ends_the_threads_too() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise ValueError("the source broke")

    before = threading.active_count()
    with pytest.raises(ValueError, match="the source broke"):
        list(ordered_map(slow_square, numbers(), workers=2, ahead=4))
    assert threading.active_count() == before


def test_an_error_in_a_batch_ends_the_threads_and_drops_what_is_ahead() -> None:
    begun: list[int] = []

    def fails_at_two(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise ValueError("two")
        time.sleep(0.01)
        return number

    before = threading.active_count()
    batches = map_batches(fails_at_two, [[1], [2], [3] * 50], workers=1, ahead=2)
    assert next(batches) == [1]
    with pytest.raises(ValueError, match="two"):
        next(batches)
    assert threading.active_count() == before
    assert begun.count(3) < 50


def test_batches_are_pulled_no_further_than_ahead() -> None:
    pulled: list[int] = []

    def numbers() -> Iterator[list[int]]:
        for number in count():
            pulled.append(number)
            yield [number]

    batches = map_batches(slow_square, numbers(), workers=2, ahead=3)
    assert next(batches) == [0]
    assert len(pulled) == 1 + 3
    batches.close()  # type: ignore[attr-defined]
