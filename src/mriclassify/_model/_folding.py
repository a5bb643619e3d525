"""Folding: batch normalisation after a convolution is another convolution, once the training is over.

In evaluation batch normalisation multiplies each channel by a number and adds another. Both can be put into the
convolution before it, and a pass over all maps is saved (`benchmarks/predict.py` says what that is worth).

`Bundle.ask` folds in full precision alone: what is folded loses more when it is rounded to half precision.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from threading import Lock
from typing import TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network

State: TypeAlias = tuple[object, ...]
"""What a network's outputs depend on, as far as it can change in place."""

_folded: WeakKeyDictionary[nn.Module, tuple[State, Network | Ensemble | None]] = WeakKeyDictionary()
_lock = Lock()


def folded(network: Network | Ensemble) -> Network | Ensemble:
    """Return a network with the same outputs, up to rounding, that is faster; `network` itself where there is none.

    It is made once, and anew after the weights, modules or hooks of `network` changed. What is folded is a convolution
    with the batch normalisation that follows it in an `nn.Sequential`, where both are used in this place alone and
    nobody listens in between.

    Args:
        network: in evaluation mode, as it comes from `ready`; it is not changed.
    """
    state = _state_of(network)
    with _lock:
        known = _folded.get(network)
        if known is None or known[0] != state:
            known = _folded[network] = state, _made(network)
        # Where nothing can be folded, nothing is kept: the network itself would hold itself.
        return known[1] or network


@torch.no_grad()
def _made(network: Network | Ensemble) -> Network | Ensemble | None:
    if next(_pairs(network), None) is None:
        return None
    made = copy.deepcopy(network)
    for row, first, second in list(_pairs(made)):
        convolution, normalisation = row[first], row[second]
        assert isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d)  # for the type checker
        row[first], row[second] = fuse_conv_bn_eval(convolution, normalisation), nn.Identity()
    return made.requires_grad_(False)


def _pairs(network: nn.Module) -> Iterator[tuple[nn.Sequential, int, int]]:
    """Yield the rows of modules with the places of a convolution and of its batch normalisation."""
    uses = Counter(id(module) for _, module in network.named_modules(remove_duplicate=False))
    for row in network.modules():
        # A subclass may call its modules in another order.
        if type(row).forward is not nn.Sequential.forward:
            continue
        for (first, one), (second, two) in pairwise(enumerate(row.children())):
            # Not isinstance: of a convolution whose weights are computed, parametrisations make a class of its own.
            if type(one) is not nn.Conv2d or type(two) is not nn.BatchNorm2d:
                continue
            listeners = one._forward_hooks or one._forward_pre_hooks or two._forward_hooks or two._forward_pre_hooks
            alone = uses[id(one)] == uses[id(two)] == uses[id(row)] == 1
            if alone and not listeners and not two.training and two.track_running_stats and two.affine:
                assert isinstance(row, nn.Sequential)  # for the type checker
                yield row, first, second


def _state_of(network: nn.Module) -> State:
    return tuple(
        (
            id(module),
            module.training,
            tuple(module._forward_hooks),  # numbers that are given once
            tuple(module._forward_pre_hooks),
            # torch counts the changes of a tensor in place, but of those made in inference mode.
            *(
                (id(tensor), tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version)
                for tensor in (*module._parameters.values(), *module._buffers.values())
                if tensor is not None
            ),
        )
        for module in network.modules()
    )
