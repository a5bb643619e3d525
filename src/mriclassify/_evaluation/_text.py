"""The report in words: a compact table for a terminal, a Markdown page."""

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from mriclassify._notice import NOTICE

if TYPE_CHECKING:
    from mriclassify._evaluation._intervals import Interval
    from mriclassify._evaluation._report import Report

_LISTED = 20
"""Mistakes and unreadable files named on the page; all of them are in the JSON file."""

_TERMINAL_WIDTH = 96

_HEADLINES = {
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
_IN_TERMINAL = ("accuracy", "macro_f1", "auroc", "loss", "calibration_error")
_CLASS_FIGURES = ("precision", "recall", "specificity", "f1", "jaccard", "auroc")


def as_table(report: "Report") -> str:
    """Write some fifteen lines of plain text, less than 100 characters wide."""
    rows = [
        (_HEADLINES[name], _number(getattr(report, name)), _interval(report.intervals.get(name)))
        for name in _IN_TERMINAL
    ]
    figures = [f"{title:<22}{number:>6}  {interval}".rstrip() for title, number, interval in rows]
    title, leakage = [f"{report.model}: {_size(report)}"], wrap(report.leakage.sentence, _TERMINAL_WIDTH)
    return "\n".join(
        [
            # What leaks comes before anything that could be quoted.
            *(leakage + title if report.leakage.leaks else title + leakage),
            *figures,
            "",
            *_class_lines(report),
        ]
    )


def as_markdown(report: "Report") -> str:
    """Write a page: headline figures, classes, confusion matrix, mistakes, what was left out."""
    alarm = [f"**{report.leakage.sentence}**", ""] if report.leakage.leaks else []
    calm = [] if report.leakage.leaks else [report.leakage.sentence, ""]
    return "\n".join(
        [
            *alarm,
            f"# Evaluation of {report.model}",
            "",
            f"{_size(report)}. Split: {report.split}",
            "",
            *calm,
            *_headline_section(report),
            *_class_section(report),
            *_confusion_section(report),
            *_mistakes_section(report),
            *_unreadable_section(report),
            *_settings_section(report),
            NOTICE,
            "",
        ]
    )


def _size(report: "Report") -> str:
    slices = _count(report.n, "slice")
    groups = "patients not known" if report.n_groups is None else _count(report.n_groups, "patient or cluster")
    left_out = f", {_count(len(report.unreadable), 'file')} unreadable" if report.unreadable else ""
    return f"{slices} ({groups}{left_out})"


def _class_lines(report: "Report") -> list[str]:
    width = max(len(name) for name in (*report.classes, "class")) + 2
    shown = ("precision", "recall", "specificity", "auroc")
    head = "class".ljust(width) + "".join(f"{name:>12}" for name in shown) + f"{'slices':>9}"
    lines = [
        name.ljust(width)
        + "".join(f"{_number(getattr(scores, figure)):>12}" for figure in shown)
        + f"{scores.support:>9,}"
        for name, scores in report.per_class.items()
    ]
    return [head, *lines]


def _headline_section(report: "Report") -> list[str]:
    rows = [
        (title, _number(getattr(report, name)), _interval(report.intervals.get(name)))
        for name, title in _HEADLINES.items()
    ]
    return [
        "## Figures",
        "",
        *_table(("figure", "value", "95 % interval"), rows),
        "",
        f"{_intervals_sentence(report)} Averages are macro averages over the classes that have slices.",
        "",
    ]


def _intervals_sentence(report: "Report") -> str:
    if not report.intervals:
        return "There are no intervals: no resamples were drawn, or all slices are of one group."
    caution = (
        "; where a patient has several slices, the intervals are too narrow" if report.interval_unit == "slice" else ""
    )
    return (
        f"Intervals are percentiles over {report.bootstrap:,} bootstrap resamples of "
        f"{'patients or clusters' if report.interval_unit == 'group' else 'slices'}{caution}."
    )


def _class_section(report: "Report") -> list[str]:
    rows = [
        (
            name,
            *(_number(getattr(scores, figure)) for figure in _CLASS_FIGURES),
            _interval(report.intervals.get(f"recall {name}")),
            f"{scores.support:,}",
        )
        for name, scores in report.per_class.items()
    ]
    head = ("class", *_CLASS_FIGURES, "recall, 95 % interval", "slices")
    return ["## Classes", "", *_table(head, rows), ""]


def _confusion_section(report: "Report") -> list[str]:
    rows = [
        (name, *(f"{count:,}" for count in counts))
        for name, counts in zip(report.classes, report.confusion.tolist(), strict=True)
    ]
    return ["## Confusion matrix", "", *_table(("true \\ predicted", *report.classes), rows), ""]


def _mistakes_section(report: "Report") -> list[str]:
    mistakes = report.mistakes
    if not mistakes:
        return []
    rows = [(_code(m.name), m.true, m.predicted, _number(m.confidence)) for m in mistakes[:_LISTED]]
    head = ("file", "true", "predicted", "confidence")
    return [
        f"## Mistakes: {_first(len(mistakes))}, the most confident first",
        "",
        *_table(head, rows, texts=3),
        "",
    ]


def _unreadable_section(report: "Report") -> list[str]:
    if not report.unreadable:
        return []
    rows = [(_code(file), error) for file, error in report.unreadable[:_LISTED]]
    return [
        f"## Unreadable: {_first(len(report.unreadable))}",
        "",
        *_table(("file", "error"), rows, texts=2),
        "",
    ]


def _settings_section(report: "Report") -> list[str]:
    if not report.settings:
        return []
    return ["## Settings", "", *(f"* {name}: {value}" for name, value in report.settings.items()), ""]


def _first(total: int) -> str:
    return f"{total:,}" if total <= _LISTED else f"{_LISTED} of {total:,}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> list[str]:
    """Lines of a Markdown table whose first columns are texts, the rest numbers set to the right."""
    ruler = ["---"] * texts + ["---:"] * (len(head) - texts)
    return [f"| {' | '.join(map(_cell, cells))} |" for cells in (head, ruler, *rows)]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(interval: "Interval | None") -> str:
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    many = {"patient or cluster": "patients or clusters"}.get(noun, f"{noun}s")
    return f"{number:,} {many}"
