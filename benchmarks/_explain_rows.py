"""The rows of `explain.py`: each way to a map, and what is measured of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from _explain_curves import curves
from _explain_figures import Map, dice, energy_inside, iou, likeness, peak_inside, rank_correlation
from _explain_sanity import randomised
from _explain_slices import Outlined
from _trust_figures import Figure, mean

from mriclassify._explaining import METHODS
from mriclassify._explaining._captum import blurred
from mriclassify._explaining._explaining import lesion_image
from mriclassify._explaining._methods import heat_map
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._inference import infer
from mriclassify._model._network import Network

Asked: TypeAlias = Network | Ensemble
Look: TypeAlias = Callable[[Asked, torch.Tensor, int], Map]
"""A network, a slice (1, 1, size, size) and a class become a map (size, size)."""

IN_CORE = ("layer-cam", "grad-cam", "grad-cam++")
"""Methods that need no extra; they ask the network once or twice, the others some sixteen or two hundred times."""


@dataclass(frozen=True)
class Row:
    """One way to a map.

    Args:
        title: for people.
        kind: "attribution", "lesion map", or "no network" for what any method must beat.
        look: the way.
        dear: whether it takes seconds a slice, and is asked about a sample only.
    """

    title: str
    kind: str
    look: Look
    dear: bool = False


def rows(*, lesions: bool) -> dict[str, Row]:
    """Return the ways by name; the lesion map for networks that look for lesions."""
    found = {name: Row(METHODS[name].title, "attribution", _by(name), name not in IN_CORE) for name in METHODS}
    if lesions:
        found["lesion-map"] = Row("lesion map", "lesion map", _lesion_map)
    return found | {
        "brightness": Row("the slice itself, smoothed", "no network", _brightness),
        "centre": Row("the middle of the frame", "no network", _centre),
    }


def _by(name: str) -> Look:
    return lambda network, image, target: heat_map(network, image, target=target, method=name).values


def _lesion_map(network: Asked, image: torch.Tensor, target: int) -> Map:
    lesions = infer(network, image).lesions
    assert lesions is not None
    return lesion_image(lesions, image.shape[-1])[0]


def _brightness(network: Asked, image: torch.Tensor, target: int) -> Map:
    smooth = blurred(image, part=1 / 48)[0, 0].numpy()
    return smooth / max(float(smooth.max()), 1e-9)


def _centre(network: Asked, image: torch.Tensor, target: int) -> Map:
    steps = np.linspace(-1, 1, image.shape[-1])
    return np.exp(-(steps[:, None] ** 2 + steps**2) / (2 * 0.25**2))


def maps(network: Asked, slices: Outlined, look: Look) -> list[Map]:
    """Return the map of each slice for its true class."""
    images = torch.from_numpy(slices.images)[:, None, None]  # (n, 1, 1, size, size)
    return [look(network, image, int(target)) for image, target in zip(images, slices.targets, strict=True)]


def pointing(heats: Sequence[Map], slices: Outlined) -> dict[str, float]:
    """Return, for choosing, how often the peak lies inside, and how much of the map does."""
    pairs = list(zip(heats, slices.masks, strict=True))
    return {
        "n": len(pairs),
        "peak_inside": round(float(np.mean([peak_inside(*pair) for pair in pairs])), 4),
        "energy_inside": round(float(np.mean([energy_inside(*pair) for pair in pairs])), 4),
    }


def located(heats: Sequence[Map], slices: Outlined, threshold: float) -> dict[str, Figure]:
    """Return how maps lie to the masks, with intervals over patients."""
    pairs = list(zip(heats, slices.masks, strict=True))
    columns: Mapping[str, list[Any]] = {
        "peak_inside": [peak_inside(heat, mask) for heat, mask in pairs],
        "energy_inside": [energy_inside(heat, mask) for heat, mask in pairs],
        "dice": [dice(heat, mask, threshold) for heat, mask in pairs],
        "iou": [iou(heat, mask, threshold) for heat, mask in pairs],
    }
    return {name: mean(np.array(values), slices.groups) for name, values in columns.items()}


def faithful(network: Asked, heats: Sequence[Map], slices: Outlined) -> dict[str, Figure]:
    """Return the areas of deletion and insertion, with intervals over patients."""
    found = [
        curves(network, image, heat, target=int(target))
        for image, heat, target in zip(slices.images, heats, slices.targets, strict=True)
    ]
    return {
        "deletion": mean([one.deletion for one in found], slices.groups),
        "insertion": mean([one.insertion for one in found], slices.groups),
    }


def sane(network: Asked, heats: Sequence[Map], slices: Outlined, look: Look) -> dict[str, Figure]:
    """Return how like the maps of the network and of one with shuffled weights are, over slices of patients."""
    shuffled = randomised(network, torch.from_numpy(slices.images)[:, None])
    pairs = list(zip(heats, maps(shuffled, slices, look), strict=True))
    return {
        "rank_correlation": mean([rank_correlation(*pair) for pair in pairs], slices.groups),
        "likeness": mean([likeness(*pair) for pair in pairs], slices.groups),
    }
