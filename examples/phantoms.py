"""Phantoms: drawn heads with a bright blob whose place tells the class, to try training without anybody's scans."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

PLACES: Mapping[str, tuple[float, float] | None] = {
    "glioma": (-0.2, -0.12),
    "meningioma": (0.2, 0.15),
    "notumor": None,
    "pituitary": (0.02, 0.0),
}
"""Row and column of the blob, as parts of the slice's side from its middle."""


def patient_of(path: Path) -> str:
    """Return "p07" for "glioma/p07_1.png"."""
    return path.stem.split("_")[0]


def write_phantoms(folder: Path, *, patients: int = 6, slices: int = 3, side: int = 96) -> None:
    """Write class folders with `patients` times `slices` pictures of `side` pixels each, as `p07_1.png`."""
    rng = np.random.default_rng(0)
    number = 0
    for label, place in PLACES.items():
        (folder / label).mkdir(parents=True)
        for _ in range(patients):
            # A patient's tumour stays where it is from slice to slice.
            shift = rng.uniform(-0.04, 0.04, 2)
            for k in range(slices):
                pixels = _draw(rng, side, None if place is None else (place[0] + shift[0], place[1] + shift[1]))
                Image.fromarray(pixels).save(folder / label / f"p{number:02d}_{k}.png")
            number += 1


def _draw(rng: np.random.Generator, side: int, place: tuple[float, float] | None) -> np.ndarray:
    rows, columns = np.mgrid[0:side, 0:side] / side - 0.5
    head = (rows / 0.45) ** 2 + (columns / 0.36) ** 2 < 1
    pixels = head * (90 + rng.normal(0, 8, head.shape))
    if place is not None:
        pixels[(rows - place[0]) ** 2 + (columns - place[1]) ** 2 < rng.uniform(0.07, 0.1) ** 2] = 210
    return pixels.clip(0, 255).astype(np.uint8)
