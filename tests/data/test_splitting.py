"""Splits: every slice once, groups whole, classes everywhere, the same again for the same seed."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mriclassify._data._splitting import grouped_folds, grouped_split, sliced_folds, sliced_split
from mriclassify._errors import SplitError

FRACTIONS = [(0.5, 0.5), (0.7, 0.1, 0.2), (0.9, 0.1), (0.25, 0.25, 0.25, 0.25)]
few = settings(max_examples=40, deadline=None)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Labels and groups: 1 to 4 classes of 4 to 12 groups of 1 to 30 slices; no group mixes classes."""
    labels, groups = [], []
    for k in range(draw(st.integers(1, 4))):
        for g, size in enumerate(draw(st.lists(st.integers(1, 30), min_size=4, max_size=12))):
            labels += [f"class {k}"] * size
            groups += [f"{k}/{g}"] * size
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(labels))
    return [labels[i] for i in order], [groups[i] for i in order]


def check_parts(parts: Sequence[np.ndarray], labels: list[str]) -> None:
    """Disjoint, together everything, each rising, each with every class."""
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    for part in parts:
        assert (np.diff(part) > 0).all()
        assert {labels[i] for i in part} == set(labels)


@few
@given(tables(), st.sampled_from(FRACTIONS), st.integers(0, 9))
def test_grouped_split_keeps_groups_whole(
    table: tuple[list[str], list[str]], fractions: tuple[float, ...], seed: int
) -> None:
    labels, groups = table
    parts = grouped_split(labels, groups, fractions, seed=seed)
    check_parts(parts, labels)
    held = [{groups[i] for i in part} for part in parts]
    assert sum(map(len, held)) == len(set(groups))


@few
@given(tables(), st.sampled_from(FRACTIONS), st.integers(0, 9))
def test_sliced_split_gives_each_class_its_share_to_the_nearest_slices(
    table: tuple[list[str], list[str]], fractions: tuple[float, ...], seed: int
) -> None:
    labels, _ = table
    parts = sliced_split(labels, fractions, seed=seed)
    check_parts(parts, labels)
    for label in set(labels):
        n = labels.count(label)
        for part, fraction in zip(parts, fractions, strict=True):
            count = sum(labels[i] == label for i in part)
            assert count == 1 or abs(count - fraction * n) < len(fractions)


@few
@given(tables(), st.integers(2, 4), st.integers(0, 9))
def test_grouped_folds_keep_groups_whole(table: tuple[list[str], list[str]], n_folds: int, seed: int) -> None:
    labels, groups = table
    folds = grouped_folds(labels, groups, n_folds, seed=seed)
    assert len(folds) == n_folds
    check_parts(folds, labels)
    assert sum(len({groups[i] for i in fold}) for fold in folds) == len(set(groups))


def make_table(n_groups: int = 60) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(1)
    rows = [(k, g) for k in "abc" for g in range(n_groups) for _ in range(rng.integers(1, 20))]
    return [k for k, _ in rows], [f"{k}{g}" for k, g in rows]


SPLITTERS: dict[str, Callable[[int], Sequence[np.ndarray]]] = {
    "grouped split": lambda seed: grouped_split(*make_table(), (0.7, 0.1, 0.2), seed=seed),
    "sliced split": lambda seed: sliced_split(make_table()[0], (0.7, 0.1, 0.2), seed=seed),
    "grouped folds": lambda seed: grouped_folds(*make_table(), 3, seed=seed),
    "sliced folds": lambda seed: sliced_folds(make_table()[0], 3, seed=seed),
}


@pytest.mark.parametrize("split", SPLITTERS.values(), ids=SPLITTERS.keys())
def test_the_seed_alone_decides(split: Callable[[int], Sequence[np.ndarray]]) -> None:
    first, again, other = split(0), split(0), split(1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_proportions_come_close_with_many_groups() -> None:
    labels, groups = make_table()
    for part, fraction in zip(grouped_split(labels, groups, (0.7, 0.1, 0.2), seed=0), (0.7, 0.1, 0.2), strict=True):
        for label in "abc":
            assert sum(labels[i] == label for i in part) / labels.count(label) == pytest.approx(fraction, abs=0.02)


def test_seeds_move_large_groups_too() -> None:
    labels = ["a"] * 550
    groups = [f"g{size}" for size in range(1, 11) for _ in range(size * 10)]  # no two of one size
    small_parts = {frozenset(groups[i] for i in grouped_split(labels, groups, (0.7, 0.3), seed=s)[1]) for s in range(8)}
    assert len(small_parts) > 1


@pytest.mark.parametrize("sizes", [(1, 1, 1), (100, 1, 1), (30, 20, 10)])
def test_three_groups_a_class_are_enough_for_three_parts(sizes: tuple[int, ...]) -> None:
    rows = [(k, g) for k in "abcd" for g, size in enumerate(sizes) for _ in range(size)]
    labels, groups = [k for k, _ in rows], [f"{k}{g}" for k, g in rows]
    check_parts(grouped_split(labels, groups, (0.7, 0.1, 0.2), seed=0), labels)
    check_parts(grouped_folds(labels, groups, 3, seed=0), labels)


def test_groups_may_hold_several_classes() -> None:
    labels = ["glioma", "notumor"] * 20
    groups = [str(i // 4) for i in range(40)]
    parts = grouped_split(labels, groups, (0.6, 0.2, 0.2), seed=0)
    check_parts(parts, labels)
    assert [len(part) for part in parts] == [24, 8, 8]


def test_folds_that_scikit_learn_leaves_without_a_class_are_mended() -> None:
    slices = {("a", "1"): 21, ("a", "2"): 6, ("a", "3"): 27, ("b", "1"): 25, ("b", "2"): 14}
    rows = [row for row, count in slices.items() for _ in range(count)]
    labels, groups = [label for label, _ in rows], [group for _, group in rows]
    folds = grouped_folds(labels, groups, 2, seed=0)
    check_parts(folds, labels)
    assert sum(len({groups[i] for i in fold}) for fold in folds) == 3


def test_small_parts_get_large_groups_too() -> None:
    groups = [f"g{size}" for size in range(1, 61) for _ in range(size)]
    means = []
    for seed in range(5):
        _, small = grouped_split(["a"] * len(groups), groups, (0.8, 0.2), seed=seed)
        means.append(len(small) / len({groups[i] for i in small}))
    assert np.mean(means) == pytest.approx(30.5, rel=0.2)  # slices a group, over all


def test_too_few_groups_of_a_class_name_the_class_and_the_remedy() -> None:
    labels, groups = ["a"] * 6 + ["b"] * 6, [*"123456", *"778888"]
    with pytest.raises(SplitError, match=r"class 'b' has 2 groups.*3 parts need 3.*fewer parts.*by='slice'"):
        grouped_split(labels, groups, (0.7, 0.1, 0.2), seed=0)
    with pytest.raises(SplitError, match="class 'b' has 2 groups"):
        grouped_folds(labels, groups, 3, seed=0)


def test_one_group_with_a_whole_class_is_named() -> None:
    with pytest.raises(SplitError, match="all 4 slices of class 'b' are in one group"):
        grouped_split(["a"] * 4 + ["b"] * 4, [*"12345555"], (0.5, 0.5), seed=0)


def test_groups_that_mix_classes_so_that_no_split_exists_are_refused() -> None:
    # a: groups 1, 2; b: groups 2, 3; c: groups 1, 3. Whichever way, one class is on one side only.
    labels, groups = ["a", "c", "a", "b", "b", "c"], ["1", "1", "2", "2", "3", "3"]
    with pytest.raises(SplitError, match="hold other classes too"):
        grouped_split(labels, groups, (0.5, 0.5), seed=0)


def test_too_few_slices_of_a_class_are_refused() -> None:
    with pytest.raises(SplitError, match="class 'b' has 2 slices, but 3 parts need 3"):
        sliced_split(["a"] * 9 + ["b"] * 2, (0.7, 0.1, 0.2), seed=0)
    with pytest.raises(SplitError, match="class 'b' has 2 slices"):
        sliced_folds(["a"] * 9 + ["b"] * 2, 3, seed=0)
