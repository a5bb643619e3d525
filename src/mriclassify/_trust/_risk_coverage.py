"""Risk and coverage: how often an answer is wrong when only the surer ones are given."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import OptionError

POINTS = 100
"""Steps of the curve that are kept: 1 %, 2 %, ... 100 % answered."""

STARTS = 4
"""Shares answered at which the search for a threshold starts: a quarter, a half, three quarters and all."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCoverage:
    """What share of the slices is answered at each threshold of confidence, and what share of these is wrong.

    The curve of El-Yaniv and Wiener 2010, "On the foundations of noise-free selective classification", JMLR 11.
    Points are kept at every percent answered, with exact counts; equal confidences are one point.

    Attributes:
        thresholds: descending confidences, 0..1; what is at least as sure is answered.
        answered: how many slices are, ascending; the last is all of them.
        wrong: how many of these answers are wrong.
        area: under the curve over all slices (AURC, Geifman, Uziel and El-Yaniv 2019, arXiv 1805.08206): the mean
            over the slices of the risk at the threshold that just answers the slice; 0..1, small is good.
    """

    thresholds: tuple[float, ...]
    answered: tuple[int, ...]
    wrong: tuple[int, ...]
    area: float

    def __post_init__(self) -> None:
        if not (len(self.thresholds) == len(self.answered) == len(self.wrong) > 0):
            raise OptionError("a risk-coverage curve must have as many counts as thresholds, one at least")
        falls = all(a > b for a, b in pairwise(self.thresholds))
        rises = all(a < b for a, b in pairwise(self.answered)) and all(a <= b for a, b in pairwise(self.wrong))
        fits = all(0 <= wrong <= answered for wrong, answered in zip(self.wrong, self.answered, strict=True))
        # Written so that NaN fails.
        in_range = all(0 <= value <= 1 for value in (*self.thresholds, self.area)) and self.answered[0] > 0
        if not (falls and rises and fits and in_range):
            raise OptionError("a risk-coverage curve must have falling thresholds in 0..1 and rising counts")

    @classmethod
    def of(cls, confidences: _Floats, correct: NDArray[np.bool_]) -> "RiskCoverage":
        """Return the curve of answers to slices that the network was not trained on.

        Args:
            confidences: (n,), 0..1, of each answer.
            correct: (n,), whether it was right.

        Raises:
            OptionError: there are none, the two are not as many, or a confidence is not in 0..1.
        """
        sure, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=np.bool_)
        if sure.ndim != 1 or sure.shape != right.shape or not len(sure):
            raise OptionError(f"expected one confidence and one truth per slice, got {sure.shape} and {right.shape}")
        if not ((sure >= 0) & (sure <= 1)).all():
            raise OptionError("confidences must be numbers in 0..1")
        order = np.argsort(-sure, kind="stable")
        last = np.flatnonzero(np.append(np.diff(sure[order]) != 0, True))  # of each run of equal confidences
        answered, wrong = last + 1, np.cumsum(~right[order])[last]
        runs = np.diff(answered, prepend=0)
        kept = _kept(answered)
        return cls(
            thresholds=tuple(sure[order][last][kept].tolist()),
            answered=tuple(answered[kept].tolist()),
            wrong=tuple(wrong[kept].tolist()),
            area=float((runs * wrong / answered).sum() / len(sure)),
        )

    @property
    def coverage(self) -> tuple[float, ...]:
        """The share of the slices answered at each threshold, ascending to 1."""
        return tuple(count / self.answered[-1] for count in self.answered)

    @property
    def risk(self) -> tuple[float, ...]:
        """The share of wrong ones among the answers at each threshold."""
        return tuple(wrong / count for wrong, count in zip(self.wrong, self.answered, strict=True))

    def threshold(self, risk: float, *, delta: float = 0.05, otherwise: float = 1.0) -> float:
        """Return the threshold that answers most slices among those that are shown to keep the risk.

        A point of the curve is shown to keep it if so few mistakes would, at a risk above `risk`, come with a chance
        of at most delta / 4 (the exact binomial bound of Clopper and Pearson 1934, one-sided). The search starts at
        four shares answered, fixed beforehand, with a quarter of delta each, and from each goes on to more answers
        until a point is not shown to keep it. Such fixed sequences need no more correction (Angelopoulos et al.
        2021, "Learn then test", arXiv 2110.01052): with a chance of 1 - delta the threshold keeps the risk on new
        slices like these. The aim is that of Geifman and El-Yaniv 2017, "Selective classification for deep neural
        networks" (arXiv 1705.08500). Slices of one patient are alike: where a patient has several, the promise is
        weaker than said.

        Args:
            risk: the share of wrong answers asked for, between 0 and 1 (both excluded).
            delta: the chance of a broken promise that is put up with, between 0 and 1 (both excluded).
            otherwise: what to return if no threshold is shown to keep the risk: the curve has too many mistakes, or
                too few slices (a risk of 0.05 needs 86 answers without a mistake, 0.1 needs 42). The default, 1.0,
                answers next to nothing.

        Raises:
            OptionError: risk or delta is not between 0 and 1.
        """
        for name, value in (("risk", risk), ("delta", delta)):
            if not 0 < value < 1:
                raise OptionError(f"{name} must lie between 0 and 1, both excluded, not {value}")
        starts = np.searchsorted(np.array(self.answered), _ranks(self.answered[-1], STARTS)).tolist()
        ends = [self._last_kept(start, risk=risk, delta=delta / STARTS) for start in starts]
        kept = [end for end in ends if end is not None]
        return self.thresholds[max(kept)] if kept else otherwise

    def _last_kept(self, start: int, *, risk: float, delta: float) -> int | None:
        last = None
        for point in range(start, len(self.answered)):
            if _chance_of_so_few(self.wrong[point], self.answered[point], risk) > delta:
                break
            last = point
        return last

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists for JSON."""
        return {
            "thresholds": list(self.thresholds),
            "answered": list(self.answered),
            "wrong": list(self.wrong),
            "area": self.area,
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> "RiskCoverage":
        """Return what `to_dict` wrote.

        Raises:
            OptionError: it is anything else.
        """
        if set(entries) != {"thresholds", "answered", "wrong", "area"}:
            raise OptionError(
                f"a risk-coverage curve has thresholds, answered, wrong and area, not {', '.join(sorted(entries))}"
            )
        if type(entries["area"]) not in (int, float):
            raise OptionError(f"the area of a risk-coverage curve must be a number, not {entries['area']!r}")
        return cls(
            thresholds=_numbers(entries["thresholds"], (int, float)),
            answered=_numbers(entries["answered"], (int,)),
            wrong=_numbers(entries["wrong"], (int,)),
            area=entries["area"],
        )


def _kept(answered: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the points at every percent, and of the first."""
    return np.union1d([0], np.searchsorted(answered, _ranks(int(answered[-1]), POINTS)))


def _ranks(n: int, steps: int) -> NDArray[np.int64]:
    """Return ceil(n * step / steps) for each step from 1: how many slices each share is, (steps,)."""
    return -(-n * np.arange(1, steps + 1) // steps)


def _chance_of_so_few(wrong: int, answered: int, risk: float) -> float:
    """Return the binomial chance of at most `wrong` mistakes among `answered` at a true risk: P(Bin <= wrong)."""
    log_risk, log_rest = math.log(risk), math.log1p(-risk)
    whole = math.lgamma(answered + 1)
    return math.fsum(
        math.exp(
            whole
            - math.lgamma(count + 1)
            - math.lgamma(answered - count + 1)
            + count * log_risk
            + (answered - count) * log_rest
        )
        for count in range(wrong + 1)
    )


def _numbers(values: object, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    if not isinstance(values, list) or not all(type(value) in kinds for value in values):
        raise OptionError("a risk-coverage curve must be lists of numbers")
    return tuple(values)
