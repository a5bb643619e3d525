"""The slices that the recipes train on: folds 1-4, with masks, without the suspects."""

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps

from mriclassify import Record
from mriclassify._data._record import absolute

SUSPECTS = Path(__file__).with_name("suspects.csv")
DISPUTED = Path(__file__).with_name("disputed.csv")
"""The same of fold 0, whose labels stay as they are."""
CT = Path(__file__).with_name("ct.csv")
"""Slices of all folds that are of computed tomography, by eye, among those that `find_ct.py` shows."""


def folds(data: Path) -> dict[str, list[Record]]:
    """Return the records of `folds.csv`, by fold: different slices, labelled, with patient or cluster."""
    data = absolute(data)
    records: dict[str, list[Record]] = {}
    with (data / "folds.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            record = Record(path=data / row["path"], label=row["label"], group=row["group"])
            records.setdefault(row["fold"], []).append(record)
    return records


def training_records(data: Path) -> list[Record]:
    """Return the records of folds 1-4, without the slices of "notumor" that show a lesion, or are none of MR."""
    spoilt = {absolute(data) / row["path"] for row in suspects() if row["seen"] != "nothing"}
    known = [record for fold, records in folds(data).items() if fold != "0" for record in records]
    return [record for record in known if record.path not in spoilt]


def without_ct(records: Iterable[Record], data: Path) -> list[Record]:
    """Return the records without those that are of computed tomography, whatever their label.

    The sets hold a few, nearly all of them "notumor". A model that learnt that would take CT for its own kind.
    """
    listed = {absolute(data) / row["path"] for row in suspects(CT)}
    return [record for record in records if record.path not in listed]


def suspects(listed: Path = SUSPECTS) -> list[dict[str, str]]:
    """Return the rows of a list of suspects; paths are those of `folds.csv`."""
    with listed.open(newline="") as file:
        return list(csv.DictReader(file))


def with_masks(records: Iterable[Record], data: Path, folder: Path) -> list[Record]:
    """Return the records with the masks of the figshare slices among them, made in `folder` to fit the slices."""
    data = absolute(data)
    folder.mkdir(parents=True, exist_ok=True)
    with (data / "folds.csv").open(newline="") as file:
        shown = {data / row["path"]: row for row in csv.DictReader(file)}
    return [_with_mask(record, shown[record.path], data, folder) for record in records]


def _with_mask(record: Record, row: dict[str, str], data: Path, folder: Path) -> Record:
    if not row["figshare_image"]:
        return record
    made = folder / f"{record.path.stem}.png"
    with (
        Image.open(data / "figshare" / "masks" / f"{row['figshare_image']}.png") as mask,
        Image.open(record.path) as image,
    ):
        turned = {"same": lambda mask: mask, "mirrored": ImageOps.mirror}[row["orientation"]](mask.convert("L"))
        turned.resize(image.size, Image.Resampling.BILINEAR).point(lambda grey: 255 * (grey > 127)).save(made)
    return replace(record, mask=made)
