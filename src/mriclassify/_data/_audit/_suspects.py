"""Suspect labels: slices whose label is doubted by a model that was trained on the other slices."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mriclassify._data._audit._findings import Suspect
from mriclassify._errors import ClassMismatchError, MissingExtraError
from mriclassify._shapes import Probabilities, Targets

if TYPE_CHECKING:
    from mriclassify._data._dataset import Dataset


class Learner(Protocol):
    """What is asked of a classifier here; `mriclassify.Classifier` does it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The columns of its probabilities."""
        ...

    def fit(self, train: "Dataset", /) -> object:
        """Learn from these slices."""
        ...

    def predict_proba(self, sources: Sequence[Path], /) -> Probabilities:
        """Return (n, classes), each row summing to 1."""
        ...


MakeClassifier: TypeAlias = Callable[[], Learner]
"""Makes an untrained classifier, a new one each time."""


def suspects(data: "Dataset", make: MakeClassifier, *, n_folds: int = 5, seed: int = 0) -> tuple[Suspect, ...]:
    """Return the slices whose label is probably wrong, the most suspect first.

    A new classifier is trained on all folds but one and asked about that one; groups are kept apart, since a model
    that knows a slice's copy repeats its label. From all answers cleanlab finds the labels to doubt, by confident
    learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021).

    Args:
        data: readable slices, each with its group.
        make: makes an untrained classifier.
        n_folds: 2 or more; so many times one is trained.
        seed: the same seed gives the same folds.

    Raises:
        MissingExtraError: cleanlab is not installed.
        OptionError: an argument is out of its range.
        SplitError: groups are missing, or there are too few of them.
        ClassMismatchError: a classifier does not know the classes it was trained on.
    """
    find_issues = _cleanlab()  # before hours of training, not after
    classes = data.classes
    place = {record.path: row for row, record in enumerate(data)}
    probabilities = np.zeros((len(data), len(classes)))
    for train, test in data.folds(n_folds, by="group", seed=seed):
        learner = make()
        learner.fit(train)
        paths = [record.path for record in test]
        probabilities[[place[path] for path in paths]] = _in_order(learner, paths, classes)
    targets = np.array([classes.index(label) for label in data.labels], dtype=np.int64)
    doubted = np.flatnonzero(find_issues(targets, probabilities))
    found = [_suspect(data, classes, probabilities, targets, row) for row in doubted.tolist()]
    # A label that its own model gives as well is doubted only for the class's sake: there is nothing to suggest.
    return tuple(sorted((one for one in found if one.suggested != one.given), key=lambda one: one.quality))


def _cleanlab() -> Callable[[Targets, Probabilities], NDArray[np.bool_]]:
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise MissingExtraError('suspect labels need cleanlab: pip install "mriclassify[audit]"') from error

    def find_issues(targets: Targets, probabilities: Probabilities) -> NDArray[np.bool_]:
        # One process: more would need the caller's `if __name__ == "__main__"`, and this takes seconds.
        return np.asarray(find_label_issues(targets, probabilities, n_jobs=1), dtype=bool)

    return find_issues


def _in_order(learner: Learner, paths: Sequence[Path], classes: tuple[str, ...]) -> Probabilities:
    """The learner's probabilities with the columns of `classes`."""
    if sorted(learner.classes) != sorted(classes):
        raise ClassMismatchError(
            f"the classifier must answer with the classes it was trained on, {', '.join(classes)}, "
            f"not {', '.join(learner.classes)}"
        )
    answers = np.asarray(learner.predict_proba(paths), dtype=np.float64)
    return answers[:, [learner.classes.index(label) for label in classes]]


def _suspect(
    data: "Dataset", classes: tuple[str, ...], probabilities: Probabilities, targets: Targets, row: int
) -> Suspect:
    best = int(probabilities[row].argmax())
    return Suspect(
        path=data[row].path,
        given=classes[targets[row]],
        suggested=classes[best],
        confidence=float(probabilities[row, best]),
        quality=float(probabilities[row, targets[row]]),
    )
