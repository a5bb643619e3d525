"""Mistakes: the slices answered wrongly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mriclassify._shapes import Probabilities, Targets


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One slice whose most probable class is not the true one; `index` is its place among the slices."""

    index: int
    name: str
    true: str
    predicted: str
    confidence: float


def find_mistakes(
    *, probabilities: Probabilities, targets: Targets, classes: Sequence[str], names: Sequence[str]
) -> tuple[Mistake, ...]:
    """Return the slices answered wrongly, the most confident first.

    Args:
        probabilities: (n, classes), each row sums to 1.
        targets: (n,), index into the classes.
        classes: The names, in column order.
        names: n file names.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != targets)
    return tuple(
        Mistake(
            index=int(i),
            name=names[i],
            true=classes[targets[i]],
            predicted=classes[predicted[i]],
            confidence=float(confidence[i]),
        )
        for i in wrong[np.argsort(-confidence[wrong], kind="stable")]
    )
