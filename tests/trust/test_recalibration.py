import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mriclassify._errors import ClassMismatchError, DatasetError, OptionError
from mriclassify._model._calibration import Temperature
from mriclassify._trust._recalibration import (
    FOLDS,
    check_classes,
    cross_fit,
    recalibrate,
    shares_of,
    site_threshold,
)
from mriclassify._trust._risk_coverage import RiskCoverage
from mriclassify._trust._scaling import Scaling, fit_scaling, prevalence_shift

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NONE = (0.0, 0.0, 0.0, 0.0)
AS_IT_IS = Scaling(temperature=1.0, offsets=NONE)


def make_site(
    rng: np.random.Generator,
    patients: int,
    *,
    slices: int = 3,
    shares: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25),
    bias: tuple[float, ...] = (1.0, -0.5, 0.2, -0.7),
    heat: float = 2.0,
) -> tuple[Floats, Ints, list[str]]:
    """Logits that are too sure by `heat` and lean to some classes; without both they are the log odds, if balanced."""
    of_patient = np.concatenate([np.arange(4), rng.choice(4, size=patients - 4, p=shares)])
    targets = np.repeat(of_patient, slices)
    evidence = rng.normal(size=(len(targets), 4))
    evidence[np.arange(len(targets)), targets] += 1.7
    return (1.7 * evidence + np.array(bias)) * heat, targets, [f"p{i}" for i in np.repeat(np.arange(patients), slices)]


def loss(probabilities: Floats, targets: Ints) -> float:
    return float(-np.log(probabilities[np.arange(len(targets)), targets]).mean())


def test_probabilities_sum_to_1_and_do_not_overflow() -> None:
    scaling = Scaling(temperature=0.05, offsets=(50.0, -50.0))
    assert scaling(np.array([[0.0, 1000.0], [1000.0, -1000.0]])).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_it_is_what_the_temperature_of_a_bundle_does_with_offsets() -> None:
    logits, _, _ = make_site(np.random.default_rng(11), 10)
    offsets = (0.3, -0.1, -0.2, 0.0)
    expected = Temperature(1.7)(torch.from_numpy(logits), offsets=offsets)
    assert Scaling(temperature=1.7, offsets=offsets)(logits) == pytest.approx(expected)
    assert Temperature(1.7)(torch.from_numpy(logits), offsets=NONE) == pytest.approx(
        Temperature(1.7)(torch.from_numpy(logits))
    )


def test_a_fitted_temperature_lies_in_the_range_of_a_bundle() -> None:
    always_wrong, targets = np.tile([300.0, -300.0], (400, 1)), np.ones(400, dtype=np.int64)
    fitted = fit_scaling(always_wrong, targets, start=Scaling(temperature=1.0, offsets=(0.0, 0.0)))
    assert Temperature(fitted.temperature).value == pytest.approx(20)


def test_many_slices_give_back_the_temperature_and_the_offsets() -> None:
    logits, targets, _ = make_site(np.random.default_rng(0), 20_000, slices=1)
    fitted = fit_scaling(logits, targets, start=AS_IT_IS)
    assert fitted.temperature == pytest.approx(2.0, rel=0.05)
    assert fitted.offsets == pytest.approx((-1.0, 0.5, -0.2, 0.7), abs=0.1)
    assert sum(fitted.offsets) == pytest.approx(0, abs=1e-9)


def test_without_pull_it_is_what_scikit_learn_finds() -> None:
    from sklearn.linear_model import LogisticRegression

    # For two classes, softmax(z / T + b) is a logistic regression on the difference of the logits.
    rng = np.random.default_rng(1)
    targets = rng.integers(2, size=4000)
    logits = rng.normal(size=(4000, 2)) + np.array([[2.0, 0.5], [0.0, 1.5]])[targets]
    fitted = fit_scaling(logits, targets, start=Scaling(temperature=1.0, offsets=(0.0, 0.0)))
    line = LogisticRegression(C=np.inf).fit(np.diff(logits), targets)
    assert 1 / fitted.temperature == pytest.approx(line.coef_[0, 0], rel=0.01)
    assert fitted.offsets[1] - fitted.offsets[0] == pytest.approx(line.intercept_[0], abs=0.01)


def test_few_slices_stay_near_the_old_scaling() -> None:
    old = Scaling(temperature=1.5, offsets=(0.3, -0.1, -0.2, 0.0))
    one_class_only = np.zeros(5, dtype=np.int64)
    fitted = fit_scaling(np.tile([3.0, 0.0, 0.0, 0.0], (5, 1)), one_class_only, start=old)
    assert fitted.temperature == pytest.approx(1.5, rel=0.3)
    assert fitted.offsets == pytest.approx(old.offsets, abs=0.5)
    assert fitted != old


def test_the_pull_helps_where_slices_are_few() -> None:
    from mriclassify._trust import _scaling

    rng = np.random.default_rng(2)
    losses: dict[str, list[float]] = {"old": [], "pulled": [], "free": []}
    for _ in range(25):
        bias, heat = tuple(rng.normal(0, 0.6, size=4)), float(np.exp(rng.normal(0.3, 0.3)))
        logits, targets, _ = make_site(rng, 12, slices=4, bias=bias, heat=heat)
        test_logits, test_targets, _ = make_site(rng, 1500, slices=1, bias=bias, heat=heat)
        losses["old"].append(loss(AS_IT_IS(test_logits), test_targets))
        losses["pulled"].append(loss(fit_scaling(logits, targets, start=AS_IT_IS)(test_logits), test_targets))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_scaling, "OFFSET_PULL", 1e-3)
            patch.setattr(_scaling, "TEMPERATURE_PULL", 1e-3)
            free = fit_scaling(logits, targets, start=AS_IT_IS)
        losses["free"].append(loss(free(test_logits), test_targets))
    means = {name: np.mean(values) for name, values in losses.items()}
    assert means["pulled"] < means["free"] - 0.01
    assert means["pulled"] < means["old"] - 0.1


def test_permuting_classes_permutes_the_offsets() -> None:
    logits, targets, _ = make_site(np.random.default_rng(3), 60)
    order = np.array([3, 1, 0, 2])
    moved = fit_scaling(logits[:, order], np.argsort(order)[targets], start=AS_IT_IS)
    straight = fit_scaling(logits, targets, start=AS_IT_IS)
    assert moved.temperature == pytest.approx(straight.temperature, rel=1e-4)
    assert moved.offsets == pytest.approx(tuple(np.array(straight.offsets)[order]), abs=1e-4)


def test_a_balanced_sample_and_the_prior_serve_a_site_of_other_shares() -> None:
    rng, shares = np.random.default_rng(4), (0.05, 0.05, 0.85, 0.05)
    logits, targets, groups = make_site(rng, 400)
    test_logits, test_targets, _ = make_site(rng, 3000, slices=1, shares=shares)

    def site_loss(prior: tuple[float, ...] | None) -> float:
        site = recalibrate(logits, targets, groups, offsets=NONE, prior=prior)
        return loss(Scaling(temperature=site.temperature, offsets=site.offsets)(test_logits), test_targets)

    assert site_loss(shares) < site_loss(None) - 0.1
    drawn = tuple(np.bincount(targets) / len(targets))
    assert site_loss(drawn) == pytest.approx(site_loss(None))


def test_the_shift_multiplies_the_odds_as_bayes_says() -> None:
    targets = np.array([0, 0, 0, 1])
    scaling = Scaling(temperature=1.0, offsets=(0.0, 0.0)).shifted(prevalence_shift(targets, (0.5, 0.5)))
    before, after = np.array([0.9, 0.1]), scaling(np.log([[0.9, 0.1]]))[0]
    assert after == pytest.approx(before * [2 / 3, 2] / (before * [2 / 3, 2]).sum())


def test_cross_fitting_holds_whole_patients_out() -> None:
    logits, targets, groups = make_site(np.random.default_rng(5), 30)
    crossed = cross_fit(logits, targets, groups, start=AS_IT_IS, prior=None, seed=0)
    folds_of = {group: set(crossed.folds[np.array(groups) == group].tolist()) for group in groups}
    assert all(len(folds) == 1 for folds in folds_of.values())
    assert set(crossed.folds.tolist()) == set(range(FOLDS))
    here = crossed.folds == 2
    alone = fit_scaling(logits[~here], targets[~here], start=AS_IT_IS)(logits[here])
    assert crossed.probabilities[here] == pytest.approx(alone)
    assert crossed.probabilities.sum(axis=1) == pytest.approx(1)


def test_cross_fitted_answers_have_the_prior_of_the_site() -> None:
    logits, targets, groups = make_site(np.random.default_rng(10), 30)
    plain, moved = (
        cross_fit(logits, targets, groups, start=AS_IT_IS, prior=prior, seed=0).probabilities
        for prior in (None, (0.1, 0.1, 0.7, 0.1))
    )
    odds = plain * [0.1, 0.1, 0.7, 0.1] / np.bincount(targets)
    assert moved == pytest.approx(odds / odds.sum(axis=1, keepdims=True))


def test_each_class_lies_in_as_many_folds_as_it_has_patients() -> None:
    logits, targets, groups = make_site(np.random.default_rng(6), 24)
    folds = cross_fit(logits, targets, groups, start=AS_IT_IS, prior=None, seed=3).folds
    for k in range(4):
        patients = len({group for group, target in zip(groups, targets, strict=True) if target == k})
        assert len(np.unique(folds[targets == k])) == min(FOLDS, patients)


def test_the_same_seed_gives_the_same() -> None:
    logits, targets, groups = make_site(np.random.default_rng(7), 30)
    first = recalibrate(logits, targets, groups, offsets=NONE, seed=1)
    assert recalibrate(logits, targets, groups, offsets=NONE, seed=1) == first
    other = recalibrate(logits, targets, groups, offsets=NONE, seed=2)
    assert (other.temperature, other.offsets) == (first.temperature, first.offsets)
    assert other.risk_coverage != first.risk_coverage


def test_site_sets_hold_the_label_as_often_as_asked() -> None:
    rng = np.random.default_rng(8)
    logits, targets, groups = make_site(rng, 250, slices=2)
    site = recalibrate(logits, targets, groups, offsets=NONE)
    test_logits, test_targets, _ = make_site(rng, 4000, slices=1)
    probabilities = Scaling(temperature=site.temperature, offsets=site.offsets)(test_logits)
    covered = site.conformal.sets(probabilities, 0.9)[np.arange(4000), test_targets]
    for k in range(4):
        assert 0.83 < covered[test_targets == k].mean() < 0.97


def test_a_threshold_that_is_not_shown_rests_on_the_confidence() -> None:
    none_wrong = RiskCoverage.of(np.linspace(0.7, 1, 200), np.ones(200, bool))
    assert site_threshold(none_wrong, risk=0.1, as_sampled=True) == (0.7, True)
    assert site_threshold(none_wrong, risk=0.1, as_sampled=False) == (0.9, False)
    few = RiskCoverage.of(np.linspace(0.7, 1, 20), np.ones(20, bool))
    assert site_threshold(few, risk=0.1, as_sampled=True) == (0.9, False)
    low = RiskCoverage.of(np.linspace(0.3, 1, 200), np.ones(200, bool))
    assert site_threshold(low, risk=0.1, as_sampled=True) == (0.5, True)
    assert site_threshold(few, risk=0.7, as_sampled=False) == (0.5, False)


def test_a_class_with_few_slices_or_none_is_named() -> None:
    classes = ("glioma", "notumor")
    with pytest.raises(ClassMismatchError, match="none of notumor"):
        check_classes(np.zeros(9, int), classes)
    with pytest.raises(DatasetError, match="at least 5 slices of each class, but there are 4 of glioma"):
        check_classes(np.repeat([0, 1], [4, 9]), classes)
    check_classes(np.repeat([0, 1], 5), classes)


def test_what_does_not_fit_is_refused() -> None:
    logits, targets, groups = make_site(np.random.default_rng(9), 20)
    broken = logits.copy()
    broken[7, 1] = np.nan
    with pytest.raises(OptionError, match="the first is row 7"):
        recalibrate(broken, targets, groups, offsets=NONE)
    with pytest.raises(OptionError, match=r"offsets \(classes,\)"):
        recalibrate(logits, targets, groups, offsets=(0.0,))
    with pytest.raises(OptionError, match="one name per slice"):
        recalibrate(logits, targets, groups[1:], offsets=NONE)
    with pytest.raises(OptionError, match=r"targets must be 0\.\.3"):
        recalibrate(logits, targets + 1, groups, offsets=NONE)
    with pytest.raises(OptionError, match="risk must lie"):
        recalibrate(logits, targets, groups, offsets=NONE, risk=0)
    with pytest.raises(ClassMismatchError, match="none of class 2"):
        recalibrate(logits[targets != 2], targets[targets != 2], offsets=NONE)
    with pytest.raises(DatasetError, match="two patients"):
        recalibrate(logits, targets, ["p"] * len(targets), offsets=NONE)


def test_shares_come_in_the_order_of_the_classes() -> None:
    assert shares_of(None, ("a", "b")) is None
    assert shares_of({"b": 0.75, "a": 0.25}, ("a", "b")) == (0.25, 0.75)
    assert sum(shares_of({"a": 0.333, "b": 0.333, "c": 0.333}, ("a", "b", "c")) or ()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("prior", "error"),
    [
        ({"a": 1.0}, ClassMismatchError),
        ({"a": 0.5, "c": 0.5}, ClassMismatchError),
        ({"a": 1.0, "b": 0.0}, OptionError),
        ({"a": 30.0, "b": 70.0}, OptionError),
        ({"a": float("nan"), "b": 0.5}, OptionError),
    ],
)
def test_a_prior_that_is_none_is_refused(prior: dict[str, float], error: type[Exception]) -> None:
    with pytest.raises(error):
        shares_of(prior, ("a", "b"))
