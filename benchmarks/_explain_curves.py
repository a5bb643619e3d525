"""Deletion and insertion: how fast the answer goes and comes as a map's highest pixels do (Petsiuk et al. 2018)."""

from dataclasses import dataclass

import numpy as np
import torch
from _explain_figures import Map, area_under, order_of

from mriclassify._explaining._captum import blurred
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._inference import infer
from mriclassify._model._network import Network

STEPS = 16


@dataclass(frozen=True)
class Curves:
    """Areas under the probability of the class, 0..1.

    Args:
        deletion: while the highest pixels are blurred first: small if the map shows what the answer rests on.
        insertion: while they come first into the blurred slice: large then.
    """

    deletion: float
    insertion: float


def curves(network: Network | Ensemble, image: Map, heat: Map, *, target: int, steps: int = STEPS) -> Curves:
    """Return the areas for one slice (size, size) and its map, against the slice blurred (arXiv 1806.07421)."""
    start = torch.from_numpy(np.asarray(image, np.float32))[None, None]
    veil = blurred(start)
    taken = torch.from_numpy(_growing(heat, steps))[:, None]  # (steps + 1, 1, size, size)
    gone, there = torch.where(taken, veil, start), torch.where(taken, start, veil)
    chances = infer(network, torch.cat([gone, there])).logits.softmax(dim=1)[:, target].tolist()
    return Curves(area_under(chances[: steps + 1]), area_under(chances[steps + 1 :]))


def _growing(heat: Map, steps: int) -> np.ndarray:
    """Return which pixels belong to the highest 0, 1, ... `steps` parts of the map: (steps + 1, size, size)."""
    rank = np.empty(heat.size, np.int64)
    rank[order_of(heat)] = np.arange(heat.size)
    limits = np.linspace(0, heat.size, steps + 1).round()
    return np.stack([(rank < limit).reshape(heat.shape) for limit in limits])
