"""Outputs for files: what the network says of many slices, for calibration and statistics."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mriclassify._model._bundle import Bundle
from mriclassify._model._consensus import highest_of
from mriclassify._reading import read_slice
from mriclassify._shapes import Features, Images, Logits
from mriclassify._threads import batched, map_batches, worker_count


class FileOutputs(NamedTuple):
    """What a model says of files: raw numbers."""

    logits: Logits  # (n, classes), as `Bundle.ask` returns them
    features: Features  # (n, d)
    highest: torch.Tensor | None = None  # (n,), the highest logit of each lesion map, of networks that make one


def outputs_of(
    bundle: Bundle,
    paths: Sequence[Path],
    *,
    batch_size: int = 64,
    change: Callable[[Images], Images] | None = None,
) -> FileOutputs:
    """Return what `bundle` says of the slices; of lesion maps, which would fill the memory, the highest logit.

    Args:
        bundle: whose network it is.
        paths: of the slices.
        batch_size: slices that go through the network together.
        change: what is done to each batch of images, in order.

    Raises:
        ReadError: a slice can't be read.
    """

    def image(path: Path) -> NDArray[np.float32]:
        return bundle.image(read_slice(path))

    # See map_batches: beside a network on the CPU the decoding threads must rest.
    ahead = 0 if bundle.network.mean.device.type == "cpu" else 4
    decoded = map_batches(image, batched(paths, batch_size), workers=worker_count(), ahead=ahead)
    batches = (torch.from_numpy(np.stack(batch)) for batch in decoded)
    parts = []
    for batch in batches:
        said = bundle.ask(batch if change is None else change(batch))
        parts.append(
            FileOutputs(said.logits, said.features, None if said.lesions is None else highest_of(said.lesions))
        )
    heights = [part.highest for part in parts if part.highest is not None]
    return FileOutputs(
        torch.cat([part.logits for part in parts]),
        torch.cat([part.features for part in parts]),
        torch.cat(heights) if heights else None,
    )
