"""The five sets: what stands in the catalogue is what lies in the archives, as far as it lies here."""

import csv
import json
import pickle
import re
from pathlib import Path

import pytest

from mriclassify._catalogue._counting import class_folders, count
from mriclassify._catalogue._entries import CatalogueEntry
from mriclassify._catalogue._matfiles import patient
from mriclassify._catalogue._sets import find_entry, list_datasets
from mriclassify._errors import OptionError
from mriclassify._labels import CLASSES, map_names

DOCS = Path(__file__).resolve().parents[2] / "docs" / "guides" / "datasets.md"

entries = pytest.mark.parametrize("entry", list_datasets(), ids=lambda entry: entry.name)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nickparvar", {"train": 5712, "test": 1311}),
        ("rm1000", {"all": 7023}),
        ("sartaj", {"train": 2870, "test": 394}),
        ("bangladesh", {"all": 6056}),
        ("figshare", {"all": 3064}),
    ],
)
def test_the_counts_add_up_to_the_published_totals(name: str, parts: dict[str, int]) -> None:
    entry = find_entry(name)
    assert {part: sum(counts.values()) for part, counts in entry.counts.items()} == parts
    assert entry.images == sum(parts.values())


def test_rm1000_has_as_many_of_each_class_as_both_parts_of_nickparvar() -> None:
    train, test = find_entry("nickparvar").counts.values()
    assert find_entry("rm1000").counts["all"] == {label: train[label] + test[label] for label in train}


@entries
def test_an_entry_hangs_together(entry: CatalogueEntry) -> None:
    assert set(entry.classes) <= set(CLASSES)
    assert set(entry.folders.values()) in (set(), set(entry.classes))
    assert set(entry.counts) == (set(entry.parts.values()) or {"all"})
    assert entry.published_split == (entry.name in {"nickparvar", "sartaj"})
    assert entry.defects and all(sentence.endswith(".") for sentence in entry.defects)
    assert entry.url.startswith("https://")
    sizes = [file.size for file in entry.files]
    assert entry.size_bytes is None or entry.size_bytes == sum(size or 0 for size in sizes)
    checksum = re.compile(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}")
    assert all(file.checksum is None or checksum.fullmatch(file.checksum) for file in entry.files)


@entries
def test_class_folders_mean_what_from_folder_takes_them_for(entry: CatalogueEntry) -> None:
    assert map_names(entry.folders) == dict(entry.folders)


@entries
def test_an_entry_survives_json_and_pickle(entry: CatalogueEntry) -> None:
    told = json.loads(json.dumps(entry.to_dict()))
    assert (told["name"], told["images"], told["classes"]) == (entry.name, entry.images, list(entry.classes))
    assert pickle.loads(pickle.dumps(entry)) == entry
    assert len({entry, entry}) == 1


@entries
def test_an_entry_is_one_line(entry: CatalogueEntry) -> None:
    line = str(entry)
    assert "\n" not in line
    assert line.startswith(f"{entry.name}  {entry.images:,} images")


def test_a_set_is_found_by_its_name() -> None:
    assert find_entry(" FigShare").name == "figshare"


def test_an_unknown_name_is_refused_with_all_names() -> None:
    with pytest.raises(OptionError, match=r"no public set is called 'figshar'; did you mean figshare\? Known are nick"):
        find_entry("figshar")
    with pytest.raises(OptionError, match=r"Known are nickparvar, rm1000, sartaj, bangladesh, figshare"):
        find_entry("brats")


def test_letters_behind_an_id_are_further_scans_of_one_patient() -> None:
    assert {patient(f"MR024780{letter}") for letter in ("", "B", "D", "E", "G")} == {"MR024780"}
    assert patient("100360") == "100360"
    assert patient("ABC") == "ABC"


@pytest.mark.shared
def test_the_patients_of_figshare_are_those_of_the_shared_table(shared: Path) -> None:
    with (shared / "figshare" / "patients.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [patient(row["pid"]) for row in rows] == [row["patient_group"] for row in rows]
    assert len({row["pid"] for row in rows}) == 233
    assert len({row["patient_group"] for row in rows}) == 209
    found: dict[str, int] = {}
    for row in rows:
        found[row["label_name"]] = found.get(row["label_name"], 0) + 1
    assert found == find_entry("figshare").counts["all"]


@pytest.mark.shared
def test_the_counts_are_those_of_the_shared_copies(shared: Path) -> None:
    sartaj = find_entry("sartaj")
    assert count(class_folders(sartaj, shared / "sartaj")) == sartaj.counts
    nickparvar = find_entry("nickparvar")
    found = count(class_folders(nickparvar, shared / "nickparvar"))
    assert found.pop("test") == nickparvar.counts["test"]
    assert found["train"].pop("notumor") == nickparvar.counts["train"]["notumor"] - 4  # 7,019 of 7,023 lie there
    assert all(found["train"][label] == nickparvar.counts["train"][label] for label in found["train"])


def test_the_guide_has_a_row_and_every_defect_of_each_set() -> None:
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    for entry in list_datasets():
        licence = entry.licence or "see its page"
        split = "yes" if entry.published_split else "no"
        classes = ", ".join(entry.classes)
        link = f"[`{entry.name}`]({entry.url})"
        assert f"| {link} | {entry.title} | {entry.images:,} | {classes} | {split} | {licence} |" in text
        assert entry.citation in text
        for sentence in entry.defects:
            assert sentence in text, sentence
