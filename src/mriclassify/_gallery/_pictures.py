"""Pictures: a slice and its maps become small files."""

from pathlib import Path

from PIL import Image

from mriclassify._explaining import Explanation
from mriclassify._gallery._entries import file_name

LONGER_SIDE = 256
"""Pixels, at most."""


def save_pictures(explanation: Explanation, folder: Path, number: int) -> tuple[str, ...]:
    """Write the pictures of a slice, without a word of the file that it is from, and return their kinds."""
    pictures = {"scan": Image.fromarray(explanation.pixels), "heat": explanation.overlay()}
    if explanation.lesion_map is not None:
        pictures["lesion"] = explanation.overlay(show="lesion")
    for kind, picture in pictures.items():
        _small(picture).save(folder / file_name(number, kind), "PNG")
    return tuple(pictures)


def _small(picture: Image.Image) -> Image.Image:
    """Return a picture of at most `LONGER_SIDE` pixels on its longer side; smaller ones stay as they are."""
    picture.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.Resampling.LANCZOS)
    # A quarter of the size. Not by median cut: that spends its colours on the grey head, and a small lesion turns grey.
    return picture if picture.mode == "L" else picture.quantize(256, method=Image.Quantize.FASTOCTREE)
