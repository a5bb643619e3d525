"""Outlining: above which value the lesion map is taken for lesion, from validation slices that have a mask."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from mriclassify._explaining._explaining import lesion_image
from mriclassify._model._bundle import Bundle
from mriclassify._training._batches import Slices

LEVELS = tuple(np.round(np.arange(0.1, 0.95, 0.05), 2).tolist())
"""What is tried. Nearer to 0 and 1 lies the map's noise, and the tip of its peak."""

FEWEST = 20
"""Slices with a lesion that it takes: by fewer, one tumour that was missed would decide."""

BATCH = 32


def outlines_of(bundle: Bundle, slices: Slices) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield the lesion map and the mask of each slice that has one, both (size, size) in the network's frame.

    Args:
        bundle: with a network that makes lesion maps.
        slices: whose preprocessing is the bundle's.

    Raises:
        ReadError: a slice or a mask can't be read.
        DatasetError: a mask is none, or not as large as its slice.
        ValueError: the network makes no lesion maps.
    """
    found = slices.outlined
    for start in range(0, len(found), BATCH):
        samples = [slices.sample(index) for index in found[start : start + BATCH]]
        images = torch.from_numpy(np.stack([sample.image for sample in samples])[:, None])
        said = bundle.ask(images)
        if said.lesions is None:
            raise ValueError(f"{bundle.name} makes no lesion maps")
        for shown, sample in zip(lesion_image(said.lesions, images.shape[-1]), samples, strict=True):
            if sample.lesion is None:
                raise ValueError("a slice with a mask came without its lesion")
            yield shown, sample.lesion > 0.5


def level_of(bundle: Bundle, slices: Slices) -> float | None:
    """Return above which value of the lesion map the mean Dice coefficient over the slices with a lesion is highest.

    None where the network makes no maps, too few slices have a lesion, or no level finds any of it. A map that is
    trained to be right pixel by pixel stays below one half where it is not sure, which is all around a border, so that
    one half draws lesions too small.

    Raises:
        ReadError, DatasetError: as `outlines_of`.
    """
    if bundle.network.lesion_head is None or len(slices.outlined) < FEWEST:
        return None
    levels = np.array(LEVELS, np.float32)
    overlaps = [_dice(shown, mask, levels) for shown, mask in outlines_of(bundle, slices) if mask.any()]
    if len(overlaps) < FEWEST:
        return None
    means = np.mean(overlaps, axis=0)
    return LEVELS[int(means.argmax())] if means.any() else None


def _dice(shown: NDArray[np.float32], mask: NDArray[np.bool_], levels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return 2 |A and B| / (|A| + |B|) for each level (Dice 1945): (levels,)."""
    said = shown > levels[:, None, None]
    both = (said & mask).sum(axis=(1, 2))
    overlaps: NDArray[np.float64] = 2 * both / (mask.sum() + said.sum(axis=(1, 2)))
    return overlaps
