"""The slices that the recipes train on: folds 1-4, with masks, without the suspects, and the whole heads beside them.

    apt-get download mricron-data && dpkg -x mricron-data_*.deb mricron
    python training/train_default.py --head mricron/usr/share/mricron/templates/ch2.nii.gz

The one head is Colin27 (Holmes et al. 1998; "ch2" in Debian's package mricron-data; licence in
`examples/scans/README.md`): T1 without a tumour from the crown to the neck. Of the levels below the brain the public
sets show nothing in axial slices but tumours.
"""

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mriclassify import PixelError, Record
from mriclassify._data._record import absolute
from mriclassify._reading import read_study

SUSPECTS = Path(__file__).with_name("suspects.csv")
DISPUTED = Path(__file__).with_name("disputed.csv")
"""The same of fold 0, whose labels stay as they are."""

STEP = 3
"""Of the head's slices every third is taken, in each of the three planes."""

LEAST_TISSUE = 0.12
"""Smallest part of a slice of the head that is brighter than a tenth of its brightest."""


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


def head_records(volume: Path, folder: Path) -> list[Record]:
    """Return tumour-free slices of a whole head in three planes, saved as PNG files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for axis, plane in enumerate(("sagittal", "coronal", "axial")):
        study = read_study(volume, axis=axis)
        for number in range(0, len(study), STEP):
            try:
                pixels = study.read(number).pixels
            except PixelError:  # air from border to border
                continue
            if (pixels > 0.1 * pixels.max()).mean() < LEAST_TISSUE:
                continue
            made = folder / f"{plane}_{number:03}.png"
            Image.fromarray(np.rint(pixels * (255 / pixels.max())).astype(np.uint8)).save(made)
            records.append(Record(path=made, label="notumor", group=volume.name))
    return records
