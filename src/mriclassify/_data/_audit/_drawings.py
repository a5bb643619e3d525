"""Drawings of the page (inline SVG), its tables and its style.

Drawn by hand and not by matplotlib: bars and dots are all there is, they follow light and dark and print sharply, they
weigh some hundred bytes, and the page is whole without the extra `plot`. Every figure drawn also stands in a table.
"""

from collections.abc import Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1b1f24; --muted: #57606a; --line: #d0d7de;
  --bar: #2f6f9f; --alarm: #a3360a; --panel: #f4f6f8; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181d; --ink: #e6eaee; --muted: #a3aeba; --line: #3d4651;
  --bar: #6fb1dd; --alarm: #ffa070; --panel: #1d232a; } }
@media print { :root { color-scheme: light; --ground: #ffffff; --ink: #000000; --muted: #444444; --line: #bbbbbb;
  --bar: #2f6f9f; --alarm: #8a2c08; --panel: #ffffff; } nav { display: none; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
h1, h2, h3, caption, figcaption { break-after: avoid; }
p, caption { max-width: 52rem; }
a { color: inherit; }
a:focus-visible, .wide:focus-visible { outline: 2px solid var(--bar); outline-offset: 2px; }
.verdict { font-size: 1.2rem; border-left: .3rem solid var(--bar); padding-left: .8rem; }
.verdict.alarm { border-color: var(--alarm); }
.muted, caption, .frame small { color: var(--muted); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem 1.2rem .35rem 0; text-align: left;
  vertical-align: top; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { display: flex; align-items: center; gap: .6rem; }
.bar svg { flex: none; width: 11rem; height: 1rem; background: var(--panel); }
tr { break-inside: avoid; }
bdi { overflow-wrap: anywhere; }
svg { display: block; }
svg text { fill: var(--muted); font: 10px system-ui, sans-serif; }
.mark { fill: var(--bar); }
.dot { fill: var(--bar); fill-opacity: .55; }
.axis { stroke: var(--muted); stroke-width: 1; vector-effect: non-scaling-stroke; fill: none; }
.chance { stroke: var(--alarm); stroke-width: 2; vector-effect: non-scaling-stroke; }
.row { display: flex; flex-wrap: wrap; gap: 1rem 1.2rem; margin: .5rem 0; padding: 0; list-style: none; }
.cluster { border: 1px solid var(--line); background: var(--panel); padding: .5rem .6rem; break-inside: avoid; }
.cluster > p { margin: 0 0 .3rem; }
.cluster .row { gap: .6rem; margin: 0; }
figure { margin: 0; break-inside: avoid; }
.frame { width: 7.5rem; font-size: .8rem; line-height: 1.3; }
.frame img, .frame .missing { display: block; width: 7.5rem; height: 7.5rem; background: #000; object-fit: contain; }
.frame .missing { background: none; border: 1px dashed var(--muted); padding: 2.5rem .5rem; text-align: center; }
.frame small { display: block; font-size: inherit; }
.mean img { display: block; width: 9rem; height: 9rem; image-rendering: auto; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); color: var(--muted); }
"""
"""The page's style sheet: light and dark, screen and paper. Colours on which text stands have a contrast of 4.5:1."""

_WIDTH, _HEIGHT = 220, 130
_LEFT, _BOTTOM = 34, 16


def bar(share: float, text: str, *, mark: float | None = None, interval: tuple[float, float] | None = None) -> str:
    """Draw a bar, and write a text beside it.

    Args:
        share: length of the bar, 0..1 of the room that there is.
        text: the number that it shows.
        mark: where to draw an upright line, such as chance.
        interval: from where to where to draw a whisker.
    """
    shapes = [f'<rect class="mark" y="2" width="{100 * _within(share):.1f}" height="6"/>']
    if interval is not None:
        low, high = (100 * _within(end) for end in interval)
        shapes.append(f'<path class="axis" d="M{low:.1f} 5H{high:.1f}M{low:.1f} 3V7M{high:.1f} 3V7"/>')
    if mark is not None:
        place = 100 * _within(mark)
        shapes.append(f'<path class="chance" d="M{place:.1f} 0V10"/>')
    # Hidden from readers that speak: it says again what the text says.
    return (
        '<div class="bar"><svg aria-hidden="true" viewBox="0 0 100 10" preserveAspectRatio="none">'
        f"{''.join(shapes)}</svg><span>{text}</span></div>"
    )


def histogram(shares: Sequence[float], *, top: float, ends: tuple[str, str], description: str) -> str:
    """Draw bins of equal width.

    Args:
        shares: height of each bin, 0..1.
        top: the height of the axis, so that several histograms can be compared.
        ends: what stands below the first and the last bin.
        description: what is to be seen, for those who can't see it.
    """
    floor, step = _HEIGHT - _BOTTOM, (_WIDTH - _LEFT) / max(1, len(shares))
    tall = [floor * _within(share / top) for share in shares]
    bins = "".join(
        f'<rect class="mark" x="{_LEFT + k * step:.1f}" y="{floor - height:.1f}" width="{step - 1:.1f}" '
        f'height="{height:.1f}"/>'
        for k, height in enumerate(tall)
    )
    return _chart(bins, ends=ends, heights=("0", percent(top)), description=description)


def scatter(points: Sequence[tuple[float, float, float]], *, extent: tuple[float, float], description: str) -> str:
    """Draw points (across, up, share of all); the area of a dot grows with its share.

    Args:
        points: what to draw, in the units of `extent`.
        extent: what the right end and the top of the axes mean; the left end and the bottom are 0.
        description: what is to be seen, for those who can't see it.
    """
    width, height = _WIDTH - _LEFT - 6, _HEIGHT - _BOTTOM - 6
    dots = "".join(
        f'<circle class="dot" cx="{_LEFT + width * across / extent[0]:.1f}" '
        f'cy="{6 + height * (1 - up / extent[1]):.1f}" r="{1.5 + 6 * share**0.5:.1f}"/>'
        for across, up, share in points
    )
    ends = ("0", f"{extent[0]:.0f} wide")
    return _chart(dots, ends=ends, heights=("0", f"{extent[1]:.0f}"), description=description)


def _chart(shapes: str, *, ends: tuple[str, str], heights: tuple[str, str], description: str) -> str:
    """Put shapes between two axes with a text at either end of each."""
    floor = _HEIGHT - _BOTTOM
    return (
        f'<svg role="img" aria-label="{plain(description)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{1.4 * _WIDTH:.0f}" height="{1.4 * _HEIGHT:.0f}">{shapes}'
        f'<path class="axis" d="M{_LEFT} 0V{floor}H{_WIDTH}"/>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{plain(ends[0])}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 4}" text-anchor="end">{plain(ends[1])}</text>'
        f'<text x="{_LEFT - 3}" y="{floor}" text-anchor="end">{plain(heights[0])}</text>'
        f'<text x="{_LEFT - 3}" y="10" text-anchor="end">{plain(heights[1])}</text></svg>'
    )


def _within(share: float) -> float:
    return min(max(float(share), 0.0), 1.0)


def plain(text: str) -> str:
    """Return text that can stand between tags and in quoted attributes, and be saved as UTF-8."""
    # A file's name may hold bytes that are no text, which Python keeps as characters that no encoding has.
    return escape(text.encode("utf-8", "replace").decode("utf-8"))


def percent(share: float, *, digits: int = 0) -> str:
    """Return a share (0..1) as the audit's text writes it."""
    return f"{100 * share:.{digits}f} %"


def table(caption: str, headers: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """Write a table that scrolls sideways where the screen is narrow.

    Args:
        caption: what it shows.
        headers: of the columns.
        rows: cells that are HTML already; the first of each names the row.
        numbers: whether all cells but the first are numbers, flush right.
    """
    kind = ' class="number"' if numbers else ""
    head = "".join(f'<th scope="col"{kind if k else ""}>{header}</th>' for k, header in enumerate(headers))
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td{kind}>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        # Whoever has no mouse can scroll what the keyboard reaches.
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def figure(drawing: str, caption: str) -> str:
    """Put a caption, HTML already, below a drawing."""
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


def said(count: int, noun: str, nouns: str | None = None) -> str:
    """Return a number with its noun, in the plural that English has."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"
