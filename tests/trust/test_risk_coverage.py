import json
import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from mriclassify._errors import OptionError
from mriclassify._trust._risk_coverage import POINTS, RiskCoverage

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def make_answers(rng: np.random.Generator, n: int, *, tied: bool = False) -> tuple[Floats, Bools]:
    """Calibrated answers: right as often as they are sure."""
    confidences = rng.beta(6, 1, size=n)
    return np.round(confidences, 1) if tied else confidences, rng.uniform(size=n) < confidences


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("n", [1, 7, 99, 1234])
def test_the_counts_are_those_of_answering_what_is_at_least_as_sure(n: int, tied: bool) -> None:
    confidences, correct = make_answers(np.random.default_rng(n), n, tied=tied)
    curve = RiskCoverage.of(confidences, correct)
    for threshold, coverage, risk in zip(curve.thresholds, curve.coverage, curve.risk, strict=True):
        answered = confidences >= threshold
        assert coverage == pytest.approx(answered.mean())
        assert risk == pytest.approx((~correct[answered]).mean())
    assert curve.thresholds[0] == confidences.max()
    assert curve.thresholds[-1] == confidences.min()
    assert len(curve.thresholds) <= POINTS + 1


@pytest.mark.parametrize("tied", [True, False])
def test_the_area_is_the_mean_risk_over_the_slices_in_turn(tied: bool) -> None:
    confidences, correct = make_answers(np.random.default_rng(0), 333, tied=tied)
    expected = np.mean([(~correct[confidences >= confidence]).mean() for confidence in confidences])
    assert RiskCoverage.of(confidences, correct).area == pytest.approx(expected)


def test_a_better_order_has_a_smaller_area() -> None:
    confidences, correct = make_answers(np.random.default_rng(1), 500)
    best = RiskCoverage.of(correct * 0.5, correct).area
    shuffled = RiskCoverage.of(np.random.default_rng(2).permutation(confidences), correct).area
    assert best < RiskCoverage.of(confidences, correct).area < shuffled
    assert RiskCoverage.of(confidences, np.ones(500, bool)).area == 0


def test_the_order_of_slices_does_not_matter() -> None:
    confidences, correct = make_answers(np.random.default_rng(3), 200, tied=True)
    order = np.random.default_rng(4).permutation(200)
    moved, straight = RiskCoverage.of(confidences[order], correct[order]), RiskCoverage.of(confidences, correct)
    assert moved == straight


def test_the_threshold_is_bounded_as_clopper_and_pearson_do() -> None:
    confidences, correct = make_answers(np.random.default_rng(5), 2000)
    curve = RiskCoverage.of(confidences, correct)
    for risk in (0.05, 0.1, 0.15):
        answered = confidences >= curve.threshold(risk)
        wrong, n = int((~correct[answered]).sum()), int(answered.sum())
        assert 0 < n < 2000
        assert beta.ppf(1 - 0.05 / 4, wrong + 1, n - wrong) <= risk
        # The next percent would not have kept it.
        more = np.sort(confidences)[::-1][n + 20 - 1]
        wider = confidences >= more
        wrong, n = int((~correct[wider]).sum()), int(wider.sum())
        assert beta.ppf(1 - 0.05 / 4, wrong + 1, n - wrong) > risk


def test_the_threshold_keeps_its_risk_on_new_slices_as_often_as_promised() -> None:
    rng = np.random.default_rng(6)
    confidences = rng.beta(6, 1, size=200_000)
    order = np.sort(confidences)[::-1]
    true_risk = np.cumsum(1 - order) / np.arange(1, len(order) + 1)  # by threshold, exactly
    broken, answered, draws = 0, 0, 300
    for _ in range(draws):
        threshold = RiskCoverage.of(*make_answers(rng, 400)).threshold(0.1)
        place = int(np.searchsorted(-order, -threshold, side="right")) - 1
        broken += place >= 0 and true_risk[place] > 0.1
        answered += place >= 0
    assert answered > 0.8 * draws
    assert broken / draws < 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)


def test_more_risk_and_more_doubt_answer_more() -> None:
    curve = RiskCoverage.of(*make_answers(np.random.default_rng(7), 1500))
    by_risk = [curve.threshold(risk) for risk in np.linspace(0.01, 0.99, 40)]
    by_delta = [curve.threshold(0.1, delta=delta) for delta in np.linspace(0.001, 0.9, 20)]
    for thresholds in (by_risk, by_delta):
        assert all(a >= b for a, b in pairwise(thresholds))
        assert thresholds[0] > thresholds[-1]


@pytest.mark.parametrize(("risk", "enough"), [(0.05, 86), (0.1, 42)])
def test_how_many_answers_without_a_mistake_a_risk_takes(risk: float, enough: int) -> None:
    for n, shown in ((enough - 1, False), (enough, True)):
        curve = RiskCoverage.of(np.linspace(0.5, 1, n), np.ones(n, bool))
        assert curve.threshold(risk) == (0.5 if shown else 1.0)


def test_a_run_of_mistakes_in_the_middle_does_not_end_the_search() -> None:
    correct = np.ones(400, bool)
    correct[100:115] = False
    curve = RiskCoverage.of(np.linspace(1, 0.2, 400), correct)
    assert curve.threshold(0.1) == 0.2
    correct[300:] = False
    assert curve.threshold(0.1) < RiskCoverage.of(np.linspace(1, 0.2, 400), correct).threshold(0.1) < 0.5


def test_what_is_returned_when_nothing_keeps_the_risk_can_be_said() -> None:
    curve = RiskCoverage.of(np.linspace(0.5, 0.9, 300), np.zeros(300, bool))
    assert curve.threshold(0.1) == 1.0
    assert curve.threshold(0.1, otherwise=0.95) == 0.95


def test_many_mistakes_among_thousands_do_not_overflow() -> None:
    curve = RiskCoverage.of(np.linspace(0, 1, 5_000), np.arange(5_000) % 5 > 0)
    assert curve.threshold(0.25) == 0.0
    assert curve.threshold(0.15) == 1.0


def test_a_dictionary_brings_the_same_back() -> None:
    curve = RiskCoverage.of(*make_answers(np.random.default_rng(8), 150))
    assert RiskCoverage.from_dict(json.loads(json.dumps(curve.to_dict()))) == curve


GOOD = {"thresholds": [0.9, 0.5], "answered": [1, 2], "wrong": [0, 1], "area": 0.25}


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": [0.5, 0.9]},
        {"thresholds": [0.9]},
        {"thresholds": [1.5, 0.5]},
        {"thresholds": [0.9, float("nan")]},
        {"answered": [2, 1]},
        {"answered": [0, 2]},
        {"answered": [1.0, 2.0]},
        {"wrong": [1, 0]},
        {"wrong": [0, 3]},
        {"wrong": "01"},
        {"area": "0.25"},
        {"area": float("nan")},
        {"more": 1},
    ],
)
def test_a_dictionary_that_is_not_ours_is_refused(change: dict[str, object]) -> None:
    assert RiskCoverage.from_dict(GOOD).risk == (0.0, 0.5)
    with pytest.raises(OptionError):
        RiskCoverage.from_dict(GOOD | change)


@pytest.mark.parametrize(
    ("confidences", "correct"),
    [([], []), ([0.5], [True, False]), ([1.5], [True]), ([float("nan")], [True]), ([[0.5]], [[True]])],
)
def test_answers_that_do_not_fit_are_refused(confidences: list[float], correct: list[bool]) -> None:
    with pytest.raises(OptionError):
        RiskCoverage.of(np.array(confidences), np.array(correct, dtype=bool))


@pytest.mark.parametrize("value", [0, 1, -1, float("nan")])
def test_risk_and_delta_lie_between_0_and_1(value: float) -> None:
    curve = RiskCoverage.of(np.array([0.5]), np.array([True]))
    with pytest.raises(OptionError, match="risk must lie"):
        curve.threshold(value)
    with pytest.raises(OptionError, match="delta must lie"):
        curve.threshold(0.1, delta=value)
