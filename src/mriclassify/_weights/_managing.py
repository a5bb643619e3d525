"""Managing: what `mriclassify weights` does with published weights and the cache."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from mriclassify._errors import ChecksumError, UnknownWeightsError, WeightsError
from mriclassify._weights._cache import cache_folder, cached, clear, import_file, verify
from mriclassify._weights._locating import file_of
from mriclassify._weights._registry import WeightsRecord, find, list_weights, packaged_path

Write = Callable[[str], None]


def show(*, as_json: bool, write: Write) -> None:
    """Write a line for each published weights, or all of them as JSON."""
    if as_json:
        write(json.dumps([{**asdict(record), "metrics": dict(record.metrics)} for record in list_weights()]))
        return
    for record in list_weights():
        write(str(record))


def download(name: str | None, *, write: Write) -> None:
    """Fetch the weights `name`, or all; those that are there already are verified and left alone."""
    for record in _chosen(name):
        write(f"{record.name}: {file_of(record)}")


def import_by_hand(file: Path, *, write: Write) -> None:
    """Take over a file that was fetched by other means; it is known by its sha256, whatever its name.

    Raises:
        UnknownWeightsError: there is no such file.
        ChecksumError: it is none of the published files, or not whole.
    """
    if not file.is_file():
        raise UnknownWeightsError(f"there is no file at {file}")
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    for record in list_weights():
        if record.sha256 == digest:
            placed = import_file(file, file=record.file, sha256=record.sha256, size=record.size)
            write(f"{record.name}: {placed}")
            return
    raise ChecksumError(
        f"{file} is none of the published weights, or not whole: its sha256 is {digest}. "
        "A model of your own needs no import: pass its path as weights."
    )


def check(name: str | None, *, write: Write) -> int:
    """Verify the weights that lie on this machine by size and sha256; return how many are not as published."""
    wrong = 0
    for record in _chosen(name):
        try:
            path = packaged_path(record) if record.packaged else cache_folder() / record.file
            if not path.exists():
                write(f"{record.name}: not downloaded")
                continue
            verify(path, sha256=record.sha256, size=record.size)
            write(f"{record.name}: as published, {path}")
        except WeightsError as error:
            wrong += 1
            write(f"{record.name}: {error}")
    return wrong


def empty(name: str | None, *, write: Write) -> None:
    """Remove the weights `name`, or all, from the cache; those in the package stay."""
    cleared = clear(file=find(name).file if name else None)
    write(f"removed {len(cleared.files)} files, {cleared.freed / 1e6:.1f} MB, from {cache_folder()}")


def place(record: WeightsRecord) -> str:
    """Return where the weights are, in words: in the package, in the cache, or not here yet."""
    if record.packaged:
        return "in the package"
    return "in the cache" if cached(record.file, record.sha256) else "not downloaded"


def _chosen(name: str | None) -> Sequence[WeightsRecord]:
    return list_weights() if name is None else (find(name),)
