import json
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify._errors import OptionError
from mriclassify._trust._conformal import Conformal, cross_sets, fewest_patients

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def make_answers(rng: np.random.Generator, n: int, *, classes: int = 3) -> tuple[Floats, Ints]:
    """Answers of a network that is not calibrated and better at some classes than at others."""
    targets = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes)) * 2
    logits[np.arange(n), targets] += 1 + targets
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True), targets


def brute_force_sets(
    probabilities: Floats, targets: Ints, groups: list[str], new: Floats, coverage: float
) -> NDArray[np.bool_]:
    """Class k is in the set if the share of k's patients (the new slice one of them) that look no better exceeds
    1 - coverage."""
    sets = np.zeros(new.shape, dtype=bool)
    names = np.array(groups)
    for i, k in np.ndindex(*new.shape):
        own = targets == k
        patients = set(names[own].tolist())
        no_better = sum(np.mean(probabilities[own & (names == patient), k] <= new[i, k]) for patient in patients)
        sets[i, k] = (no_better + 1) / (len(patients) + 1) > 1 - coverage + 1e-9
    return sets


@pytest.mark.parametrize("coverage", [0.5, 0.73, 0.9, 0.95])
@pytest.mark.parametrize("grouped", [True, False])
def test_the_sets_are_those_of_the_p_values(coverage: float, grouped: bool) -> None:
    rng = np.random.default_rng(0)
    probabilities, targets = make_answers(rng, 90)
    probabilities = np.floor(probabilities * 100) / 100  # what rounding keeps; has ties
    groups = [f"p{number}" for number in (rng.integers(40, size=90) if grouped else range(90))]
    new = np.floor(make_answers(rng, 60)[0] * 100) / 100
    conformal = Conformal.fit(probabilities, targets, groups if grouped else None)
    expected = brute_force_sets(probabilities, targets, groups, new, coverage)
    assert 0.2 < expected.mean() < 0.95
    assert (conformal.sets(new, coverage) == expected).all()


@pytest.mark.parametrize("tied", [True, False])
def test_each_class_is_covered_as_often_as_asked_over_many_draws(tied: bool) -> None:
    rng = np.random.default_rng(1)
    coverage, draws, fresh = 0.8, 150, 60
    hits, counts = np.zeros(3), np.zeros(3)
    for _ in range(draws):
        probabilities, targets = make_answers(rng, 60 + fresh)
        if tied:
            probabilities = np.round(probabilities, 1)
        conformal = Conformal.fit(probabilities[:60], targets[:60])
        covered = conformal.sets(probabilities[60:], coverage)[np.arange(fresh), targets[60:]]
        hits += np.bincount(targets[60:], covered, minlength=3)
        counts += np.bincount(targets[60:], minlength=3)
    rates = hits / counts
    # A draw's coverage has a spread of about sqrt(0.16 / 20) itself: four standard errors of the mean over draws.
    assert (rates > coverage - 4 * np.sqrt(0.16 / 20 / draws + 0.16 / counts)).all()
    if not tied:
        assert (rates < coverage + 1 / 15 + 4 * np.sqrt(0.16 / 20 / draws)).all()


def test_a_new_patient_is_covered_when_the_slices_of_a_patient_are_all_alike() -> None:
    rng = np.random.default_rng(2)
    grouped, single, draws = 0, 0, 1000
    for _ in range(draws):
        own = rng.uniform(size=11)  # ten patients and a new one; each has the same answer on every slice
        sizes = rng.integers(1, 9, size=10)
        values = np.repeat(own[:10], sizes)
        probabilities = np.column_stack([values, 1 - values])
        probabilities, targets = np.vstack([probabilities, [0, 1]]), np.append(np.zeros(len(values), int), 1)
        groups = [f"p{number}" for number in np.repeat(np.arange(10), sizes)] + ["other"]
        new = np.array([[own[10], 1 - own[10]]])
        grouped += Conformal.fit(probabilities, targets, groups).sets(new, 0.9)[0, 0]
        single += Conformal.fit(probabilities, targets).sets(new, 0.9)[0, 0]
    assert grouped / draws > 0.9 - 4 * np.sqrt(0.09 / draws)
    assert single / draws < 0.9 - 2 * np.sqrt(0.09 / draws)  # which is why there are groups


def test_each_slice_a_group_of_its_own_changes_nothing() -> None:
    probabilities, targets = make_answers(np.random.default_rng(3), 50)
    assert Conformal.fit(probabilities, targets, [str(i) for i in range(50)]) == Conformal.fit(probabilities, targets)


def test_sets_grow_with_the_coverage() -> None:
    rng = np.random.default_rng(4)
    conformal = Conformal.fit(*make_answers(rng, 200))
    new, _ = make_answers(rng, 100)
    sets = [conformal.sets(new, coverage) for coverage in np.linspace(0.01, 0.99, 50)]
    assert all((small <= large).all() for small, large in pairwise(sets))
    assert sets[0].sum() < sets[-1].sum()


def test_permuting_classes_and_slices_permutes_the_sets() -> None:
    rng = np.random.default_rng(5)
    probabilities, targets = make_answers(rng, 80)
    new, _ = make_answers(rng, 30)
    order, rows = np.array([2, 0, 1]), rng.permutation(80)
    moved = Conformal.fit(probabilities[rows][:, order], np.argsort(order)[targets[rows]])
    straight = Conformal.fit(probabilities, targets).sets(new, 0.9)
    assert (moved.sets(new[:, order], 0.9) == straight[:, order]).all()


@pytest.mark.parametrize(("coverage", "fewest"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_a_class_with_too_few_patients_is_in_every_set(coverage: float, fewest: int) -> None:
    assert fewest_patients(coverage) == fewest
    for n in (fewest - 1, fewest):
        if n == 0:
            continue
        probabilities = np.tile([0.9, 0.1], (n, 1))
        conformal = Conformal.fit(np.vstack([probabilities, [0.5, 0.5]]), np.append(np.zeros(n, int), 1))
        assert conformal.patients == (n, 1)
        assert conformal.sets(np.array([[0.0, 1.0]]), coverage)[0, 0] == (n < fewest)


def test_a_set_is_empty_where_no_class_is_plausible() -> None:
    sure = np.repeat(np.eye(2), 30, axis=0) * 0.98 + 0.01
    conformal = Conformal.fit(sure, np.repeat([0, 1], 30))
    assert conformal.sets(np.array([[0.5, 0.5], [0.99, 0.01]]), 0.9).tolist() == [[False, False], [True, False]]


def test_nan_rules_nothing_out() -> None:
    conformal = Conformal.fit(*make_answers(np.random.default_rng(6), 90))
    assert conformal.sets(np.full((1, 3), np.nan), 0.5).all()


def test_rounding_lowers_the_scores_by_less_than_a_thousandth_of_them() -> None:
    probabilities, targets = make_answers(np.random.default_rng(7), 500)
    probabilities[0] = [1 - 1e-12, 1e-12, 0]
    conformal = Conformal.fit(probabilities, targets)
    for k, row in enumerate(conformal.true):
        exact = np.sort(probabilities[targets == k, k])
        assert (np.array(row) <= exact).all()
        assert (np.array(row) >= exact * 0.999).all()
    assert len(json.dumps(conformal.to_dict())) < 500 * 14


def test_a_dictionary_brings_the_same_back() -> None:
    conformal = Conformal.fit(*make_answers(np.random.default_rng(8), 60))
    assert Conformal.from_dict(json.loads(json.dumps(conformal.to_dict()))) == conformal


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"true": [[0.1]]},
        {"true": [[0.1]], "sizes": [[1]], "more": 1},
        {"true": [[0.2, 0.1]], "sizes": [[1, 1]]},
        {"true": [[0.1]], "sizes": [[1, 1]]},
        {"true": [[0.1]], "sizes": [[0]]},
        {"true": [[1.5]], "sizes": [[1]]},
        {"true": [[float("nan")]], "sizes": [[1]]},
        {"true": [["0.1"]], "sizes": [[1]]},
        {"true": [[0.1]], "sizes": [[1.5]]},
        {"true": [0.1], "sizes": [1]},
        {"true": [], "sizes": []},
    ],
)
def test_a_dictionary_that_is_not_ours_is_refused(entries: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        Conformal.from_dict(entries)


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 1.5, float("nan")])
def test_coverage_lies_between_0_and_1(coverage: float) -> None:
    conformal = Conformal.fit(*make_answers(np.random.default_rng(9), 30))
    with pytest.raises(OptionError, match="coverage must lie between 0 and 1"):
        conformal.sets(np.full((1, 3), 1 / 3), coverage)
    with pytest.raises(OptionError, match="coverage"):
        fewest_patients(coverage)


def test_what_does_not_fit_is_refused() -> None:
    probabilities, targets = make_answers(np.random.default_rng(10), 30)
    with pytest.raises(OptionError, match="class 1 has none"):
        Conformal.fit(probabilities[targets != 1], targets[targets != 1])
    with pytest.raises(OptionError, match=r"\(30, 3\) and \(29,\)"):
        Conformal.fit(probabilities, targets[1:])
    with pytest.raises(OptionError, match="one name per slice"):
        Conformal.fit(probabilities, targets, ["a"])
    with pytest.raises(OptionError, match="not logits"):
        Conformal.fit(probabilities * 5, targets)
    with pytest.raises(OptionError, match=r"0\.\.2"):
        Conformal.fit(probabilities, targets + 1)
    with pytest.raises(OptionError, match=r"\(slices, 3\)"):
        Conformal.fit(probabilities, targets).sets(probabilities[:, :2], 0.9)


def test_cross_sets_use_the_other_folds_only() -> None:
    rng = np.random.default_rng(11)
    probabilities, targets = make_answers(rng, 120)
    folds = np.arange(120) % 3
    sets = cross_sets(probabilities, targets, folds, 0.9)
    here = folds == 1
    expected = Conformal.fit(probabilities[~here], targets[~here]).sets(probabilities[here], 0.9)
    assert (sets[here] == expected).all()


def test_a_class_that_other_folds_lack_is_in_every_cross_set() -> None:
    probabilities, targets = make_answers(np.random.default_rng(12), 120)
    sets = cross_sets(probabilities, targets, np.where(targets == 2, 0, 1 + np.arange(120) % 2), 0.9)
    assert sets[targets == 2, 2].all()
