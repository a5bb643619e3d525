"""Batches for training: which slices, in which order, decoded and put on a device."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mriclassify._data._augmentation import Augment
from mriclassify._data._preprocessing import Preprocessing
from mriclassify._reading import read_slice
from mriclassify._shapes import Images, Targets
from mriclassify._threads import map_batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Files and their targets, and how they become images."""

    paths: Sequence[Path]
    targets: Targets
    preprocessing: Preprocessing

    def image(self, index: int) -> NDArray[np.float32]:
        """Return the image (1, size, size) of slice `index`."""
        scan = read_slice(self.paths[index])
        return self.preprocessing(scan.pixels, window=scan.window)

    def __len__(self) -> int:
        return len(self.paths)


def shuffled_batches(
    count: int, *, batch_size: int, seed: int, epoch: int, rank: int = 0, world: int = 1
) -> list[list[int]]:
    """Return the batches of slice indices of one epoch, for process `rank` of `world`.

    The order depends on the seed and the epoch alone, so that a resumed run sees what an uninterrupted one
    would. What does not fill a batch is left out for this epoch (batch normalisation of one image has no
    variance), unless there is only one batch.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    whole = batch_size * world
    if count >= whole:
        order = order[: count // whole * whole]
    mine = order[rank::world]
    return [mine[start : start + batch_size].tolist() for start in range(0, len(mine), batch_size)]


def image_batches(
    slices: Slices, batches: Sequence[Sequence[int]], *, device: torch.device, workers: int
) -> Iterator[tuple[Images, torch.Tensor]]:
    """Yield (images, targets) on `device` for each batch of slice indices."""
    # See map_batches: beside a network on the CPU the decoding threads must rest.
    ahead = 0 if device.type == "cpu" else 4
    decoded = map_batches(slices.image, batches, workers=workers, ahead=ahead)
    for indices, images in zip(batches, decoded, strict=True):
        tensor = torch.from_numpy(np.stack(images))
        yield (
            tensor.to(device, non_blocking=True),
            torch.as_tensor(slices.targets[list(indices)], device=device),
        )


def augmented(
    batches: Iterator[tuple[Images, torch.Tensor]],
    augment: Augment | None,
    *,
    generator: Callable[[int], torch.Generator],
) -> Iterator[tuple[Images, torch.Tensor]]:
    """Yield the batches, augmented with a generator of each batch's own."""
    for number, (images, targets) in enumerate(batches):
        changed = images if augment is None else augment(images, generator(number))
        yield changed.contiguous(memory_format=torch.channels_last), targets
