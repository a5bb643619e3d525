"""LayerCAM: where, on every scale at once, the maps are whose own positions speak for a class."""

import torch
from torch.nn import functional

from mriclassify._explaining._layers import Layer, layer_of, layers_of
from mriclassify._explaining._views import Evidence, HeatMap, heat_of
from mriclassify._model._ensemble import Ensemble, resized
from mriclassify._model._network import Network
from mriclassify._shapes import Images


def layer_cam(network: Network | Ensemble, images: Images, *, target: int, layer: str | None = None) -> HeatMap:
    """Return where the evidence for a class lies, by LayerCAM (Jiang et al. 2021, doi 10.1109/TIP.2021.3089943).

    Each position of each map is weighted by its own gradient, where that is positive, so that fine layers have
    sensible maps too. The maps of all stages become one by their product (the paper takes the greatest of each): a
    position counts only as far as every scale says so.

    Args:
        network: as for `grad_cam`; so are `images` and `target`.
        images: (1, 1, size, size).
        target: index of the class.
        layer: name of a module, whose map is then taken alone; None takes the last layer of each resolution.

    Raises:
        OptionError, NetworkError: as for `grad_cam`.
    """

    def look(member: Network, views: Images) -> Evidence:
        found = (
            layers_of(member, views, target=target)
            if layer is None
            else [layer_of(member, views, target=target, path=layer)]
        )
        return Evidence(_product([_weighted(one) for one in found]), tuple(one.path for one in found))

    return heat_of(network, images, look)


def _weighted(layer: Layer) -> torch.Tensor:
    evidence = functional.relu((functional.relu(layer.gradients) * layer.maps).sum(dim=1))  # (views, side, side)
    # Logits for the whole slice, as if each position were all of it: so that fine and coarse maps are alike.
    return evidence * evidence.shape[-1] ** 2


def _product(maps: list[torch.Tensor]) -> torch.Tensor:
    """Return the product of maps (views, side, side), each a part of its maximum, at the finest one's side.

    The geometric mean of the maxima is a factor, so that the unit stays the logit.
    """
    side = max(found.shape[-1] for found in maps)
    # A stage where nothing speaks for the class must not silence the others.
    speaking = [found for found in maps if found.any()] or maps[:1]
    fine = torch.stack([resized(found[:, None], side)[:, 0] for found in speaking]).clamp(min=0)
    highest = fine.amax(dim=(2, 3), keepdim=True)  # (stages, views, 1, 1)
    parts = fine / highest.clamp(min=torch.finfo(fine.dtype).tiny)
    return parts.prod(dim=0) * highest.pow(1 / len(fine)).prod(dim=0)
