"""A table of answers that a run can be killed in the middle of, and go on with."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mriclassify._errors import MriClassifyError, OptionError, OutputError

if TYPE_CHECKING:
    from mriclassify._model._prediction import Prediction


def columns_of(classes: Sequence[str]) -> list[str]:
    """Return the header of a table of answers of a model with these classes."""
    return ["source", "label", "confidence", *classes, "status", "reasons", "model", "device"]


def answered(path: Path, *, columns: Sequence[str], model: str) -> set[str]:
    """Return the sources in a table of answers, after cutting off the half row that a killed run may have left.

    Raises:
        OptionError: the table is not of this model.
        OutputError: it can't be read or cut.
    """
    if not path.exists():
        return set()
    try:
        with _table(path, "r") as file:
            lines = file.readlines()
        rows, used = _whole_rows(lines, path)
        header = rows[0] if rows else next(csv.reader(lines), [])
        cut_off = not rows and _header(columns).startswith("".join(lines))
        if not cut_off and (header != columns or any(row[-2] != model for row in rows[1:])):
            raise OptionError(f"{path} is no table of answers of {model}: --resume goes on with the same weights only")
        if used < len(lines):
            os.truncate(path, len("".join(lines[:used]).encode("utf-8", "surrogateescape")))
    except OSError as error:
        raise OutputError(f"{path} can't be gone on with: {error.strerror or error}") from error
    return {row[0] for row in rows[1:]}


def _table(path: Path, mode: str) -> IO[str]:
    # A file's name, which stands in the table, need not be UTF-8.
    return path.open(mode, newline="", encoding="utf-8", errors="surrogateescape")


def _header(columns: Sequence[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(columns)
    return text.getvalue()


def _whole_rows(lines: Sequence[str], path: Path) -> tuple[list[list[str]], int]:
    """Return the rows of a table without a half one at the end, and how many lines they take.

    Raises:
        OptionError: a row before the last one is not whole, so that it was not a kill that cut it.
    """
    reader = csv.reader(lines)
    rows: list[list[str]] = []
    used = 0
    for row in reader:
        if not lines[reader.line_num - 1].endswith("\r\n") or (rows and len(row) != len(rows[0])):
            if next(reader, None) is not None:
                raise OptionError(f"{path}, line {used + 1}: no row of answers. Mend the table, or write another one")
            break
        rows.append(row)
        used = reader.line_num
    return rows, used


def write_answers(answers: Iterator["Prediction"], path: Path, *, columns: Sequence[str], append: bool) -> int:
    """Write a row an answer as it comes, so that a run that is killed has lost nothing; return how many are errors.

    Raises:
        OutputError: the table can't be written.
    """
    failed = 0
    try:
        with _table(path, "a" if append else "w") as file:
            writer = csv.DictWriter(file, columns)
            if not file.tell():
                writer.writeheader()
            for answer in answers:
                failed += answer.status == "error"
                writer.writerow(_row(answer))
                file.flush()
    except MriClassifyError:
        raise  # some are OSErrors, but none is about this table
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror or error}. Choose another place") from error
    return failed


def _row(answer: "Prediction") -> dict[str, Any]:
    row = answer.to_dict()
    probabilities: dict[str, float] = row.pop("probabilities")
    return {**row, **probabilities, "reasons": " ".join(answer.reasons)}
