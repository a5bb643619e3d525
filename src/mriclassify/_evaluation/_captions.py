"""Captions: what each plot shows, in words for those who can't see it, and how to read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mriclassify._evaluation._surest import surest
from mriclassify._evaluation._words import counted, number, percent

if TYPE_CHECKING:
    from mriclassify._evaluation._report import Report

_NAMED = 8
"""Classes that a sentence lists one by one; of more it tells the extremes."""

_CONFUSIONS = 4


@dataclass(frozen=True, kw_only=True)
class Caption:
    """Title, finding and instructions of one plot.

    Args:
        title: Its name.
        words: What it shows of this report.
        reading: How to read such a plot.
    """

    title: str
    words: str
    reading: str


def captions(report: "Report") -> Mapping[str, Caption]:
    """Return file name -> caption of each plot that the report has, drawn or not."""
    found = {
        "confusion_matrix.png": Caption(
            title="Confusion matrix",
            words=_confusion_words(report),
            reading="Rows are true classes, columns answers; what lies off the diagonal is wrong.",
        ),
        "reliability.png": Caption(
            title="Reliability",
            words=_reliability_words(report),
            reading="Above the diagonal the model is right more often than it says, below it less often.",
        ),
        "roc.png": Caption(
            title="ROC",
            words=_roc_words(report),
            reading="Each class against the rest; the nearer to the upper left corner, the better.",
        ),
        "risk_coverage.png": Caption(
            title="Risk and coverage",
            words=_risk_words(report),
            reading="How many answers are wrong if only the surest are given; a curve that rises late is good.",
        ),
    }
    if report.history:
        found["training_curves.png"] = Caption(
            title="Training curves",
            words=f"Loss and validation figures over {counted(len(report.history), 'epoch')}.",
            reading="A validation loss that rises while the training loss falls means overfitting.",
        )
    return found


def _confusion_words(report: "Report") -> str:
    right = int(np.trace(report.confusion))
    said = f"{right:,} of {counted(report.n, 'slice')} {'was' if right == 1 else 'were'} answered rightly."
    off = np.array(report.confusion)
    np.fill_diagonal(off, 0)
    worst = [divmod(int(cell), len(report.classes)) for cell in np.argsort(-off, axis=None, kind="stable")]
    named = [
        f"{report.classes[true]} called {report.classes[answer]} ({off[true, answer]:,})"
        for true, answer in worst[:_CONFUSIONS]
        if off[true, answer]
    ]
    return f"{said} Most often confused: {', '.join(named)}." if named else said


def _reliability_words(report: "Report") -> str:
    confidence = float(report.probabilities.max(axis=1).mean())
    return (
        f"The answers are {number(confidence)} sure on average, and {number(report.accuracy)} of them are right; the "
        f"expected calibration error is {number(report.calibration_error)}."
    )


def _roc_words(report: "Report") -> str:
    areas = {name: scores.auroc for name, scores in report.per_class.items() if scores.auroc is not None}
    if not areas:
        return "There are no curves: they need slices of a class and slices of others."
    if len(areas) <= _NAMED:
        return f"Areas under the curves: {', '.join(f'{name} {number(area)}' for name, area in areas.items())}."
    low, high = min(areas, key=areas.__getitem__), max(areas, key=areas.__getitem__)
    return f"Areas under the curves run from {number(areas[low])} ({low}) to {number(areas[high])} ({high})."


def _risk_words(report: "Report") -> str:
    *surer, everything = surest(report.risk_coverage, (0.5, 0.8, 1.0))
    parts = [f" Of the surest {percent(point.share)}, {percent(point.risk)} are." for point in surer]
    return f"Of all answers, {percent(everything.risk)} are wrong.{''.join(parts)}"
