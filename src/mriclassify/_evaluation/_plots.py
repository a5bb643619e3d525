"""The report in pictures, drawn with scikit-learn's displays on figures that pyplot never sees."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay

from mriclassify._errors import MissingExtraError
from mriclassify._evaluation._metrics import CALIBRATION_BINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mriclassify._evaluation._report import Report

_DOTS_PER_INCH = 150


def draw_plots(report: "Report") -> Mapping[str, bytes]:
    """Draw the plots of a report.

    Returns:
        File name -> PNG: confusion_matrix.png, roc.png, reliability.png, risk_coverage.png, and
        training_curves.png when the report has a history.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = {
        "confusion_matrix.png": confusion_figure(report),
        "roc.png": roc_figure(report),
        "reliability.png": reliability_figure(report),
        "risk_coverage.png": risk_coverage_figure(report),
    }
    if report.history:
        figures["training_curves.png"] = training_figure(report)
    return {name: _png(figure) for name, figure in figures.items()}


def confusion_figure(report: "Report") -> "Figure":
    """Counts in the cells, coloured by the part of the row, so that rare classes show as well."""
    size = min(2.6 + 0.75 * len(report.classes), 16)
    figure = _new_figure(size + 0.6, size)
    axes = figure.subplots()
    support = report.confusion.sum(axis=1, keepdims=True)
    parts = report.confusion / np.maximum(support, 1)
    display = ConfusionMatrixDisplay(parts, display_labels=report.classes)
    display.plot(ax=axes, cmap="Blues", im_kw={"vmin": 0, "vmax": 1}, xticks_rotation=30, colorbar=False)
    for text, count, part in zip(display.text_.flat, report.confusion.flat, parts.flat, strict=True):
        # the display picks colours as if the palest cell were white; here white is 0 and the darkest 1
        text.set(text=f"{count:,}", color="white" if part > 0.5 else "black")
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    figure.colorbar(display.im_, ax=axes, label="part of the true class", shrink=0.8)
    axes.set(xlabel="predicted", ylabel="true", title=f"Accuracy {report.accuracy:.3f}, {report.n:,} slices")
    return figure


def roc_figure(report: "Report") -> "Figure":
    """One curve per class against the rest; classes without slices, or with all of them, have none."""
    figure = _new_figure(5.6, 5.4)
    axes = figure.subplots()
    for k, (name, scores) in enumerate(report.per_class.items()):
        if scores.auroc is not None:
            RocCurveDisplay.from_predictions(
                (report.targets == k).astype(int), report.probabilities[:, k], name=name, ax=axes
            )
            axes.lines[-1].set_label(f"{name} ({scores.auroc:.3f})")
    axes.plot([0, 1], [0, 1], "--", color="0.6", linewidth=1, zorder=0, label="chance (0.500)")
    mean = "" if report.auroc is None else f", mean area {report.auroc:.3f}"
    axes.set(xlabel="1 - specificity", ylabel="recall", title=f"Each class against the rest{mean}")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", frameon=False)
    return figure


def reliability_figure(report: "Report") -> "Figure":
    """How often the answer is right, by how confident it is; below, how many slices each bin holds."""
    figure = _new_figure(5.6, 6.4)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (3, 1)})
    confidence = report.probabilities.max(axis=1)
    right = (report.predicted == report.targets).astype(int)
    CalibrationDisplay.from_predictions(
        right, confidence, n_bins=CALIBRATION_BINS, pos_label=1, name="slices", ax=upper
    )
    upper.set(xlabel="", ylabel="part that is right", ylim=(-0.02, 1.04))
    upper.set_title(f"Expected calibration error {report.calibration_error:.3f}")
    upper.grid(alpha=0.25)
    upper.legend(["perfectly calibrated", "this model"], loc="upper left", frameon=False)
    lower.hist(confidence, bins=np.linspace(0, 1, CALIBRATION_BINS + 1), color="tab:orange", alpha=0.7)
    lower.set(xlabel="confidence", ylabel="slices", xlim=(-0.02, 1.02))
    lower.grid(alpha=0.25)
    return figure


def risk_coverage_figure(report: "Report") -> "Figure":
    """What part of the answers is wrong, when only the surest are given."""
    figure = _new_figure(5.6, 5.4)
    axes = figure.subplots()
    curve = report.risk_coverage
    # A threshold answers a slice or does not: the risk stays until the next slice is answered.
    axes.step(curve.coverage, curve.risk, where="post", marker=".", markersize=4, label="this model")
    overall = curve.risk[-1]
    axes.axhline(overall, linestyle="--", color="0.6", linewidth=1, zorder=0, label=f"all answers ({overall:.3f})")
    axes.set(xlabel="coverage: part of the slices answered, the surest first", ylabel="risk: part that is wrong")
    axes.set(xlim=(-0.02, 1.02), ylim=(0, max(1.15 * max(curve.risk), 0.05)))
    axes.set_title(f"Area under the curve {curve.area:.3f}")
    axes.grid(alpha=0.25)
    axes.legend(loc="best", frameon=False)
    return figure


def training_figure(report: "Report") -> "Figure":
    """Loss and validation figures by epoch."""
    figure = _new_figure(9, 4)
    losses, figures = figure.subplots(1, 2)
    _curves(losses, report, {"train_loss": "training", "validation_loss": "validation"})
    losses.set(xlabel="epoch", ylabel="loss (nats)", title="Loss")
    _curves(figures, report, {"validation_accuracy": "accuracy", "validation_macro_f1": "macro F1"})
    figures.set(xlabel="epoch", ylabel="0..1", title="Validation")
    return figure


def _curves(axes: "Axes", report: "Report", labels: Mapping[str, str]) -> None:
    from matplotlib.ticker import MaxNLocator

    rows = report.history or ()
    epochs = [row.get("epoch", number) for number, row in enumerate(rows, start=1)]
    for key, label in labels.items():
        # None and missing entries become NaN, at which the line has a gap
        values = np.array([row.get(key) for row in rows], dtype=np.float64)
        if np.isfinite(values).any():
            axes.plot(epochs, values, marker="o", markersize=3, label=label)
    axes.set_xlim(min(epochs, default=1) - 0.5, max(epochs, default=1) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)
    if axes.lines:
        axes.legend(frameon=False)
    else:
        axes.text(0.5, 0.5, "not recorded", ha="center", transform=axes.transAxes)


def _new_figure(width: float, height: float) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("plots need matplotlib: pip install 'mriclassify[plot]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
    return buffer.getvalue()
