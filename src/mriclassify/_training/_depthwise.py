"""Depthwise convolutions of a training in bf16 on a CPU: they alone are computed in fp32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from mriclassify._model._device import Precision

CPU = "cpu"


@contextmanager
def depthwise_in_fp32(network: nn.Module, *, device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute the depthwise convolutions of `network` in fp32 when it is trained in bf16 on a CPU.

    Their backward pass has no matrix product to gain from, and oneDNN's in bf16 is slower than its own in fp32:
    `benchmarks/fit.py` measures what that costs a step. Nothing changes elsewhere, nor in evaluation mode, where
    there is no backward pass.
    """
    if device.type != CPU or precision != "bf16":
        yield
        return
    before: list[bool] = []

    def enter(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        before.append(torch.is_autocast_enabled(CPU))
        if not module.training:
            return inputs
        torch.set_autocast_enabled(CPU, False)
        return tuple(each.float() for each in inputs)

    def leave(module: nn.Module, inputs: object, output: object) -> None:
        torch.set_autocast_enabled(CPU, before.pop())

    handles = []
    try:
        for module in network.modules():
            if _is_depthwise(module):
                handles.append(module.register_forward_pre_hook(enter))
                # Called even if the convolution failed: what comes after it in this thread is bf16 again.
                handles.append(module.register_forward_hook(leave, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
