"""Integrated gradients: how much each pixel adds to a class's logit on the way from black to the slice."""

import torch

from mriclassify._explaining._captum import blurred, captum_attr, logit_of
from mriclassify._explaining._views import Evidence, HeatMap, heat_of
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network
from mriclassify._shapes import Images

STEPS = 16
"""Points on the way: their sum is then within a few hundredths of what it should be."""
SMOOTHING = 1 / 48
"""Standard deviation of the Gaussian that makes single pixels a map, as a part of the slice's side."""


def integrated_gradients(network: Network | Ensemble, images: Images, *, target: int) -> HeatMap:
    """Return where the evidence for a class lies, by integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365).

    The way begins at black, as in the paper. Pixels alone are speckle: what speaks for the class is kept and smoothed.

    Args:
        network: as for `grad_cam`; so are `images` and `target`.
        images: (1, 1, size, size).
        target: index of the class.

    Raises:
        MissingExtraError: captum is not installed.
        NetworkError: no gradient reaches the image.
    """

    def look(member: Network, views: Images) -> Evidence:
        amounts = attributions(member, views, target=target).clamp(min=0)
        return Evidence(blurred(amounts, part=SMOOTHING)[:, 0])

    return heat_of(network, images, look)


def attributions(network: Network, images: Images, *, target: int, steps: int = STEPS) -> torch.Tensor:
    """Return how much each pixel adds to the logit (batch, 1, size, size); the sum is nearly all the difference.

    Args:
        network: from `ready`.
        images: (batch, 1, size, size), on the network's device.
        target: index of the class.
        steps: points on the way.
    """
    method = captum_attr("integrated gradients").IntegratedGradients(logit_of(network, target))
    # Whoever calls may have switched gradients off.
    with torch.inference_mode(False), torch.enable_grad():
        start = images.clone().requires_grad_()
        found: torch.Tensor = method.attribute(start, baselines=0, n_steps=steps, internal_batch_size=steps)
    return found.detach()
