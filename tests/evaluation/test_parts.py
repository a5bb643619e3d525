"""Figures by source and by status, and of the surest answers."""

from typing import Any

import numpy as np
import pytest

from mriclassify._errors import OptionError
from mriclassify._evaluation import Leakage, Report, make_report
from mriclassify._evaluation._parts import NO_SOURCE
from mriclassify._evaluation._surest import surest

RIGHT = np.array([True, True, True, False, True, False, False, False])


def report_of(**changes: Any) -> Report:
    given: dict[str, Any] = {
        "probabilities": np.where(RIGHT[:, None], [0.9, 0.1], [0.2, 0.8]),
        "targets": np.zeros(8, dtype=int),
        "classes": ("glioma", "notumor"),
        "groups": list("aabbccdd"),
        "sources": ["north"] * 4 + ["south"] * 4,
        "split": "by patient",
        "leakage": Leakage(checked=True, slices_seen=0, groups_seen=0, n_slices=8),
        "model": "demo",
        "names": [f"{number}.png" for number in range(8)],
        "bootstrap": 200,
    }
    return make_report(**(given | changes))


def test_each_source_has_its_own_accuracy_and_they_sum_to_the_whole() -> None:
    report = report_of()
    assert {name: (part.n, part.n_groups, part.right) for name, part in report.per_source.items()} == {
        "north": (4, 2, 3),
        "south": (4, 2, 1),
    }
    assert [part.accuracy for part in report.per_source.values()] == [0.75, 0.25]
    assert sum(part.right for part in report.per_source.values()) == report.accuracy * report.n


def test_intervals_of_a_source_draw_whole_patients() -> None:
    north = report_of().per_source["north"].interval
    assert north is not None
    # Patient a is right twice, b once of two: no resample of the two lies outside.
    assert (north.low, north.high) == (0.5, 1.0)
    alone = report_of(groups=None).per_source["north"]
    assert alone.n_groups is None
    assert alone.interval is not None
    assert alone.interval.low < 0.5


def test_one_patient_and_no_resamples_have_no_interval() -> None:
    one = report_of(sources=["west"] * 2 + ["east"] * 6).per_source["west"]
    assert (one.n_groups, one.interval) == (1, None)
    assert report_of(bootstrap=0).per_source["north"].interval is None


@pytest.mark.parametrize("sources", [None, ["one"] * 8, [None] * 8])
def test_fewer_than_two_sources_are_no_table(sources: list[str | None] | None) -> None:
    report = report_of(sources=sources)
    assert report.per_source == {}
    assert "## Sources" not in report.to_markdown()


def test_slices_without_source_are_counted_last() -> None:
    report = report_of(sources=[None, "z", "z", "z", "a", "a", "a", None])
    assert [(name, part.n) for name, part in report.per_source.items()] == [("a", 3), ("z", 3), (NO_SOURCE, 2)]
    assert "| a | 3 |" in report.to_markdown()


def test_statuses_come_in_order_and_only_those_that_occur() -> None:
    report = report_of(statuses=["rejected", "ok", "ok", "ok", "ok", "rejected", "ok", "ok"])
    assert [(name, part.n, part.right) for name, part in report.per_status.items()] == [
        ("ok", 6, 3),
        ("rejected", 2, 1),
    ]
    assert report_of().per_status == {}


def test_one_entry_per_slice_is_needed() -> None:
    for name in ("sources", "statuses"):
        with pytest.raises(OptionError, match=name):
            report_of(**{name: ["ok"]})


def test_the_surest_answers_are_those_of_the_curve_and_the_last_point_is_everything() -> None:
    probabilities = np.array([[p, 1 - p] for p in (0.99, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55)])
    targets = np.array([0, 0, 0, 0, 1, 0, 0, 1, 1, 0])
    report = report_of(
        probabilities=probabilities, targets=targets, groups=None, sources=None, names=[str(k) for k in range(10)]
    )
    points = surest(report.risk_coverage, (0.5, 0.8, 1.0))
    assert [(point.answered, point.wrong) for point in points] == [(5, 1), (8, 2), (10, 3)]
    assert points[-1].risk == pytest.approx(1 - report.accuracy)
    assert report.to_dict()["risk_coverage"] == report.risk_coverage.to_dict()


def test_equal_confidences_are_answered_together() -> None:
    assert [point.share for point in surest(report_of(probabilities=np.tile([0.7, 0.3], (8, 1))).risk_coverage)] == [1]
