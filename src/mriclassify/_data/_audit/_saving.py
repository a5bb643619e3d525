"""An audit becomes plain values, JSON, and a folder of files, each of them whole or not there."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mriclassify._data._audit._findings import Clusters, Known, PartLeak, Shortcut, Told
from mriclassify._output import make_folder, whole_file

if TYPE_CHECKING:
    from mriclassify._data._audit._findings import Audit

# What a reader of the JSON file would else have to compute.
_COMPUTED: dict[type, tuple[str, ...]] = {
    Clusters: ("slices", "surplus", "largest"),
    PartLeak: ("share",),
    Known: ("corrected", "disagreeing"),
    Told: ("tells",),
    Shortcut: ("tells", "sentence"),
}


def as_dict(audit: "Audit") -> dict[str, object]:
    """Return every finding in values that JSON can hold, the problems first."""
    names = [field.name for field in fields(audit) if not field.name.startswith("_")]
    values = {"problems": audit.findings} | {name: getattr(audit, name) for name in names}
    return {name: _plain(value) for name, value in values.items()}


def as_json(audit: "Audit") -> str:
    """Return the audit as JSON."""
    return json.dumps(as_dict(audit), indent=2, ensure_ascii=False, allow_nan=False)


def save_audit(audit: "Audit", folder: Path) -> tuple[Path, ...]:
    """Write the files of `Audit.save` and return their paths.

    Raises:
        OutputError: the folder is a file, or can't be written.
    """
    from mriclassify._data._audit._page import page  # it decodes and draws, which a text does without

    make_folder(folder, "audit")
    contents = {
        "audit.txt": f"{audit}\n",
        "audit.json": as_json(audit) + "\n",
        "audit.html": page(audit, audit._data, audit._looks),
    }
    return tuple(_write(folder / name, text) for name, text in contents.items())


def _write(path: Path, text: str) -> Path:
    with whole_file(path) as part:
        # A name that is no Unicode, as a file system may hold, must not cost the whole audit.
        part.write_bytes(text.encode("utf-8", errors="backslashreplace"))
    return path


def _plain(value: object) -> object:
    """Turn findings, paths and tuples into dictionaries, texts and lists."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Path():
            return str(value)
        case Mapping():
            return {str(key): _plain(entry) for key, entry in value.items()}
        case tuple() | list():
            return [_plain(entry) for entry in value]
        case _ if is_dataclass(value):
            names = [field.name for field in fields(value)] + list(_COMPUTED.get(type(value), ()))
            return {name: _plain(getattr(value, name)) for name in names}
        case _:
            return str(value)
