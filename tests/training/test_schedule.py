from itertools import pairwise

import pytest

from mriclassify._training._schedule import learning_rate


def rates(steps: int, *, peak: float = 0.1, warmup: float = 0.1) -> list[float]:
    return [learning_rate(step, steps=steps, peak=peak, warmup=warmup) for step in range(steps)]


def test_rate_rises_to_the_peak_then_falls_to_nearly_nothing() -> None:
    values = rates(200)
    top = values.index(max(values))
    assert values[top] == pytest.approx(0.1)
    assert all(early < late for early, late in pairwise(values[: top + 1]))
    assert all(early > late for early, late in pairwise(values[top + 1 :]))
    assert 0 <= values[-1] < 1e-4


def test_rise_takes_the_share_of_the_steps_that_was_asked_for() -> None:
    values = rates(100, warmup=0.3)
    assert values[:30] == pytest.approx([0.1 * (step + 1) / 30 for step in range(30)])
    assert values[31] < values[30] == pytest.approx(0.1)


def test_middle_of_the_fall_is_half_the_peak() -> None:
    assert learning_rate(105, steps=200, peak=0.1, warmup=0.05) == pytest.approx(0.05)


@pytest.mark.parametrize("warmup", [0, 0.5, 1])
@pytest.mark.parametrize("steps", [1, 2, 3, 1000])
def test_rate_never_leaves_zero_to_peak(steps: int, warmup: float) -> None:
    values = rates(steps, warmup=warmup)
    assert all(0 < value <= 0.1 * (1 + 1e-12) for value in values)
    assert max(values) == pytest.approx(0.1)


def test_rate_is_a_function_of_its_arguments_alone() -> None:
    once = rates(50)
    assert rates(50)[::-1] == once[::-1]
    assert [value * 3 for value in once] == pytest.approx(rates(50, peak=0.3))
