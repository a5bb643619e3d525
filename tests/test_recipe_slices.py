"""The slices that the recipes train on: no slice of the test fold, no suspect, and masks that fit."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from mriclassify import Record


@pytest.fixture(scope="module")
def slices(training_script: Callable[[str], ModuleType]) -> ModuleType:
    return training_script("slices")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four slices in two folds, two of them figshare's, one mirrored."""
    folder = tmp_path / "data"
    (folder / "figshare" / "masks").mkdir(parents=True)
    ramp = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (32, 1))
    left = np.zeros((64, 64), np.uint8)
    left[:, :16] = 255
    rows = [
        ("a.png", "glioma", "p1", "0", "1", "same"),
        ("b.png", "glioma", "p2", "1", "2", "same"),
        ("c.png", "glioma", "p3", "1", "3", "mirrored"),
        ("d.png", "notumor", "p4", "1", "", ""),
        ("e.png", "notumor", "p5", "1", "", ""),
    ]
    with (folder / "folds.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "group", "fold", "figshare_image", "orientation"])
        table.writerows(rows)
    for path, _, _, _, image, _ in rows:
        Image.fromarray(ramp).save(folder / path)
        if image:
            Image.fromarray(left).save(folder / "figshare" / "masks" / f"{image}.png")
    return folder


def listed(file: Path, *rows: tuple[str, str]) -> Path:
    with file.open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(["path", "label", "probability", "reason", "seen"])
        table.writerows([path, "notumor", "0.01", "doubted", seen] for path, seen in rows)
    return file


def test_test_fold_and_slices_that_show_what_their_label_denies_are_not_trained_on(
    slices: ModuleType, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspects = listed(tmp_path / "suspects.csv", ("d.png", "lesion"), ("e.png", "nothing"))
    monkeypatch.setattr(slices, "suspects", lambda: slices_of(suspects))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder in (data, Path("../data")):  # relative as on the command line
        assert [record.path.name for record in slices.training_records(folder)] == ["b.png", "c.png", "e.png"]


def slices_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_masks_are_mirrored_and_resized_as_their_slices_are(
    slices: ModuleType, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = Path("../data")
    records = slices.with_masks(slices.folds(folder)["1"], folder, tmp_path / "masks")
    assert [record.mask is not None for record in records] == [True, True, False, False]
    same, mirrored = (np.asarray(Image.open(record.mask)) for record in records[:2])
    assert same.shape == mirrored.shape == (32, 32)
    assert same[:, :7].all() and not same[:, 9:].any()
    np.testing.assert_array_equal(mirrored, same[:, ::-1])


def test_the_lists_in_the_repository_are_read_and_say_what_was_seen(slices: ModuleType) -> None:
    for file in (slices.SUSPECTS, slices.DISPUTED):
        rows = slices.suspects(file)
        assert rows and all(row["seen"] in ("lesion", "CT", "nothing") for row in rows)
        assert all(float(row["probability"]) < 0.15 for row in rows)


def picture(seed: int) -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    """A head with a pattern of its own."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(40, 255, (7, 7), dtype=np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
    rows, columns = np.mgrid[:96, :96] - 47.5
    return np.where(np.hypot(rows / 0.9, columns / 0.7) < 50, np.asarray(coarse), 0).astype(np.uint8)


def test_at_most_so_many_copies_of_a_tumour_free_picture_are_kept_however_they_lie(
    slices: ModuleType, tmp_path: Path
) -> None:
    one, other = picture(1), picture(2)
    copies = [one, one[:, ::-1], one[::-1], one[::-1, ::-1], (one * 0.8).astype(np.uint8), other]
    records = []
    for number, pixels in enumerate(copies):
        for label in ("notumor", "glioma"):
            Image.fromarray(pixels).save(tmp_path / f"{label}{number}.png")
            records.append(Record(path=tmp_path / f"{label}{number}.png", label=label))
    healthy = [record for record in records if record.label == "notumor"]
    assert slices.pictures(healthy) == [[0, 1, 2, 3, 4], [5]]
    kept = slices.thinned(records, most=2)
    assert [record.path.stem for record in kept if record.label == "notumor"] == ["notumor0", "notumor2", "notumor5"]
    assert [record for record in kept if record.label == "glioma"] == [r for r in records if r.label == "glioma"]
    assert slices.thinned(records, most=5) == records
    assert slices.pictures([]) == []


def test_what_was_found_by_eye_is_left_out(
    slices: ModuleType, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "CT", listed(tmp_path / "ct.csv", ("b.png", "CT")))
    monkeypatch.setattr(slices, "LESIONS", listed(tmp_path / "lesions.csv", ("d.png", "mass")))
    kept = slices.without_listed(slices.folds(data)["1"], data)
    assert [record.path.name for record in kept] == ["c.png", "e.png"]


def test_lesions_are_listed_once_each_with_what_was_seen_and_none_is_ct_as_well(slices: ModuleType) -> None:
    rows = slices.suspects(slices.LESIONS)
    paths = [row["path"] for row in rows]
    assert len(set(paths)) == len(paths) > 0
    assert all(row["label"] == "notumor" and row["seen"] and row["fold"] in "01234" for row in rows)
    assert not set(paths) & {row["path"] for row in slices.suspects(slices.CT)}
