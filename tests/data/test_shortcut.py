"""The shortcut test: it finds what is planted, in the family where it is planted, and nothing where nothing is."""

from pathlib import Path

import numpy as np
import pytest

from mriclassify._data._audit import _shortcut
from mriclassify._data._audit._findings import Shortcut
from mriclassify._data._audit._shortcut import find_shortcut
from mriclassify._errors import SplitError
from mriclassify._likeness._looks import ROW, Looks
from mriclassify._likeness._measures import columns


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shortcut, "TREES", 5)
    monkeypatch.setattr(_shortcut, "N_FOLDS", 3)
    monkeypatch.setattr(_shortcut, "RESAMPLES", 200)


def noise(n: int, seed: int = 0) -> Looks:
    """Looks of n slices with nothing in them: one size, and all else at random."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(n, ROW)
    rows["fingerprint"] = np.arange(1, n + 1)
    rows["height"], rows["width"] = 224, 224
    rows["file_size"] = rng.integers(5000, 9000, n)
    rows["measures"] = rng.uniform(0, 1, rows["measures"].shape)
    return Looks(tuple(Path(f"/{k}.png") for k in range(n)), (None,) * n, rows)


def labels(n: int, *names: str) -> list[str]:
    return [names[k % len(names)] for k in range(n)]


def pairs(n: int, n_classes: int) -> list[str]:
    """Groups of two slices of one class."""
    return [f"{k % n_classes} {k // n_classes // 2}" for k in range(n)]


def found_in(looks: Looks, names: tuple[str, ...] = ("glioma", "notumor", "pituitary")) -> Shortcut:
    n = len(looks)
    return find_shortcut(labels(n, *names), pairs(n, len(names)), looks)


def test_nothing_is_found_in_noise() -> None:
    found = found_in(noise(180))
    assert not found.tells
    assert found.overall.chance == pytest.approx(1 / 3)
    assert found.overall.low < 1 / 3 + 0.1 and found.overall.high > 1 / 3 - 0.1
    assert "can learn" not in found.sentence


@pytest.mark.parametrize(
    ("family", "plant"),
    [
        ("file size", lambda rows, k: rows["file_size"].__setitem__(k, 20_000)),
        ("dimensions", lambda rows, k: rows["width"].__setitem__(k, 256)),
        ("borders", lambda rows, k: rows["measures"].__setitem__((k, columns("border_left_mean")[0]), 3)),
        ("corners", lambda rows, k: rows["measures"].__setitem__((k, columns("corner_top_left_mean")[0]), 3)),
        ("margins", lambda rows, k: rows["measures"].__setitem__((k, columns("margin_top")[0]), 3)),
        ("grey levels", lambda rows, k: rows["measures"].__setitem__((k, columns("grey_levels")[0]), 300)),
    ],
)
def test_a_planted_shortcut_is_found_in_its_family(family: str, plant: object) -> None:
    looks = noise(120)
    for k in range(0, 120, 2):
        plant(looks.rows, k)  # type: ignore[operator]
    found = found_in(looks, ("glioma", "notumor"))
    best = next(iter(found.families))
    assert found.tells
    assert found.overall.balanced_accuracy > 0.8
    assert best == family
    assert found.families[family].balanced_accuracy > 0.95
    assert family in found.sentence and "can learn the same shortcut" in found.sentence


def test_one_class_told_from_the_rest_is_named() -> None:
    looks = noise(240)
    looks.rows["measures"][1::4, columns("border_")] = 0  # of the second class of four
    found = found_in(looks, ("glioma", "notumor", "meningioma", "pituitary"))
    told = found.one_vs_rest
    assert set(told) == {"glioma", "notumor", "meningioma", "pituitary"}
    assert told["notumor"].chance == 0.5
    assert told["notumor"].balanced_accuracy > 0.95 > told["glioma"].balanced_accuracy
    assert "notumor from the rest in" in found.sentence


def test_brightness_is_reported_and_no_part_of_the_shortcut() -> None:
    looks = noise(120)
    looks.rows["measures"][::2, columns("intensity_")] = 3
    found = found_in(looks, ("glioma", "notumor"))
    assert found.intensity.balanced_accuracy > 0.95
    assert not found.tells


def test_knowing_a_patient_again_is_no_shortcut() -> None:
    looks = noise(120)
    # Each group has a border of its own, which has nothing to do with the class.
    groups = [f"p{k // 6}" for k in range(120)]
    classes = [("glioma", "notumor")[k // 6 % 2] for k in range(120)]
    looks.rows["measures"][:, columns("border_")] = np.random.default_rng(5).uniform(0, 1, 20)[
        np.arange(120) // 6, None
    ]
    assert not find_shortcut(classes, groups, looks).tells
    alone = find_shortcut(classes, [str(k) for k in range(120)], looks)
    assert alone.families["borders"].balanced_accuracy > 0.9  # what slice-wise folds would have said


def test_the_interval_holds_the_figure_and_is_wide_where_groups_are_few() -> None:
    looks = noise(200, seed=3)
    # Every second group of 20 slices has the other class's border: few groups, and half of them told wrongly.
    looks.rows["measures"][:, columns("border_")] = 3 * (np.arange(200) // 20 % 2)[:, None]
    names = labels(200, "glioma", "notumor")
    told = find_shortcut(names, [f"{k // 20} {k % 2}" for k in range(200)], looks).families["borders"]
    assert told.low <= told.balanced_accuracy <= told.high
    assert told.high - told.low > 0.1


def test_the_same_slices_give_the_same_answer() -> None:
    assert found_in(noise(90)) == found_in(noise(90))


def test_a_class_too_small_is_left_out_and_named() -> None:
    looks = noise(130)
    names = labels(120, "glioma", "notumor") + ["pituitary"] * 10
    found = find_shortcut(names, [str(k) for k in range(130)], looks)
    assert found.classes == ("glioma", "notumor")
    assert found.left_out == ("pituitary",)
    assert found.n == 120
    assert found.overall.chance == 0.5


@pytest.mark.parametrize(
    ("names", "groups", "why"),
    [
        (["glioma"] * 60, [str(k) for k in range(60)], "one class only"),
        (["glioma"] * 30 + ["notumor"] * 19, [str(k) for k in range(49)], "notumor has 19 in 19"),
        (["glioma"] * 30 + ["notumor"] * 30, [str(k) for k in range(30)] + ["one"] * 30, "notumor has 30 in 1"),
        ([], [], "one class only"),
    ],
)
def test_too_small_a_set_is_refused_with_the_reason(names: list[str], groups: list[str], why: str) -> None:
    with pytest.raises(SplitError, match=why):
        find_shortcut(names, groups, noise(len(names)))


def test_of_a_large_set_whole_groups_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shortcut, "MOST_SLICES", 100)
    looks = noise(400)
    looks.rows["file_size"][::2] = 20_000
    found = found_in(looks, ("glioma", "notumor"))
    assert 80 <= found.n <= 100
    assert found.n_groups == found.n // 2
    assert found.tells
