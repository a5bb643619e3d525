"""Batches for training: which slices, in which order, decoded and put on a device."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mriclassify._data._augmentation import Augment, Augmentation, transform
from mriclassify._data._masks import check_mask, frame_mask, read_mask
from mriclassify._data._preprocessing import Preprocessing
from mriclassify._data._synthesis import Sample, Synthesis
from mriclassify._reading import read_slice
from mriclassify._shapes import Images, Targets
from mriclassify._threads import map_batches
from mriclassify._training._memory import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Files and their targets, and how they become images.

    Args:
        paths: of the slices.
        targets: of the slices.
        preprocessing: of the slices.
        masks: the outline of each slice's lesion, None where there is none; None altogether where nobody looks.
        healthy: index of the class whose slices have no lesion, None where there is no such class.
        classes: their names; needed only for synthesis.
        sources: where each slice is from, as far as that is known; needed only for synthesis.
    """

    paths: Sequence[Path]
    targets: Targets
    preprocessing: Preprocessing
    masks: Sequence[Path | None] | None = None
    healthy: int | None = None
    classes: Sequence[str] = ()
    sources: Sequence[str | None] | None = None

    @property
    def outlined(self) -> list[int]:
        """The slices that have a mask."""
        return [] if self.masks is None else [index for index, mask in enumerate(self.masks) if mask is not None]

    @property
    def donors(self) -> list[int]:
        """The slices that have a mask, but for tumour-free ones, whose masks are empty."""
        return [index for index in self.outlined if int(self.targets[index]) != self.healthy]

    def image(self, index: int) -> NDArray[np.float32]:
        """Return the image (1, size, size) of slice `index`."""
        scan = read_slice(self.paths[index])
        return self.preprocessing(scan.pixels, window=scan.window)

    def sample(self, index: int) -> Sample:
        """Return slice `index` with its target, and where its lesion is, as far as that is known.

        Raises:
            ReadError: the slice or its mask can't be read.
            DatasetError: the mask is none, or not as large as the slice.
        """
        scan = read_slice(self.paths[index])
        prepare, target = self.preprocessing, int(self.targets[index])
        windowed = prepare.windowed(scan.pixels, window=scan.window)
        frame = prepare.frame(windowed)
        image = frame.cut(windowed, prepare.size)
        file = self.masks[index] if self.masks is not None else None
        if file is not None:
            mask = read_mask(file)
            check_mask(mask, file, shape=scan.pixels.shape, slice_path=self.paths[index])
            return Sample(image, target, frame_mask(mask, frame, prepare.size))
        return Sample(image, target, np.zeros_like(image) if target == self.healthy else None)

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


class Batch(NamedTuple):
    """Slices on a device."""

    images: Images  # (batch, 1, size, size)
    targets: torch.Tensor  # (batch,)
    lesions: torch.Tensor  # (batch, 1, size, size), 0..1; (batch, 1, 0, 0) where nobody looks for lesions
    known: torch.Tensor  # (batch,) bool, whether it is known where lesions are


def sample_batches(
    slices: Slices,
    batches: Sequence[Sequence[int]],
    *,
    synthesis: Synthesis | None,
    rng: Callable[[int], np.random.Generator],
    device: torch.device,
    workers: int,
    memory: Memory,
) -> Iterator[Batch]:
    """Yield the batches for training on `device`; what is drawn for a slice comes from a generator of its own."""
    donors = slices.donors
    looking = slices.masks is not None
    healthy = slices.healthy
    remembered = memory.of(slices.sample)
    nowhere = np.zeros((slices.preprocessing.size,) * 2 if looking else (0, 0), np.float32)

    def sample(index: int) -> Sample:
        made = remembered(index)
        if synthesis is None or healthy is None or not looking:
            return made
        return synthesis(
            made,
            rng(index),
            classes=slices.classes,
            source=None if slices.sources is None else slices.sources[index],
            healthy=healthy,
            donors=len(donors),
            donor=lambda number: remembered(donors[number]),
        )

    # See map_batches: beside a network on the CPU the decoding threads must rest.
    for samples in map_batches(sample, batches, workers=workers, ahead=0 if device.type == "cpu" else 4):
        yield Batch(
            torch.from_numpy(np.stack([made.image for made in samples])[:, None]).to(device, non_blocking=True),
            torch.tensor([made.target for made in samples], device=device),
            torch.from_numpy(
                np.stack([nowhere if made.lesion is None or not looking else made.lesion for made in samples])[:, None]
            ).to(device, non_blocking=True),
            torch.tensor([looking and made.lesion is not None for made in samples], device=device),
        )


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
    batches: Iterator[Batch], augment: Augment | None, *, generator: Callable[[int], torch.Generator]
) -> Iterator[Batch]:
    """Yield the batches, augmented with a generator of each batch's own; lesions move with their slices.

    An augmentation that is not ours may move slices, and does not say where to: lesions are then no longer known.
    """
    for number, batch in enumerate(batches):
        changed = batch
        if isinstance(augment, Augmentation):
            parameters = augment.draw(len(batch.images), generator(number))
            changed = batch._replace(images=augment.apply(batch.images, parameters))
            if batch.lesions.numel():
                changed = changed._replace(lesions=transform(batch.lesions, parameters.affine))
        elif augment is not None:
            images = augment(batch.images, generator(number))
            changed = batch._replace(images=images, known=torch.zeros_like(batch.known))
        yield changed._replace(images=changed.images.contiguous(memory_format=torch.channels_last))
