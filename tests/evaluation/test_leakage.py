from dataclasses import replace

import pytest

from mriclassify._errors import OptionError
from mriclassify._evaluation import Leakage


def test_a_clean_test_set_says_that_neither_slices_nor_patients_were_seen() -> None:
    leakage = Leakage(checked=True, slices_seen=0, groups_seen=0, n_slices=10)
    assert not leakage.leaks
    assert leakage.sentence.startswith("No test slice and no test patient")


def test_seen_slices_are_a_leak_that_names_the_count() -> None:
    leakage = Leakage(checked=True, slices_seen=216, groups_seen=90, n_slices=1311)
    assert leakage.leaks
    assert leakage.sentence.startswith("LEAK: 216 of 1,311 test slices")
    assert "90 test groups" in leakage.sentence
    assert "overstate" in leakage.sentence


def test_a_seen_patient_is_a_leak_even_when_no_slice_is() -> None:
    leakage = Leakage(checked=True, slices_seen=0, groups_seen=1, n_slices=10)
    assert leakage.leaks
    assert "1 test group " in leakage.sentence


def test_slices_like_those_of_the_training_are_a_leak() -> None:
    leakage = Leakage(checked=True, slices_seen=0, slices_alike=282, groups_seen=0, n_slices=985)
    assert leakage.leaks
    assert leakage.sentence.startswith(
        "LEAK: 0 of 985 test slices were in training, pixel for pixel, 282 more as near-duplicates (mirrored and "
        "turned ones count), and 0 test groups"
    )
    unknown = replace(leakage, groups_seen=None)
    assert "pixel for pixel, and 282 more as near-duplicates" in unknown.sentence
    assert "whether their patients were is not known" in unknown.sentence


def test_that_no_slice_is_like_one_of_the_training_is_said_where_it_is_known() -> None:
    known = Leakage(checked=True, slices_seen=0, slices_alike=0, groups_seen=0, n_slices=10)
    assert not known.leaks
    assert known.sentence == "No test slice, no near-duplicate of one, and no test patient was in training."
    assert replace(known, groups_seen=None).sentence.startswith("No test slice and no near-duplicate of one was in")
    assert "no near-duplicate of one" not in replace(known, slices_alike=None).sentence


def test_unknown_patients_are_said_to_be_unknown() -> None:
    assert "not known" in Leakage(checked=True, slices_seen=0, groups_seen=None, n_slices=10).sentence
    assert "not known" in Leakage(checked=True, slices_seen=1, groups_seen=None, n_slices=10).sentence


def test_a_model_that_does_not_remember_is_unknown_rather_than_clean() -> None:
    leakage = Leakage(checked=False, slices_seen=0, groups_seen=None, n_slices=10)
    assert not leakage.leaks
    assert leakage.sentence.startswith("Unknown")


@pytest.mark.parametrize(("slices", "alike", "groups"), [(-1, 0, 0), (11, None, 0), (0, 0, -1), (0, -1, 0), (4, 7, 0)])
def test_impossible_counts_are_refused(slices: int, alike: int | None, groups: int) -> None:
    with pytest.raises(OptionError):
        Leakage(checked=True, slices_seen=slices, slices_alike=alike, groups_seen=groups, n_slices=10)
