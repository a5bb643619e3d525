"""Views: what each network is shown of a slice, and how their maps become one."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from mriclassify._model._ensemble import Ensemble, resized
from mriclassify._model._network import Network
from mriclassify._shapes import Images


class HeatMap(NamedTuple):
    """Where a network looked."""

    values: NDArray[np.float32]  # (size, size), 0..1
    layer: str | None = None  # that it was read from; several with commas between them


class Evidence(NamedTuple):
    """What one network says of its views: how much of the class's logit comes from where."""

    maps: torch.Tensor  # (views, side, side), at least 0
    layers: tuple[str, ...] = ()  # that it was read from


Look: TypeAlias = Callable[[Network, Images], Evidence]
"""What one method does with one network and its views (views, 1, size, size)."""


def heat_of(network: Network | Ensemble, images: Images, look: Look) -> HeatMap:
    """Return the map of one slice: of an ensemble the mean over its members and their two views.

    The result is divided by its maximum, so that it says where, not how much; a map of zeros stays one.

    Args:
        network: from `ready`.
        images: (1, 1, size, size), as `Preprocessing` makes it; on any device.
        look: the method. Its maps have the logit for a unit, so that those of members can be compared.
    """
    size = images.shape[-1]
    heats: list[torch.Tensor] = []
    layers: dict[str, None] = {}  # in order, each once
    for member, views in _asked(network, images):
        found = look(member, views)
        heat = resized(found.maps[:, None], size)[:, 0]  # (views, size, size)
        heats.append((heat[0] + heat[1].flip(-1)) / 2 if len(heat) == 2 else heat[0])
        layers |= dict.fromkeys(found.layers)
    total = torch.stack(heats).mean(dim=0)
    values = total / total.max().clamp(min=torch.finfo(total.dtype).tiny)
    return HeatMap(values.cpu().numpy(), ", ".join(layers) or None)


def _asked(network: Network | Ensemble, images: Images) -> Iterator[tuple[Network, Images]]:
    """Yield each network that is asked, and what it is shown: an ensemble's members also see the mirror image."""
    images = images.to(network.mean.device)
    if isinstance(network, Network):
        yield network, images
        return
    for member, size in zip(network.members, network.sizes, strict=True):
        assert isinstance(member, Network)  # for the type checker: ModuleList forgets it
        view = resized(images, size)
        yield member, torch.cat([view, view.flip(-1)])
