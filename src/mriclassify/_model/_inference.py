"""Inference: the one place that switches a network to evaluation and turns gradients off."""

import logging
from collections.abc import Sequence
from typing import TypeVar

import torch

from mriclassify._model._device import Precision, autocast
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network, Outputs
from mriclassify._shapes import Images

AnyNetwork = TypeVar("AnyNetwork", bound=Network | Ensemble)

log = logging.getLogger("mriclassify")


def ready(network: AnyNetwork, device: torch.device) -> AnyNetwork:
    """Return `network` on `device`, in evaluation mode, laid out as convolutions read fastest."""
    return network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload,no-any-return]


CACHED = 4 * 224**2
"""Pixels that a core of a CPU computes at a time in fp32, and twice as many in half precision: the maps that a network
makes of more do not fit into its cache, and of fewer, calls take longer than what they compute (MobileNetV2 on a Xeon
with AMX, file to answer: one image of 224 pixels 19 ms, four at a time 17 ms each, 32 at a time 24 ms; in bf16 four at
a time 11.3 ms, eight 10.0, sixteen 11.1)."""


@torch.inference_mode()
def infer(network: Network | Ensemble, images: Images, *, precision: Precision = "fp32") -> Outputs:
    """Return the network's outputs for images (batch, 1, size, size), as float32 on the CPU.

    `network` must come from `ready`. A CPU is given a few images at a time, and a batch that does not fit into the
    memory of another device is halved until it does.
    """
    if network.mean.device.type != "cpu":
        return _outputs(network, images, precision)
    # Each core has a cache of its own.
    pixels = CACHED * torch.get_num_threads() * (1 if precision == "fp32" else 2)
    count = max(1, pixels // (images.shape[-2] * images.shape[-1]))
    return _joined([_outputs(network, part, precision) for part in torch.split(images, count)])


def _outputs(network: Network | Ensemble, images: Images, precision: Precision) -> Outputs:
    device = network.mean.device
    try:
        with autocast(device, precision):
            outputs = network(images.to(device, memory_format=torch.channels_last, non_blocking=True))
        return Outputs(
            outputs.logits.float().cpu(),
            outputs.features.float().cpu(),
            None if outputs.lesions is None else outputs.lesions.float().cpu(),
        )
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    # Out here the error is gone, and with it what its traceback held: the activations that filled the memory.
    half = len(images) // 2
    log.warning("a batch of %d does not fit into the memory of %s: trying %d", len(images), device, half)
    return _joined([_outputs(network, part, precision) for part in (images[:half], images[half:])])


def _joined(parts: Sequence[Outputs]) -> Outputs:
    lesions = [part.lesions for part in parts if part.lesions is not None]
    return Outputs(
        torch.cat([part.logits for part in parts]),
        torch.cat([part.features for part in parts]),
        torch.cat(lesions) if lesions else None,
    )
