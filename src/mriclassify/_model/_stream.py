"""Stream: any number of sources become predictions, in order, with constant memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mriclassify._errors import OptionError, ReadError
from mriclassify._model._bundle import Bundle
from mriclassify._model._prediction import Prediction
from mriclassify._reading import Source, name_of, read_slice
from mriclassify._threads import batched, ordered_map, worker_count

OnError = Literal["record", "raise"]


class Readable(NamedTuple):
    """A source that became an image (1, size, size)."""

    source: str
    image: NDArray[np.float32]
    notes: tuple[str, ...]
    objections: tuple[str, ...]


def predictions(
    bundle: Bundle,
    sources: Iterable[Source],
    *,
    device: torch.device,
    batch_size: int,
    on_error: OnError,
    workers: int | None = None,
    axis: int = 2,
    index: int | None = None,
    allow_url: bool = False,
) -> Iterator[Prediction]:
    """Yield a prediction for each source, in order, while threads read the next ones.

    On a CPU each thread reads a batch and then computes it alone: threads that share one computation wait for
    each other at every layer, and for whatever reads beside them. Where there would be one, this thread does it: memory
    that another one frees is given back, and has to be fetched anew. An accelerator is fed by this thread.
    """
    count = workers or worker_count()

    def read_batch(batch: Sequence[Source]) -> list[Readable | Prediction]:
        return [
            read(source, bundle, on_error=on_error, axis=axis, index=index, allow_url=allow_url) for source in batch
        ]

    def answer_batch(batch: Sequence[Source]) -> list[Prediction]:
        return answer(read_batch(batch), bundle, device=device)

    batches = batched(sources, batch_size)
    if device.type != "cpu":
        for items in ordered_map(read_batch, batches, workers=count, ahead=2 * count):
            yield from answer(items, bundle, device=device)
    elif count == 1:
        for batch in batches:
            # Not while the caller has the answers, who may be computing.
            with _one_thread_each() as prepare:
                prepare()
                answers = answer_batch(batch)
            yield from answers
    else:
        with _one_thread_each() as prepare:
            for answers in ordered_map(answer_batch, batches, workers=count, ahead=count, prepare=prepare):
                yield from answers


def read(
    source: Source,
    bundle: Bundle,
    *,
    on_error: OnError,
    axis: int = 2,
    index: int | None = None,
    allow_url: bool = False,
) -> Readable | Prediction:
    """Return the source's image, or the prediction that says why there is none."""
    try:
        scan = read_slice(source, axis=axis, index=index, allow_url=allow_url)
    except (ReadError, OptionError) as error:
        # OptionError: this volume has no slice of that index; the next one may.
        if on_error == "raise":
            raise
        return Prediction(
            source=name_of(source),
            label=None,
            confidence=None,
            status="error",
            reasons=(str(error),),
            model=bundle.name,
        )
    return Readable(name_of(source), bundle.image(scan), scan.notes, bundle.objections(scan))


def answer(items: Sequence[Readable | Prediction], bundle: Bundle, *, device: torch.device) -> list[Prediction]:
    """Return a prediction for each item; those that are predictions already stay at their places."""
    readable = [item for item in items if isinstance(item, Readable)]
    if not readable:
        return [item for item in items if isinstance(item, Prediction)]
    images = torch.from_numpy(np.stack([item.image for item in readable]))
    decided = bundle.decide(
        bundle.ask(images),
        sources=[item.source for item in readable],
        notes=[item.notes for item in readable],
        objections=[item.objections for item in readable],
        device=str(device),
    )
    found = iter(decided)
    return [next(found) if isinstance(item, Readable) else item for item in items]


@contextmanager
def _one_thread_each() -> Iterator[Callable[[], None]]:
    """Yield what a worker thread calls first, to compute on one core; the caller's own number is put back."""
    before = torch.get_num_threads()
    try:
        yield lambda: torch.set_num_threads(1)
    finally:
        torch.set_num_threads(before)
