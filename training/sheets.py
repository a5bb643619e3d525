"""Sheets of small pictures, for somebody to look at many slices by eye."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

COLUMNS, ROWS, SIDE, LINE = 11, 7, 139, 14
"""Of a sheet; the side of a slice in pixels, and the height of the line below it."""


def write_sheets(folder: Path, slices: Sequence[tuple[Path, str]]) -> None:
    """Write sheet-1.png, sheet-2.png and so on: slices in rows, each with a few words below it."""
    each = COLUMNS * ROWS
    for number, first in enumerate(range(0, len(slices), each), 1):
        sheet = Image.new("L", (COLUMNS * SIDE, ROWS * (SIDE + LINE)))
        for place, (path, words) in enumerate(slices[first : first + each]):
            x, y = place % COLUMNS * SIDE, place // COLUMNS * (SIDE + LINE)
            with Image.open(path) as image:
                sheet.paste(image.convert("L").resize((SIDE, SIDE)), (x, y))
            ImageDraw.Draw(sheet).text((x, y + SIDE), words, fill=255)
        sheet.save(folder / f"sheet-{number}.png")
