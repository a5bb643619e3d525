"""Tables become records, and records tables: CSV with a column for each field of a record."""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from mriclassify._data._folders import GroupOf, split_name
from mriclassify._data._record import SPLITS, Record, absolute
from mriclassify._errors import ClassMismatchError, DatasetError, MissingFileError, OutputError, TableError
from mriclassify._labels import CLASSES, Classes, listed, map_names
from mriclassify._output import whole_file

COLUMNS = ("path", "label", "group", "split", "mask", "source", "label_source", "group_source")
REQUIRED = COLUMNS[:2]


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the table, by column; a column that the table lacks is blank."""

    line: int
    path: str
    label: str
    group: str = ""
    split: str = ""
    mask: str = ""
    source: str = ""
    label_source: str = ""
    group_source: str = ""


def read_table(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None,
    classes: Classes,
    group: GroupOf | None,
) -> list[Record]:
    """One record for each line of a CSV file; the images are looked for, but not opened.

    Raises:
        MissingFileError: there is no such table.
        TableError: anything else is not as expected; the message names the file and the line.
    """
    table = absolute(path)
    rows = _read_rows(table)
    folder = table.parent if root is None else absolute(root)
    labels = _map_labels(table, rows, classes)
    if group is None:
        _refuse_partial_groups(table, rows)
    records = [_record(table, row, labels, folder=folder, group=group) for row in rows]
    _refuse_repeats(table, rows, records)
    _refuse_missing(table, rows, records, folder)
    return records


def write_table(path: str | os.PathLike[str], records: Sequence[Record]) -> None:
    """Write the records as CSV, paths relative to its folder; the file appears whole or not at all.

    Raises:
        OutputError: the file can't be written, or a name can't be written as UTF-8.
        DatasetError: some records have a group and others none, which `read_table` would refuse.
    """
    table = absolute(path)
    bare = [record for record in records if record.group is None]
    # Where groups were filled in by looks, those without are the files that could not be read.
    if bare and any(record.group and not record.group_source for record in records):
        raise DatasetError(
            f"{len(bare)} of {len(records)} records have no group, such as {bare[0].path}: a table needs "
            "groups for all or for none. Complete them with with_groups(), or save the two kinds apart."
        )
    try:
        with whole_file(table) as part, part.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *(_cells(record, table.parent) for record in records)])
    except UnicodeEncodeError as error:
        raise OutputError(f"{table}: {error.object!r} can't be written as UTF-8. Rename the file.") from error


def parts_of_table(
    path: str | os.PathLike[str], records: Sequence[Record], *, classes: Sequence[str]
) -> tuple[list[Record], ...]:
    """Share out `records` as the split column of a CSV file says: (train, test) or (train, validation, test).

    Raises:
        MissingFileError: there is no such table.
        TableError: the table is not as expected, or it and the records do not name the same slices.
    """
    table = absolute(path)
    split_of = {row.path: row.split for row in read_table(table, root=None, classes=_spellings(classes), group=None)}
    here = {record.path for record in records}
    for what, paths in (
        ("slices of the table are not in the dataset", [path for path in split_of if path not in here]),
        ("slices of the dataset are not in the table", [path for path in here if path not in split_of]),
        ("lines have a blank split", [path for path, split in split_of.items() if split is None]),
    ):
        if paths:
            raise TableError(f"{table}: {len(paths)} {what}, such as {min(paths)}. Both must name the same slices.")
    parts = [[record for record in records if split_of[record.path] == name] for name in SPLITS]
    for name, part in zip(SPLITS, parts, strict=True):
        if not part and name != "validation":
            raise TableError(f"{table}: no line says {name} in the column split. Expected train and test.")
    return tuple(part for part in parts if part)


def _spellings(classes: Sequence[str]) -> Classes:
    """None where the known names will do, so that a table may spell a class otherwise than the dataset."""
    return None if set(classes) <= set(CLASSES) else classes


def _read_rows(table: Path) -> list[_Row]:
    if not table.exists():
        raise MissingFileError(f"{table}: no such table. Check the path (relative ones start at {Path.cwd()}).")
    lines = _numbered(table)
    _, header = next(lines, (1, []))
    columns = _columns(table, header)
    rows = [_row(table, line, cells, columns, len(header)) for line, cells in lines]
    if not rows:
        raise TableError(f"{table}: no rows below the header. Expected one line per slice.")
    return rows


def _numbered(table: Path) -> Iterator[tuple[int, list[str]]]:
    """(line on which the row starts, its cells), blank lines left out."""
    start = 1
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if any("\0" in cell for cell in cells):
                    raise TableError(f"{table}, line {start}: not a CSV file, but a binary one.")
                if cells:
                    yield start, cells
                start = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise TableError(f"{table}: not UTF-8 text ({error.reason}). Save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise TableError(f"{table}, line {start}: not CSV ({error}).") from error
    except OSError as error:
        raise TableError(f"{table}: can't be read ({error.strerror}).") from error


def _columns(table: Path, header: list[str]) -> dict[str, int]:
    """Column name -> position, for the columns that mean something here."""
    names = [name.strip().casefold() for name in header]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise TableError(
            f"{table}, line 1: no column {listed(missing)}; found {listed(map(repr, header)) or 'nothing'}. "
            "Expected a comma-separated header with path, label and, if known, group, split, mask, source."
        )
    repeated = [name for name in COLUMNS if names.count(name) > 1]
    if repeated:
        raise TableError(f"{table}, line 1: the column {listed(repeated)} is there twice. Keep one.")
    return {name: names.index(name) for name in COLUMNS if name in names}


def _row(table: Path, line: int, cells: list[str], columns: Mapping[str, int], width: int) -> _Row:
    if len(cells) != width:
        raise TableError(
            f"{table}, line {line}: {len(cells)} cells, but the header has {width}. "
            "Put a cell that holds a comma in double quotes."
        )
    # Paths keep their spaces, since a file name may start or end with one.
    values = {
        name: cells[at] if name in ("path", "mask") and cells[at].strip() else cells[at].strip()
        for name, at in columns.items()
    }
    for name in REQUIRED:
        if not values[name]:
            raise TableError(f"{table}, line {line}: blank {name}. Fill it in or remove the line.")
    return _Row(line, **values)


def _map_labels(table: Path, rows: list[_Row], classes: Classes) -> dict[str, str]:
    """Value of the label column -> label."""
    try:
        return map_names((row.label for row in rows), classes=classes, allow_spellings=True)
    except ClassMismatchError as error:
        raise TableError(f"{table}, line {_first_unknown(rows, classes)}: {error}") from error


def _first_unknown(rows: list[_Row], classes: Classes) -> int:
    """The first line whose label is not known."""
    for row in rows:
        try:
            map_names([row.label], classes=classes)
        except ClassMismatchError:
            return row.line
    return rows[0].line


def _refuse_partial_groups(table: Path, rows: list[_Row]) -> None:
    bare = [row.line for row in rows if not row.group]
    if bare and any(row.group and not row.group_source for row in rows):
        raise TableError(
            f"{table}: blank group on {len(bare)} of {len(rows)} lines ({listed(bare)}). Without it a split "
            "can't keep patients apart. Fill it in (a slice known to be alone gets a name of its own), "
            "or empty the whole column."
        )


def _record(table: Path, row: _Row, labels: Mapping[str, str], *, folder: Path, group: GroupOf | None) -> Record:
    path = absolute(folder / row.path)
    split = split_name(row.split)
    if row.split and split is None:
        raise TableError(
            f"{table}, line {row.line}: split must be train, validation, test or blank, not {row.split!r}. "
            "Rename the column if it means something else."
        )
    return Record(
        path,
        labels[row.label],
        group=group(path) if group else row.group or None,
        split=split,
        mask=folder / row.mask if row.mask else None,
        source=row.source or None,
        label_source=row.label_source or None,
        group_source=None if group else row.group_source or None,
    )


def _refuse_repeats(table: Path, rows: list[_Row], records: list[Record]) -> None:
    first: dict[Path, tuple[int, str]] = {}
    for row, record in zip(rows, records, strict=True):
        line, label = first.setdefault(record.path, (row.line, record.label))
        if label != record.label:
            raise TableError(
                f"{table}, line {row.line}: {row.path} is {record.label!r} here, but {label!r} "
                f"on line {line}. Keep the right one."
            )
        if line != row.line:
            raise TableError(f"{table}, line {row.line}: {row.path} is on line {line} already. Keep one.")


def _refuse_missing(table: Path, rows: list[_Row], records: list[Record], folder: Path) -> None:
    missing = [
        f"line {row.line}: {path}"
        for row, record in zip(rows, records, strict=True)
        for path in (record.path, record.mask)
        if path is not None and not _is_file(path)
    ]
    if missing:
        raise TableError(
            f"{table}: missing files ({len(missing)}): {listed(missing, limit=3)}. "
            f"Paths start at {folder}; pass root= to start elsewhere."
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no permission, a name too long for the system
        return False


def _cells(record: Record, folder: Path) -> list[str]:
    """The record in the order of COLUMNS, unknown as blank."""
    cells = (_relative(cell, folder) if isinstance(cell, Path) else cell for cell in astuple(record))
    return [cell or "" for cell in cells]


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive, on Windows
        return path.as_posix()
