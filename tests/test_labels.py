"""Names become labels, or an error that says which names and what to do."""

import pytest

from mriclassify._errors import ClassMismatchError, OptionError
from mriclassify._labels import CLASSES, listed, map_names, simplify


def test_names_of_the_public_sets_are_known() -> None:
    nickparvar = ["glioma", "meningioma", "notumor", "pituitary"]
    sartaj = ["glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor"]
    rm1000 = ["glioma", "meningioma", "healthy", "pituitary"]
    for names in (nickparvar, sartaj, rm1000):
        assert tuple(map_names(names).values()) == CLASSES


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Glioma Tumour", "glioma"),
        ("GLIOMAS", "glioma"),
        ("no-tumour", "notumor"),
        ("No", "notumor"),
        ("Normal", "notumor"),
        ("Meningioma-Tumour", "meningioma"),
        ("pituitary  tumor", "pituitary"),
    ],
)
def test_case_separators_and_british_spelling_do_not_matter(name: str, label: str) -> None:
    assert map_names([name]) == {name: label}


def test_order_of_names_does_not_change_what_they_mean() -> None:
    names = ["pituitary_tumor", "no_tumor", "glioma_tumor"]
    assert map_names(names) == map_names(sorted(names))
    assert list(map_names(names)) == names


def test_brain_tumor_means_pituitary_only_in_the_bangladesh_set() -> None:
    assert map_names(["brain_glioma", "brain_menin", "brain_tumor"])["brain_tumor"] == "pituitary"
    siblings = ["brain_glioma", "brain_menin"]
    for names in (["brain_tumor"], ["brain_tumor", "brain_glioma"], [*siblings, "brain_tumor", "notumor"]):
        with pytest.raises(ClassMismatchError, match="brain_tumor"):
            map_names(names)


def test_unknown_names_are_listed_with_the_known_ones_and_the_remedy() -> None:
    with pytest.raises(ClassMismatchError) as caught:
        map_names(["glioma", "edema", "cyst"])
    for part in ("'edema'", "'cyst'", "meningioma", "classes="):
        assert part in str(caught.value)
    assert "'glioma'" not in str(caught.value)


def test_two_names_of_one_class_are_refused_unless_spellings_are_allowed() -> None:
    with pytest.raises(ClassMismatchError, match=r"'normal' and 'healthy'.*'notumor'"):
        map_names(["normal", "healthy"])
    assert set(map_names(["normal", "healthy"], allow_spellings=True).values()) == {"notumor"}


def test_a_sequence_of_classes_is_taken_as_it_is() -> None:
    assert map_names(["Edema", "cyst"], classes=["edema", "cyst"]) == {"Edema": "edema", "cyst": "cyst"}


def test_an_alias_helps_where_its_label_is_among_the_classes() -> None:
    assert map_names(["no_tumor", "edema"], classes=["notumor", "edema"])["no_tumor"] == "notumor"
    with pytest.raises(ClassMismatchError, match="glioma_tumor"):
        map_names(["glioma_tumor"], classes=["notumor", "edema"])


def test_a_class_named_like_an_alias_keeps_its_own_name() -> None:
    assert map_names(["healthy", "glioma"], classes=["healthy", "glioma"])["healthy"] == "healthy"


def test_classes_that_differ_in_case_only_are_told_apart_exactly() -> None:
    assert map_names(["a", "A"], classes=["A", "a"]) == {"a": "a", "A": "A"}
    with pytest.raises(ClassMismatchError):
        map_names(["a-"], classes=["A", "a"])


def test_a_mapping_translates_and_may_merge() -> None:
    classes = {"glioma": "tumour", "meningioma": "tumour", "no": "none"}
    assert map_names(["Glioma", "meningioma", "no"], classes=classes) == {
        "Glioma": "tumour",
        "meningioma": "tumour",
        "no": "none",
    }
    with pytest.raises(ClassMismatchError, match="pituitary"):
        map_names(["pituitary"], classes=classes)


@pytest.mark.parametrize("classes", ["glioma", [], {}, ["glioma", "glioma"], ["glioma", " "], ["a", 1], {"a": ""}])
def test_malformed_classes_are_refused(classes: object) -> None:
    with pytest.raises(OptionError, match="classes"):
        map_names(["glioma"], classes=classes)  # type: ignore[arg-type]


def test_simplify_is_idempotent() -> None:
    for name in ("No-Tumour", "  brain_glioma ", "PITUITARY"):
        assert simplify(simplify(name)) == simplify(name)


def test_long_lists_are_cut_and_counted() -> None:
    assert listed(range(3)) == "0, 1, 2"
    assert listed(range(20), limit=2) == "0, 1 and 18 more"
