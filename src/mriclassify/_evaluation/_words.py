"""Words: how figures, counts and settings are said, the same in the terminal, in Markdown and on the page."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mriclassify._evaluation._intervals import Interval
    from mriclassify._evaluation._report import Report

LISTED = 20
"""Mistakes and unreadable files named on a page; all of them are in the JSON file."""

HEADLINES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "jaccard": "Jaccard index",
    "auroc": "AUROC, one vs rest",
    "loss": "loss (nats)",
    "brier": "Brier score (0..2)",
    "calibration_error": "calibration error",
}
CLASS_FIGURES = ("precision", "recall", "specificity", "f1", "jaccard", "auroc")

_PLURALS = {"patient or cluster": "patients or clusters", "class": "classes"}


def number(value: float | None) -> str:
    """Three decimals; a dash where the figure is not defined."""
    return "–" if value is None else f"{value:.3f}"


def between(interval: "Interval | None") -> str:
    """Both ends of an interval; nothing where there is none."""
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def percent(part: float) -> str:
    """A part of 1 in percent, one decimal."""
    return f"{100 * part:.1f} %"


def counted(count: int, noun: str) -> str:
    """Count and noun, in the plural where it must be."""
    return f"{count:,} {noun if count == 1 else _PLURALS.get(noun, f'{noun}s')}"


def first_of(total: int) -> str:
    """How many of a list are shown."""
    return f"{total:,}" if total <= LISTED else f"{LISTED} of {total:,}"


def size(report: "Report") -> str:
    """Slices, patients, and what was left out."""
    groups = "patients not known" if report.n_groups is None else counted(report.n_groups, "patient or cluster")
    left_out = f", {counted(len(report.unreadable), 'file')} unreadable" if report.unreadable else ""
    return f"{counted(report.n, 'slice')} ({groups}{left_out})"


def intervals_sentence(report: "Report") -> str:
    """What the intervals are over, and whether they are too narrow."""
    if not report.intervals:
        return "There are no intervals: no resamples were drawn, or all slices are of one group."
    caution = (
        "; where a patient has several slices, the intervals are too narrow" if report.interval_unit == "slice" else ""
    )
    return (
        f"Intervals are percentiles over {report.bootstrap:,} bootstrap resamples of "
        f"{'patients or clusters' if report.interval_unit == 'group' else 'slices'}{caution}."
    )


def setting(value: object) -> str:
    """A setting on one line: `name value` pairs for a mapping, elements for a list, else its text."""
    match value:
        case Mapping():
            return ", ".join(f"{name} {_inner(entry)}" for name, entry in value.items()) or "nothing"
        case list() | tuple():
            return ", ".join(_inner(entry) for entry in value) or "nothing"
        case None:
            return "none"
        case float():
            return f"{value:.6g}"
        case _:
            return str(value)


def _inner(value: object) -> str:
    return f"({setting(value)})" if isinstance(value, Mapping | list | tuple) else setting(value)
