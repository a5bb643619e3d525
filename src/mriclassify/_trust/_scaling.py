"""Scaling: two kinds of numbers, a temperature and an offset per class, that move probabilities to a site."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriclassify._shapes import Probabilities, Targets

TEMPERATURES = (0.05, 20.0)
"""The range of a fitted temperature."""

OFFSET_PULL = 1.0
"""Strength of the pull to the old offsets: 1 / variance of how far a site's are expected to lie, in nats."""

TEMPERATURE_PULL = 3.0
"""Strength of the pull to the old temperature: 1 / variance of the logarithm of its change."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """softmax(logits / temperature + offsets).

    Attributes:
        temperature: above 0; larger is less sure.
        offsets: one for each class, in nats; their mean is 0.
    """

    temperature: float
    offsets: tuple[float, ...]

    def __call__(self, logits: _Floats) -> Probabilities:
        """Return probabilities (n, classes), each row sums to 1, of logits (n, classes)."""
        scaled = logits / self.temperature + np.array(self.offsets)
        probabilities: Probabilities = np.exp(scaled - _log_sums(scaled)[:, None])
        return probabilities

    def shifted(self, by: _Floats) -> "Scaling":
        """Return the scaling with `by` (classes,) added to the offsets, centred again."""
        moved = np.array(self.offsets) + by
        return Scaling(temperature=self.temperature, offsets=tuple((moved - moved.mean()).tolist()))


def fit_scaling(logits: _Floats, targets: Targets, *, start: Scaling) -> Scaling:
    """Return the scaling under which the targets are most likely, pulled towards `start`.

    Bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar 2020, "Maximum likelihood with
    bias-corrected calibration is hard-to-beat at label shift adaptation", ICML, arXiv 1901.06852) minimises the
    cross-entropy of softmax(z / T + b). Fifty slices of ten patients are too few for that alone, so this minimises

        sum of cross-entropies + OFFSET_PULL / 2 * |b - b0|^2 + TEMPERATURE_PULL / 2 * (ln T - ln T0)^2

    which is the most probable scaling if sites differ normally about the old one. The strengths were chosen on
    simulated sites (shifted prevalence, class biases and temperature; 50 to 200 slices).

    Args:
        logits: (n, classes), finite.
        targets: (n,), index into the classes.
        start: the scaling of the model as it is.
    """
    from scipy.optimize import minimize  # half a second to import, and only recalibration needs it

    old = np.array([np.log(start.temperature), *(np.array(start.offsets) - np.mean(start.offsets))])
    limits = [tuple(np.log(TEMPERATURES)), *[(None, None)] * logits.shape[1]]
    pulls = np.array([TEMPERATURE_PULL, *[OFFSET_PULL] * logits.shape[1]])
    found = minimize(_loss, old, args=(logits, targets, old, pulls), jac=True, method="L-BFGS-B", bounds=limits)
    temperature = float(np.clip(np.exp(found.x[0]), *TEMPERATURES))  # exp(ln 20) is a hair more than 20
    return Scaling(temperature=temperature, offsets=tuple((found.x[1:] - found.x[1:].mean()).tolist()))


def prevalence_shift(targets: Targets, shares: Sequence[float]) -> _Floats:
    """Return ln(share at the site / share in the sample) of each class: (classes,), to add to the offsets.

    By Bayes' rule that moves probabilities from the prevalence of the sample to that of the site, if the slices of
    a class look alike in both (Saerens, Latinne and Decaestecker 2002, "Adjusting the outputs of a classifier to
    new a priori probabilities", Neural Computation 14, equation 2.4).

    Args:
        targets: (n,), every class at least once.
        shares: of the classes at the site, above 0.
    """
    sample = np.bincount(targets, minlength=len(shares)) / len(targets)
    shift: _Floats = np.log(np.array(shares)) - np.log(sample)
    return shift


def _loss(x: _Floats, logits: _Floats, targets: Targets, old: _Floats, pulls: _Floats) -> tuple[float, _Floats]:
    """Return the function to be minimised at x = (ln T, b), and its slope (1 + classes,)."""
    warmed = logits * np.exp(-x[0])
    scaled = warmed + x[1:]
    log_sums = _log_sums(scaled)
    rest = np.exp(scaled - log_sums[:, None])  # (n, classes), probability less truth
    rows = np.arange(len(targets))
    rest[rows, targets] -= 1
    value = (log_sums - scaled[rows, targets]).sum() + (pulls * np.square(x - old)).sum() / 2
    slope = np.array([-(rest * warmed).sum(), *rest.sum(axis=0)]) + pulls * (x - old)
    return float(value), slope


def _log_sums(scaled: _Floats) -> _Floats:
    """Return ln(sum of exp) of each row: (n,)."""
    top = scaled.max(axis=1)
    sums: _Floats = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return sums
