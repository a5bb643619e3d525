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


def test_unknown_patients_are_said_to_be_unknown() -> None:
    assert "not known" in Leakage(checked=True, slices_seen=0, groups_seen=None, n_slices=10).sentence
    assert "not known" in Leakage(checked=True, slices_seen=1, groups_seen=None, n_slices=10).sentence


def test_a_model_that_does_not_remember_is_unknown_rather_than_clean() -> None:
    leakage = Leakage(checked=False, slices_seen=0, groups_seen=None, n_slices=10)
    assert not leakage.leaks
    assert leakage.sentence.startswith("Unknown")


@pytest.mark.parametrize(("slices", "groups"), [(-1, 0), (11, 0), (0, -1)])
def test_impossible_counts_are_refused(slices: int, groups: int) -> None:
    with pytest.raises(OptionError):
        Leakage(checked=True, slices_seen=slices, groups_seen=groups, n_slices=10)
