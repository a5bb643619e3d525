"""The slices that the recipes train on: folds 1-4, with masks, without the suspects."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps

from mriclassify import Record
from mriclassify._data._record import absolute
from mriclassify._likeness._hashing import NEAR_RADIUS, Hashes
from mriclassify._likeness._near import clusters
from mriclassify._model._provenance import marks_of

SUSPECTS = Path(__file__).with_name("suspects.csv")
DISPUTED = Path(__file__).with_name("disputed.csv")
"""The same of fold 0, whose labels stay as they are."""
CT = Path(__file__).with_name("ct.csv")
"""Slices of all folds that are of computed tomography, by eye, among those that `find_ct.py` shows."""
LESIONS = Path(__file__).with_name("lesions.csv")
"""Slices of all folds that are labelled "notumor" and show a mass, a cyst or a swelling, by eye, among all pictures of
that class (`find_lesions.py`). The networks of `find_suspects.py` miss most: they learnt the same picture, mirrored, in
another fold."""
MOST_COPIES = 8
"""Of one tumour-free picture. The sets hold up to 78: mirrored, turned upside down, and with other contrasts."""


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


def without_listed(records: Iterable[Record], data: Path) -> list[Record]:
    """Return the records without those that were found by eye: of computed tomography, and lesions called "notumor".

    A model that learnt the first would take CT for its own kind; one that learnt the others, tumours for none.
    """
    listed = listed_in(CT, data) | listed_in(LESIONS, data)
    return [record for record in records if record.path not in listed]


def thinned(records: Iterable[Record], *, most: int = MOST_COPIES) -> list[Record]:
    """Return the records with at most `most` copies of one tumour-free picture, chosen evenly; the order is kept.

    Without this a few pictures with many copies are most of the class, and planes and levels that are seen once are
    hardly learnt. Augmentation mirrors and recolours slices anyway.
    """
    known = list(records)
    free = [place for place, record in enumerate(known) if record.label == "notumor"]
    kept = {
        free[copies[number * len(copies) // most]]
        for copies in pictures([known[place] for place in free])
        for number in range(most)
    }
    return [record for place, record in enumerate(known) if record.label != "notumor" or place in kept]


def pictures(records: Sequence[Record]) -> list[list[int]]:
    """Return the places of the records that show the same picture, mirrored, turned or recoloured, for each picture."""
    if not records:
        return []
    found: dict[int, list[int]] = {}
    for place, picture in enumerate(clusters(hashes_of(records), radius=NEAR_RADIUS).tolist()):
        found.setdefault(picture, []).append(place)
    return list(found.values())


def hashes_of(records: Sequence[Record]) -> Hashes:
    """Return the perceptual hash of each record's slice, (n, 4)."""
    # Not `look`, which would keep its cache beside the data.
    return marks_of([record.path for record in records], strict=True).hashes


def listed_in(table: Path, data: Path) -> set[Path]:
    """Return the slices that a list names: absolute paths."""
    return {absolute(data) / row["path"] for row in suspects(table)}


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
