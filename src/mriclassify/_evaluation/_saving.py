"""A report becomes a folder of files, each of them whole or not there."""

import csv
import io
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mriclassify._errors import MissingExtraError
from mriclassify._evaluation._plots import draw_plots
from mriclassify._output import make_folder, whole_file

if TYPE_CHECKING:
    from mriclassify._evaluation._report import Report

_log = logging.getLogger(__name__)


def save_report(report: "Report", folder: Path) -> tuple[Path, ...]:
    """Write the files of `Report.save` and return their paths.

    Raises:
        OutputError: The folder is a file, or can't be written.
    """
    make_folder(folder, "report")
    plots = _plots_if_possible(report)
    files = {
        "report.json": json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": report.to_markdown() + _plots_section(plots),
        "predictions.csv": predictions_csv(report),
    }
    contents = {name: text.encode("utf-8") for name, text in files.items()} | dict(plots)
    return tuple(_write(folder / name, content) for name, content in contents.items())


def predictions_csv(report: "Report") -> str:
    """One line per slice: name, true, predicted, confidence, and `probability_<class>` for each class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    # the prefix keeps a class called "true" or "name" apart from the columns of that name
    writer.writerow(["name", "true", "predicted", "confidence", *(f"probability_{name}" for name in report.classes)])
    for name, true, predicted, row in zip(
        report.names,
        report.targets.tolist(),
        report.predicted.tolist(),
        report.probabilities.tolist(),
        strict=True,
    ):
        writer.writerow([name, report.classes[true], report.classes[predicted], max(row), *row])
    return text.getvalue()


def _plots_if_possible(report: "Report") -> Mapping[str, bytes]:
    try:
        return draw_plots(report)
    except MissingExtraError as error:
        _log.warning("The report is saved without plots: %s", error)
        return {}


def _plots_section(plots: Mapping[str, bytes]) -> str:
    # only plots of this report are shown, whatever an earlier one left in the folder
    images = [f"![{Path(name).stem.replace('_', ' ')}]({name})\n" for name in plots]
    return "\n".join(["\n## Plots\n", *images]) if images else ""


def _write(path: Path, content: bytes) -> Path:
    with whole_file(path) as part:
        part.write_bytes(content)
    return path
