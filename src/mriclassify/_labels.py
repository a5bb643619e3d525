"""The class vocabulary: the four classes, their order, and the names that known sets give them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from mriclassify._errors import ClassMismatchError, OptionError

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
"""The classes of the bundled weights, in the order of their outputs."""

NO_TUMOUR = "notumor"
"""The class of slices that show no tumour: they have no lesion, though nobody outlines that."""

Classes: TypeAlias = Sequence[str] | Mapping[str, str] | None
"""What `classes=` takes: labels to keep as they are, a mapping name -> label, or None (known aliases)."""

# In the simplified spelling of `simplify`: lower case, no separators, "tumor" for "tumour".
_ALIASES = {
    "glioma": "glioma gliomas gliomatumor gliomatumors brainglioma",
    "meningioma": "meningioma meningiomas meningiomatumor meningiomatumors brainmenin brainmeningioma menin",
    "notumor": "notumor notumors nontumor nontumors no none normal normalbrain brainnormal healthy "
    "healthybrain brainhealthy control tumorfree withouttumor",
    "pituitary": "pituitary pituitarytumor pituitarytumors pituitaryadenoma brainpituitary",
}
_LABEL_OF_ALIAS = {alias: label for label, aliases in _ALIASES.items() for alias in aliases.split()}

# The Bangladesh set (Mendeley mk56jw9rns) calls its pituitary class "brain_tumor", a name that would
# mean anything elsewhere. It is believed only where the folders are exactly these three.
_BANGLADESH = {"brainglioma": "glioma", "brainmenin": "meningioma", "braintumor": "pituitary"}


def simplify(name: str) -> str:
    """The name without case, spaces, `_` and `-`, in American spelling: "No-Tumour" becomes "notumor"."""
    return re.sub(r"[\s_\-]+", "", name).casefold().replace("tumour", "tumor")


def map_names(names: Iterable[str], *, classes: Classes = None, allow_spellings: bool = False) -> dict[str, str]:
    """Find the label that each folder name, or each value of a label column, stands for.

    Args:
        names: the names as they are written in the data set.
        classes: None to know the four classes by the aliases of known sets only; a sequence of labels to
            take as they are (an alias helps where its label is among them); or a mapping name -> label,
            which may merge several names into one label. Case and separators never matter.
        allow_spellings: whether two names may mean one label, as rows of a table may; two folders may not.

    Returns:
        name -> label, in the order of `names`.

    Raises:
        ClassMismatchError: a name is unknown, or two names mean one label.
        OptionError: `classes` is not a sequence of different names or a mapping.

    Example:
        >>> map_names(["glioma_tumor", "no tumour"])
        {'glioma_tumor': 'glioma', 'no tumour': 'notumor'}
    """
    names = list(dict.fromkeys(names))
    known = _known_names(classes, names)
    exact = dict(classes) if isinstance(classes, Mapping) else {label: label for label in classes or ()}
    labels = {name: exact.get(name) or known.get(simplify(name)) for name in names}
    _refuse_unknown(labels, known=exact or CLASSES)
    mapped = {name: label for name, label in labels.items() if label is not None}
    if not allow_spellings and not isinstance(classes, Mapping):
        _refuse_collisions(mapped)
    return mapped


def listed(names: Iterable[object], *, limit: int = 8) -> str:
    """Names for an error message: the first few of them, and how many more there are."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def _known_names(classes: Classes, names: list[str]) -> dict[str, str]:
    """Simplified name -> label, for everything that `classes` lets in."""
    if isinstance(classes, Mapping):
        _check_labels(list(classes.values()))
        return _simplified(classes)
    aliases = _LABEL_OF_ALIAS
    if {simplify(name) for name in names} == _BANGLADESH.keys():
        aliases = aliases | _BANGLADESH
    if classes is None:
        return aliases
    _check_classes(classes)
    wanted = _simplified({label: label for label in classes})
    return {alias: wanted[label] for alias, label in aliases.items() if label in wanted} | wanted


def _simplified(classes: Mapping[str, str]) -> dict[str, str]:
    """The mapping with its names simplified; names that then say two things are left to exact matching."""
    simplified: dict[str, str] = {}
    ambiguous = set()
    for name, label in classes.items():
        if simplified.setdefault(simplify(name), label) != label:
            ambiguous.add(simplify(name))
    return {name: label for name, label in simplified.items() if name not in ambiguous}


def _check_classes(classes: Sequence[str]) -> None:
    if isinstance(classes, str):
        raise OptionError(f"classes must be a sequence of names, not one string: write classes=[{classes!r}]")
    _check_labels(classes)
    if len(set(classes)) < len(classes):
        raise OptionError(f"classes names one class twice: {listed(classes)}")


def _check_labels(labels: Sequence[object]) -> None:
    if not labels:
        raise OptionError("classes is empty: name the classes, or leave it None for the known ones")
    for label in labels:
        if not isinstance(label, str) or not label or label != label.strip():
            raise OptionError(f"classes must hold names without spaces at their ends, not {label!r}")


def _refuse_unknown(labels: Mapping[str, str | None], *, known: Iterable[str]) -> None:
    unknown = [repr(name) for name, label in labels.items() if label is None]
    if unknown:
        raise ClassMismatchError(
            f"unknown class names: {listed(unknown)}. Known are {listed(known)} and their usual spellings. "
            "Pass classes=[...] to take other names as they are, or classes={name: label} to translate them."
        )


def _refuse_collisions(labels: Mapping[str, str]) -> None:
    first: dict[str, str] = {}
    for name, label in labels.items():
        other = first.setdefault(label, name)
        if other != name:
            raise ClassMismatchError(
                f"{other!r} and {name!r} both mean the class {label!r}. Merge or rename one of them, "
                f"or say what each means with classes={{{other!r}: ..., {name!r}: ...}}."
            )
