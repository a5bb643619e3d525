"""Familiarity: how far a slice's features lie from those of the training slices."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from mriclassify._errors import CheckpointError, DatasetError, OptionError

DIMENSIONS = 96
"""Principal components at most: in half precision they take 250 KB for 1,280 features; more tell no better."""

SCALE_FLOOR = 0.1
"""Part of the median spread that is added to each feature's, so that one that hardly ever fires can't decide alone."""

SMALLEST = 1e-12
"""Part of the whole variance that a direction has at least: what never varied must not be divided by zero."""

FAMILIAR_SHARE = 0.99
"""Share of held-out slices of the training's own sources that are to be found familiar."""

NAMES = ("mean", "scale", "basis", "variance", "residual")


@dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """Statistics of the features of the training slices, and the distance of others from them.

    Features are drawn together by a signed square root (those after a ReLU have long tails) and standardised. In the
    space of their first principal components the distance is Mahalanobis' (Lee et al. 2018, arXiv 1807.03888, but for
    all classes together, since an unseen hospital's slices need not look like one of them); outside of that space it is
    the squared norm of what is left, as in ViM (Wang et al. 2022, arXiv 2203.10807), which tells most of what is no
    head at all. Each is divided by its mean over the training slices, and the distance is the mean of the two.

    Attributes:
        mean: (d,) of the square roots.
        scale: (d,) by which they are divided, above 0.
        basis: (k, d) principal components as rows, orthonormal up to the rounding to half precision.
        variance: (k,) along them, above 0.
        residual: mean squared norm of what is left, above 0.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    basis: NDArray[np.float64]
    variance: NDArray[np.float64]
    residual: float

    @classmethod
    def fit(cls, features: ArrayLike) -> "Familiarity":
        """Return the statistics of features (n, d), which may be those of augmented slices as well.

        What is not among them will be unfamiliar: with features of clean slices alone, so are thumbnails and noise.

        Raises:
            DatasetError: fewer than four slices, or features that are not finite or all the same.
        """
        rows = square_roots(table_of(features))
        count, width = rows.shape
        if count < 4 or not np.isfinite(rows).all():
            raise DatasetError(f"statistics need finite features of 4 slices or more, not {count}: use more slices")
        mean, spread = rows.mean(axis=0), rows.std(axis=0)
        # Rounded before use, so that the statistics are those of the numbers that will be stored.
        mean = _rounded(mean)
        scale = _rounded(spread + SCALE_FLOOR * float(np.median(spread)) + SMALLEST * float(spread.max()))
        if not spread.max() > 0:
            raise DatasetError("the features of all slices are the same: statistics need different slices")
        scale[scale <= 0] = 1.0
        standard = (rows - mean) / scale
        basis = _components(standard, min(DIMENSIONS, max(1, width // 2), count // 2))
        inside = standard @ basis.T  # (n, k)
        least = SMALLEST * float((standard**2).sum(axis=1).mean())
        left = ((standard - inside @ basis) ** 2).sum(axis=1)
        variance = _rounded(np.maximum((inside**2).mean(axis=0), least))
        return cls(mean, scale, basis, variance, float(_rounded(np.asarray(max(float(left.mean()), least)))))

    def distance(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return how far features (n, d) lie from the training's, (n,): 1 on average over those, larger if unfamiliar.

        Features that are not finite are infinitely far.

        Raises:
            OptionError: another number of features than in training.
        """
        rows = table_of(features)
        if rows.shape[1] != len(self.mean):
            raise OptionError(
                f"expected {len(self.mean)} features a slice, as in training, not {rows.shape[1]}: use the features "
                "of the network that these statistics were made of"
            )
        broken = np.asarray(~np.isfinite(rows).all(axis=1))
        standard = (square_roots(np.where(broken[:, None], 0.0, rows)) - self.mean) / self.scale
        inside = _product(standard, self.basis.T)  # (n, k)
        near = (inside**2 / self.variance).mean(axis=1)
        left = ((standard - _product(inside, self.basis)) ** 2).sum(axis=1) / self.residual
        return np.where(broken, np.inf, (near + left) / 2)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the statistics as tensors; the basis in half precision, which it was rounded to when fitted."""
        return {
            "mean": torch.from_numpy(self.mean.astype(np.float32)),
            "scale": torch.from_numpy(self.scale.astype(np.float32)),
            "basis": torch.from_numpy(self.basis.astype(np.float16)),
            "variance": torch.from_numpy(self.variance.astype(np.float32)),
            "residual": torch.tensor([self.residual], dtype=torch.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> "Familiarity":
        """Return the statistics that `tensors` gave.

        Raises:
            CheckpointError: a tensor is missing, strange, of another shape or not finite, or a variance is not above 0.
        """
        if set(tensors) != set(NAMES):
            raise CheckpointError(f"statistics of features are {', '.join(NAMES)}, not {', '.join(sorted(tensors))}")
        strange = [name for name, tensor in tensors.items() if not tensor.is_floating_point()]
        if strange:
            raise CheckpointError(f"the statistic {strange[0]} of the features must hold real numbers: save it again")
        values = {name: np.asarray(tensor.double().numpy(force=True)) for name, tensor in tensors.items()}
        _check_shapes(values)
        for name, value in values.items():
            if not np.isfinite(value).all() or (name in ("scale", "variance", "residual") and not (value > 0).all()):
                raise CheckpointError(f"the statistic {name} of the features holds impossible values: save it again")
        return cls(values["mean"], values["scale"], values["basis"], values["variance"], float(values["residual"][0]))


def familiar_below(distances: ArrayLike, *, share: float = FAMILIAR_SHARE) -> float:
    """Return the distance up to which a slice is familiar: the quantile `share` of held-out `distances` (n,).

    Take slices of groups that the statistics were not made of: training slices are always nearer. Where n is too small
    for the quantile (below 1 / (1 - share)), it is the largest distance.

    Raises:
        DatasetError: no distance, or one that is not finite.
        OptionError: `share` is not in 0..1.
    """
    if not 0 < share <= 1:
        raise OptionError(f"share must lie above 0 and be at most 1, not {share}")
    values = np.asarray(distances, dtype=np.float64)
    if not values.size or not np.isfinite(values).all():
        raise DatasetError("a limit needs finite distances of held-out slices: there are none, or some are not finite")
    return float(np.quantile(values, share, method="higher"))


def table_of(features: ArrayLike) -> NDArray[np.float64]:
    """Return features as float64 (n, d), or raise OptionError."""
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise OptionError(f"features must be (n, d) with d of 2 or more, not {rows.shape}")
    return rows


def _product(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix product, computed by as many threads as the network was.

    NumPy's would take all cores, from the other threads that answer batches, and keep them busy waiting afterwards.
    """
    product: NDArray[np.float64] = (torch.from_numpy(one) @ torch.from_numpy(np.ascontiguousarray(other))).numpy()
    return product


def square_roots(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the square roots of the amounts, with their signs: features after a ReLU have long tails."""
    return np.sign(rows) * np.sqrt(np.abs(rows))


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values.astype(np.float32).astype(np.float64)


def _components(standard: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the first `count` principal components of centred rows (n, d) as (count, d), in half precision."""
    _, vectors = np.linalg.eigh(standard.T @ standard)  # in ascending order of variance
    return np.ascontiguousarray(vectors[:, ::-1][:, :count].T).astype(np.float16).astype(np.float64)


def _check_shapes(values: Mapping[str, NDArray[np.float64]]) -> None:
    basis = values["basis"]
    count, width = basis.shape if basis.ndim == 2 else (0, 0)
    expected = {"mean": (width,), "scale": (width,), "basis": (count, width), "variance": (count,), "residual": (1,)}
    for name, shape in expected.items():
        if values[name].shape != shape or not count:
            raise CheckpointError(
                f"the statistic {name} of the features has the shape {values[name].shape}, not {shape}"
            )
