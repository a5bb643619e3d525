"""Strip: a picture of a series, each slice with its answer."""

import math
import os
from typing import TYPE_CHECKING, Any

from mriclassify._errors import MissingExtraError
from mriclassify._notice import NOTICE
from mriclassify._output import whole_file

if TYPE_CHECKING:
    from mriclassify._model._study import SliceAnswer, StudyPrediction

COLUMNS = 10
RESTING, PLAIN = "#d95f02", "#888888"


def save_strip(study: "StudyPrediction", path: str | os.PathLike[str]) -> None:
    """Save all slices in order, those that the answer rests on framed, those left out faded.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the file can't be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("pictures need matplotlib: pip install 'mriclassify[plot]'") from error
    columns = min(COLUMNS, len(study.slices))
    rows = math.ceil(len(study.slices) / columns)
    figure = Figure(figsize=(max(5.0, 1.2 * columns), 1.45 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in axes:
        place.axis("off")
    for place, answer in zip(axes, study.slices, strict=False):
        _draw(place, answer, resting=answer.index in study.resting_on)
    figure.suptitle(f"{study.label} {study.confidence:.2f}, {study.status}; framed: what it rests on", fontsize=10)
    figure.supxlabel(NOTICE, fontsize=7)
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=120)


def _draw(place: Any, answer: "SliceAnswer", *, resting: bool) -> None:
    place.axis("on")
    place.set_xticks([])
    place.set_yticks([])
    for spine in place.spines.values():
        spine.set(color=RESTING if resting else PLAIN, linewidth=2.5 if resting else 0.5)
    if answer.thumbnail is not None:
        place.imshow(answer.thumbnail, cmap="gray", vmin=0, vmax=255, alpha=1.0 if answer.used else 0.35)
    place.set_title(_caption(answer), fontsize=6, pad=2)


def _caption(answer: "SliceAnswer") -> str:
    where = f"{answer.index}" if answer.position is None else f"{answer.index} · {answer.position:.0f} mm"
    if answer.label is None:
        return f"{where}\nnot read"
    if not answer.used:
        return f"{where}\nleft out"
    return f"{where}\n{answer.label} {answer.probabilities[answer.label]:.2f}"
