"""The report as one page that needs no other file: what `_pages/templates/report.html` is filled with."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mriclassify._evaluation._captions import captions
from mriclassify._evaluation._pictures import ShownMistake
from mriclassify._evaluation._surest import surest
from mriclassify._evaluation._words import (
    CLASS_FIGURES,
    HEADLINES,
    LISTED,
    between,
    intervals_sentence,
    number,
    percent,
    setting,
    size,
)
from mriclassify._pages import data_uri, page

if TYPE_CHECKING:
    from mriclassify._evaluation._report import Report

_CARDS = ("accuracy", "macro_f1", "auroc", "calibration_error", "loss")

_WIDE = "training_curves.png"


def as_html(report: "Report", *, plots: Mapping[str, bytes], missing: str, shown: Sequence[ShownMistake]) -> str:
    """Write the page.

    Args:
        report: What to show.
        plots: File name -> PNG, as `draw_plots` makes them; empty where they can't be drawn.
        missing: Why they can't be; else empty.
        shown: Mistakes with pictures.
    """
    return page(
        "report.html",
        report=report,
        size=size(report),
        intervals=intervals_sentence(report),
        cards=[figure for figure in _figures(report) if figure["key"] in _CARDS],
        figures=_figures(report),
        plots=_plots(report, plots),
        missing=missing,
        class_figures=CLASS_FIGURES,
        confusion=_confusion(report),
        parts=_parts(report),
        surest=surest(report.risk_coverage),
        mistakes=report.mistakes,
        listed=LISTED,
        shown=[_shown(entry) for entry in shown],
        settings={name: setting(value) for name, value in report.settings.items()},
        number=number,
        between=between,
        percent=percent,
    )


def _figures(report: "Report") -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "title": title,
            "short": title.partition(",")[0],
            # The whole number, as report.json has it, for programs that read the page.
            "value": getattr(report, key),
            "interval": between(report.intervals.get(key)),
        }
        for key, title in HEADLINES.items()
    ]


def _plots(report: "Report", plots: Mapping[str, bytes]) -> list[dict[str, Any]]:
    return [
        {"caption": caption, "source": data_uri(plots[name]) if name in plots else None, "wide": name == _WIDE}
        for name, caption in captions(report).items()
    ]


def _confusion(report: "Report") -> list[tuple[str, list[tuple[int, float]]]]:
    """Rows of (true class, cells of (count, part of the row))."""
    return [
        (name, [(count, count / max(sum(counts), 1)) for count in counts])
        for name, counts in zip(report.classes, report.confusion.tolist(), strict=True)
    ]


def _parts(report: "Report") -> list[tuple[str, str, Mapping[str, Any]]]:
    tables = [("By source", "source", report.per_source), ("By status", "status", report.per_status)]
    return [(title, noun, parts) for title, noun, parts in tables if parts]


def _shown(entry: ShownMistake) -> dict[str, Any]:
    pictures = [{"source": data_uri(picture.png), "caption": picture.caption} for picture in entry.pictures]
    return {"mistake": entry.mistake, "pictures": pictures, "trouble": entry.trouble}
