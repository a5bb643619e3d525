"""Pooling: what the rule that makes one answer of many promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mriclassify._model._pooling import LEAST, SMALLEST_AREA, Pooled, pool, shows_brain, smoothed

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
WITHOUT = CLASSES.index("notumor")

HEALTHY = (0.01, 0.02, 0.96, 0.01)
GLIOMA = (0.95, 0.02, 0.02, 0.01)
MENINGIOMA = (0.03, 0.94, 0.02, 0.01)

Rows = NDArray[np.float64]


def series(count: int, **places: tuple[float, ...]) -> Rows:
    """Healthy slices, but for `s12=GLIOMA`: slice 12."""
    rows = np.tile(np.array(HEALTHY), (count, 1))
    for place, row in places.items():
        rows[int(place[1:])] = row
    return rows


def tumour(pooled: Pooled) -> float:
    return 1 - float(pooled.probabilities[WITHOUT])


def label(pooled: Pooled) -> str:
    return CLASSES[int(pooled.probabilities.argmax())]


LONE = series(60, s30=GLIOMA)
BODY = series(60, s28=GLIOMA, s29=GLIOMA, s30=GLIOMA, s31=GLIOMA, s32=GLIOMA)


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    count = draw(st.integers(1, 70))
    seed = draw(st.integers(0, 2**32 - 1))
    sharpness = draw(st.sampled_from([0.01, 0.3, 1.0, 30.0]))  # 0.01: nearly all of a row in one class
    values = np.random.default_rng(seed).dirichlet(np.full(4, sharpness), size=count)
    return np.nan_to_num(values, nan=0.25)


@given(rows())
@settings(max_examples=150, deadline=None)
def test_probabilities_are_probabilities(values: Rows) -> None:
    pooled = pool(values, CLASSES)
    assert pooled.probabilities.sum() == pytest.approx(1, abs=1e-9)
    assert (pooled.probabilities >= -1e-12).all()
    assert 0 <= pooled.disagreement <= 1


@given(rows())
@settings(max_examples=100, deadline=None)
def test_it_rests_on_slices_that_there_are_each_once_and_three_at_least(values: Rows) -> None:
    pooled = pool(values, CLASSES)
    least = min(len(values), max(LEAST, -(-len(values) // 10)))
    assert len(set(pooled.resting)) == len(pooled.resting) >= least
    distinct = np.random.default_rng(len(values)).dirichlet(np.ones(4), size=len(values))
    assert len(pool(distinct, CLASSES).resting) == least
    assert set(pooled.resting) <= set(range(len(values)))


@given(rows(), st.permutations(range(4)))
@settings(max_examples=100, deadline=None)
def test_permuting_the_classes_permutes_the_answer(values: Rows, order: list[int]) -> None:
    permuted = pool(values[:, order], tuple(CLASSES[k] for k in order))
    pooled = pool(values, CLASSES)
    assert permuted.probabilities == pytest.approx(pooled.probabilities[order], abs=1e-9)
    assert permuted.resting == pooled.resting


@given(rows())
@settings(max_examples=100, deadline=None)
def test_it_is_the_same_from_the_other_end(values: Rows) -> None:
    assert pool(values[::-1], CLASSES).probabilities == pytest.approx(pool(values, CLASSES).probabilities, abs=1e-9)


@given(rows(), st.integers(0, 69))
@settings(max_examples=100, deadline=None)
def test_more_evidence_in_a_slice_never_makes_a_tumour_less_likely(values: Rows, place: int) -> None:
    more = values.copy()
    more[place % len(values)] = GLIOMA if values[place % len(values), WITHOUT] > 0.02 else values[place % len(values)]
    assert tumour(pool(more, CLASSES)) >= tumour(pool(values, CLASSES)) - 1e-9


def test_of_alike_slices_it_is_the_answer_of_each() -> None:
    for row in (HEALTHY, GLIOMA, (0.25, 0.25, 0.25, 0.25)):
        for count in (1, 2, 3, 60):
            pooled = pool(np.tile(np.array(row), (count, 1)), CLASSES)
            assert pooled.probabilities == pytest.approx(row)
            assert pooled.disagreement == 0


def test_no_tumour_anywhere_is_no_tumour() -> None:
    pooled = pool(series(60), CLASSES)
    assert label(pooled) == "notumor"
    assert tumour(pooled) == pytest.approx(0.04)


def test_a_tumour_in_five_neighbours_of_sixty_is_found_where_a_mean_would_drown_it() -> None:
    assert BODY.mean(axis=0).argmax() == WITHOUT
    pooled = pool(BODY, CLASSES)
    assert label(pooled) == "glioma"
    assert set(range(28, 33)) <= set(pooled.resting)
    assert pooled.resting[0] in (29, 30, 31)
    assert pooled.disagreement == pytest.approx(2 / 7)  # the healthy neighbours at both ends have as much


def test_a_lone_false_alarm_does_not_decide_where_a_maximum_would() -> None:
    assert LONE[:, WITHOUT].min() < 0.5
    pooled = pool(LONE, CLASSES)
    assert label(pooled) == "notumor"
    healthy = tumour(pool(series(60), CLASSES))
    assert 0 < tumour(pooled) - healthy < (tumour(pool(BODY, CLASSES)) - healthy) / 3


def test_neighbours_count_for_more_than_as_many_scattered_alarms() -> None:
    scattered = series(60, s5=GLIOMA, s15=GLIOMA, s25=GLIOMA, s35=GLIOMA, s45=GLIOMA)
    assert tumour(pool(BODY, CLASSES)) > tumour(pool(scattered, CLASSES)) + 0.2
    assert label(pool(scattered, CLASSES)) == "notumor"


def test_which_tumour_is_what_most_of_the_slices_say_that_it_rests_on() -> None:
    mixed = series(60, s28=GLIOMA, s29=GLIOMA, s30=GLIOMA, s31=GLIOMA, s32=MENINGIOMA)
    pooled = pool(mixed, CLASSES)
    assert label(pooled) == "glioma"
    assert pooled.probabilities[1] > pool(BODY, CLASSES).probabilities[1]
    assert pooled.disagreement == pytest.approx(3 / 7)


@pytest.mark.parametrize(("count", "where"), [(1, "s0"), (2, "s0"), (2, "s1"), (3, "s2")])
def test_one_tumour_slice_among_up_to_three_counts_by_its_share(count: int, where: str) -> None:
    pooled = pool(series(count, **{where: GLIOMA}), CLASSES)
    assert len(pooled.resting) == count
    assert tumour(pooled) > 0.3
    assert label(pool(series(1, s0=GLIOMA), CLASSES)) == "glioma"


def test_certainty_of_no_tumour_divides_nothing_by_zero() -> None:
    values = np.zeros((10, 4))
    values[:, WITHOUT] = 1
    with np.errstate(all="raise"):
        pooled = pool(values, CLASSES)
    assert list(pooled.probabilities) == [0, 0, 1, 0]


def test_a_model_that_knows_no_notumor_gives_the_mean() -> None:
    values = np.random.default_rng(0).dirichlet(np.ones(3), size=20)
    pooled = pool(values, ("glioma", "meningioma", "pituitary"))
    assert pooled.probabilities == pytest.approx(values.mean(axis=0))
    assert sorted(pooled.resting) == list(range(20))


def test_smoothing_keeps_what_is_constant_and_spreads_what_is_alone() -> None:
    assert smoothed(np.full(7, 0.3)) == pytest.approx(0.3)
    assert smoothed(np.array([0, 0, 0.9, 0, 0])) == pytest.approx([0, 0.3, 0.3, 0.3, 0])
    assert smoothed(np.array([0.9, 0, 0])) == pytest.approx([0.45, 0.3, 0])
    assert smoothed(np.array([0.7])) == pytest.approx([0.7])
    assert smoothed(np.array([0.2, 0.4])) == pytest.approx([0.3, 0.3])


def test_slices_with_little_tissue_beside_the_largest_are_left_out() -> None:
    areas = np.array([0, 0.1, 0.2, 0.5, 0.6, 0.5, 0.2])
    assert list(shows_brain(areas)) == list(areas >= SMALLEST_AREA * 0.6)
    assert list(shows_brain(areas)) == [False, False, False, True, True, True, False]
    assert list(shows_brain(1000 * areas)) == list(shows_brain(areas))
    assert shows_brain(np.array([0.4])).all()
    assert shows_brain(np.full(5, 0.3)).all()
    assert shows_brain(np.zeros(3)).all(), "of nothing none is left out: an answer needs a slice"
