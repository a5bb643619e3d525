"""Pooling: the answers for the slices of a series become one answer for the series. Pure functions.

A bare mean would drown a tumour: it is seen in a few slices of a series, and all others rightly show none. A
bare maximum would cry wolf: of a hundred slices the worst one decides. The rule stands between the two:

1. *Evidence* of a slice is 1 - P(no tumour).
2. It is averaged over a slice and its neighbours, since a tumour is a body and goes through several slices.
3. The study's P(tumour) is the mean of the evidence over the tenth of the slices with the most of it, three at
   least. Those, and any that have as much as the least of them, are the slices that the answer rests on.
4. Which tumour: the tumour classes' probabilities, summed over these slices, share P(tumour) among them.

A model without a "notumor" class has no evidence of that kind: its study's answer is the mean over all slices.
The rule's numbers are chosen by this reasoning, not on data: no labelled series was at hand to fit them.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mriclassify._labels import NO_TUMOUR
from mriclassify._shapes import Probabilities

NEIGHBOURS = 1
"""Slices on each side over which evidence is averaged."""
SHARE, LEAST = 0.1, 3
"""The answer rests on this share of the slices, and on so many at least."""
SMALLEST_AREA = 0.35
"""A slice with less tissue than this part of the series' largest lies at the ends of the head: no brain to judge."""

_TIE = 1e-9
"""Evidence that differs by less is the same: sums are rounded."""


class Pooled(NamedTuple):
    """One answer from many.

    Attributes:
        probabilities: (classes,), summing to 1.
        resting: indices of the slices that the answer rests on, the one with the most evidence first.
        disagreement: share of these slices whose own answer is another class, 0..1.
    """

    probabilities: NDArray[np.float64]
    resting: tuple[int, ...]
    disagreement: float


def pool(probabilities: Probabilities, classes: tuple[str, ...]) -> Pooled:
    """Return the answer for slices in spatial order, (n, classes) probabilities, n at least 1."""
    if NO_TUMOUR not in classes:
        order = np.argsort(-probabilities.max(axis=1), kind="stable")
        return _pooled(probabilities, probabilities.mean(axis=0), order)
    without = classes.index(NO_TUMOUR)
    evidence = smoothed(1 - probabilities[:, without])
    count = min(len(evidence), max(LEAST, math.ceil(SHARE * len(evidence))))
    order = np.argsort(-evidence, kind="stable")
    tumour = float(evidence[order[:count]].mean())
    # Ties are all taken: else the class would depend on the end from which the slices are counted.
    resting = order[evidence[order] >= evidence[order[count - 1]] - _TIE]
    shares = probabilities[resting].sum(axis=0)
    shares[without] = 0
    whole = shares.sum()
    # Where no slice sees any tumour there is nothing to share out.
    answer = tumour * shares / whole if whole > 0 else shares
    answer[without] = 1 - answer.sum()
    return _pooled(probabilities, answer, resting)


def smoothed(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each value and its neighbours; at the ends of those that there are."""
    window = np.ones(2 * NEIGHBOURS + 1)
    full = np.convolve(evidence, window)[NEIGHBOURS : NEIGHBOURS + len(evidence)]
    counts = np.convolve(np.ones_like(evidence), window)[NEIGHBOURS : NEIGHBOURS + len(evidence)]
    means: NDArray[np.float64] = full / counts
    return means


def shows_brain(areas: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which slices of a series have enough tissue, from the area of tissue of each, in any unit."""
    enough: NDArray[np.bool_] = areas >= SMALLEST_AREA * areas.max(initial=0)
    return enough


def _pooled(probabilities: Probabilities, answer: NDArray[np.float64], resting: NDArray[np.intp]) -> Pooled:
    own = probabilities[resting].argmax(axis=1)
    return Pooled(answer, tuple(int(index) for index in resting), float(np.mean(own != answer.argmax())))
