"""What the figures of `trust.py` are held against: the targets of the two weights that are published."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["default", "accurate"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One figure that weights must show.

    Args:
        title: for people.
        path: where the figure stands in the results.
        default: what it must be for the default weights, None if nothing is asked.
        accurate: what it must be for the accurate ones.
        at_most: whether the figure must not be larger, rather than not smaller.
    """

    title: str
    path: tuple[str, ...]
    default: float | None
    accurate: float | None
    at_most: bool = False


TARGETS = (
    Target(title="accuracy by patient, fold 0", path=("fold", "accuracy"), default=0.97, accurate=0.98),
    Target(
        title="glioma recall by patient, fold 0",
        path=("fold", "by_class", "glioma", "recall"),
        default=0.95,
        accurate=0.97,
    ),
    Target(title="external_lgg: tumour seen", path=("external_lgg", "tumour_seen"), default=0.85, accurate=0.90),
    Target(
        title="external_lgg: tumour-free called so",
        path=("external_lgg", "tumour_free_called_so"),
        default=0.85,
        accurate=0.90,
    ),
    Target(title="external_lgg: AUROC of the two", path=("external_lgg", "auroc"), default=0.90, accurate=0.94),
    Target(
        title="calibration error, fold 0",
        path=("fold", "calibration_error"),
        default=0.03,
        accurate=0.02,
        at_most=True,
    ),
    Target(
        title="external_lgg: sure (0.9 or more), ok, and wrong about tumour or not",
        path=("external_lgg", "sure_and_wrong"),
        default=0.05,
        accurate=0.03,
        at_most=True,
    ),
    Target(title="not_brain_mri rejected", path=("not_brain_mri", "rejected"), default=0.99, accurate=0.99),
    Target(title="fold 0 rejected", path=("fold", "rejected"), default=0.01, accurate=0.01, at_most=True),
    Target(title="external_lgg rejected", path=("external_lgg", "rejected"), default=0.05, accurate=0.05, at_most=True),
    Target(
        title="conformal coverage at 0.90 and 0.95, fold 0: worst class's distance",
        path=("prediction_sets", "worst_gap"),
        default=0.03,
        accurate=0.03,
        at_most=True,
    ),
    Target(
        title="lesion: peak inside the mask, fold 0",
        path=("lesions", "fold", "peak_inside"),
        default=0.93,
        accurate=0.96,
    ),
    Target(title="lesion: Dice, fold 0", path=("lesions", "fold", "dice"), default=0.72, accurate=0.80),
    Target(
        title="accuracy lost at strength 3, mean over corruptions",
        path=("robustness", "mean", "3", "lost"),
        default=0.06,
        accurate=0.04,
        at_most=True,
    ),
    Target(
        title="milliseconds a slice, one core, batch 32, file to answer",
        path=("speed", "file_to_answer"),
        default=10.0,
        accurate=None,
        at_most=True,
    ),
    Target(
        title='the same with precision="bf16"',
        path=("speed", "bf16", "file_to_answer"),
        default=10.0,
        accurate=None,
        at_most=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A target beside what was measured; `met` is None where nothing was measured or asked."""

    title: str
    asked: str
    figure: dict[str, Any]
    met: bool | None


def outcomes(results: dict[str, Any], kind: Kind) -> list[Outcome]:
    """Return each target beside the figure, in order."""
    return [_outcome(target, results, kind) for target in TARGETS]


def _outcome(target: Target, results: dict[str, Any], kind: Kind) -> Outcome:
    figure, asked = found(results, target.path), getattr(target, kind)
    value = figure.get("value")
    met = None
    if value is not None and asked is not None:
        met = value <= asked if target.at_most else value >= asked
    said = "" if asked is None else f"{'at most' if target.at_most else 'at least'} {asked:g}"
    return Outcome(title=target.title, asked=said, figure=figure, met=met)


def found(results: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return the figure at that place; where a section was left out, a figure without a value that says why."""
    here = results
    for name in path:
        if "left_out" in here:
            return {"value": None, "reason": here["left_out"]}
        if name not in here:
            return {"value": None, "reason": "not measured"}
        here = here[name]
    return here


def sizes_of(weights: Mapping[str, Any]) -> str:
    """Return the size of the images, in pixels, for each network of the weights."""
    return ", ".join(map(str, weights["sizes"]))
