"""Threads: a function is called for many items at once, in order and with bounded memory.

Threads, not processes: Pillow and numpy free the interpreter while they decode, window and resize, and
nothing has to be copied between processes or guarded by `if __name__ == "__main__"`.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def worker_count() -> int:
    """Return how many threads decode by default: one for each core that this process may use, 16 at most."""
    if hasattr(os, "sched_getaffinity"):
        return min(16, len(os.sched_getaffinity(0)))
    return min(16, os.cpu_count() or 1)


def ordered_map(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int,
    ahead: int,
    prepare: Callable[[], None] | None = None,
) -> Iterator[R]:
    """Yield `function(item)` for each item, in order, computed by `workers` threads.

    At most `ahead` items are under way beside the one that is waited for, so that memory does not grow with
    the number of items, and `items` may be endless. An error of `function` is raised at its place. `prepare`
    is called once by each thread, before anything else.
    """
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="mriclassify", initializer=prepare)
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # The caller may stop half-way: what has not begun is dropped.
        pool.shutdown(wait=True, cancel_futures=True)


def map_batches(
    function: Callable[[T], R], batches: Iterable[Sequence[T]], *, workers: int, ahead: int = 0
) -> Iterator[list[R]]:
    """Yield `[function(item) for item in batch]` for each batch, in order, computed by `workers` threads.

    With `ahead=0` the threads rest while the caller works on a batch: right on a CPU, where decoding beside
    a network slows the network's own threads by far more than it gains. With an accelerator, `ahead` batches
    are decoded while the caller waits for it.
    """
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="mriclassify") as pool:
        pending: deque[list[Future[R]]] = deque()
        try:
            for batch in batches:
                pending.append([pool.submit(function, item) for item in batch])
                if len(pending) > ahead:
                    yield [future.result() for future in pending.popleft()]
            while pending:
                yield [future.result() for future in pending.popleft()]
        finally:
            for futures in pending:
                for future in futures:
                    future.cancel()


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield `items` in lists of `size`, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
