"""Outputs for files: what the network says of many slices, for calibration and statistics."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mriclassify._model._bundle import Bundle
from mriclassify._model._inference import infer
from mriclassify._model._network import Outputs
from mriclassify._reading import read_slice
from mriclassify._shapes import Images
from mriclassify._threads import batched, map_batches, worker_count


def outputs_of(
    bundle: Bundle,
    paths: Sequence[Path],
    *,
    batch_size: int = 64,
    change: Callable[[Images], Images] | None = None,
) -> Outputs:
    """Return logits (n, classes) and features (n, d) of the slices, without their lesion maps.

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
    parts = [infer(bundle.network, batch if change is None else change(batch)) for batch in batches]
    return Outputs(torch.cat([part.logits for part in parts]), torch.cat([part.features for part in parts]))
