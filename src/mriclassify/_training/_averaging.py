"""Averaging: the weights that are kept are a moving mean over the last steps, which hold better than any one step's.

Exponential moving average (Polyak & Juditsky 1992; Tarvainen & Valpola 2017, arXiv 1703.01780), with the early steps
forgotten faster, as in TensorFlow's ExponentialMovingAverage with `num_updates`.
"""

import torch
from torch import nn

Tensors = dict[str, torch.Tensor]


def decay_at(step: int, decay: float) -> float:
    """Return what is kept of the mean at `step` (from 0): min(decay, (1 + step) / (10 + step))."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def average_into(mean: Tensors, network: nn.Module, *, decay: float) -> None:
    """Move `mean`, a state dict, towards the network's: what is kept of it is `decay`; counters are copied."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            mean[name].lerp_(value, 1 - decay)
        else:
            mean[name].copy_(value)


def copied(network: nn.Module) -> Tensors:
    """Return a copy of the network's state."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
