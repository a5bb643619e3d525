"""Assessment: a model's answers on a dataset, and what it has seen of that dataset before."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from importlib.metadata import version

import numpy as np

from mriclassify._data._dataset import Dataset, targets
from mriclassify._data._record import NEAR_DUPLICATES
from mriclassify._errors import DatasetError
from mriclassify._evaluation._leakage import Leakage
from mriclassify._evaluation._pictures import Explain, Picture, PictureOf, pictures_of
from mriclassify._evaluation._report import Report, make_report
from mriclassify._model._bundle import Bundle
from mriclassify._model._prediction import Prediction
from mriclassify._model._provenance import group_hashes, marks_of
from mriclassify._version import __version__

HOW_SPLIT = {
    "group": "By group: all slices of a patient, or of a cluster of near-duplicates, lie on one side.",
    "slice": "By slice: slices of one patient lie on both sides, so these figures overstate.",
    "published": "The published split of the data set.",
    "source": "By source: the slices of one source lie on one side, with all slices of their patients.",
    "table": "As a table says.",
}
LIBRARIES = ("torch", "torchvision", "numpy", "pillow", "scikit-learn")
NOT_SPLIT = "Not split by mriclassify: whoever made the dataset knows."


def assess(
    bundle: Bundle,
    data: Dataset,
    answers: Sequence[Prediction],
    *,
    explain: Explain | None = None,
    history: Sequence[Mapping[str, float]] | None,
    bootstrap: int,
    seed: int,
) -> Report:
    """Return the report on `answers`, one for each record of `data`, in order.

    Args:
        bundle: The model that answered.
        data: What it was asked.
        answers: Of the model.
        explain: From a file to the explanation of the model's answer, for pictures of mistakes; None for no
            pictures. It is called when the report is saved.
        history: Of the training, where it is known.
        bootstrap: Resamples for the intervals.
        seed: Of the resamples.

    Raises:
        DatasetError: no record could be read.
    """
    read = [number for number, answer in enumerate(answers) if answer.status != "error"]
    failed = [(str(a.source), "; ".join(a.reasons)) for a in answers if a.status == "error"]
    if not read:
        raise DatasetError(f"none of the {len(data)} slices can be read; the first: {failed[0][1]}")
    known = data.subset(read)
    return make_report(
        probabilities=np.array([list(answers[number].probabilities.values()) for number in read]),
        targets=targets(known, bundle.classes),
        classes=bundle.classes,
        groups=_groups(known),
        sources=[record.source for record in known],
        statuses=[answers[number].status for number in read],
        split=_split(known),
        leakage=_leakage(bundle, known),
        model=bundle.name,
        names=[str(record.path) for record in known],
        unreadable=failed,
        history=history,
        pictures=None if explain is None else _pictures(explain, known, [answers[number] for number in read]),
        settings=_settings(bundle, answers[read[0]], bootstrap=bootstrap, seed=seed),
        bootstrap=bootstrap,
        seed=seed,
    )


def _split(data: Dataset) -> str:
    """Say how the data were split, and what of their patients is a guess."""
    clusters = sum(record.group_source == NEAR_DUPLICATES for record in data)
    guess = (
        f" The patients of {clusters:,} of {len(data):,} slices are not known: only their near-duplicates are kept "
        "together."
        if clusters
        else ""
    )
    return HOW_SPLIT.get(data.split_by or "", NOT_SPLIT) + guess


def _pictures(explain: Explain, data: Dataset, answers: Sequence[Prediction]) -> PictureOf:
    paths, labels = [record.path for record in data], [answer.label or "" for answer in answers]

    def pictures(index: int) -> Sequence[Picture]:
        return pictures_of(explain(paths[index]), answer=labels[index])

    return pictures


def _groups(data: Dataset) -> list[str] | None:
    groups = [group for group in data.groups if group is not None]
    return groups if len(groups) == len(data) else None


def _leakage(bundle: Bundle, data: Dataset) -> Leakage:
    provenance, groups = bundle.provenance, _groups(data)
    checked = len(provenance.slices) > 0
    marks = marks_of([record.path for record in data] if checked else [])
    seen = provenance.knows(marks.fingerprints)
    return Leakage(
        checked=checked,
        slices_seen=int(seen.sum()),
        slices_alike=int((provenance.resembles(marks.hashes) & ~seen).sum()) if provenance.hashes is not None else None,
        groups_seen=len(group_hashes(groups) & set(provenance.groups)) if groups and provenance.groups else None,
        n_slices=len(data),
        allowed=data.allowed_leak,
    )


def _settings(bundle: Bundle, answer: Prediction, *, bootstrap: int, seed: int) -> dict[str, object]:
    return {
        "backbone": bundle.backbone,
        "preprocessing": asdict(bundle.preprocessing),
        "temperature": bundle.temperature.value,
        "offsets": dict(zip(bundle.classes, bundle.offsets, strict=True)),
        "thresholds": bundle.thresholds.to_dict(),
        "device": answer.device,
        "bootstrap": bootstrap,
        "seed": seed,
        "evaluated": date.today().isoformat(),
        "evaluated with": {"mriclassify": __version__, "python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES},
        "trained": bundle.provenance.created,
        "trained with": dict(bundle.provenance.versions),
    }
