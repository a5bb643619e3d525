"""The audit as one page: HTML that holds its own pictures and style, and opens from disk without scripts or network."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mriclassify._data._audit._drawings import STYLE, bar, figure, histogram, percent, plain, said, scatter, table
from mriclassify._data._audit._findings import Audit, Intensity, Told
from mriclassify._data._audit._sheets import Sheets, mean_slices, nothing
from mriclassify._data._record import SPLITS
from mriclassify._notice import NOTICE
from mriclassify._version import __version__

if TYPE_CHECKING:
    from mriclassify._data._dataset import Dataset
    from mriclassify._likeness._looks import Looks

DOTS = 1500
"""Different sizes drawn, for all classes together; the most frequent ones of each."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing may be fetched or run, whatever the data's names hold."""

_SECTION_OF = {
    "unreadable": "unreadable",
    "leak": "leaks",
    "conflict": "conflicts",
    "shortcut": "shortcut",
    "two groups": "groups",
    "known labels": "known",
    "suspects": "suspects",
    "duplicates": "duplicates",
    "balance": "classes",
}
"""Finding.kind -> the section that shows it."""


def page(audit: Audit, data: "Dataset", looks: "Looks") -> str:
    """Write an audit as a page of HTML: verdict, problems, plots and contact sheets.

    The same audit of the same files gives the same page. A file that can no longer be read gets an empty frame.

    Args:
        audit: what was found.
        data: the dataset that was audited.
        looks: what was seen of its slices, and perhaps of others.
    """
    looks = looks.of(record.path for record in data)
    sheets = Sheets(audit, data, looks)
    rows_of = _readable_rows(data, looks)
    sections = {
        "problems": ("Problems, worst first", _problems(audit, sheets)),
        "classes": ("Slices of each class", _classes(audit)),
        "sizes": ("Image sizes", _sizes(audit, looks, rows_of)),
        "grey": ("Grey values", _grey_values(audit.intensity)),
        "means": ("Mean slices", _means(looks, rows_of)),
        "shortcut": ("Shortcut test", _shortcut(audit)),
        "duplicates": ("Duplicates", sheets.duplicates()),
        "conflicts": ("Conflicting labels", sheets.conflicts()),
        "leaks": ("Leaks between parts", sheets.leaks()),
        "groups": ("One slice in several groups", sheets.two_groups()),
        "known": ("Known slices", sheets.known()),
        "suspects": ("Suspect labels", sheets.suspects()),
        "unreadable": ("Unreadable files", sheets.unreadable()),
    }
    title = f"Audit of {plain((sheets.root and sheets.root.name) or 'a dataset')}"
    head = f"<header><h1>{title}</h1>{_verdict(audit, sheets)}{_extent(audit)}</header>"
    return _document(title, head, sections)


def _document(title: str, head: str, sections: Mapping[str, tuple[str, str]]) -> str:
    links = "".join(f'<li><a href="#{anchor}">{name}</a></li>' for anchor, (name, _) in sections.items())
    bodies = "".join(
        f'<section id="{anchor}"><h2>{name}</h2>{body}</section>\n' for anchor, (name, body) in sections.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'{head}\n<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main>\n{bodies}</main>\n'
        f"<footer><p>{plain(NOTICE)} This page shows slices and names files: mind where patients can be known by "
        f"either. Made by mriclassify {plain(__version__)}.</p></footer>\n</body>\n</html>\n"
    )


def _verdict(audit: Audit, sheets: Sheets) -> str:
    findings = audit.findings
    if not findings:
        return f'<p class="verdict">No problem was found in {said(audit.n, "slice")}.</p>'
    many = "One problem was found" if len(findings) == 1 else f"{len(findings)} problems were found, the worst first"
    return f'<p class="verdict alarm">{many}: {sheets.text(findings[0].sentence.rstrip("."))}.</p>'


def _extent(audit: Audit) -> str:
    groups = "patients not known"
    if audit.n_groups:
        groups = said(
            audit.n_groups, "patient or cluster of near-duplicates", "patients or clusters of near-duplicates"
        )
    bare = f", {said(audit.ungrouped, 'slice')} without" if audit.ungrouped and audit.n_groups else ""
    sources = ", ".join(f"{plain(name)} ({n:,})" for name, n in audit.sources.items())
    return (
        f"<p>{said(audit.n, 'slice')} of {said(len(audit.counts), 'class', 'classes')}; {groups}{bare}"
        f"{'; from ' if sources else ''}{sources}.</p>"
    )


def _problems(audit: Audit, sheets: Sheets) -> str:
    if not audit.findings:
        return nothing("None.")
    rows = [
        [str(place), f"{sheets.text(finding.sentence)}{_link(finding.kind)}", sheets.text(_sentence(finding.advice))]
        for place, finding in enumerate(audit.findings, start=1)
    ]
    return table("What was found, and what to do about it", ["No.", "Found", "What to do"], rows)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _link(kind: str) -> str:
    return f' <a href="#{_SECTION_OF[kind]}">See below</a>' if kind in _SECTION_OF else ""


def _classes(audit: Audit) -> str:
    parts = {part: audit.splits[part] for part in SPLITS if part in audit.splits}
    columns = {"all": audit.counts, **parts}
    most = max((n for counts in columns.values() for n in counts.values()), default=0) or 1
    rows = [
        [plain(label), *(_count_bar(counts.get(label, 0), most) for counts in columns.values())]
        for label in audit.counts
    ]
    balance = audit.balance
    sentence = (
        f"<p>The largest class, {plain(balance.largest)}, has {balance.ratio:.1f} times as many slices as the "
        f"smallest, {plain(balance.smallest)}.</p>"
    )
    text = sentence if len(audit.counts) > 1 else ""
    return text + table("Slices of each class, in all and in each published part", ["Class", *columns], rows)


def _count_bar(n: int, most: int) -> str:
    return bar(n / most, f"{n:,}")


def _sizes(audit: Audit, looks: "Looks", rows_of: Mapping[str, Sequence[int]]) -> str:
    if not audit.sizes:
        return nothing("No file could be read.")
    rows = [
        [
            plain(label),
            f"{sizes.n:,}",
            f"{sizes.different:,}",
            f"{sizes.commonest[1]} × {sizes.commonest[0]} ({percent(sizes.commonest_share)})",
            _range(*sizes.width),
            _range(*sizes.height),
            _range(*(size / 1000 for size in sizes.file_size)),
        ]
        for label, sizes in audit.sizes.items()
    ]
    headers = ["Class", "Slices", "Different sizes", "Commonest", "Width", "Height", "File in kB"]
    caption = "Width × height in pixels; ranges are smallest, median, largest"
    return table(caption, headers, rows, numbers=True) + _size_plots(audit, looks, rows_of)


def _range(least: float, median: float, most: float) -> str:
    return f"{least:,.0f} – {median:,.0f} – {most:,.0f}"


def _size_plots(audit: Audit, looks: "Looks", rows_of: Mapping[str, Sequence[int]]) -> str:
    extent = (float(looks.shapes[:, 1].max()), float(looks.shapes[:, 0].max()))
    most = max(1, DOTS // len(audit.sizes))
    figures = []
    for label, sizes in audit.sizes.items():
        shapes, counts = np.unique(looks.shapes[list(rows_of[label])], axis=0, return_counts=True)
        commonest = np.argsort(-counts, kind="stable")[:most]
        points = [(float(shapes[i, 1]), float(shapes[i, 0]), float(counts[i] / sizes.n)) for i in commonest]
        plot = scatter(points, extent=extent, description=f"Widths and heights of {label}, as in the table above")
        figures.append(figure(plot, f"{plain(label)}: {said(sizes.different, 'size')}"))
    return (
        "<h3>Widths and heights</h3><p>Width to the right, height upwards, in pixels. The larger a dot, the more "
        f'slices of the class have that size.</p><div class="row">{"".join(figures)}</div>'
    )


def _grey_values(intensity: Mapping[str, Intensity]) -> str:
    if not intensity:
        return nothing("No file could be read.")
    # The first bin is the background, mostly far higher than all others, which are what is to be compared.
    top = 1.05 * max(share for grey in intensity.values() for share in grey.histogram[1:]) or 1.0
    figures = [
        figure(
            histogram(
                grey.histogram,
                top=top,
                ends=("darkest", "brightest"),
                description=f"Histogram of the grey values of {label}; the table below has its percentiles",
            ),
            f"{plain(label)}: {percent(grey.histogram[0])} in the darkest bin",
        )
        for label, grey in intensity.items()
    ]
    percentiles = sorted({percentile for grey in intensity.values() for percentile in grey.percentiles})
    rows = [
        [plain(label), f"{grey.n:,}", f"{grey.mean:.2f}", f"{grey.std:.2f}"]
        + [f"{grey.percentiles[percentile]:.2f}" for percentile in percentiles]
        for label, grey in intensity.items()
    ]
    headers = ["Class", "Slices", "Mean", "Spread", *(f"{percentile} %" for percentile in percentiles)]
    return (
        "<p>Share of the pixels by grey value, each slice scaled from its darkest pixel to its brightest. A darkest "
        f'bin that is higher than the axis is cut off.</p><div class="row">{"".join(figures)}</div>'
        + table(
            "Mean, spread within a slice and percentiles, 0 to 1, averaged over slices", headers, rows, numbers=True
        )
    )


def _means(looks: "Looks", rows_of: Mapping[str, Sequence[int]]) -> str:
    means = mean_slices({label: [looks.paths[row] for row in rows] for label, rows in rows_of.items()})
    if not means:
        return nothing("No file could be read.")
    figures = [
        f'<figure class="mean"><img src="{picture}" alt="Mean slice of {plain(label)}">'
        f"<figcaption>{plain(label)}<br>{n:,} of {said(len(rows_of[label]), 'slice')}</figcaption></figure>"
        for label, (picture, n) in means.items()
    ]
    return (
        "<p>Slices are made square and stretched to one range of grey before they are averaged; the brightest mean is "
        "shown white. Where classes differ "
        "here by more than the tumour (view, frame, margins), a model can learn that instead of the tumour.</p>"
        f'<div class="row">{"".join(figures)}</div>'
    )


def _shortcut(audit: Audit) -> str:
    shortcut = audit.shortcut
    if shortcut is None:
        return nothing(f"Not tested: {audit.shortcut_missing}")
    left_out = f" Left out, having too few: {plain(', '.join(shortcut.left_out))}." if shortcut.left_out else ""
    families = {"all of these together": shortcut.overall, **shortcut.families}
    beside = {"brightness and contrast": shortcut.intensity}
    return (
        f"<p>{plain(shortcut.sentence)}</p><p>Balanced accuracy of a small model on "
        f"{said(shortcut.n, 'slice')} of {shortcut.n_groups:,} patients or clusters, which {shortcut.n_folds} folds "
        f"keep apart, with 95 % intervals. The upright line is chance.{left_out}</p>"
        + _told_table("The class, told from what should not matter", families)
        + _told_table("Each class, told from all others by what should not matter", shortcut.one_vs_rest)
        + _told_table("The class, told from what may differ for good reasons", beside)
    )


def _told_table(caption: str, told_from: Mapping[str, Told]) -> str:
    rows = [
        [
            plain(name),
            bar(
                told.balanced_accuracy,
                f"{told.balanced_accuracy:.2f} ({told.low:.2f}–{told.high:.2f})",
                mark=told.chance,
                interval=(told.low, told.high),
            ),
            f"{told.chance:.2f}",
        ]
        for name, told in told_from.items()
    ]
    return table(caption, ["", "Balanced accuracy", "Chance"], rows)


def _readable_rows(data: "Dataset", looks: "Looks") -> dict[str, list[int]]:
    """Class -> its readable slices, as rows of `looks`."""
    rows: dict[str, list[int]] = {label: [] for label in data.classes}
    for row, (record, error) in enumerate(zip(data, looks.errors, strict=True)):
        if error is None:
            rows[record.label].append(row)
    return rows
