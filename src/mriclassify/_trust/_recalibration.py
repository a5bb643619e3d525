"""Recalibration: what a site's own labelled slices say about the model's probabilities and thresholds there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import ClassMismatchError, DatasetError, OptionError
from mriclassify._shapes import Probabilities, Targets
from mriclassify._trust._conformal import Conformal
from mriclassify._trust._risk_coverage import RiskCoverage
from mriclassify._trust._scaling import Scaling, fit_scaling, prevalence_shift

FEWEST_SLICES = 5
"""Slices of each class without which nothing can be said about it; 50 to 200 in all are meant."""

FOLDS = 5
"""Parts of the cross-fitting: what is said of a slice comes from a scaling that was fitted without it."""

RISK = 0.1
"""The share of wrong answers, among those that are sure enough, that the site's threshold keeps."""

LOWEST_THRESHOLD = 0.5
"""A site's threshold is never lower: an answer below it is more likely wrong than right."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCalibration:
    """What of a model changes at a site; the network stays as it is.

    Attributes:
        temperature: by which logits are divided.
        offsets: added afterwards, one for each class, in nats; their mean is 0.
        conformal: the scores of the site's slices.
        risk_coverage: the curve of the site's slices as they were sampled.
        uncertain_below: answers with less confidence are "uncertain", 0.5..1.
        risk_shown: whether the curve shows that this threshold keeps the risk; otherwise it rests on the calibration.
    """

    temperature: float
    offsets: tuple[float, ...]
    conformal: Conformal
    risk_coverage: RiskCoverage
    uncertain_below: float
    risk_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossFit:
    """The answers that each slice gets from a scaling fitted on the slices of other patients.

    Attributes:
        folds: (n,), the part that each slice belongs to.
        probabilities: (n, classes), each row sums to 1.
    """

    folds: NDArray[np.int64]
    probabilities: Probabilities


def recalibrate(
    logits: _Floats,
    targets: Targets,
    groups: Sequence[str] | None = None,
    *,
    temperature: float = 1.0,
    offsets: Sequence[float],
    prior: Sequence[float] | None = None,
    risk: float = RISK,
    seed: int = 0,
) -> SiteCalibration:
    """Fit the scaling on all slices; sets and threshold on cross-fitted answers, which do not flatter.

    Args:
        logits: (n, classes), finite, of slices that the network was not trained on.
        targets: (n,), index into the classes.
        groups: n names of patients; None takes each slice for a patient.
        temperature: of the model as it is.
        offsets: of the model as it is, one for each class.
        prior: share of each class at the site, summing to 1, if the sample was drawn otherwise (as many of each
            class, say). None takes the sample's shares for the site's.
        risk: share of wrong answers that the threshold is to keep, between 0 and 1.
        seed: of the parts of the cross-fitting.

    Raises:
        DatasetError: there are fewer than 5 slices of a class, or all are of one patient.
        OptionError: shapes do not fit, logits are not finite, or prior or risk are out of range.
    """
    start = Scaling(temperature=temperature, offsets=tuple(offsets))
    crossed = cross_fit(logits, targets, groups, start=start, prior=prior, seed=seed)
    fitted = fit_scaling(logits, targets, start=start).shifted(_shift(targets, prior, logits.shape[1]))
    curve = curve_of(crossed.probabilities, targets)
    threshold, shown = site_threshold(curve, risk=risk, as_sampled=prior is None)
    return SiteCalibration(
        temperature=fitted.temperature,
        offsets=fitted.offsets,
        conformal=Conformal.fit(crossed.probabilities, targets, groups),
        risk_coverage=curve,
        uncertain_below=threshold,
        risk_shown=shown,
    )


def cross_fit(
    logits: _Floats,
    targets: Targets,
    groups: Sequence[str] | None,
    *,
    start: Scaling,
    prior: Sequence[float] | None,
    seed: int,
) -> CrossFit:
    """Return each slice's answer from a scaling fitted on the other folds; arguments as for `recalibrate`."""
    _check(logits, targets, groups, start)
    shift = _shift(targets, prior, logits.shape[1])
    folds = _folds(targets, groups, seed=seed)
    probabilities = np.zeros(logits.shape)
    for fold in np.unique(folds):
        here = folds == fold
        probabilities[here] = fit_scaling(logits[~here], targets[~here], start=start).shifted(shift)(logits[here])
    return CrossFit(folds=folds, probabilities=probabilities)


def curve_of(probabilities: Probabilities, targets: Targets) -> RiskCoverage:
    """Return the risk-coverage curve of the most probable classes."""
    return RiskCoverage.of(np.minimum(probabilities.max(axis=1), 1), probabilities.argmax(axis=1) == targets)


def site_threshold(curve: RiskCoverage, *, risk: float, as_sampled: bool) -> tuple[float, bool]:
    """Return the confidence below which an answer is "uncertain" at the site, 0.5..1, and whether the curve shows it.

    The one that the curve shows to keep the risk. Where it can't show any (the slices are too few, the mistakes too
    many, or the sample has not the site's shares of classes), an answer must itself be 1 - risk sure: if calibrated,
    such answers are wrong in at most `risk` of the cases.
    """
    chosen = curve.threshold(risk, otherwise=math.inf)
    shown = as_sampled and chosen <= 1
    return max(LOWEST_THRESHOLD, chosen if shown else 1 - risk), shown


def check_classes(targets: Targets, classes: Sequence[str]) -> None:
    """Raise an error that names the class of which there are too few slices.

    Raises:
        ClassMismatchError: there is none of a class.
        DatasetError: there are fewer than 5.
    """
    counts = np.bincount(targets, minlength=len(classes))
    missing = [label for label, count in zip(classes, counts, strict=True) if count == 0]
    if missing:
        raise ClassMismatchError(
            f"recalibration needs slices of each of the model's classes ({', '.join(classes)}), "
            f"but there is none of {', '.join(missing)}: add at least {FEWEST_SLICES} of each"
        )
    for label, count in zip(classes, counts, strict=True):
        if count < FEWEST_SLICES:
            raise DatasetError(
                f"recalibration needs at least {FEWEST_SLICES} slices of each class, "
                f"but there are {count} of {label}: add some (50 to 200 slices in all are meant)"
            )


def shares_of(prior: Mapping[str, float] | None, classes: Sequence[str]) -> tuple[float, ...] | None:
    """Return the shares in the order of the classes, summing to 1.

    Raises:
        ClassMismatchError: the prior's classes are not the model's.
        OptionError: a share is not above 0, or they do not sum to 1 (within 0.01).
    """
    if prior is None:
        return None
    if set(prior) != set(classes):
        raise ClassMismatchError(
            f"prior must have one share for each of the model's classes ({', '.join(classes)}), "
            f"not for {', '.join(sorted(map(str, prior)))}"
        )
    total = sum(prior.values())
    if not (all(share > 0 for share in prior.values()) and abs(total - 1) <= 0.01):
        raise OptionError(f"prior must be shares above 0 that sum to 1, not {dict(prior)} (sum {total:.4g})")
    return tuple(float(prior[label] / total) for label in classes)


def _shift(targets: Targets, prior: Sequence[float] | None, classes: int) -> _Floats:
    return np.zeros(classes) if prior is None else prevalence_shift(targets, prior)


def _folds(targets: Targets, groups: Sequence[str] | None, *, seed: int) -> NDArray[np.int64]:
    """Deal whole groups into folds, class by class, so that each class is in as many folds as it can: (n,)."""
    names = np.arange(len(targets)) if groups is None else np.asarray(groups, dtype=str)
    units, first, unit = np.unique(names, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(units))
    dealt = shuffled[np.argsort(targets[first][shuffled], kind="stable")]
    fold_of_unit = np.empty(len(units), dtype=np.int64)
    fold_of_unit[dealt] = np.arange(len(units)) % FOLDS
    return fold_of_unit[unit]


def _check(logits: _Floats, targets: Targets, groups: Sequence[str] | None, start: Scaling) -> None:
    if logits.ndim != 2 or targets.shape != logits.shape[:1] or len(start.offsets) != logits.shape[1]:
        raise OptionError(
            f"logits must be (slices, classes), targets (slices,) and offsets (classes,), "
            f"got {logits.shape}, {targets.shape} and ({len(start.offsets)},)"
        )
    if groups is not None and len(groups) != len(targets):
        raise OptionError(f"groups must have one name per slice ({len(targets)}), got {len(groups)}")
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(bad):
        raise OptionError(
            f"logits must be finite, but {len(bad)} of {len(logits)} rows are not, the first is row {bad[0]}: "
            "leave these slices out, and check the weights"
        )
    if len(targets) and not (targets.min() >= 0 and targets.max() < logits.shape[1]):
        raise OptionError(f"targets must be 0..{logits.shape[1] - 1}, got {targets.min()}..{targets.max()}")
    check_classes(targets, [f"class {k}" for k in range(logits.shape[1])])
    if groups is not None and len(set(groups)) < 2:
        raise DatasetError(
            "recalibration needs the slices of two patients at least, better of 20 or more, "
            f"but all {len(targets)} slices are of one group, so that what it gains can't be measured"
        )
