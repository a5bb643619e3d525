"""Tomography: how much a slice's features are like those of computed tomography (CT) instead of MR."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from mriclassify._errors import CheckpointError, DatasetError, OptionError
from mriclassify._trust._familiarity import square_roots, table_of

FEWEST = 50
"""Slices of either kind that it takes: of fewer, chance would draw the line between them."""

SHRINKAGE = 0.5
"""What even variances weigh beside those that were measured: there may be more features than slices."""

NAMES = ("weights", "offset")


@dataclass(frozen=True, slots=True, eq=False)
class CtLikeness:
    """A line between the features of MR slices and those of slices that were drawn as CT.

    CT of heads is the most likely mistake of all: familiarity alone lets some of it pass, since it has the shape of the
    training slices. Features are drawn together by a signed square root; the line is Fisher's linear discriminant
    (Fisher 1936, "The use of multiple measurements in taxonomic problems"), with shrunken covariance (Friedman 1989,
    "Regularized discriminant analysis"). 0 is the mean of the MR slices, 1 that of those drawn as CT.

    Attributes:
        weights: (d,) of the square roots.
        offset: added to their sum.
    """

    weights: NDArray[np.float64]
    offset: float

    @classmethod
    def fit(cls, slices: ArrayLike, drawn: ArrayLike) -> "CtLikeness":
        """Return the line.

        Args:
            slices: features (n, d) of MR slices.
            drawn: features (m, d) of slices drawn as CT.

        Raises:
            DatasetError: fewer than 50 of either, features that are not finite, or no difference between both.
        """
        own, other = (square_roots(table_of(features)) for features in (slices, drawn))
        if min(len(own), len(other)) < FEWEST or not (np.isfinite(own).all() and np.isfinite(other).all()):
            raise DatasetError(
                f"to know CT takes finite features of {FEWEST} slices and of {FEWEST} drawn as CT, not of {len(own)} "
                f"and {len(other)}: use more slices"
            )
        scale = own.std(axis=0) + other.std(axis=0)
        scale[scale <= 0] = 1.0
        own, other = own / scale, other / scale
        spread = (np.cov(own.T) + np.cov(other.T)) / 2
        even = float(np.trace(spread)) / len(spread)
        shrunken = (1 - SHRINKAGE) * spread + SHRINKAGE * even * np.eye(len(spread))
        apart = other.mean(axis=0) - own.mean(axis=0)
        if not (even > 0 and np.abs(apart).max() > 0):
            raise DatasetError("the features of slices and of those drawn as CT are the same: use a trained network")
        direction = np.linalg.solve(shrunken, apart)
        weights = (direction / float(direction @ apart) / scale).astype(np.float32).astype(np.float64)
        return cls(weights, float(np.float32(-float((own * scale).mean(axis=0) @ weights))))

    def score(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return how much features (n, d) are like CT, (n,): 0 as MR slices on average, 1 as slices drawn as CT.

        Features that are not finite are infinitely like it.

        Raises:
            OptionError: another number of features than it was made of.
        """
        rows = table_of(features)
        if rows.shape[1] != len(self.weights):
            raise OptionError(f"expected {len(self.weights)} features a slice, not {rows.shape[1]}")
        broken = np.asarray(~np.isfinite(rows).all(axis=1))
        scores = square_roots(np.where(broken[:, None], 0.0, rows)) @ self.weights + self.offset
        return np.where(broken, np.inf, scores)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return it as tensors."""
        return {
            "weights": torch.from_numpy(self.weights.astype(np.float32)),
            "offset": torch.tensor([self.offset], dtype=torch.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> "CtLikeness":
        """Return what `tensors` gave.

        Raises:
            CheckpointError: a tensor is missing, strange, of another shape, or not finite.
        """
        if set(tensors) != set(NAMES):
            raise CheckpointError(f"the line to CT is {', '.join(NAMES)}, not {', '.join(sorted(tensors))}")
        if not all(tensor.is_floating_point() for tensor in tensors.values()):
            raise CheckpointError("the line to CT must hold real numbers: save the model again")
        values = {name: tensor.double().numpy(force=True) for name, tensor in tensors.items()}
        if values["weights"].ndim != 1 or values["offset"].shape != (1,):
            raise CheckpointError("the line to CT has the wrong shape: save the model again")
        if not all(np.isfinite(value).all() for value in values.values()):
            raise CheckpointError("the line to CT holds impossible values: save the model again")
        return cls(values["weights"], float(values["offset"][0]))
