"""Grad-CAM++: Grad-CAM that counts each position where a map raises the class alike, however small the spot is."""

import torch
from torch.nn import functional

from mriclassify._explaining._layers import Layer, layer_of
from mriclassify._explaining._views import Evidence, HeatMap, heat_of
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network
from mriclassify._shapes import Images


def grad_cam_plus_plus(
    network: Network | Ensemble, images: Images, *, target: int, layer: str | None = None
) -> HeatMap:
    """Return where the evidence for a class lies, by Grad-CAM++ (Chattopadhyay et al. 2018, arXiv 1710.11063).

    A map's weight is the sum of its positive gradients, each times alpha (equations 10, 11 and 19 of the paper, for the
    exponential of the logit, whose own value is a factor of all maps and is left out).

    Args:
        network: as for `grad_cam`; so are `images`, `target` and `layer`.
        images: (1, 1, size, size).
        target: index of the class.
        layer: name of a module; None takes the last stage that makes maps.

    Raises:
        OptionError, NetworkError: as for `grad_cam`.
    """

    def look(member: Network, views: Images) -> Evidence:
        found = layer_of(member, views, target=target, path=layer)
        return Evidence(_weighted(found), (found.path,))

    return heat_of(network, images, look)


def _weighted(layer: Layer) -> torch.Tensor:
    slopes = layer.gradients
    below = 2 * slopes**2 + layer.maps.sum(dim=(2, 3), keepdim=True) * slopes**3
    # Where there is no gradient, there is no weight either.
    alpha = torch.where(below == 0, 0.0, slopes**2 / torch.where(below == 0, 1.0, below))
    weights = (alpha * functional.relu(slopes)).sum(dim=(2, 3), keepdim=True)
    return functional.relu((weights * layer.maps).sum(dim=1))  # (views, side, side)
