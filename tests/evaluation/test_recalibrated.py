import json

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify._errors import ClassMismatchError
from mriclassify._evaluation._metrics import score
from mriclassify._evaluation._recalibrated import Recalibration, recalibrated
from mriclassify._trust._conformal import Conformal
from mriclassify._trust._recalibration import SiteCalibration
from mriclassify._trust._scaling import Scaling

CLASSES = ("glioma", "meningioma", "notumor")
SHIFT = (1.0, -0.6, -0.4)


def make_site(
    patients: int, *, slices: int = 3, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str]]:
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(patients) % 3, slices)
    evidence = rng.normal(size=(len(targets), 3))
    evidence[np.arange(len(targets)), targets] += 2
    logits = (2 * evidence + np.array(SHIFT)) * 2.5
    return logits, targets, [f"p{i}" for i in np.repeat(np.arange(patients), slices)]


def run(
    patients: int = 60,
    *,
    grouped: bool = True,
    prior: dict[str, float] | None = None,
    conformal: Conformal | None = None,
    seed: int = 0,
) -> tuple[SiteCalibration, Recalibration]:
    logits, targets, groups = make_site(patients)
    return recalibrated(
        logits,
        targets,
        groups if grouped else None,
        classes=CLASSES,
        temperature=1.0,
        offsets=(0.0, 0.0, 0.0),
        prior=prior,
        conformal=conformal,
        seed=seed,
    )


def test_figures_before_are_those_of_a_report() -> None:
    logits, targets, _ = make_site(60)
    probabilities = Scaling(temperature=1.0, offsets=(0.0, 0.0, 0.0))(logits)
    expected = vars(score(probabilities=probabilities, targets=targets))
    _, found = run()
    for name in ("accuracy", "loss", "brier", "calibration_error"):
        assert found.before[name] == pytest.approx(expected[name])
    sure = probabilities.max(axis=1) >= 0.6
    assert found.before["uncertain"] == pytest.approx(1 - sure.mean())
    assert found.before["risk"] == pytest.approx((probabilities.argmax(axis=1) != targets)[sure].mean())
    assert "coverage" not in found.before


def test_a_shifted_site_gains() -> None:
    _, found = run()
    assert found.after["loss"] < found.intervals_before["loss"].low
    assert found.after["calibration_error"] < found.before["calibration_error"] / 2
    assert found.after["accuracy"] >= found.before["accuracy"]
    assert found.after["risk"] < 0.1
    assert 0.9 < found.after["coverage"] <= 1
    assert 1 <= found.after["set_size"] < 2
    assert found.temperature == pytest.approx(2.5, rel=0.25)
    assert found.offsets == pytest.approx(dict(zip(CLASSES, np.negative(SHIFT), strict=True)), abs=0.5)


def test_the_gain_is_no_greater_than_on_slices_never_seen() -> None:
    site, found = run()
    logits, targets, _ = make_site(2000, slices=1, seed=1)
    probabilities = Scaling(temperature=site.temperature, offsets=site.offsets)(logits)
    fresh = score(probabilities=probabilities, targets=targets)
    for name in ("accuracy", "loss", "brier"):
        interval = found.intervals_after[name]
        assert interval.low < getattr(fresh, name) < interval.high


def test_values_lie_within_their_intervals_and_patients_make_them_wider() -> None:
    logits, targets, groups = make_site(30, slices=1)
    thrice = [np.repeat(values, 3, axis=0) for values in (logits, targets)]
    widths = []
    for names in ([group for group in groups for _ in range(3)], None):
        _, found = recalibrated(*thrice, names, classes=CLASSES, temperature=1.0, offsets=(0.0, 0.0, 0.0))
        interval = found.intervals_after["accuracy"]
        assert interval.low <= found.after["accuracy"] <= interval.high
        widths.append(interval.high - interval.low)
    assert widths[0] > 1.3 * widths[1]


def test_a_prior_weighs_the_classes() -> None:
    logits, targets, _ = make_site(60)
    shares = {"glioma": 0.1, "meningioma": 0.1, "notumor": 0.8}
    right = logits.argmax(axis=1) == targets
    expected = sum(share * right[targets == k].mean() for k, share in enumerate(shares.values()))
    site, found = run(prior=shares)
    assert found.before["accuracy"] == pytest.approx(expected)
    assert found.offsets["notumor"] > run()[1].offsets["notumor"] + 1
    assert not found.risk_shown
    assert found.uncertain_below == site.uncertain_below == 0.9


def test_intervals_weigh_the_classes_as_the_values_do() -> None:
    logits, targets, _ = make_site(60)
    recalls = [(logits.argmax(axis=1) == targets)[targets == k].mean() for k in range(3)]
    assert recalls[0] > recalls[1] + 0.1
    for shares in ((0.98, 0.01, 0.01), (0.01, 0.98, 0.01)):
        _, found = run(prior=dict(zip(CLASSES, shares, strict=True)))
        interval = found.intervals_before["accuracy"]
        assert interval.low <= found.before["accuracy"] <= interval.high
    assert interval.high < recalls[0]


def test_the_sets_of_the_old_model_are_measured_where_it_has_any() -> None:
    logits, targets, _ = make_site(90, seed=5)
    probabilities = Scaling(temperature=1.0, offsets=(0.0, 0.0, 0.0))(logits)
    _, found = run(conformal=Conformal.fit(probabilities, targets))
    assert 0.85 < found.before["coverage"] <= 1
    assert found.before["set_size"] < 3
    assert "coverage" in found.intervals_before


def test_classes_with_too_few_patients_for_sets_are_named() -> None:
    _, found = run(30)
    assert found.always_in_sets == CLASSES
    assert found.after["set_size"] == 3
    assert "for want of 19 patients: glioma, meningioma, notumor" in str(found)
    assert run(60)[1].always_in_sets == ()


def test_it_prints_as_a_table_and_goes_into_json() -> None:
    _, found = run()
    text = str(found)
    assert "180 slices (60 patients or clusters)" in text
    assert f"{found.after['loss']:.3f}" in text
    assert max(map(len, text.splitlines())) <= 110
    assert "patients not known" in str(run(grouped=False)[1])
    entries = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert entries["after"] == found.after
    assert entries["intervals_after"]["loss"] == [
        found.intervals_after["loss"].low,
        found.intervals_after["loss"].high,
    ]
    assert entries["offsets"] == found.offsets


def test_the_same_seed_gives_the_same() -> None:
    assert run(seed=3)[1].to_dict() == run(seed=3)[1].to_dict()
    assert run(seed=3)[1].intervals_before != run(seed=4)[1].intervals_before


def test_a_set_without_a_class_is_refused_by_name() -> None:
    logits, targets, groups = make_site(30)
    kept = targets != 2
    names = [group for group, keep in zip(groups, kept, strict=True) if keep]
    with pytest.raises(ClassMismatchError, match="none of notumor"):
        recalibrated(logits[kept], targets[kept], names, classes=CLASSES, temperature=1.0, offsets=(0.0, 0.0, 0.0))
