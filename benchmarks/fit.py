"""How much of the machine `fit` uses: images a second against the bare training step, and decoding, each alone.

    python benchmarks/fit.py --data ../shared/data

The bound is 1 / (1/decode + 1/step), each measured with all cores. The step is measured a second time with its
depthwise convolutions in the precision of the rest, which `fit` computes in fp32 on a CPU; and, where the C library is
glibc, in processes of its own with and without the setting of `TUNABLES`.
"""

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from _measuring import printed_by, rates, timed, together
from torch.nn import functional

from mriclassify import Augmentation, Classifier, Dataset, Epoch, Preprocessing, Record, TrainingOptions
from mriclassify._data._dataset import targets
from mriclassify._labels import CLASSES
from mriclassify._model._blueprint import Blueprint
from mriclassify._model._device import autocast
from mriclassify._model._inference import ready
from mriclassify._threads import worker_count
from mriclassify._training._batches import Slices, augmented, sample_batches, shuffled_batches
from mriclassify._training._depthwise import depthwise_in_fp32
from mriclassify._training._memory import Memory

BATCH, VALIDATION = 32, 8
TUNABLES = (
    "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456:"
    "glibc.malloc.hugetlb=1"
)
"""For GLIBC_TUNABLES: large blocks are kept, in large pages. Else the maps of each step are new memory of the system's,
which has to fill it with zeros, page by page."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--count", type=int, default=640)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--precision", default="bf16", choices=("fp32", "bf16"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step-alone", action="store_true", help="print images/s of the training step, nothing else")
    options = parser.parse_args()
    preprocessing = Preprocessing(size=options.size)
    blueprint = Blueprint.of(options.backbone, pretrained=None, preprocessing=preprocessing)
    if options.step_alone:
        print(rates({"step": step(blueprint, options)}, rounds=1)["step"])
        return 0
    data = some_of_each(options.data / "nickparvar" / "Training", options.count)
    slices = Slices(
        paths=[record.path for record in data], targets=targets(data, data.classes), preprocessing=preprocessing
    )
    tasks = {
        "decoding and augmentation alone": decoding(slices),
        "training step alone": step(blueprint, options),
        "its depthwise as the rest": step(blueprint, options, apart=False),
    }
    rate = measure(data, tasks, options, preprocessing)
    decode, stepped, alike = (rate[name] for name in tasks)
    bound = together(decode, stepped)
    print(f"{options.backbone}, {options.size} px, {options.precision}, batch {BATCH}, {worker_count()} cores")
    for name, value in rate.items():
        print(f"{name:36} {value:8.1f} images/s")
    print(f"{'bound: 1 / (1/decode + 1/step)':36} {bound:8.1f} images/s")
    print(f"fit reaches {rate['fit'] / bound:.2f} of the bound (at least 0.85)")
    print(f"depthwise convolutions in fp32 make the step {stepped / alike:.2f} times as fast")
    if platform.libc_ver()[0] == "glibc":
        print(f"GLIBC_TUNABLES={TUNABLES}\nmakes the step {memory_kept(options.rounds):.2f} times as fast")
    return 0


def memory_kept(rounds: int) -> float:
    """Return how many times as fast the training step is when glibc keeps its memory: a ratio of medians."""
    usual, kept = (os.environ | {"GLIBC_TUNABLES": value} for value in ("", TUNABLES))
    # In turn, so that a busy moment hits both.
    pairs = [(rate_of_step(usual), rate_of_step(kept)) for _ in range(rounds)]
    before, after = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    return after / before


def rate_of_step(environment: Mapping[str, str]) -> float:
    """Return images a second of the step alone, in a process with this environment."""
    return printed_by(*sys.argv[1:], "--step-alone", environment=environment)


def some_of_each(folder: Path, count: int) -> Dataset:
    """Return `count` slices, as many of each class."""
    records = [
        Record(path=path, label=label)
        for label in CLASSES
        for path in sorted((folder / label).iterdir())[: count // len(CLASSES)]
    ]
    return Dataset(records)


def decoding(slices: Slices) -> Callable[[], int]:
    """Return a task that makes the batches of an epoch."""

    def task() -> int:
        order = shuffled_batches(len(slices), batch_size=BATCH, seed=0, epoch=0)
        samples = sample_batches(
            slices,
            order,
            synthesis=None,
            rng=np.random.default_rng,
            device=torch.device("cpu"),
            workers=worker_count(),
            memory=Memory(0),
        )
        changed = augmented(samples, Augmentation(), generator=lambda n: torch.Generator().manual_seed(n))
        return sum(len(batch.images) for batch in changed)

    return task


def step(blueprint: Blueprint, options: argparse.Namespace, *, apart: bool = True) -> Callable[[], int]:
    """Return a task that trains on a batch that is ready; depthwise convolutions `apart` in fp32, as in `fit`."""
    device = torch.device("cpu")
    network = ready(blueprint.build(classes=len(CLASSES), seed=0), device).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    images = torch.rand(BATCH, 1, options.size, options.size).contiguous(memory_format=torch.channels_last)
    true = torch.arange(BATCH) % len(CLASSES)

    def task() -> int:
        count = options.count // BATCH // 2
        faster = depthwise_in_fp32(network, device=device, precision=options.precision) if apart else nullcontext()
        with faster:
            for _ in range(count):
                with autocast(device, options.precision):
                    logits = network(images).logits
                loss = functional.cross_entropy(logits.float(), true)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                loss.item()
        return count * BATCH

    return task


def measure(
    data: Dataset, tasks: Mapping[str, Callable[[], int]], options: argparse.Namespace, preprocessing: Preprocessing
) -> dict[str, float]:
    """Return images a second of the tasks and of whole epochs of `fit`, medians; they take turns.

    The few validation slices count as nothing. The first round warms up and is not counted.
    """
    measured: dict[str, list[float]] = {name: [] for name in (*tasks, "fit")}

    def between_epochs(epoch: Epoch) -> None:
        measured["fit"].append(len(data) / epoch.seconds)
        for name, task in tasks.items():
            measured[name].append(timed(task))

    Classifier(options.backbone, pretrained=None, preprocessing=preprocessing, device="cpu").fit(
        data,
        validation=data.subset(range(0, len(data), len(data) // VALIDATION)),
        options=TrainingOptions(epochs=options.rounds + 1, batch_size=BATCH, precision=options.precision, memory=0),
        on_epoch=between_epochs,
    )
    return {name: statistics.median(values[1:]) for name, values in measured.items()}


if __name__ == "__main__":
    sys.exit(main())
