"""The table that the guide "Explaining" holds, made from what `explain.py` measured."""

from collections.abc import Mapping
from typing import Any

COLUMNS = (
    ("peak inside", "peak_inside"),
    ("energy inside", "energy_inside"),
    ("Dice", "dice"),
    ("IoU", "iou"),
    ("deletion", "deletion"),
    ("insertion", "insertion"),
)
SETS = (("fold", "Fold {fold}: figshare, new patients"), ("external_lgg", "external_lgg: five other hospitals"))


def table(results: Mapping[str, Any]) -> str:
    """Return the results as Markdown."""
    weights, settings = results["weights"], results["settings"]
    lines = [
        f"Weights `{weights['name']}` ({weights['backbone']}, {weights['size']} pixels), measured {results['date']}. "
        f"Chance, the mean part of the frame that is tumour, is {results['fold']['mask_area']:.3f} on the fold. "
        "95 % intervals over patients are in brackets; n is slices."
    ]
    for key, title in SETS:
        lines += ["", f"**{title.format(fold=settings['fold'])}**", "", *_located(results, key)]
    return "\n".join([*lines, "", "**Maps of shuffled weights**", "", *_sanity(results)])


def _located(results: Mapping[str, Any], key: str) -> list[str]:
    if "left_out" in results[key]:
        return [results[key]["left_out"]]
    head = ["map", "n", *(title for title, _ in COLUMNS)]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in results["rows"].values():
        figures = row[key]
        lines.append(_line([row["title"], _count(figures), *(_said(figures.get(name)) for _, name in COLUMNS)]))
    return lines


def _sanity(results: Mapping[str, Any]) -> list[str]:
    head = ["map", "n", "rank correlation", "structural similarity"]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in results["rows"].values():
        if figures := row.get("sanity"):
            said = (_said(figures[name]) for name in ("rank_correlation", "likeness"))
            lines.append(_line([row["title"], str(figures["likeness"]["n"]), *said]))
    return lines


def _count(figures: Mapping[str, Any]) -> str:
    place, faith = figures["peak_inside"]["n"], figures.get("deletion", {}).get("n")
    return f"{place}" if faith in (None, place) else f"{place}; curves {faith}"


def _said(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "–"
    interval = f" ({figure['low']:.2f} to {figure['high']:.2f})" if "low" in figure else ""
    return f"{figure['value']:.2f}{interval}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
