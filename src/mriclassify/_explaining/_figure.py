"""Figure: a picture with its colour bar, as PNG by Pillow or as SVG that needs no other file."""

import base64
import io
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mriclassify._errors import OptionError
from mriclassify._explaining._colours import INFERNO, colours
from mriclassify._notice import NOTICE
from mriclassify._output import whole_file

SMALLEST = 360
"""Pictures of fewer pixels on their longer side are enlarged by a whole number, so that there is room for words."""
TEXT = 30
"""The longer side of the picture is so many times as high as the letters."""
LETTER = 0.55
"""Width of a letter, as a part of its height."""
PAPER, INK = "#ffffff", "#1b1f24"
TICKS = (1.0, 0.5, 0.0)

SUFFIXES = (".png", ".svg")


def save_figure(path: str | os.PathLike[str], picture: Image.Image, *, title: str, scale: str) -> None:
    """Write `picture` with a title above it, a colour bar beside it and the notice below it.

    Args:
        path: ends in .png or .svg.
        picture: RGB.
        title: what it shows.
        scale: what the colours mean.

    Raises:
        OptionError: it ends in something else.
        OutputError: it can't be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise OptionError(f"{os.fspath(path)}: expected a name that ends in .png or .svg, not {suffix or 'neither'}")
    layout = _Layout.around(picture.size, title=title, scale=scale)
    content = _png(picture, layout) if suffix == ".png" else _svg(picture, layout).encode()
    with whole_file(path) as part:
        part.write_bytes(content)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where everything is, in pixels of the figure."""

    letter: int
    left: int
    top: int
    width: int
    height: int
    title: Sequence[str]
    notice: Sequence[str]

    @classmethod
    def around(cls, size: tuple[int, int], *, title: str, scale: str) -> "_Layout":
        times = max(1, math.ceil(SMALLEST / max(size)))
        width, height = size[0] * times, size[1] * times
        letter = max(12, round(max(width, height) / TEXT))
        # Wide enough for the words, however narrow the slice.
        letters = int(max(width + 3 * letter, 24 * LETTER * letter) / (LETTER * letter))
        titles = [*wrap(title, letters), *wrap(scale, letters)]
        top = letter + round(1.4 * letter * len(titles))
        return cls(letter, letter, top, width, height, titles, wrap(NOTICE, letters))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole figure."""
        longest = max(map(len, [*self.title, *self.notice]))
        words = math.ceil(longest * LETTER * self.letter)
        below = round(1.4 * self.letter * (len(self.notice) + 1))
        return self.left + max(self.width + 5 * self.letter, words + self.letter), self.top + self.height + below

    @property
    def bar(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the colour bar."""
        return self.left + self.width + self.letter, self.top, self.letter, self.height

    def words(self) -> list[tuple[float, float, str]]:
        """Return each text with its left end and the middle of its line."""
        left, top, width, height = self.bar
        line, foot = 1.4 * self.letter, self.top + self.height
        ticks = [
            # The middle of the outer ones lies within the bar, so that nothing sticks out.
            (left + 1.4 * width, top + min(max((1 - tick) * height, width / 2), height - width / 2), f"{tick:g}")
            for tick in TICKS
        ]
        titles = [(self.left, self.letter / 2 + line * (k + 0.5), text) for k, text in enumerate(self.title)]
        notes = [(self.left, foot + line * (k + 0.9), text) for k, text in enumerate(self.notice)]
        return [*titles, *ticks, *notes]


def _png(picture: Image.Image, layout: _Layout) -> bytes:
    figure = Image.new("RGB", layout.size, PAPER)
    figure.paste(picture.resize((layout.width, layout.height), Image.Resampling.NEAREST), (layout.left, layout.top))
    left, top, width, height = layout.bar
    bar = colours(np.linspace(1, 0, height))[:, None].repeat(width, axis=1)
    figure.paste(Image.fromarray(bar), (left, top))
    draw, font = ImageDraw.Draw(figure), ImageFont.load_default(layout.letter)
    for x, y, text in layout.words():
        draw.text((x, y), text, fill=INK, font=font, anchor="lm")
    return _encoded(figure)


def _svg(picture: Image.Image, layout: _Layout) -> str:
    (full, tall), (left, top, width, height) = layout.size, layout.bar
    stops = "".join(
        f'<stop offset="{k / (len(INFERNO) - 1):.4f}" stop-color="rgb{colour}"/>' for k, colour in enumerate(INFERNO)
    )
    texts = "".join(
        f'<text x="{x:.1f}" y="{y:.1f}" dominant-baseline="central">{_plain(text)}</text>'
        for x, y, text in layout.words()
    )
    data = base64.b64encode(_encoded(picture)).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {full} {tall}" width="{full}" '
        f'height="{tall}"><title>{_plain(" ".join(layout.title))}</title>'
        f'<linearGradient id="scale" x1="0" y1="1" x2="0" y2="0">{stops}</linearGradient>'
        f'<rect width="{full}" height="{tall}" fill="{PAPER}"/>'
        f'<image x="{layout.left}" y="{layout.top}" width="{layout.width}" height="{layout.height}" '
        f'style="image-rendering: pixelated" href="data:image/png;base64,{data}"/>'
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="url(#scale)"/>'
        f'<g font-family="sans-serif" font-size="{layout.letter}" fill="{INK}">{texts}</g></svg>\n'
    )


def _encoded(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _plain(text: str) -> str:
    """Return text that can stand in XML, and be written as UTF-8: classes are named by users."""
    allowed = re.sub(r"[^\t\n -\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]", "?", text)
    return escape(allowed)
