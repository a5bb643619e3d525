"""Make the pictures that show what the default weights say, from `examples/scans` and what is drawn here.

    pip install -e ".[plot]"
    python docs/make_result_pictures.py

No example scan has a tumour, so that a bright spot is drawn into one where a lesion is to be seen. Each file notes the
sha256 of the weights: make the pictures again for new ones.
"""

import argparse
import io
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom import dcmread

from mriclassify import (
    Augmentation,
    Classifier,
    Explanation,
    Prediction,
    Preprocessing,
    crop,
    draw_crop,
    draw_fade,
    fade,
    heal,
    list_weights,
)

ROOT = Path(__file__).resolve().parents[1]
SCANS = ROOT / "examples" / "scans"
HEAD = SCANS / "colin27_ventricles.jpg"
COLOURS = 96
"""Few enough to keep the files small, with the colours of a map among them."""
NOTE = "weights"
"""The PNG text that holds the sha256 of the weights a picture was made with."""
STATUS_COLOURS = {"ok": "#00724f", "uncertain": "#9a5b00", "rejected": "#b3261e", "error": "#555555"}
BAR, OTHER_BAR, LINE = "#0072b2", "#b9c4cc", "#e69f00"
SPOT = 80, 60, 16.0
"""Row, column and radius in pixels of what is drawn into the head."""

Grey = NDArray[np.uint8]


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description="Make the pictures of what the default weights say.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="folder to write to")
    make_pictures(parser.parse_args().out)


def make_pictures(folder: Path) -> None:
    """Write every picture into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    clf = Classifier.from_pretrained(device="cpu")
    for make in PICTURES:
        save(make(clf), folder / f"{make.__name__}.png", weights=digest(clf))


def digest(clf: Classifier) -> str:
    """Return the sha256 of the weights' file."""
    return next(record.sha256 for record in list_weights() if record.name == clf.bundle.name)


def save(figure: Figure, path: Path, *, weights: str | None = None) -> None:
    """Write `figure` as a small PNG, with the weights it was made with if it shows what these say."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, facecolor="white")
    image = Image.open(stream).convert("RGB")
    notes = PngInfo()
    if weights is not None:
        notes.add_text(NOTE, weights)
    few = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True, pnginfo=notes)


def result(clf: Classifier) -> Figure:
    """Return two scans, where a lesion is seen in each, and the answers."""
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    rows = figure.subplots(2, 3, width_ratios=(1, 1, 1.1), gridspec_kw={"hspace": 0.08})
    for (left, middle, right), pixels, title in (
        (rows[0], grey(HEAD), "a healthy head"),
        (rows[1], with_spot(grey(HEAD)), "a bright spot drawn in"),
    ):
        found = clf.explain(pixels)
        show(left, pixels, title)
        _show_lesion(middle, found)
        bars(right, found.prediction)
    return figure


def steps(clf: Classifier) -> Figure:
    """Return what becomes of a slice, from the file to the status."""
    pixels = np.zeros((260, 260), np.uint8)
    pixels[30:247, 15:196] = with_spot(grey(HEAD)) // 2
    found = clf.explain(pixels)
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    places = figure.subplots(2, 3).ravel()
    show(places[0], pixels, "1  the file's pixels", black=0, white=255)
    windowed = Preprocessing().windowed(pixels.astype(np.float32))
    show(places[1], windowed, "2  one range of greys", black=0, white=1.2)
    show(places[2], found.image, "3  one frame, one size", black=0, white=1.2)
    _show_lesion(places[3], found, title="4  the network looks")
    bars(places[4], found.prediction, title="5  probabilities")
    _say(places[5], found.prediction)
    return figure


def statuses(clf: Classifier) -> Figure:
    """Return six inputs with the status and the first reason of each."""
    figure = Figure(figsize=(6.4, 6.6), layout="constrained")
    for place, (title, source) in zip(figure.subplots(2, 3).ravel(), _inputs().items(), strict=True):
        answer = clf.predict(source)
        colour = STATUS_COLOURS[answer.status]
        place.imshow(source if isinstance(source, np.ndarray) else _drawn(source), cmap="gray", aspect="auto")
        place.set(xticks=[], yticks=[], box_aspect=1.1)
        place.set_title(f"{title}\n", fontsize=10)
        place.text(0.5, 1.02, answer.status, fontsize=12, fontweight="bold", color=colour, ha="center", va="bottom",
                   transform=place.transAxes)  # fmt: skip
        reason = answer.reasons[0].split(":")[0] if answer.reasons else f"{answer.label} {answer.confidence:.2f}"
        lines = textwrap.wrap(reason.rstrip("."), 28, max_lines=3)
        place.set_xlabel("\n".join([*lines, "", ""][:3]), fontsize=9)
        for side in place.spines.values():
            side.set(color=colour, linewidth=2.5)
    return figure


def one_slice(clf: Classifier) -> Figure:
    """Return a head from the side with one line through it, and all that the classifier sees of a head."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    options = Preprocessing(size=256, crop="none")
    side, axial = (
        options(np.asarray(Image.open(SCANS / name)).astype(np.float32))[0]
        for name in ("sagittal_16bit.png", HEAD.name)
    )
    show(left, side, "the head", white=1.3)
    left.axhline(0.36 * len(side), color=LINE, linewidth=3)
    show(right, axial, "what is looked at", white=1.3)
    right.add_patch(Rectangle((1, 1), 253, 253, fill=False, color=LINE, linewidth=4))
    return figure


def changes(clf: Classifier) -> Figure:
    """Return what training does to a slice: changes by chance above, changes of the tumour below."""
    pixels, options = with_spot(grey(HEAD)), clf.bundle.preprocessing
    windowed = options.windowed(pixels.astype(np.float32))
    image, lesion = (
        options.frame(windowed).cut(plane, options.size)
        for plane in (windowed, (_distance(pixels.shape) < SPOT[2]).astype(np.float32))
    )
    generator, rng = torch.Generator().manual_seed(4), np.random.default_rng(0)
    augmented = Augmentation(coarse=0.5)(torch.from_numpy(image)[None, None].repeat(3, 1, 1, 1), generator)
    cut_away = crop(image, lesion > 0.5, draw_crop(rng), miss=True)
    panels = {
        "a slice": image,
        **{f"by chance {number}": changed[0] for number, changed in enumerate(augmented.numpy(), start=1)},
        "outlined": np.where(_rim(lesion > 0.5), np.float32(1.5), image * np.float32(0.6)),
        "healed": heal(image, lesion > 0.5),
        "faded": fade(image, lesion > 0.5, draw_fade(rng)),
        "left out": None if cut_away is None else cut_away[0],
    }
    figure = Figure(figsize=(6.4, 3.7), layout="constrained")
    for place, (title, plane) in zip(figure.subplots(2, 4).ravel(), panels.items(), strict=True):
        if plane is None:
            raise ValueError(f"this slice can't be {title}: draw the spot at another place")
        show(place, plane, title, white=1.3)
    return figure


def grey(path: Path) -> Grey:
    """Return a picture's pixels (height, width)."""
    return np.asarray(Image.open(path).convert("L"))


def with_spot(pixels: Grey) -> Grey:
    """Return `pixels` with a bright disc drawn in, darker in its middle."""
    distance = _distance(pixels.shape)
    disc = 1 / (1 + np.exp((distance - SPOT[2]) / 1.5))
    values = pixels * (1 - disc) + disc * (205 - 65 * np.exp(-((1.6 * distance / SPOT[2]) ** 2)))
    return values.clip(0, 255).astype(np.uint8)


def show(place: Axes, pixels: NDArray[np.generic], title: str, *, black: float = 0, white: float | None = None) -> None:
    """Draw a slice."""
    place.imshow(pixels, cmap="gray", vmin=black, vmax=white)
    place.set_title(title, fontsize=10)
    place.axis("off")


def bars(place: Axes, answer: Prediction, *, title: str | None = None) -> None:
    """Draw the probabilities of an answer, under its status."""
    for row, (label, probability) in enumerate(answer.probabilities.items()):
        place.barh(row, probability, height=0.4, color=BAR if label == answer.label else OTHER_BAR)
        place.text(0.02, row - 0.28, label, fontsize=9, va="bottom")
        place.text(1.0, row - 0.28, f"{probability:.2f}", fontsize=9, va="bottom", ha="right")
    place.set(xlim=(0, 1), ylim=(3.4, -0.9), xticks=[], yticks=[], box_aspect=1)
    for side in ("top", "right", "bottom"):
        place.spines[side].set_visible(False)
    place.set_title(title or f"answer: {answer.label}", fontsize=10)
    if title is None:
        colour = STATUS_COLOURS[answer.status]
        place.set_xlabel(f"status: {answer.status}", fontsize=12, fontweight="bold", color=colour)


def _show_lesion(place: Axes, found: Explanation, *, title: str | None = None) -> None:
    place.imshow(np.asarray(found.overlay(show="lesion", opacity=0.6)))
    place.set_title(title or ("a lesion is seen here" if found.region else "no lesion is seen"), fontsize=10)
    place.axis("off")
    if found.region:
        left, top, right, bottom = found.region.box
        place.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, color=LINE, linewidth=2.5))


def _say(place: Axes, answer: Prediction) -> None:
    place.set_title("6  how far to trust it", fontsize=10)
    place.set_box_aspect(1)
    place.axis("off")
    colour = STATUS_COLOURS[answer.status]
    place.text(0.5, 0.66, answer.status, fontsize=24, fontweight="bold", ha="center", va="center", color=colour)
    reasons = " ".join(answer.reasons) or "nothing speaks against the answer"
    place.text(0.5, 0.42, textwrap.fill(reasons, 24, max_lines=4), fontsize=10, ha="center", va="top")


def _inputs() -> dict[str, Path | bytes | Grey]:
    """Return six things that may be dropped on a classifier."""
    rng = np.random.default_rng(0)
    page = np.full((220, 170), 250, np.uint8)
    for row in range(25, 200, 11):
        page[row : row + 3, 20 : 150 - (row * 7) % 45] = 40
    rows, columns = np.mgrid[0:200, 0:200] / 199
    colours = np.stack([255 * rows, 255 * columns, 255 * (1 - rows)], axis=-1)
    return {
        "a head": HEAD,
        "the same, a derived file": _derived(),
        "the mean of 152 brains": SCANS / "mni152_ventricles.dcm",
        "a page of text": page,
        "noise": rng.integers(0, 255, (200, 200)).astype(np.uint8),
        "a colour picture": colours.astype(np.uint8),
    }


def _derived() -> bytes:
    """Return the head as a DICOM file which says that other images were made into it."""
    dataset, pixels = dcmread(SCANS / "mni152_ventricles.dcm"), grey(HEAD).astype("<u2")
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelData = pixels.tobytes()
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def _drawn(source: Path | bytes) -> NDArray[np.generic]:
    if isinstance(source, Path) and source.suffix == ".jpg":
        return grey(source)
    return dcmread(source if isinstance(source, Path) else io.BytesIO(source)).pixel_array


def _distance(shape: tuple[int, ...]) -> NDArray[np.float64]:
    rows, columns = np.indices(shape)
    return np.hypot(rows - SPOT[0], columns - SPOT[1])


def _rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the border of a mask, two pixels wide."""
    inner = mask.copy()
    for axis in (0, 1):
        for shift in (-2, 2):
            inner &= np.roll(mask, shift, axis)
    return mask & ~inner


PICTURES: tuple[Callable[[Classifier], Figure], ...] = (result, steps, statuses, changes, one_slice)


if __name__ == "__main__":
    main()
