"""The figures of `explain.py` as pure functions: a map and a mask in, numbers out."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

Map: TypeAlias = NDArray[np.floating]
Mask: TypeAlias = NDArray[np.bool_]

THRESHOLDS = tuple(np.round(np.arange(0.05, 1, 0.05), 2).tolist())
"""That are tried for the outline of a map, as parts of 1."""


def peak_inside(heat: Map, mask: Mask) -> bool:
    """Return whether the map's maximum lies in the mask (the pointing game, Zhang et al. 2016, arXiv 1608.00507).

    A map that is the same everywhere points nowhere.
    """
    return bool(mask.flat[int(heat.argmax())]) and bool(heat.max() > heat.min())


def energy_inside(heat: Map, mask: Mask) -> float:
    """Return the part of a map's sum that lies in the mask, 0..1 (Wang et al. 2020, arXiv 1910.01279)."""
    total = float(heat.sum())
    return float(heat[mask].sum()) / total if total > 0 else 0.0


def dice(heat: Map, mask: Mask, threshold: float) -> float:
    """Return 2 |A and B| / (|A| + |B|) of the mask and where the map exceeds `threshold`; 1 if both are empty."""
    said = heat > threshold
    both = int(said.sum() + mask.sum())
    return 2 * int((said & mask).sum()) / both if both else 1.0


def iou(heat: Map, mask: Mask, threshold: float) -> float:
    """Return |A and B| / |A or B|, as `dice`."""
    overlap = dice(heat, mask, threshold)
    return overlap / (2 - overlap)


def best_threshold(heats: Sequence[Map], masks: Sequence[Mask]) -> float:
    """Return the threshold with the highest mean Dice."""
    means = [np.mean([dice(heat, mask, t) for heat, mask in zip(heats, masks, strict=True)]) for t in THRESHOLDS]
    return THRESHOLDS[int(np.argmax(means))]


def area_under(values: Sequence[float]) -> float:
    """Return the area under values at equal steps from 0 to 1, by trapezoids."""
    return float(np.trapezoid(values, dx=1 / (len(values) - 1)))


def order_of(heat: Map, seed: int = 0) -> NDArray[np.int64]:
    """Return the indices of a map's pixels, the highest first; equal ones in an order by chance."""
    chance = np.random.default_rng(seed).random(heat.size)
    return np.lexsort((chance, -heat.ravel()))


def rank_correlation(one: Map, other: Map) -> float:
    """Return Spearman's correlation of two maps; 0 where one is the same everywhere."""
    ranks = [rankdata(heat.ravel()) for heat in (one, other)]
    if min(rank.std() for rank in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def likeness(one: Map, other: Map) -> float:
    """Return the mean structural similarity of two maps of 0..1 (Wang et al. 2004, doi 10.1109/TIP.2003.819861)."""
    x, y = np.asarray(one, np.float64), np.asarray(other, np.float64)

    def near(values: Map) -> Map:
        return gaussian_filter(values, 1.5)

    mean_x, mean_y = near(x), near(y)
    spread_x, spread_y = near(x * x) - mean_x**2, near(y * y) - mean_y**2
    together = near(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + 0.01**2) * (2 * together + 0.03**2)
    return float(np.mean(top / ((mean_x**2 + mean_y**2 + 0.01**2) * (spread_x + spread_y + 0.03**2))))
