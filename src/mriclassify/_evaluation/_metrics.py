"""The figures of a report, as pure functions of probabilities and targets.

scikit-learn computes what it has. The confusion-matrix arithmetic below repeats a part of it for many
matrices at once, which the bootstrap needs; tests hold the two together.

One rule for classes that the test data lack: macro averages are taken over the classes that are
there (as `sklearn.metrics.balanced_accuracy_score` does), and what is not defined is None.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    jaccard_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from mriclassify._shapes import Probabilities, Targets

CALIBRATION_BINS = 15
"""Equal-width bins of the calibration error, as in Guo et al. 2017."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """How one class was recognised, this class against the rest.

    Args:
        precision: Of the slices called this class, the part that is (0 when none is called so).
        recall: Of the slices of this class, the part called so (sensitivity).
        specificity: Of the slices of other classes, the part not called this class.
        f1: Harmonic mean of precision and recall.
        jaccard: True positives over true positives, false positives and false negatives.
        auroc: Area under the ROC curve.
        support: Slices of this class; where there are none, all but the specificity is None.
    """

    precision: float | None
    recall: float | None
    specificity: float | None
    f1: float | None
    jaccard: float | None
    auroc: float | None
    support: int


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The headline figures; see `Report` for what each means."""

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    precision: float
    recall: float
    specificity: float | None
    jaccard: float
    loss: float
    auroc: float | None
    brier: float
    calibration_error: float


def score(*, probabilities: Probabilities, targets: Targets) -> Scores:
    """Compute the headline figures.

    Args:
        probabilities: (n, classes), each row sums to 1.
        targets: (n,), index into the classes.

    Returns:
        Macro averages over the classes present in the targets; `auroc` is None when a class is absent,
        `specificity` is None when only one class is there.
    """
    columns = range(probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)
    present = np.unique(targets)
    precision, recall, f1, _ = precision_recall_fscore_support(
        targets, predicted, labels=present, average="macro", zero_division=0
    )
    jaccard = jaccard_score(targets, predicted, labels=present, average="macro", zero_division=0)
    specificity = class_rates(confusion(probabilities=probabilities, targets=targets))["specificity"][present]
    areas = [auroc(probabilities[:, column], targets == column) for column in columns]
    known_areas = [area for area in areas if area is not None]
    return Scores(
        accuracy=float(accuracy_score(targets, predicted)),
        # the macro recall over the classes present is what balanced_accuracy_score computes, less its
        # warning about predicted classes that are absent
        balanced_accuracy=float(recall),
        macro_f1=float(f1),
        precision=float(precision),
        recall=float(recall),
        specificity=none_for_nan(specificity.mean()),
        jaccard=float(jaccard),
        loss=float(log_loss(targets, probabilities, labels=list(columns))),
        auroc=float(np.mean(known_areas)) if len(known_areas) == len(areas) else None,
        brier=float(slice_briers(probabilities=probabilities, targets=targets).mean()),
        calibration_error=calibration_error(probabilities=probabilities, targets=targets),
    )


def score_classes(
    *, probabilities: Probabilities, targets: Targets, classes: tuple[str, ...]
) -> dict[str, ClassScores]:
    """Compute the figures of each class against the rest.

    Args:
        probabilities: (n, classes), each row sums to 1.
        targets: (n,), index into the classes.
        classes: The names, in column order.

    Returns:
        One entry per class, in the order of the classes.
    """
    labels = list(range(len(classes)))
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(targets, predicted, labels=labels, zero_division=0)
    jaccard = jaccard_score(targets, predicted, labels=labels, average=None, zero_division=0)
    specificity = class_rates(confusion(probabilities=probabilities, targets=targets))["specificity"]

    def of_class(k: int) -> ClassScores:
        there = support[k] > 0
        return ClassScores(
            precision=float(precision[k]) if there else None,
            recall=float(recall[k]) if there else None,
            specificity=none_for_nan(specificity[k]),
            f1=float(f1[k]) if there else None,
            jaccard=float(jaccard[k]) if there else None,
            auroc=auroc(probabilities[:, k], targets == k),
            support=int(support[k]),
        )

    return {name: of_class(k) for k, name in enumerate(classes)}


def confusion(*, probabilities: Probabilities, targets: Targets) -> NDArray[np.int64]:
    """Count slices by true class (rows) and predicted class (columns): (classes, classes)."""
    labels = list(range(probabilities.shape[1]))
    counts: NDArray[np.int64] = confusion_matrix(targets, probabilities.argmax(axis=1), labels=labels)
    return counts.astype(np.int64)


def auroc(scores: Floats, positive: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve of one class against the rest, None when either side has no slice.

    Args:
        scores: (n,), higher means more like the class.
        positive: (n,), whether the slice is of the class.
    """
    if positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, scores))


def slice_losses(*, probabilities: Probabilities, targets: Targets) -> Floats:
    """-ln of the true class's probability, in nats: (n,); clipped as `sklearn.metrics.log_loss` does."""
    tiny = np.finfo(np.float64).eps
    true = np.take_along_axis(probabilities, targets[:, None], axis=1)[:, 0]
    losses: Floats = -np.log(np.clip(true, tiny, 1 - tiny))
    return losses


def slice_briers(*, probabilities: Probabilities, targets: Targets) -> Floats:
    """Squared distance of each row from the one-hot truth, summed over the classes: (n,), 0..2.

    0 is sure and right, 2 is sure and wrong (Brier 1950). Computed here because sklearn's
    `brier_score_loss` takes more than two classes only since 1.7.
    """
    truth = np.eye(probabilities.shape[1])[targets]
    distances: Floats = np.square(probabilities - truth).sum(axis=1)
    return distances


def calibration_gaps(*, probabilities: Probabilities, targets: Targets) -> Floats:
    """(right - confidence) of each slice, in the column of the bin its confidence falls in: (n, bins).

    Bin m of M holds confidences in ((m - 1) / M, m / M], as in Guo et al. 2017 and in sklearn's
    `calibration_curve`, so that the reliability plot shows the bins of the figure.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    inner_edges = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    gaps = np.zeros((len(targets), CALIBRATION_BINS))
    gaps[np.arange(len(targets)), np.searchsorted(inner_edges, confidence)] = right - confidence
    return gaps


def calibration_error(*, probabilities: Probabilities, targets: Targets) -> float:
    """Expected calibration error of the predicted class's probability, 0 (honest) to 1.

    The slices are binned by confidence into 15 bins of equal width;

        ECE = sum over bins of (slices in bin / n) * |accuracy in bin - mean confidence in bin|

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning",
    AAAI 2015; Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    # |accuracy - confidence| times the slices in a bin is the size of the sum of its gaps
    sums = calibration_gaps(probabilities=probabilities, targets=targets).sum(axis=0)
    return float(np.abs(sums).sum() / len(targets))


def class_rates(confusions: NDArray[np.generic]) -> Mapping[str, Floats]:
    """Rates of each class from one confusion matrix or a stack of them.

    Args:
        confusions: (..., classes, classes), rows true, columns predicted; whole or weighted counts.

    Returns:
        `precision`, `recall`, `specificity`, `f1`, `jaccard`, each (..., classes). Recall is NaN for a
        class without slices, specificity is NaN for a class that has all; the others are then 0.
    """
    counts = np.asarray(confusions, dtype=np.float64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    support = counts.sum(axis=-1)
    predicted = counts.sum(axis=-2)
    others = support.sum(axis=-1, keepdims=True) - support
    return {
        "precision": _ratio(hits, predicted, empty=0.0),
        "recall": _ratio(hits, support, empty=np.nan),
        "specificity": _ratio(others - (predicted - hits), others, empty=np.nan),
        "f1": _ratio(2 * hits, support + predicted, empty=0.0),
        "jaccard": _ratio(hits, support + predicted - hits, empty=0.0),
    }


def confusion_figures(confusions: NDArray[np.generic]) -> dict[str, Floats]:
    """Headline figures of a stack of confusion matrices, each as `score` has it.

    Args:
        confusions: (resamples, classes, classes), rows true, columns predicted.

    Returns:
        Name of the figure -> (resamples,); the specificity is NaN where only one class is there.
    """
    counts = np.asarray(confusions, dtype=np.float64)
    present = counts.sum(axis=-1) > 0  # (resamples, classes)
    rates = class_rates(counts)
    macro = {name: np.where(present, rate, 0.0).sum(axis=-1) / present.sum(axis=-1) for name, rate in rates.items()}
    hits = np.diagonal(counts, axis1=-2, axis2=-1).sum(axis=-1)
    return {
        "accuracy": hits / counts.sum(axis=(-2, -1)),
        "balanced_accuracy": macro["recall"],
        "macro_f1": macro["f1"],
        "precision": macro["precision"],
        "recall": macro["recall"],
        "specificity": macro["specificity"],
        "jaccard": macro["jaccard"],
    }


def weighted_auroc(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Area under the ROC curve for many weightings of the same slices at once.

    The area is the chance that a slice of the class scores above one of another class, ties counting
    half (Mann and Whitney 1947): negatives are sorted once, and a running sum of their weights says,
    for each positive, how much lies below it.

    Args:
        scores: (n,), higher means more like the class.
        positive: (n,), whether the slice is of the class.
        weights: (resamples, n), 0 and more.

    Returns:
        (resamples,), NaN where one side has no weight.
    """
    order = np.argsort(scores[~positive], kind="stable")
    negatives = scores[~positive][order]
    below = np.zeros((len(weights), len(negatives) + 1))
    np.cumsum(weights[:, ~positive][:, order], axis=1, out=below[:, 1:])
    first = np.searchsorted(negatives, scores[positive], side="left")
    last = np.searchsorted(negatives, scores[positive], side="right")
    of_positives = weights[:, positive]
    wins = (of_positives * (below[:, first] + below[:, last])).sum(axis=1) / 2
    return _ratio(wins, of_positives.sum(axis=1) * below[:, -1], empty=np.nan)


def none_for_nan(value: float) -> float | None:
    """Return a plain float, or None for NaN."""
    return None if np.isnan(value) else float(value)


def _ratio(numerator: Floats, denominator: Floats, *, empty: float) -> Floats:
    quotient: Floats = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), empty)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
