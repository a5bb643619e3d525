"""Occlusion: how much a class's logit falls where a window of the slice is blurred."""

import torch
from torch.nn import functional

from mriclassify._explaining._captum import blurred, captum_attr, logit_of
from mriclassify._explaining._views import Evidence, HeatMap, heat_of
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network
from mriclassify._shapes import Images

WINDOW = 8
"""The window is this part of the slice's side wide: about a lesion."""
AT_ONCE = 16
"""Windows that go through the network together."""


def occlusion(network: Network | Ensemble, images: Images, *, target: int) -> HeatMap:
    """Return where the evidence for a class lies, by occlusion (Zeiler and Fergus 2014, arXiv 1311.2901).

    A window goes over the slice by half its width; what is under it is blurred, not grey, so that no edge comes up that
    no scan has. Each pixel has the mean fall over its windows; where the logit rises it is left out. It asks the
    network some 230 times.

    Args:
        network: as for `grad_cam`; so are `images` and `target`.
        images: (1, 1, size, size).
        target: index of the class.

    Raises:
        MissingExtraError: captum is not installed.
    """

    def look(member: Network, views: Images) -> Evidence:
        return Evidence(functional.relu(falls(member, views, target=target))[:, 0])

    return heat_of(network, images, look)


def falls(network: Network, images: Images, *, target: int) -> torch.Tensor:
    """Return how much the logit falls where a window lies over each pixel (batch, 1, size, size)."""
    window = max(2, images.shape[-1] // WINDOW)
    method = captum_attr("occlusion").Occlusion(logit_of(network, target))
    with torch.inference_mode():
        found: torch.Tensor = method.attribute(
            images,
            sliding_window_shapes=(1, window, window),
            strides=(1, window // 2, window // 2),
            baselines=blurred(images),
            perturbations_per_eval=AT_ONCE,
        )
    return found.clone()
