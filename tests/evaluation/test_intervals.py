import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify._errors import OptionError
from mriclassify._evaluation import _intervals
from mriclassify._evaluation._intervals import (
    Interval,
    bootstrap_intervals,
    draw_counts,
    resampled_figures,
    unit_of_slice,
)
from mriclassify._evaluation._metrics import score, score_classes

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def make_answers(*, patients: int = 30, slices: int = 4, seed: int = 0) -> tuple[Floats, Ints, list[str]]:
    """Slices of a patient get the very same answer, so that a patient tells no more than one slice of it."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(4, size=patients)
    logits = rng.normal(size=(patients, 4))
    logits[np.arange(patients), targets] += 1.5
    odds = np.exp(logits)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    groups = [f"p{patient}" for patient in range(patients) for _ in range(slices)]
    return np.repeat(probabilities, slices, axis=0), np.repeat(targets, slices), groups


def intervals_of(
    probabilities: Floats, targets: Ints, groups: list[str] | None, *, resamples: int = 300, seed: int = 0
) -> dict[str, Interval]:
    return bootstrap_intervals(
        probabilities=probabilities,
        targets=targets,
        classes=CLASSES,
        groups=groups,
        resamples=resamples,
        seed=seed,
    )


@pytest.mark.parametrize("by_group", [True, False])
def test_a_resample_of_everything_once_has_the_point_figures(by_group: bool) -> None:
    probabilities, targets, groups = make_answers()
    units = unit_of_slice(groups if by_group else None, len(targets))
    figures = resampled_figures(
        np.ones((1, units.max() + 1)),
        probabilities=probabilities,
        targets=targets,
        classes=CLASSES,
        units=units,
    )
    expected = vars(score(probabilities=probabilities, targets=targets))
    assert {name: figures[name][0] for name in expected} == pytest.approx(expected)
    for name, scores in score_classes(probabilities=probabilities, targets=targets, classes=CLASSES).items():
        assert figures[f"recall {name}"][0] == pytest.approx(scores.recall)


def test_a_resample_has_the_figures_of_its_slices_repeated() -> None:
    probabilities, targets, groups = make_answers(patients=12)
    units = unit_of_slice(groups, len(targets))
    counts = np.random.default_rng(1).integers(1, 4, size=(1, 12))
    figures = resampled_figures(
        counts.astype(float), probabilities=probabilities, targets=targets, classes=CLASSES, units=units
    )
    repeated = np.repeat(np.arange(len(targets)), counts[0][units])
    expected = vars(score(probabilities=probabilities[repeated], targets=targets[repeated]))
    assert {name: figures[name][0] for name in expected} == pytest.approx(expected)


def test_intervals_over_patients_are_wider_than_over_their_slices() -> None:
    probabilities, targets, groups = make_answers(slices=9)
    over_groups = intervals_of(probabilities, targets, groups)
    over_slices = intervals_of(probabilities, targets, None)
    for name in ("accuracy", "macro_f1", "loss", "brier", "auroc"):
        wide, narrow = over_groups[name], over_slices[name]
        # nine slices that agree are worth one: a third of the width
        assert wide.high - wide.low > 2 * (narrow.high - narrow.low), name


def test_copies_of_a_slice_in_its_group_change_no_interval() -> None:
    probabilities, targets, groups = make_answers(slices=5)
    once = intervals_of(probabilities[::5], targets[::5], groups[::5])
    copied = intervals_of(probabilities, targets, groups)
    for name, interval in once.items():
        assert (copied[name].low, copied[name].high) == pytest.approx((interval.low, interval.high)), name


def test_every_promised_figure_has_an_interval_around_its_value() -> None:
    probabilities, targets, groups = make_answers(patients=60)
    intervals = intervals_of(probabilities, targets, groups)
    scores = vars(score(probabilities=probabilities, targets=targets))
    assert set(intervals) == {*scores, *(f"recall {name}" for name in CLASSES)}
    for name in set(scores) - {"calibration_error"}:  # whose resamples lie above it
        assert intervals[name].low < scores[name] < intervals[name].high, name


def test_the_seed_decides_the_intervals_and_chunks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities, targets, groups = make_answers()
    first = intervals_of(probabilities, targets, groups, seed=3)
    monkeypatch.setattr(_intervals, "_NUMBERS_AT_ONCE", 7 * len(targets))
    assert intervals_of(probabilities, targets, groups, seed=3) == first
    assert intervals_of(probabilities, targets, groups, seed=4) != first


def test_each_resample_draws_as_many_units_as_there_are() -> None:
    chunks = list(draw_counts(6, 10, seed=0, at_once=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert all((chunk.sum(axis=1) == 6).all() for chunk in chunks)


def test_a_perfect_classifier_has_an_interval_without_width() -> None:
    targets = np.repeat(np.arange(4), 20)
    assert intervals_of(np.eye(4)[targets], targets, None)["accuracy"] == Interval(low=1.0, high=1.0)


def test_an_absent_class_has_no_interval() -> None:
    probabilities, targets, groups = make_answers()
    intervals = intervals_of(probabilities, np.where(targets == 3, 0, targets), groups)
    assert "recall pituitary" not in intervals
    assert "auroc" not in intervals
    assert "macro_f1" in intervals


def test_one_group_tells_no_spread() -> None:
    probabilities, targets, _ = make_answers()
    assert intervals_of(probabilities, targets, ["p1"] * len(targets)) == {}


def test_no_resamples_give_no_intervals_and_less_than_none_is_refused() -> None:
    probabilities, targets, groups = make_answers()
    assert intervals_of(probabilities, targets, groups, resamples=0) == {}
    with pytest.raises(OptionError, match="-1"):
        intervals_of(probabilities, targets, groups, resamples=-1)
