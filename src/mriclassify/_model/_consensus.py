"""Consensus: whether a slice shows a tumour is asked of the class head and of the lesion map, and the mean counts."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mriclassify._errors import OptionError
from mriclassify._shapes import LesionLogits, Logits

SHARE = 0.5
"""What the lesion map's word weighs; the rest is the class head's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """The log-odds of a tumour: head * (the class head's) + lesion_map * (the map's highest logit) + shift.

    The class head sees the whole slice, and with it everything that tells one hospital from another. The lesion map is
    taught pixel by pixel, most of them healthy tissue of the very slices that show a tumour, and is fooled less by
    slices of another hospital. Each is wrong where the other need not be. Which tumour it is, only the head says.

    Attributes:
        healthy: index of the tumour-free class.
        head: weight of ln(sum of exp(logits of the other classes)) - (logit of the tumour-free class).
        lesion_map: weight of the map's highest logit.
        shift: in nats.
    """

    healthy: int
    head: float
    lesion_map: float
    shift: float

    def __post_init__(self) -> None:
        weights = (self.head, self.lesion_map, self.shift)
        are_weights = all(type(x) in (int, float) and math.isfinite(x) for x in weights)
        if type(self.healthy) is not int or self.healthy < 0 or not are_weights:
            raise OptionError(f"a consensus needs the index of a class and finite weights, not {self}")

    def __call__(self, logits: Logits, highest: torch.Tensor) -> Logits:
        """Return the logits (n, classes) with that of the tumour-free class put where the consensus wants it.

        Args:
            logits: (n, classes), of the class head.
            highest: (n,), from `highest_of`.
        """
        tumour = _others(logits, self.healthy)
        odds = self.head * (tumour - logits[:, self.healthy]) + self.lesion_map * highest + self.shift
        agreed = logits.clone()
        agreed[:, self.healthy] = tumour - odds
        return agreed

    @classmethod
    def fit(
        cls, logits: Logits, highest: torch.Tensor, targets: NDArray[np.int64], *, healthy: int, share: float = SHARE
    ) -> "Consensus | None":
        """Return the consensus of two witnesses that are calibrated each for itself, or None if the map knows nothing.

        Calibrated by logistic regression on one number (Platt 1999, "Probabilistic outputs for support vector
        machines"); log-odds are averaged, as in a logarithmic opinion pool (Genest and Zidek 1986, "Combining
        probability distributions", Statistical Science 1), and the mean is calibrated once more, so that even odds are
        where half of the slices show a tumour. The result is in the class head's own scale, which the temperature is
        fitted to afterwards.

        Args:
            logits: (n, classes), of slices that were not trained on.
            highest: (n,), from `highest_of`.
            targets: (n,), index into the classes.
            healthy: index of the tumour-free class.
            share: what the map's word weighs, 0..1.
        """
        tumour = targets != healthy
        if tumour.all() or not tumour.any():
            return None
        slope, offset = _platt(_odds(logits, healthy), tumour)
        map_slope, map_offset = _platt(highest, tumour)
        if not (slope > 0 and map_slope > 0):
            return None
        # The map's word, put as the number of the head that says the same.
        shift = share * (map_offset - offset) / slope
        mean = cls(healthy=healthy, head=1 - share, lesion_map=share * map_slope / slope, shift=shift)
        slope, offset = _platt(_odds(mean(logits, highest), healthy), tumour)
        return replace(mean, shift=shift + offset / slope)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Consensus":
        """Return the consensus that `values` describe."""
        return cls(**values)


def highest_of(lesions: LesionLogits) -> torch.Tensor:
    """Return the highest logit of each lesion map (n, side, side): (n,)."""
    return lesions.float().flatten(1).amax(dim=1)


def _others(logits: Logits, healthy: int) -> torch.Tensor:
    """Return ln(sum of exp) of all logits but one: (n,)."""
    rest = [k for k in range(logits.shape[1]) if k != healthy]
    return logits[:, rest].logsumexp(dim=1)


def _odds(logits: Logits, healthy: int) -> torch.Tensor:
    """Return the log-odds of a tumour: (n,)."""
    return _others(logits, healthy) - logits[:, healthy]


def _platt(values: torch.Tensor, positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and offset of the log-odds of `positive` (n,) as a linear function of `values` (n,).

    Each target is believed a little less than wholly, as Platt's are: else values that part the slices without a
    mistake would be infinitely sure.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import, and only training needs it

    count = len(values)
    sure, unsure = (count + 0.5) / (count + 1), 0.5 / (count + 1)
    weights = np.concatenate([np.full(count, sure), np.full(count, unsure)])
    model = LogisticRegression(C=1e6, tol=1e-8, max_iter=1000)
    model.fit(
        np.tile(values.double().numpy(), 2)[:, None], np.concatenate([positive, ~positive]), sample_weight=weights
    )
    return float(model.coef_[0, 0]), float(model.intercept_[0])
