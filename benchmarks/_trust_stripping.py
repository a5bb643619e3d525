"""Stripping: what becomes of the answers when nothing but the brain is left, as in many data sets for research."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from _trust_figures import mean
from _trust_sections import Section, left_out
from _trust_slices import BATCH, FREE, Asked, with_outlines
from numpy.typing import NDArray

from mriclassify import Classifier, Record, strip
from mriclassify._data._stripping import StripParameters
from mriclassify._training._batches import Slices

SIZE = 256
"""Pixels a side of what the classifier is given: no less than published weights see."""

AS_FOUND = StripParameters(spread=0.0)


def stripped(clf: Classifier, fold: Asked, lgg: Asked, data: Path) -> Section:
    """Return, for fold and other hospitals, what is said of whole slices and of the same slices stripped.

    Only slices in which `mriclassify.strip` finds the brain can take part, and of those with a tumour only such as have
    a mask, most of which must be left. Training may strip by the same means: other programs cut otherwise.
    """
    return {"fold": _of_fold(clf, fold, data), "external_lgg": _of_lgg(clf, lgg)}


def _of_fold(clf: Classifier, fold: Asked, data: Path) -> Section:
    with tempfile.TemporaryDirectory() as folder:
        masks = {record.path: record.mask for record in with_outlines(fold.records, data, Path(folder))}
        outlined = [replace(record, mask=masks.get(record.path)) for record in fold.records]
        return _compared(clf, replace(fold, records=outlined), _right)


def _of_lgg(clf: Classifier, lgg: Asked) -> Section:
    return _compared(clf, lgg, _told) if lgg.records else left_out("external_lgg is not there")


def _right(asked: Asked) -> Section:
    return {"accuracy": mean(asked.correct, asked.groups)}


def _told(asked: Asked) -> Section:
    return {
        "tumour_seen": mean(asked.seen[asked.tumour], asked.of_group(asked.tumour)),
        "tumour_free_called_so": mean(~asked.seen[~asked.tumour], asked.of_group(~asked.tumour)),
    }


def _compared(clf: Classifier, asked: Asked, figures: Callable[[Asked], Section]) -> Section:
    """Return the figures, and the share that is rejected, of stripped slices, and as "..._whole" of the same whole."""
    whole, bare = _both(clf, asked)
    if not whole.records:
        return left_out("the brain can be told in none of the slices")
    of_bare, of_whole = (
        {"rejected": mean(those.has("rejected"), those.groups)} | figures(those) for those in (bare, whole)
    )
    return {"slices": len(bare.records)} | of_bare | {f"{name}_whole": figure for name, figure in of_whole.items()}


def _both(clf: Classifier, asked: Asked) -> tuple[Asked, Asked]:
    """Return the answers about the slices that can be stripped, and those about the same slices stripped."""
    found = [(index, image) for index, image in enumerate(_stripped(clf, asked.records)) if image is not None]
    chosen = [index for index, _ in found]
    records = [asked.records[index] for index in chosen]
    answers = list(clf.predict_many([image for _, image in found], batch_size=BATCH))
    return (
        replace(asked, records=records, answers=[asked.answers[index] for index in chosen]),
        replace(asked, records=records, answers=answers),
    )


def _stripped(clf: Classifier, records: Sequence[Record]) -> list[NDArray[np.float32] | None]:
    """Return each slice with the brain alone; None where that can't be done, or would not be known to be right."""
    slices = Slices(
        paths=[record.path for record in records],
        targets=np.array([clf.classes.index(record.label) for record in records]),
        preprocessing=replace(clf.bundle.preprocessing, size=SIZE),
        masks=[record.mask for record in records],
        healthy=clf.classes.index(FREE),
    )
    made = []
    for index in range(len(slices)):
        sample = slices.sample(index)
        one = None if sample.lesion is None else strip(sample.image, sample.lesion > 0.5, AS_FOUND)
        made.append(None if one is None else one[0])
    return made
