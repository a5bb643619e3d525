"""Before and after: what a recalibration to a site gained, measured on slices that each scaling has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriclassify._evaluation._intervals import Interval, draw_counts, unit_of_slice
from mriclassify._evaluation._metrics import Floats, calibration_gaps, slice_briers, slice_losses
from mriclassify._evaluation._plain import plain
from mriclassify._shapes import Probabilities, Targets
from mriclassify._trust._conformal import Conformal, cross_sets, fewest_patients
from mriclassify._trust._recalibration import (
    RISK,
    CrossFit,
    SiteCalibration,
    check_classes,
    cross_fit,
    curve_of,
    recalibrate,
    shares_of,
    site_threshold,
)
from mriclassify._trust._scaling import Scaling, prevalence_shift

COVERAGE = 0.95
"""Of the sets that are measured."""

RESAMPLES = 1000
"""Of the bootstrap over patients."""

_SET_FOLDS = 100

_TITLES = {
    "accuracy": "accuracy",
    "loss": "loss (nats)",
    "calibration_error": "calibration error",
    "brier": "Brier score (0..2)",
    "coverage": f"label in its {COVERAGE} set",
    "set_size": f"labels in a {COVERAGE} set",
    "uncertain": "part that is uncertain",
    "risk": "wrong among the others",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Recalibration:
    """What a recalibration changed and gained at a site. `print(recalibration)` shows a table.

    "Before" is the model as it was. "After" is cross-fitted: each slice's answer, set and threshold come from the
    slices of other patients, so that it may be quoted. The names of the figures: `accuracy`; `loss`, the negative log
    likelihood in nats; `calibration_error` in 15 bins; `brier`, 0..2; `coverage`, the part of the slices whose label
    is in its 0.95 set; `set_size`, the mean number of labels in a set; `uncertain`, the part below the threshold;
    `risk`, the part of wrong ones among the other answers. Where a prior was given, slices are weighted so that the
    classes have the site's shares. The calibration error takes the size of noise, so that its interval tends to lie
    too high.

    Attributes:
        before: name of the figure -> value; coverage and set size are missing if the model had no conformal scores,
            the risk if every answer was uncertain.
        after: the same names.
        intervals_before: name -> 95 % bootstrap interval over patients (slices, if there are no groups).
        intervals_after: the same of `after`.
        temperature: the new one; before it was `old_temperature`.
        offsets: label -> what is added to its logit after the division, in nats; mean 0.
        uncertain_below: the new threshold; before it was `old_uncertain_below`.
        risk_asked: the share of wrong answers that the new threshold is to keep.
        risk_shown: whether the slices show with 95 % confidence that it does; if not (too few slices, too many
            mistakes, or a prior), answers must themselves be `1 - risk_asked` sure.
        always_in_sets: labels with too few patients for 0.95 sets: they are in every one.
        n: slices.
        n_groups: patients; None where they are not known, and the intervals are then too narrow.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    intervals_before: Mapping[str, Interval]
    intervals_after: Mapping[str, Interval]
    temperature: float
    old_temperature: float
    offsets: Mapping[str, float]
    uncertain_below: float
    old_uncertain_below: float
    risk_asked: float
    risk_shown: bool
    always_in_sets: tuple[str, ...]
    n: int
    n_groups: int | None

    def to_dict(self) -> dict[str, object]:
        """Return plain dicts, lists and numbers for JSON."""
        intervals = {
            name: {key: [interval.low, interval.high] for key, interval in getattr(self, name).items()}
            for name in ("intervals_before", "intervals_after")
        }
        return {name: plain(value) for name, value in (vars(self) | intervals).items()}

    def __str__(self) -> str:
        units = "patients not known" if self.n_groups is None else f"{self.n_groups:,} patients or clusters"
        offsets = ", ".join(f"{label} {value:+.2f}" for label, value in self.offsets.items())
        rows = [self._line(name, title) for name, title in _TITLES.items()]
        few = ", ".join(self.always_in_sets)
        return "\n".join(
            [
                f"Recalibrated on {self.n:,} slices ({units}); after is cross-fitted, intervals are 95 %",
                f"{'':<24}{'before':<26}after",
                *rows,
                f"temperature {self.old_temperature:.2f} -> {self.temperature:.2f}; offsets {offsets}",
                f"uncertain below {self.old_uncertain_below:.2f} -> {self.uncertain_below:.2f}: {self._reason()}",
                *([f"In every set, for want of {fewest_patients(COVERAGE)} patients: {few}"] if few else []),
            ]
        )

    def _reason(self) -> str:
        wrong = f"at most {100 * self.risk_asked:g} % wrong among the others"
        if self.risk_shown:
            return f"{wrong}, shown with 95 % confidence"
        return f"{wrong} if calibrated, not shown on these slices"

    def _line(self, name: str, title: str) -> str:
        before = _cell(self.before.get(name), self.intervals_before.get(name))
        after = _cell(self.after.get(name), self.intervals_after.get(name))
        return f"{title:<24}{before:<26}{after}".rstrip()


def recalibrated(
    logits: Floats,
    targets: Targets,
    groups: Sequence[str] | None,
    *,
    classes: tuple[str, ...],
    temperature: float,
    offsets: Sequence[float],
    prior: Mapping[str, float] | None = None,
    conformal: Conformal | None = None,
    uncertain_below: float = 0.6,
    risk: float = RISK,
    seed: int = 0,
) -> tuple[SiteCalibration, Recalibration]:
    """Calibrate a model to a site's labelled slices, and measure what that gains.

    Args:
        logits: (n, classes), finite, of slices that the network was not trained on.
        targets: (n,), index into the classes.
        groups: n names of patients; None takes each slice for a patient.
        classes: the names, in column order.
        temperature: of the model as it is.
        offsets: of the model as it is, one for each class.
        prior: class -> its share at the site, if the sample was drawn otherwise.
        conformal: of the model as it is, to measure its sets.
        uncertain_below: of the model as it is, 0..1.
        risk: share of wrong answers that the new threshold is to keep.
        seed: of the cross-fitting and the bootstrap.

    Returns:
        What of the model changes, and the comparison.

    Raises:
        ClassMismatchError: there is no slice of a class, or the prior has other classes.
        DatasetError: there are fewer than 5 slices of a class, or all are of one patient.
        OptionError: shapes do not fit, logits are not finite, or prior or risk are out of range.
    """
    values, truth = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.int64)
    check_classes(truth, classes)
    start, shares = Scaling(temperature=temperature, offsets=tuple(offsets)), shares_of(prior, classes)
    site = recalibrate(
        values, truth, groups, temperature=temperature, offsets=offsets, prior=shares, risk=risk, seed=seed
    )
    crossed = cross_fit(values, truth, groups, start=start, prior=shares, seed=seed)
    weights = np.ones(len(truth)) if shares is None else np.exp(prevalence_shift(truth, shares))[truth]
    old, units = start(values), unit_of_slice(groups, len(truth))
    before = _slice_sums(
        old,
        truth,
        sets=None if conformal is None else conformal.sets(old, COVERAGE),
        thresholds=np.full(len(truth), uncertain_below),
    )
    after = _slice_sums(
        crossed.probabilities,
        truth,
        # One patient in a hundred left out: with a fifth less, a class might be in every set that is not in fact.
        sets=cross_sets(crossed.probabilities, truth, units % _SET_FOLDS, COVERAGE, groups=groups),
        thresholds=_cross_thresholds(crossed, truth, risk=risk, as_sampled=shares is None),
    )
    return site, Recalibration(
        before=_values(before, weights),
        after=_values(after, weights),
        intervals_before=_intervals(before, weights, units, seed=seed),
        intervals_after=_intervals(after, weights, units, seed=seed),
        temperature=site.temperature,
        old_temperature=temperature,
        offsets=dict(zip(classes, site.offsets, strict=True)),
        uncertain_below=site.uncertain_below,
        old_uncertain_below=uncertain_below,
        risk_asked=risk,
        risk_shown=site.risk_shown,
        always_in_sets=tuple(
            label
            for label, patients in zip(classes, site.conformal.patients, strict=True)
            if patients < fewest_patients(COVERAGE)
        ),
        n=len(truth),
        n_groups=None if groups is None else len(set(groups)),
    )


def _cross_thresholds(crossed: CrossFit, targets: Targets, *, risk: float, as_sampled: bool) -> Floats:
    """Return for each slice the threshold that the other folds would choose: (n,)."""
    thresholds = np.zeros(len(targets))
    for fold in np.unique(crossed.folds):
        here = crossed.folds == fold
        curve = curve_of(crossed.probabilities[~here], targets[~here])
        thresholds[here], _ = site_threshold(curve, risk=risk, as_sampled=as_sampled)
    return thresholds


def _slice_sums(
    probabilities: Probabilities, targets: Targets, *, sets: NDArray[np.bool_] | None, thresholds: Floats
) -> Mapping[str, Floats]:
    """Return what is summed for each figure: name -> (n,) or, for the calibration error, (n, bins)."""
    right = probabilities.argmax(axis=1) == targets
    answered = probabilities.max(axis=1) >= thresholds
    of_sets: Mapping[str, Floats] = {}
    if sets is not None:
        of_sets = {"coverage": _ones(sets[np.arange(len(targets)), targets]), "set_size": _ones(sets).sum(axis=1)}
    return {
        "accuracy": _ones(right),
        "loss": slice_losses(probabilities=probabilities, targets=targets),
        "calibration_error": calibration_gaps(probabilities=probabilities, targets=targets),
        "brier": slice_briers(probabilities=probabilities, targets=targets),
        **of_sets,
        "uncertain": _ones(~answered),
        "risk": _ones(answered & ~right),
    }


def _ones(true: NDArray[np.bool_]) -> Floats:
    return true.astype(np.float64)


def _values(sums: Mapping[str, Floats], weights: Floats) -> dict[str, float]:
    figures = _figures(sums, weights[None, :])
    return {name: float(values[0]) for name, values in figures.items() if np.isfinite(values[0])}


def _intervals(
    sums: Mapping[str, Floats], weights: Floats, units: NDArray[np.int64], *, seed: int
) -> dict[str, Interval]:
    """Return percentile intervals over whole units; a resample in which a figure is not defined is left out."""
    (counts,) = draw_counts(int(units.max()) + 1, RESAMPLES, seed=seed, at_once=RESAMPLES)
    figures = _figures(sums, counts[:, units] * weights)
    known = {name: values[np.isfinite(values)] for name, values in figures.items()}
    ends = {name: np.percentile(values, [2.5, 97.5]) for name, values in known.items() if len(values)}
    return {name: Interval(low=float(low), high=float(high)) for name, (low, high) in ends.items()}


def _figures(sums: Mapping[str, Floats], weights: Floats) -> dict[str, Floats]:
    """Return name -> (resamples,), under weights (resamples, n)."""
    totals = weights.sum(axis=1)
    means = {name: weights @ values for name, values in sums.items()}
    answered = totals - means["uncertain"]
    risk = np.divide(means.pop("risk"), answered, out=np.full(len(totals), np.nan), where=answered > 1e-9 * totals)
    gaps = np.abs(means.pop("calibration_error")).sum(axis=1)
    figures = {name: values / totals for name, values in means.items()}
    return figures | {"calibration_error": gaps / totals, "risk": risk}


def _cell(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" + ("" if interval is None else f" ({interval.low:.3f} to {interval.high:.3f})")
