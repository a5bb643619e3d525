"""Datasets: the labelled slices that fit, evaluate and audit start from, and what tells their patients apart."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mriclassify._errors import OptionError

if TYPE_CHECKING:
    from mriclassify._data._dataset import Dataset


def data_argument(parser: argparse.ArgumentParser, *, columns: str) -> None:
    """Add the dataset itself; `columns` are those that its table may have."""
    parser.add_argument("data", metavar="FOLDER|CSV", help=f"class folders, or a table with columns {columns}")


def group_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what tells the patients of a dataset apart."""
    parser.add_argument(
        "--group-pattern",
        metavar="REGEX",
        help="its first bracket, found in a file's path, names the patient; wins over a table's column group",
    )


def dataset(path: str | Path, group_pattern: str | None, *, correct_labels: bool = True) -> "Dataset":
    """Return the slices of a folder of class folders, or of a table.

    Raises:
        OptionError: the pattern is no regular expression, has no bracket, or finds no patient in a path.
    """
    from mriclassify import Dataset

    group = _grouping(group_pattern) if group_pattern else None
    read = Dataset.from_folder if Path(path).is_dir() else Dataset.from_csv
    return read(path, group=group, correct_labels=correct_labels)


def _grouping(pattern: str) -> Callable[[Path], str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise OptionError(f"--group-pattern {pattern!r} is no regular expression: {error}") from error
    if not compiled.groups:
        raise OptionError(
            f"--group-pattern {pattern!r} needs a bracket around what names the patient, as '(patient\\d+)'"
        )

    def group(path: Path) -> str:
        found = compiled.search(path.as_posix())
        if not found or not found[1]:
            raise OptionError(f"--group-pattern {pattern!r} finds no patient in {path}")
        return found[1]

    return group
