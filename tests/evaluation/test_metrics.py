import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mriclassify._evaluation._metrics import (
    CALIBRATION_BINS,
    calibration_error,
    class_rates,
    confusion,
    confusion_figures,
    score,
    score_classes,
    slice_briers,
    slice_losses,
    weighted_auroc,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def make_answers(*, n: int = 200, classes: int = 4, seed: int = 0) -> tuple[Floats, Ints]:
    """Answers of a classifier that is right more often than not."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), targets] += 1.5
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True), targets


def test_headline_figures_are_those_of_scikit_learn() -> None:
    probabilities, targets = make_answers()
    predicted = probabilities.argmax(axis=1)
    scores = score(probabilities=probabilities, targets=targets)
    expected = {
        "accuracy": sklearn.metrics.accuracy_score(targets, predicted),
        "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(targets, predicted),
        "macro_f1": sklearn.metrics.f1_score(targets, predicted, average="macro"),
        "precision": sklearn.metrics.precision_score(targets, predicted, average="macro"),
        "recall": sklearn.metrics.recall_score(targets, predicted, average="macro"),
        "jaccard": sklearn.metrics.jaccard_score(targets, predicted, average="macro"),
        "loss": sklearn.metrics.log_loss(targets, probabilities),
        "auroc": sklearn.metrics.roc_auc_score(targets, probabilities, multi_class="ovr"),
    }
    assert {name: getattr(scores, name) for name in expected} == pytest.approx(expected)


def test_specificity_is_the_recall_of_the_rest() -> None:
    probabilities, targets = make_answers()
    predicted = probabilities.argmax(axis=1)
    expected = [sklearn.metrics.recall_score(targets != k, predicted != k) for k in range(4)]
    classes = score_classes(probabilities=probabilities, targets=targets, classes=("a", "b", "c", "d"))
    assert [entry.specificity for entry in classes.values()] == pytest.approx(expected)
    assert score(probabilities=probabilities, targets=targets).specificity == pytest.approx(np.mean(expected))


def test_brier_score_is_that_of_scikit_learn_on_the_scale_to_two() -> None:
    probabilities, targets = make_answers()
    try:
        expected = sklearn.metrics.brier_score_loss(targets, probabilities, scale_by_half=False)
    except TypeError:
        pytest.skip("scikit-learn before 1.7 has no Brier score for more than two classes")
    assert score(probabilities=probabilities, targets=targets).brier == pytest.approx(expected)


def test_slice_losses_average_to_the_loss_even_for_certain_mistakes() -> None:
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0], [0.25, 0.75]])
    targets = np.array([0, 1, 1])
    losses = slice_losses(probabilities=probabilities, targets=targets)
    assert losses.mean() == pytest.approx(score(probabilities=probabilities, targets=targets).loss)


def test_the_brier_score_runs_from_zero_to_two() -> None:
    probabilities = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert slice_briers(probabilities=probabilities, targets=np.array([0, 2])).tolist() == [0.0, 2.0]


def test_calibration_error_follows_its_formula_bin_by_bin() -> None:
    probabilities, targets = make_answers(n=500)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    expected = 0.0
    for m in range(1, CALIBRATION_BINS + 1):
        held = (confidence > (m - 1) / CALIBRATION_BINS) & (confidence <= m / CALIBRATION_BINS)
        if held.any():
            expected += held.mean() * abs(right[held].mean() - confidence[held].mean())
    assert calibration_error(probabilities=probabilities, targets=targets) == pytest.approx(expected)


def test_calibration_error_of_known_answers() -> None:
    probabilities = np.array([[0.8, 0.2]] * 10)
    honest = np.array([0] * 8 + [1] * 2)
    assert calibration_error(probabilities=probabilities, targets=honest) == pytest.approx(0.0)
    assert calibration_error(probabilities=probabilities, targets=1 - honest) == pytest.approx(0.6)


def test_a_perfect_classifier_gets_perfect_figures() -> None:
    targets = np.array([0, 1, 2, 0, 1, 2])
    scores = score(probabilities=np.eye(3)[targets], targets=targets)
    assert scores.accuracy == scores.macro_f1 == scores.specificity == scores.jaccard == scores.auroc == 1
    assert scores.brier == scores.calibration_error == 0
    assert scores.loss == pytest.approx(0.0, abs=1e-12)


def test_a_constant_classifier_gets_those_of_chance() -> None:
    targets = np.array([0, 1, 2, 3] * 5)
    probabilities = np.tile([0.4, 0.2, 0.2, 0.2], (20, 1))
    scores = score(probabilities=probabilities, targets=targets)
    assert scores.accuracy == scores.balanced_accuracy == 0.25
    assert scores.auroc == 0.5
    assert scores.specificity == 0.75
    classes = score_classes(probabilities=probabilities, targets=targets, classes=("a", "b", "c", "d"))
    assert classes["b"].precision == 0
    assert classes["a"].recall == 1


@given(st.permutations(range(4)))
@settings(max_examples=10, deadline=None)
def test_permuting_the_classes_permutes_the_answers(order: list[int]) -> None:
    probabilities, targets = make_answers(n=60)
    names = ("a", "b", "c", "d")
    permuted = probabilities[:, order]
    moved = np.argsort(order)[targets]
    before = score_classes(probabilities=probabilities, targets=targets, classes=names)
    after = score_classes(probabilities=permuted, targets=moved, classes=tuple(names[k] for k in order))
    assert after == before
    kept = vars(score(probabilities=probabilities, targets=targets))
    assert vars(score(probabilities=permuted, targets=moved)) == pytest.approx(kept)
    counts = confusion(probabilities=probabilities, targets=targets)
    np.testing.assert_array_equal(confusion(probabilities=permuted, targets=moved), counts[np.ix_(order, order)])


def test_an_absent_class_is_left_out_of_the_averages() -> None:
    probabilities, targets = make_answers()
    targets = np.where(targets == 3, 0, targets)
    predicted = probabilities.argmax(axis=1)
    assert (predicted == 3).any(), "the absent class must be predicted for this test to say something"
    scores = score(probabilities=probabilities, targets=targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        balanced = sklearn.metrics.balanced_accuracy_score(targets, predicted)
    assert scores.balanced_accuracy == pytest.approx(balanced)
    assert scores.macro_f1 == pytest.approx(
        sklearn.metrics.f1_score(targets, predicted, labels=[0, 1, 2], average="macro")
    )
    assert scores.auroc is None
    absent = score_classes(probabilities=probabilities, targets=targets, classes=("a", "b", "c", "d"))["d"]
    assert absent.support == 0
    assert absent.precision is absent.recall is absent.f1 is absent.jaccard is absent.auroc is None
    assert absent.specificity == pytest.approx((predicted != 3).mean())


def test_a_single_class_leaves_specificity_undefined_and_warns_of_nothing() -> None:
    probabilities = np.array([[0.7, 0.3], [0.6, 0.4]])
    scores = score(probabilities=probabilities, targets=np.array([0, 0]))
    assert scores.accuracy == 1
    assert scores.specificity is None
    assert scores.auroc is None


def test_confusion_arithmetic_agrees_with_scikit_learn() -> None:
    probabilities, targets = make_answers()
    counts = confusion(probabilities=probabilities, targets=targets)
    predicted = probabilities.argmax(axis=1)
    rates = class_rates(counts)
    precision, recall, f1, _ = sklearn.metrics.precision_recall_fscore_support(targets, predicted)
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        np.testing.assert_allclose(rates[name], expected)
    np.testing.assert_allclose(rates["jaccard"], sklearn.metrics.jaccard_score(targets, predicted, average=None))


@pytest.mark.parametrize("absent", [False, True])
def test_a_stack_of_confusion_matrices_gives_the_figures_of_each(absent: bool) -> None:
    pairs = [make_answers(n=50, seed=seed) for seed in range(3)]
    if absent:
        pairs = [(probabilities, np.where(targets == 1, 2, targets)) for probabilities, targets in pairs]
    figures = confusion_figures(np.stack([confusion(probabilities=p, targets=t) for p, t in pairs]))
    for row, (probabilities, targets) in enumerate(pairs):
        scores = score(probabilities=probabilities, targets=targets)
        for name, values in figures.items():
            assert values[row] == pytest.approx(getattr(scores, name)), name


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_weighted_auroc_is_that_of_scikit_learn_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(5, size=30) / 4
    positive = rng.random(30) < 0.4
    positive[:2] = True, False
    weights = rng.integers(4, size=(3, 30)).astype(float)
    weights[:, :2] += 1
    expected = [sklearn.metrics.roc_auc_score(positive, scores, sample_weight=row) for row in weights]
    np.testing.assert_allclose(weighted_auroc(scores, positive, weights), expected)


def test_weighted_auroc_is_undefined_when_one_side_has_no_weight() -> None:
    positive = np.array([True, False])
    areas = weighted_auroc(np.array([0.9, 0.1]), positive, np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_array_equal(areas, [np.nan, np.nan, 1.0])
