"""Grad-CAM: where the layer's maps are that speak for a class."""

import torch
from torch.nn import functional

from mriclassify._explaining._layers import Layer, layer_of
from mriclassify._explaining._views import Evidence, HeatMap, heat_of
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network
from mriclassify._shapes import Images


def grad_cam(network: Network | Ensemble, images: Images, *, target: int, layer: str | None = None) -> HeatMap:
    """Return where the evidence for a class lies, by Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391).

    Each map of a layer is weighted by the gradient of the class's logit with respect to it, summed over positions (the
    paper's mean, times their number: so the maps of an ensemble's members have one unit, the logit). What speaks
    against the class is left out (ReLU).

    Args:
        network: from `ready`; its mode, gradients and hooks stay as they are.
        images: (1, 1, size, size) of one slice, as `Preprocessing` makes it; on any device.
        target: index of the class.
        layer: name of a module of the backbone; None takes the last stage that makes maps.

    Raises:
        OptionError: there is no layer of that name, or it makes no maps.
        NetworkError: the backbone makes no maps, or no gradient reaches them.
    """

    def look(member: Network, views: Images) -> Evidence:
        found = layer_of(member, views, target=target, path=layer)
        return Evidence(_weighted(found), (found.path,))

    return heat_of(network, images, look)


def _weighted(layer: Layer) -> torch.Tensor:
    weights = layer.gradients.sum(dim=(2, 3), keepdim=True)
    return functional.relu((weights * layer.maps).sum(dim=1))  # (views, side, side)
