"""Thresholds: numbers with ranges, that come back from JSON as they were."""

import json
import math
from dataclasses import FrozenInstanceError, replace

import pytest

from mriclassify import AppearanceLimits, OptionError, Thresholds


def test_nothing_is_unfamiliar_unless_somebody_says_how_far_is_too_far() -> None:
    assert Thresholds().unfamiliar_above == math.inf
    assert Thresholds().appearance == AppearanceLimits()


@pytest.mark.parametrize(
    "given",
    [
        Thresholds(),
        Thresholds(uncertain_below=0, unfamiliar_above=0, appearance=None),
        Thresholds(uncertain_below=1, unfamiliar_above=12.5, lesion_above=0.35, ct_above=0.25),
        Thresholds(appearance=AppearanceLimits(colour_above=math.inf, greys_below=0)),
    ],
)
def test_they_come_back_from_strict_json(given: Thresholds) -> None:
    text = json.dumps(given.to_dict(), allow_nan=False)
    assert Thresholds.from_dict(json.loads(text)) == given


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("uncertain_below", value) for value in (-0.1, 1.1, math.nan, math.inf)),
        *(("unfamiliar_above", value) for value in (-1, math.nan, -math.inf)),
        *(("ct_above", value) for value in (-0.1, math.nan, -math.inf)),
        *(("lesion_above", value) for value in (-0.1, 1, math.nan)),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=name):
        replace(Thresholds(), **{name: value})


@pytest.mark.parametrize("missing", ["uncertain_below", "unfamiliar_above", "appearance", "lesion_above", "ct_above"])
def test_an_entry_that_is_missing_is_named(missing: str) -> None:
    values = Thresholds().to_dict()
    del values[missing]
    with pytest.raises(KeyError, match=missing):
        Thresholds.from_dict(values)


@pytest.mark.parametrize("appearance", [[], 3, "none", {"colour": 1}, {"colour_above": "much"}])
def test_limits_of_another_kind_are_refused(appearance: object) -> None:
    with pytest.raises(TypeError):
        Thresholds.from_dict(Thresholds().to_dict() | {"appearance": appearance})


def test_they_do_not_change_under_a_classifier_that_holds_them() -> None:
    with pytest.raises(FrozenInstanceError):
        Thresholds().uncertain_below = 0.1  # type: ignore[misc]
