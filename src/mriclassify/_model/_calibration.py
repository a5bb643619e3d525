"""Calibration: logits become probabilities that can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mriclassify._errors import OptionError
from mriclassify._shapes import Logits, Probabilities

RANGE = (0.05, 20.0)
"""A temperature outside this range means that the network was right (or wrong) on everything it was asked."""


@dataclass(frozen=True, slots=True)
class Temperature:
    """One number by which logits are divided before the softmax (Guo et al. 2017, arXiv 1706.04599, section 4.2).

    It changes how sure an answer is, never which answer it is. 1 changes nothing; above 1 makes less sure.
    """

    value: float = 1.0

    def __post_init__(self) -> None:
        if not RANGE[0] <= self.value <= RANGE[1]:
            raise OptionError(f"a temperature must lie in {RANGE[0]}..{RANGE[1]}, not {self.value}")

    def __call__(self, logits: Logits, *, offsets: Sequence[float] | None = None) -> Probabilities:
        """Return softmax(logits / temperature + offsets) as float64 (n, classes); each row sums to 1.

        Args:
            logits: (n, classes).
            offsets: one for each class, in nats, from a recalibration; None adds nothing.
        """
        scaled = logits.double() / self.value
        if offsets is not None:
            scaled = scaled + torch.tensor(offsets, dtype=torch.float64)
        return scaled.softmax(dim=1).numpy()

    @classmethod
    def fit(cls, logits: Logits, targets: NDArray[np.int64]) -> "Temperature":
        """Return the temperature with the smallest cross-entropy on logits (n, classes) and targets (n,).

        One imaginary slice of unknown class is spread over the targets, as Platt (1999, "Probabilistic outputs for
        support vector machines", section 2.2) smooths his: (n + 1 / classes) / (n + 1) for the true class. Without
        it a small validation part on which every answer is right would make every later answer 100 % sure.

        The cross-entropy is convex in 1 / temperature, so that a bisection on the sign of its slope finds
        the minimum; at the ends of the range it stops there.
        """
        count, classes = logits.shape
        doubles = logits.double()
        hard = functional.one_hot(torch.as_tensor(targets), classes).double()
        soft = (hard * count + 1 / classes) / (count + 1)
        low, high = np.log(1 / RANGE[1]), np.log(1 / RANGE[0])
        for _ in range(60):
            middle = (low + high) / 2
            log_inverse = torch.tensor(middle, dtype=torch.float64, requires_grad=True)
            functional.cross_entropy(doubles * log_inverse.exp(), soft).backward()  # type: ignore[no-untyped-call]
            slope = log_inverse.grad
            if slope is not None and slope < 0:
                low = middle
            else:
                high = middle
        return cls(float(np.clip(np.exp(-(low + high) / 2), *RANGE)))
