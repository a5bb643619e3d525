"""Draw the pictures that explain a thought: by code alone, from made-up numbers or published figures.

    pip install -e ".[plot]"
    python docs/make_drawings.py

Numbers are made up, and the page says so, but for `risk_coverage`, which is drawn from
`benchmarks/results/trust-default.json`: draw it again for new weights.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "benchmarks" / "results" / "trust-default.json"
BLUE, ORANGE, GREEN, RED, PALE = "#0072b2", "#e69f00", "#00724f", "#b3261e", "#d5dde2"
PATIENTS = {"A": BLUE, "B": ORANGE, "C": "#009e73", "D": "#cc79a7", "E": "#56b4e9", "F": "#8c6d31"}
SLICES = 4
"""Of each patient that is drawn."""

WITH_TUMOUR, WITHOUT, RIGHT = 20, 980, 0.9
"""The slices of `alarms`, and how often a made-up classifier is right about either kind."""


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description="Draw the pictures that explain a thought.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="folder to write to")
    make_pictures(parser.parse_args().out)


def make_pictures(folder: Path) -> None:
    """Write every drawing into `folder`, the same bytes each time."""
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "mriclassify", "font.size": 10}):
        for draw in DRAWINGS:
            draw().savefig(folder / f"{draw.__name__}.svg", facecolor="white", metadata={"Date": None})


def leak() -> Figure:
    """Return the slices of six patients, cut by slice and cut by patient."""
    slices = np.repeat(list(PATIENTS), SLICES)
    by_lot = np.random.default_rng(3).permutation(slices)
    figure = Figure(figsize=(6.4, 3.5), layout="constrained")
    upper, lower = figure.subplots(2, 1)
    train, test = by_lot[:16], by_lot[16:]
    _cut(upper, train, test, "Cut by slice: the test asks about patients that training has seen", RED)
    _cut(lower, slices[:16], slices[16:], "Cut by patient: the test asks about new ones", GREEN)
    return figure


def reliability() -> Figure:
    """Return reliability diagrams of made-up answers: too sure, and the same after one temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.3, (40_000, 4))
    truth = (_softmax(logits).cumsum(axis=1) > rng.random((len(logits), 1))).argmax(axis=1)
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    for place, factor, title in zip(
        figure.subplots(1, 2, sharey=True), (2.5, 1.0), ("too sure of itself", "after calibration"), strict=True
    ):
        _diagram(place, _softmax(factor * logits), truth)
        place.set_title(title)
        place.set_xlabel("how sure it says it is")
        place.set_box_aspect(1)
    figure.axes[0].set_ylabel("how often it is right")
    return figure


def risk_coverage() -> Figure:
    """Return how many answers of the default weights are wrong when only the surest are given."""
    bins = json.loads(FIGURES.read_text(encoding="utf-8"))["calibration"]["bins"][::-1]
    counts = np.array([one["n"] for one in bins], dtype=np.float64)
    wrong = np.cumsum([one["n"] * (1 - one["accuracy"]) for one in bins])
    coverage, risk = counts.cumsum() / counts.sum(), wrong / counts.cumsum()
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    place = figure.subplots()
    place.plot(100 * coverage, 100 * risk, "o-", color=BLUE, markersize=5)
    place.set_xlabel("answers given, the surest first (%)")
    place.set_ylabel("wrong among them (%)")
    place.set_ylim(0, 135 * risk.max())
    place.set_xlim(100 * coverage[0] - 2, 101)
    place.annotate("only the surest:\nfewer, and fewer wrong", (100 * coverage[0], 100 * risk[0]), xytext=(12, 24),
                   textcoords="offset points", va="bottom", color=GREEN)  # fmt: skip
    place.annotate("all of them", (100, 100 * risk[-1]), xytext=(-8, 8), textcoords="offset points", ha="right",
                   va="bottom", color=RED)  # fmt: skip
    _bare(place)
    return figure


def sets() -> Figure:
    """Return three made-up answers, and which classes are in the set of each."""
    labels = ("glioma", "meningioma", "notumor", "pituitary")
    limits = np.array([0.35, 0.4, 0.3, 0.45])
    answers = {
        "one label: the others\nare not plausible": (0.93, 0.04, 0.02, 0.01),
        "two labels: the slice\ndoes not tell": (0.46, 0.45, 0.05, 0.04),
        "no label: unlike all,\nas if rejected": (0.31, 0.34, 0.2, 0.15),
    }
    figure = Figure(figsize=(6.4, 3.0), layout="constrained")
    for place, (title, probabilities) in zip(figure.subplots(1, 3, sharey=True), answers.items(), strict=True):
        held = np.array(probabilities) >= limits
        place.barh(labels, probabilities, color=[BLUE if one else PALE for one in held])
        place.vlines(limits, np.arange(4) - 0.45, np.arange(4) + 0.45, color="black", linewidth=1.5)
        place.set_title(title, fontsize=9.5)
        place.set_xlim(0, 1)
        place.set_xticks([0, 1], ["0", "1"])
        _bare(place)
    figure.axes[0].invert_yaxis()
    return figure


def alarms() -> Figure:
    """Return what a classifier that is right in nine of ten does where few have a tumour."""
    found, alarms_ = round(RIGHT * WITH_TUMOUR), round((1 - RIGHT) * WITHOUT)
    missed, quiet = WITH_TUMOUR - found, WITHOUT - alarms_
    colours = np.repeat([GREEN, RED, ORANGE, PALE], [found, missed, alarms_, quiet])
    figure = Figure(figsize=(6.4, 3.9), layout="constrained")
    place = figure.subplots()
    for colour in (GREEN, RED, ORANGE, PALE):
        (here,) = np.nonzero(colours == colour)
        place.plot(here // 20, -(here % 20), "o", color=colour, markersize=4.5, markeredgewidth=0)
    place.set_title(
        f"{WITH_TUMOUR + WITHOUT:,} slices, {WITH_TUMOUR} with a tumour, right in {RIGHT:.0%} of both kinds:\n"
        f"{found + alarms_} alarms, of which {found} are tumours".replace("%", " %")
    )
    for colour, text in ((GREEN, f"{found} found"), (RED, f"{missed} missed"), (ORANGE, f"{alarms_} false alarms")):
        place.plot([], [], "o", color=colour, markersize=8, label=text)
    place.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=3, frameon=False, fontsize=11)
    place.axis("off")
    return figure


def four_words() -> Figure:
    """Return what may be in a slice, and the four words that there are for it."""
    shown = (
        "glioma",
        "meningioma",
        "pituitary tumour",
        "no tumour",
        "metastasis",
        "bleeding",
        "another lesion",
        "after surgery",
    )
    figure = Figure(figsize=(6.4, 3.9), layout="constrained")
    place = figure.subplots()
    place.set(xlim=(0, 10), ylim=(-8.2, 1.2))
    place.axis("off")
    place.text(1.6, 0.5, "what a slice may show", ha="center", fontweight="bold")
    place.text(8.4, 0.5, "what can be answered", ha="center", fontweight="bold")
    answers = {"glioma": -1.2, "meningioma": -2.9, "pituitary": -4.6, "notumor": -6.3}
    for text, height in answers.items():
        _box(place, 8.4, height, text, BLUE)
    for number, text in enumerate(shown):
        height = -0.4 - number
        known = number < len(answers)
        _box(place, 1.6, height, text, GREEN if known else RED)
        targets = [list(answers.values())[(0, 1, 2, 3)[number]]] if known else list(answers.values())
        for target in targets:
            place.plot([3.1, 6.9], [height, target], color=GREEN if known else RED, linewidth=1.6 if known else 0.5,
                       linestyle="-" if known else "--")  # fmt: skip
    return figure


def weights_file() -> Figure:
    """Return what one file of weights holds."""
    parts = {
        "classes, in order": "which number is which word",
        "preprocessing": "greys, frame, size: nothing is guessed",
        "network": "all weights, checked on loading",
        "calibration": "temperature, scores of prediction sets",
        "thresholds": "when uncertain, when rejected",
        "origin": "fingerprints of what it was trained on",
    }
    figure = Figure(figsize=(6.4, 3.3), layout="constrained")
    place = figure.subplots()
    place.set(xlim=(0, 10), ylim=(-7, 0.9))
    place.axis("off")
    place.add_patch(FancyBboxPatch((0.3, -6.6), 9.4, 6.2, boxstyle="round,pad=0.1", fill=False, edgecolor="black"))
    place.text(0.4, 0.35, "my-model.safetensors", family="monospace", fontweight="bold")
    for number, (name, text) in enumerate(parts.items()):
        _box(place, 2.2, -1.0 - number, name, BLUE)
        place.text(4.3, -1.0 - number, text, va="center")
    return figure


DRAWINGS: tuple[Callable[[], Figure], ...] = (
    leak,
    reliability,
    risk_coverage,
    sets,
    alarms,
    four_words,
    weights_file,
)


def _cut(place: Axes, train: NDArray[np.str_], test: NDArray[np.str_], title: str, colour: str) -> None:
    """Draw the slices of both parts, eight in a row, and a ring around what the test asks about again."""
    for part, left in ((train, 0.0), (test, 10.0)):
        columns = 8 if left == 0 else 4
        for number, patient in enumerate(part):
            x, y = left + number % columns, -(number // columns)
            square = FancyBboxPatch((x + 0.1, y + 0.1), 0.7, 0.7, boxstyle="round,pad=0.05", color=PATIENTS[patient])
            place.add_patch(square)
            place.text(x + 0.45, y + 0.43, patient, ha="center", va="center", color="white", fontweight="bold")
            if left and patient in train:
                place.add_patch(Circle((x + 0.45, y + 0.45), 0.62, fill=False, color=RED, linewidth=2))
    place.set_title(title, color=colour, fontweight="bold", fontsize=11)
    place.text(4, -1.35, "training", ha="center", va="top")
    place.text(12, -1.35, "test", ha="center", va="top")
    place.set(xlim=(-0.3, 14.3), ylim=(-2.0, 1.3), aspect="equal")
    place.axis("off")


def _diagram(place: Axes, probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> None:
    """Draw how often answers of each tenth of confidence are right."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    tenths = np.minimum((10 * confidence).astype(int), 9)
    used = [tenth for tenth in range(10) if (tenths == tenth).sum() > 100]
    heights = [right[tenths == tenth].mean() for tenth in used]
    place.bar([(tenth + 0.5) / 10 for tenth in used], heights, width=0.094, color=BLUE)
    place.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1.2)
    place.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    last = f"says {confidence[tenths == 9].mean():.0%},\nis right in {heights[-1]:.0%}".replace("%", " %")
    place.annotate(last, (0.93, heights[-1]), xytext=(0.05, 0.78), arrowprops={"arrowstyle": "->"}, fontsize=9.5)
    _bare(place)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def _box(place: Axes, x: float, y: float, text: str, colour: str) -> None:
    place.text(x, y, text, ha="center", va="center", color="white", fontsize=10,
               bbox={"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": "none"})  # fmt: skip


def _bare(place: Axes) -> None:
    for side in ("top", "right"):
        place.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
