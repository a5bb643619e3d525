"""Depthwise convolutions in fp32 beside bf16: where, when, and no longer than asked."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from mriclassify._model._device import autocast
from mriclassify._training._depthwise import depthwise_in_fp32

CPU = torch.device("cpu")
CHANNELS = 4


def network() -> nn.Sequential:
    """A pointwise, a depthwise and a grouped convolution."""
    return nn.Sequential(
        nn.Conv2d(CHANNELS, CHANNELS, 1),
        nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS),
        nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=2),
    )


def images() -> torch.Tensor:
    """Two small ones."""
    return torch.rand(2, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(0))


@contextmanager
def noted(module: nn.Module) -> Iterator[list[torch.dtype]]:
    """Note what each convolution puts out."""
    found: list[torch.dtype] = []
    handles = [layer.register_forward_hook(lambda _, __, out: found.append(out.dtype)) for layer in module.children()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def dtypes(module: nn.Module, *, precision: str = "bf16", device: torch.device = CPU) -> list[torch.dtype]:
    """Return what each convolution puts out inside."""
    apart = depthwise_in_fp32(module, device=device, precision=precision)
    with apart, noted(module) as found, autocast(CPU, "bf16"):
        module(images())
    return found


HALF, SINGLE = torch.bfloat16, torch.float32


def test_only_depthwise_convolutions_are_apart() -> None:
    assert dtypes(network().train()) == [HALF, SINGLE, HALF]


def test_evaluation_is_as_it_was() -> None:
    assert dtypes(network().eval()) == [HALF, HALF, HALF]


@pytest.mark.parametrize(
    ("precision", "device"), [("fp32", CPU), ("fp16", CPU), ("bf16", torch.device("cuda"))], ids=str
)
def test_elsewhere_nothing_changes(precision: str, device: torch.device) -> None:
    assert dtypes(network().train(), precision=precision, device=device) == [HALF, HALF, HALF]


def test_nothing_of_it_stays() -> None:
    module = network().train()
    dtypes(module)
    assert not any(layer._forward_pre_hooks or layer._forward_hooks for layer in module.modules())
    with noted(module) as found, autocast(CPU, "bf16"):
        module(images())
    assert found == [HALF, HALF, HALF]


def test_convolution_that_fails_leaves_bf16_on() -> None:
    module = network().train()
    with depthwise_in_fp32(module, device=CPU, precision="bf16"), autocast(CPU, "bf16"):
        with pytest.raises(RuntimeError):
            module[1](torch.rand(2, CHANNELS + 1, 8, 8))
        assert module[0](images()).dtype == HALF
    assert not torch.is_autocast_enabled("cpu")


def test_where_bf16_was_off_it_stays_off() -> None:
    module = network().train()
    with depthwise_in_fp32(module, device=CPU, precision="bf16"), noted(module) as found:
        module(images())
        assert not torch.is_autocast_enabled("cpu")
    assert found == [SINGLE, SINGLE, SINGLE]


def test_gradients_are_those_of_single_precision_within_rounding() -> None:
    module = network().train()
    gradients = []
    for precision in ("fp32", "bf16"):
        module.zero_grad()
        with depthwise_in_fp32(module, device=CPU, precision=precision), autocast(CPU, precision):
            total = module(images()).float().square().mean()
        total.backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in module.parameters()]))
    exact, rounded = gradients
    # bf16 has eight bits: a hundredth of the largest is several roundings.
    assert (rounded - exact).abs().max() < 0.02 * exact.abs().max()
    assert not torch.equal(rounded, exact)
