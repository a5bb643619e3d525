"""Stream: every source has its answer at its place, and nothing is held that is not needed."""

import threading
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mriclassify import Classifier, Dataset, ReadError
from mriclassify._model import _stream
from mriclassify._reading import Slice, read_slice


def test_an_error_is_recorded_at_its_place(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    paths: list[Path | np.ndarray] = [record.path for record in parts[1]]
    paths[2] = Path("absent.png")
    paths[5] = np.zeros((40, 40))
    answers = list(fitted.predict_many(paths, batch_size=3))
    assert [answer.status == "error" for answer in answers] == [number in (2, 5) for number in range(len(paths))]
    assert [answer.source for answer in answers][:2] == [str(path) for path in paths[:2]]
    assert "absent.png" in answers[2].reasons[0]
    assert answers[2].probabilities == {}


def test_an_error_is_raised_where_asked_for(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    answers = fitted.predict_many([parts[1][0].path, "absent.png"], batch_size=1, on_error="raise")
    assert next(answers).label in fitted.classes
    with pytest.raises(ReadError, match=r"absent\.png"):
        next(answers)


def test_an_endless_source_is_answered_as_it_comes(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    pulled = 0

    def paths() -> Iterator[Path]:
        nonlocal pulled
        for number in count():
            pulled += 1
            yield parts[1][number % len(parts[1])].path

    answers = fitted.predict_many(paths(), batch_size=2, workers=2)
    assert len(list(islice(answers, 10))) == 10
    assert pulled <= 10 + 2 * (2 + 2)
    answers.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (4, 2), (100, 3)])
def test_batches_and_workers_change_no_answer(
    fitted: Classifier, parts: tuple[Dataset, Dataset], batch_size: int, workers: int
) -> None:
    paths = [record.path for record in parts[1]]
    one_by_one = [fitted.predict(path).probabilities for path in paths]
    streamed = [a.probabilities for a in fitted.predict_many(paths, batch_size=batch_size, workers=workers)]
    for expected, found in zip(one_by_one, streamed, strict=True):
        assert found == pytest.approx(expected, abs=1e-4)


def test_the_number_of_torch_threads_is_put_back(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    before = torch.get_num_threads()
    list(fitted.predict_many([record.path for record in parts[1]]))
    assert torch.get_num_threads() == before


def test_no_source_gives_no_answer(fitted: Classifier) -> None:
    assert list(fitted.predict_many([])) == []


def test_only_errors_need_no_network(fitted: Classifier) -> None:
    assert [answer.status for answer in fitted.predict_many(["a", "b", "c"])] == ["error"] * 3


def test_one_worker_is_the_thread_that_asks(
    monkeypatch: pytest.MonkeyPatch, fitted: Classifier, parts: tuple[Dataset, Dataset]
) -> None:
    readers: list[tuple[int, int]] = []

    def heard(*args: Any, **options: Any) -> Slice:
        readers.append((threading.get_ident(), torch.get_num_threads()))
        return read_slice(*args, **options)

    monkeypatch.setattr(_stream, "read_slice", heard)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        for _ in fitted.predict_many([record.path for record in parts[1]], batch_size=2, workers=1):
            # What the caller computes in between is not slowed down.
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert readers == [(threading.get_ident(), 1)] * len(parts[1])


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("end", ["closed", "error"])
def test_stopping_half_way_puts_the_torch_threads_back_and_ends_ours(
    fitted: Classifier, parts: tuple[Dataset, Dataset], end: str, workers: int
) -> None:
    torch_threads, threads = torch.get_num_threads(), threading.active_count()
    paths = [*(record.path for record in parts[1]), Path("absent.png")]
    answers = fitted.predict_many(paths, batch_size=1, workers=workers, on_error="raise")
    next(answers)
    if end == "closed":
        answers.close()  # type: ignore[attr-defined]
    else:
        with pytest.raises(ReadError):
            list(answers)
    assert torch.get_num_threads() == torch_threads
    assert threading.active_count() == threads


def test_a_source_that_breaks_is_the_callers_own_error(fitted: Classifier, parts: tuple[Dataset, Dataset]) -> None:
    def paths() -> Iterator[Path]:
        yield parts[1][0].path
        raise ZeroDivisionError("the caller's own")

    with pytest.raises(ZeroDivisionError):
        list(fitted.predict_many(paths()))
