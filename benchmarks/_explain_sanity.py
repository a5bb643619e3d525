"""Sanity: a map that stays when the weights go says nothing of the network (Adebayo et al. 2018, arXiv 1810.03292)."""

import copy

import torch
from torch import nn

from mriclassify._model._ensemble import Ensemble
from mriclassify._model._inference import ready
from mriclassify._model._network import Network


def randomised(network: Network | Ensemble, images: torch.Tensor, *, seed: int = 0) -> Network | Ensemble:
    """Return a copy whose weights are shuffled, each parameter within itself.

    Their distribution stays, what was learned is gone. Batch normalisation measures its statistics anew on `images`
    (batch, 1, size, size): with the old ones nothing would come through.
    """
    made, generator = copy.deepcopy(network), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(
                parameter.flatten()[torch.randperm(parameter.numel(), generator=generator)].view_as(parameter)
            )
        for module in made.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.reset_running_stats()
                module.momentum = None  # the mean over what it is shown
                module.train()
        made(images)
    return ready(made, images.device)
