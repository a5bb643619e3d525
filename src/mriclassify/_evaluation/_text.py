"""The report in words: a compact table for a terminal, a Markdown page."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from mriclassify._evaluation._surest import surest
from mriclassify._evaluation._words import (
    CLASS_FIGURES,
    HEADLINES,
    LISTED,
    between,
    first_of,
    intervals_sentence,
    number,
    percent,
    setting,
    size,
)
from mriclassify._notice import NOTICE

if TYPE_CHECKING:
    from mriclassify._evaluation._parts import PartScores
    from mriclassify._evaluation._report import Report

_TERMINAL_WIDTH = 96
_IN_TERMINAL = ("accuracy", "macro_f1", "auroc", "loss", "calibration_error")


def as_table(report: "Report") -> str:
    """Write some fifteen lines of plain text, less than 100 characters wide."""
    rows = [
        (HEADLINES[name], number(getattr(report, name)), between(report.intervals.get(name))) for name in _IN_TERMINAL
    ]
    figures = [f"{title:<22}{value:>6}  {interval}".rstrip() for title, value, interval in rows]
    title, leakage = [f"{report.model}: {size(report)}"], wrap(report.leakage.sentence, _TERMINAL_WIDTH)
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
            f"{size(report)}. Split: {report.split}",
            "",
            *calm,
            *_headline_section(report),
            *_class_section(report),
            *_confusion_section(report),
            *_parts_section("Sources", "source", report.per_source),
            *_parts_section("Status of the answers", "status", report.per_status),
            *_surest_section(report),
            *_mistakes_section(report),
            *_unreadable_section(report),
            *_settings_section(report),
            NOTICE,
            "",
        ]
    )


def _class_lines(report: "Report") -> list[str]:
    width = max(len(name) for name in (*report.classes, "class")) + 2
    shown = ("precision", "recall", "specificity", "auroc")
    head = "class".ljust(width) + "".join(f"{name:>12}" for name in shown) + f"{'slices':>9}"
    lines = [
        name.ljust(width)
        + "".join(f"{number(getattr(scores, figure)):>12}" for figure in shown)
        + f"{scores.support:>9,}"
        for name, scores in report.per_class.items()
    ]
    return [head, *lines]


def _headline_section(report: "Report") -> list[str]:
    rows = [
        (title, number(getattr(report, name)), between(report.intervals.get(name))) for name, title in HEADLINES.items()
    ]
    return [
        "## Figures",
        "",
        *_table(("figure", "value", "95 % interval"), rows),
        "",
        f"{intervals_sentence(report)} Averages are macro averages over the classes that have slices.",
        "",
    ]


def _class_section(report: "Report") -> list[str]:
    rows = [
        (
            name,
            *(number(getattr(scores, figure)) for figure in CLASS_FIGURES),
            between(report.intervals.get(f"recall {name}")),
            f"{scores.support:,}",
        )
        for name, scores in report.per_class.items()
    ]
    head = ("class", *CLASS_FIGURES, "recall, 95 % interval", "slices")
    return ["## Classes", "", *_table(head, rows), ""]


def _confusion_section(report: "Report") -> list[str]:
    rows = [
        (name, *(f"{count:,}" for count in counts))
        for name, counts in zip(report.classes, report.confusion.tolist(), strict=True)
    ]
    return ["## Confusion matrix", "", *_table(("true \\ predicted", *report.classes), rows), ""]


def _parts_section(title: str, noun: str, parts: "Mapping[str, PartScores]") -> list[str]:
    if not parts:
        return []
    rows = [
        (
            name,
            f"{part.n:,}",
            "–" if part.n_groups is None else f"{part.n_groups:,}",
            f"{part.right:,}",
            number(part.accuracy),
            between(part.interval),
        )
        for name, part in parts.items()
    ]
    head = (noun, "slices", "patients or clusters", "right", "accuracy", "95 % interval")
    return [f"## {title}", "", *_table(head, rows), ""]


def _surest_section(report: "Report") -> list[str]:
    rows = [
        (percent(point.share), f"{point.answered:,}", number(point.threshold), f"{point.wrong:,}", percent(point.risk))
        for point in surest(report.risk_coverage)
    ]
    head = ("answered, the surest first", "slices", "confidence at least", "wrong", "part that is wrong")
    return ["## If only the surest answers are given", "", *_table(head, rows), ""]


def _mistakes_section(report: "Report") -> list[str]:
    mistakes = report.mistakes
    if not mistakes:
        return []
    rows = [(_code(m.name), m.true, m.predicted, number(m.confidence)) for m in mistakes[:LISTED]]
    head = ("file", "true", "predicted", "confidence")
    return [
        f"## Mistakes: {first_of(len(mistakes))}, the most confident first",
        "",
        *_table(head, rows, texts=3),
        "",
    ]


def _unreadable_section(report: "Report") -> list[str]:
    if not report.unreadable:
        return []
    rows = [(_code(file), error) for file, error in report.unreadable[:LISTED]]
    return [
        f"## Unreadable: {first_of(len(report.unreadable))}",
        "",
        *_table(("file", "error"), rows, texts=2),
        "",
    ]


def _settings_section(report: "Report") -> list[str]:
    if not report.settings:
        return []
    return ["## Settings", "", *(f"* {name}: {setting(value)}" for name, value in report.settings.items()), ""]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> list[str]:
    """Lines of a Markdown table whose first columns are texts, the rest numbers set to the right."""
    ruler = ["---"] * texts + ["---:"] * (len(head) - texts)
    return [f"| {' | '.join(map(_cell, cells))} |" for cells in (head, ruler, *rows)]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`"
