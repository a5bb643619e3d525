"""A report becomes a folder of files, each of them whole or not there."""

import csv
import io
import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from mriclassify._errors import MissingExtraError, OutputError
from mriclassify._evaluation._captions import captions
from mriclassify._evaluation._html import as_html
from mriclassify._evaluation._pictures import shown_mistakes
from mriclassify._evaluation._plots import draw_plots
from mriclassify._output import make_folder, whole_file

if TYPE_CHECKING:
    from mriclassify._evaluation._report import Report

FILES = (
    *("report.json", "report.html", "report.md", "predictions.csv"),
    *("confusion_matrix.png", "roc.png", "reliability.png", "risk_coverage.png", "training_curves.png"),
)
"""Every name that a report may write: what an earlier report left under them is replaced or removed."""

_SIGNS = {"confusion", "leakage", "per_class"}
"""Keys by which the report.json of any version of ours is known."""

_log = logging.getLogger(__name__)


def save_report(report: "Report", folder: Path, *, pictures: int) -> tuple[Path, ...]:
    """Write the files of `Report.save` and return their paths.

    Raises:
        OptionError: `pictures` is negative.
        OutputError: The folder is a file, can't be written, or holds other people's files of our names.
    """
    prepare_folder(folder)
    plots, missing = _plots_if_possible(report)
    page = as_html(report, plots=plots, missing=missing, shown=shown_mistakes(report, pictures))
    files = {
        "report.json": json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "report.html": page,
        "report.md": report.to_markdown() + _plots_section(report, plots),
        "predictions.csv": predictions_csv(report),
    }
    # Names of files may have bytes that are no text: they become escapes, which JSON reads as the same name.
    contents = {name: text.encode("utf-8", "backslashreplace") for name, text in files.items()} | dict(plots)
    with ExitStack() as parts:
        # All are written before the first is moved to its place: a full disk leaves the earlier report whole.
        for name, content in contents.items():
            parts.enter_context(whole_file(folder / name)).write_bytes(content)
    _remove(folder, set(FILES) - set(contents))
    return tuple(folder / name for name in contents)


def prepare_folder(folder: Path) -> None:
    """Make the folder of a report, and see that it may be written to, before work is done that could not be kept.

    Raises:
        OutputError: The folder is a file, can't be written, or holds other people's files of our names.
    """
    make_folder(folder, "report")
    there = [name for name in FILES if (folder / name).exists()]
    if there and not _is_report(folder / "report.json"):
        raise OutputError(
            f"{folder} holds {', '.join(there)}, but no report of mriclassify that they would belong to: nothing is "
            "overwritten. Choose another folder, or move them away"
        )
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"{folder} can't be written to: {error.strerror or error}. Choose another place, or make room or rights "
            "there"
        ) from error


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


def _plots_if_possible(report: "Report") -> tuple[Mapping[str, bytes], str]:
    try:
        return draw_plots(report), ""
    except MissingExtraError as error:
        _log.warning("The report is saved without plots: %s", error)
        return {}, str(error)


def _plots_section(report: "Report", plots: Mapping[str, bytes]) -> str:
    # only plots of this report are shown, whatever an earlier one left in the folder
    words = captions(report)
    images = [f"![{_bare(words[name].title)}: {_bare(words[name].words)}]({name})\n" for name in plots]
    return "\n".join(["\n## Plots\n", *images]) if images else ""


def _bare(text: str) -> str:
    """Return text that can't end the brackets of a Markdown image early."""
    return " ".join(text.replace("[", "(").replace("]", ")").split())


def _is_report(path: Path) -> bool:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.keys() >= _SIGNS


def _remove(folder: Path, names: set[str]) -> None:
    for path in (folder / name for name in names):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{path} is of an earlier report and can't be removed: {error.strerror or error}. Remove it, for the "
                "new report is beside it"
            ) from error
