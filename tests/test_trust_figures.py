"""The figures of `benchmarks/trust.py` agree with scikit-learn, and their intervals with common sense."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="needs the repository's benchmarks")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("_trust_figures")


def names(count: int, slices: int) -> list[str]:
    return [f"patient {index % count}" for index in range(slices)]


def test_a_mean_lies_inside_its_interval_which_narrows_with_groups(figures: ModuleType) -> None:
    values = np.random.default_rng(0).random(400) < 0.8
    few, many = (figures.mean(values, names(count, 400)) for count in (10, 400))
    assert few["value"] == many["value"] == pytest.approx(values.mean(), abs=1e-4)
    assert many["low"] < many["value"] < many["high"]
    alike = figures.mean(np.repeat([True, False] * 10, 20), np.repeat([str(i) for i in range(20)], 20).tolist())
    apart = figures.mean(np.repeat([True, False] * 10, 20), [str(i) for i in range(400)])
    assert alike["high"] - alike["low"] > 2 * (apart["high"] - apart["low"])


def test_one_group_has_no_interval_and_no_slice_no_figure(figures: ModuleType) -> None:
    assert figures.mean([1, 0], ["a", "a"]) == {"value": 0.5, "n": 2}
    assert figures.mean([], [])["value"] is None
    assert figures.area_under_roc(np.ones(3), np.ones(3, bool), ["a", "b", "c"])["value"] is None


def test_nothing_seen_is_not_nothing_possible(figures: ModuleType) -> None:
    never, always = (figures.mean(np.full(200, flag), names(100, 200)) for flag in (False, True))
    assert never == {"value": 0, "low": 0, "high": 0.0362, "n": 200}  # binomtest(0, 100).proportion_ci().high
    assert (always["low"], always["high"]) == (pytest.approx(1 - 0.0362), 1)


def test_areas_and_balanced_accuracy_are_those_of_scikit_learn(figures: ModuleType) -> None:
    rng = np.random.default_rng(1)
    positive, scores = rng.random(120) < 0.3, rng.normal(size=120).round(1)
    area = figures.area_under_roc(scores, positive, names(30, 120))
    assert area["value"] == pytest.approx(roc_auc_score(positive, scores), abs=1e-4)
    assert area["low"] < area["value"] < area["high"]
    told = rng.random(120) < 0.5
    balanced = figures.balanced(told == positive, positive.astype(int), names(30, 120))
    assert balanced["value"] == pytest.approx(balanced_accuracy_score(positive, told), abs=1e-4)
    assert balanced["n"] == positive.sum()


def test_each_group_counts_once_in_the_mean_of_groups(figures: ModuleType) -> None:
    values, groups = np.array([1, 1, 1, 0]), ["a", "a", "a", "b"]
    assert figures.mean(values, groups)["value"] == 0.75
    assert figures.mean_of_groups(values, groups)["value"] == 0.5
    # Nobody of two: the exact interval, as for slices.
    none = figures.mean_of_groups(np.zeros(4, bool), groups)
    assert none == figures.mean(np.zeros(2, bool), ["a", "b"]) and 0.8 < none["high"] < 0.9


def test_bins_hold_all_slices_and_what_they_say(figures: ModuleType) -> None:
    top = np.random.default_rng(2).uniform(0.5, 1, 300)
    probabilities = np.column_stack([top, 1 - top])
    targets = np.random.default_rng(3).integers(0, 2, 300)
    bins = figures.reliability(probabilities, targets)
    assert sum(row["n"] for row in bins) == 300
    assert all(row["above"] <= row["confidence"] <= row["to"] for row in bins)
    hits = sum(row["n"] * row["accuracy"] for row in bins)
    assert hits == pytest.approx((targets == 0).sum(), abs=0.1)
