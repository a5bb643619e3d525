"""Folding: batch normalisation after a convolution is another convolution, once the training is over.

In evaluation batch normalisation multiplies each channel by a number and adds another. Both can be put into the
convolution before it, and a pass over all maps is saved (`benchmarks/predict.py` says what that is worth).

`Bundle.ask` folds in fp32 and bf16. Not in fp16, whose numbers end at 65,504, and the product of both may be larger.
In bf16 what was folded is kept in bf16, too: autocast would make the same numbers of it again for every few images.
"""

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from threading import Lock
from typing import TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mriclassify._model._device import Precision
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network

CONVOLUTIONS = ("torch.nn.modules.conv.Conv2d", "timm.layers.conv2d_same.Conv2dSame")
NORMALISATIONS = ("torch.nn.modules.batchnorm.BatchNorm2d", "timm.layers.norm_act.BatchNormAct2d")
BLOCKS = {
    "timm.models.efficientnet.EfficientNet": (("conv_stem", "bn1"), ("conv_head", "bn2")),
    "timm.models.mobilenetv3.MobileNetV3": (("conv_stem", "bn1"),),
    "timm.models._efficientnet_blocks.ConvBnAct": (("conv", "bn1"),),
    "timm.models._efficientnet_blocks.DepthwiseSeparableConv": (("conv_dw", "bn1"), ("conv_pw", "bn2")),
    "timm.models._efficientnet_blocks.InvertedResidual": (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")),
}
"""What timm's EfficientNets, and MobileNets, call one directly after the other."""
AUTOCAST = {"mriclassify", "timm", "torch", "torchvision"}
"""Packages whose modules compute in the precision that they are asked in. One of the user's own may leave autocast for
a while, and would then meet weights in bf16 where it expects fp32."""

State: TypeAlias = tuple[object, ...]
"""What a network's outputs depend on, as far as it can change in place."""

_folded: WeakKeyDictionary[nn.Module, tuple[State, Network | Ensemble | None]] = WeakKeyDictionary()
_lock = Lock()


def folded(network: Network | Ensemble, precision: Precision = "fp32") -> Network | Ensemble:
    """Return a network with the same outputs, up to rounding, that is faster; `network` itself where there is none.

    It is made once, and anew after the weights, modules or hooks of `network`, or the precision, changed. What is
    folded is a convolution with the batch normalisation that follows it in an `nn.Sequential` or in a block of timm's
    EfficientNets, where both are used in this place alone and nobody listens in between.

    Args:
        network: in evaluation mode, as it comes from `ready`; it is not changed.
        precision: what it will be asked in, by `infer`.
    """
    state = precision, *_state_of(network)
    with _lock:
        known = _folded.get(network)
        if known is None or known[0] != state:
            known = _folded[network] = state, _made(network, precision)
        # Where nothing can be folded, nothing is kept: the network itself would hold itself.
        return known[1] or network


@torch.no_grad()
def _made(network: Network | Ensemble, precision: Precision) -> Network | Ensemble | None:
    if next(_pairs(network), None) is None:
        return None
    halved = precision == "bf16" and {_kind(each).partition(".")[0] for each in network.modules()} <= AUTOCAST
    made = copy.deepcopy(network)
    for owner, first, second in list(_pairs(made)):
        convolution, normalisation = getattr(owner, first), getattr(owner, second)
        fused = fuse_conv_bn_eval(convolution, normalisation)
        setattr(owner, first, fused.bfloat16() if halved else fused)
        # timm's has its activation inside.
        setattr(owner, second, getattr(normalisation, "act", nn.Identity()))
    return made.requires_grad_(False)


def _pairs(network: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Yield the modules that own a convolution and the batch normalisation after it, with the names of both."""
    uses = Counter(id(module) for _, module in network.named_modules(remove_duplicate=False))
    for owner in network.modules():
        for first, second in _in_a_row(owner):
            one, two = getattr(owner, first, None), getattr(owner, second, None)
            # Not isinstance: of a convolution whose weights are computed, parametrisations make a class of its own.
            if not (isinstance(one, nn.Conv2d) and _kind(one) in CONVOLUTIONS):
                continue
            if not (isinstance(two, nn.BatchNorm2d) and _kind(two) in NORMALISATIONS):
                continue
            listeners = one._forward_hooks or one._forward_pre_hooks or two._forward_hooks or two._forward_pre_hooks
            alone = uses[id(one)] == uses[id(two)] == uses[id(owner)] == 1
            plain = not two.training and two.track_running_stats and two.affine
            if alone and plain and not listeners and isinstance(getattr(two, "drop", None), nn.Identity | None):
                yield owner, first, second


def _in_a_row(owner: nn.Module) -> Iterable[tuple[str, str]]:
    """Return the names of what a module calls one after the other, as far as that is known."""
    # A subclass may call its modules in another order.
    if type(owner).forward is nn.Sequential.forward:
        return pairwise(owner._modules)
    return BLOCKS.get(_kind(owner), ())


def _kind(module: nn.Module) -> str:
    # By name: timm takes a while to import, and most networks are not of timm's.
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _state_of(network: Network | Ensemble) -> State:
    mirrored = isinstance(network, Ensemble) and network.mirrored
    return mirrored, *(
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
