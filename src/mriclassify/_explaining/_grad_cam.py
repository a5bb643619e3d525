"""Grad-CAM: where the layer's maps are that speak for a class."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mriclassify._explaining._layers import Layer, layer_of
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network
from mriclassify._shapes import Images


class HeatMap(NamedTuple):
    """Where a network looked."""

    values: NDArray[np.float32]  # (size, size), 0..1
    layer: str  # that it was read from


def grad_cam(network: Network | Ensemble, images: Images, *, target: int, layer: str | None = None) -> HeatMap:
    """Return where the evidence for a class lies, by Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391).

    Each map of a layer is weighted by the gradient of the class's logit with respect to it, summed over positions (the
    paper's mean, times their number: so the maps of an ensemble's members have one unit, the logit). What speaks
    against the class is left out (ReLU). An ensemble gives the mean over its members and their two views. The result is
    divided by its maximum, so that it says where, not how much; a map of zeros stays one.

    Args:
        network: from `ready`; its mode, gradients and hooks stay as they are.
        images: (1, 1, size, size) of one slice, as `Preprocessing` makes it; on any device.
        target: index of the class.
        layer: name of a module of the backbone; None takes the last stage that makes maps.

    Raises:
        OptionError: there is no layer of that name, or it makes no maps.
        NetworkError: the backbone makes no maps, or no gradient reaches them.
    """
    size = images.shape[-1]
    heats: list[torch.Tensor] = []
    paths: dict[str, None] = {}  # in order, each once
    for member, views in _asked(network, images):
        found = layer_of(member, views, target=target, path=layer)
        heat = _sized(_evidence(found)[:, None], size)[:, 0]  # (views, size, size)
        heats.append((heat[0] + heat[1].flip(-1)) / 2 if len(heat) == 2 else heat[0])
        paths[found.path] = None
    total = torch.stack(heats).mean(dim=0)
    return HeatMap((total / total.max().clamp(min=torch.finfo(total.dtype).tiny)).cpu().numpy(), ", ".join(paths))


def _asked(network: Network | Ensemble, images: Images) -> Iterator[tuple[Network, Images]]:
    """Yield each network that is asked, and what it is shown: an ensemble's members also see the mirror image."""
    images = images.to(network.mean.device)
    if isinstance(network, Network):
        yield network, images
        return
    for member, size in zip(network.members, network.sizes, strict=True):
        assert isinstance(member, Network)  # for the type checker: ModuleList forgets it
        view = _sized(images, size)
        yield member, torch.cat([view, view.flip(-1)])


def _evidence(layer: Layer) -> torch.Tensor:
    weights = layer.gradients.sum(dim=(2, 3), keepdim=True)
    return functional.relu((weights * layer.maps).sum(dim=1))  # (views, side, side)


def _sized(maps: torch.Tensor, size: int) -> torch.Tensor:
    # As an ensemble resizes its images.
    if maps.shape[-1] == size:
        return maps
    return functional.interpolate(maps, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
