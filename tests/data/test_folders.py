"""Class folders become records, and what is no class folder becomes an error."""

from pathlib import Path

import pytest

from mriclassify._data._dataset import Dataset
from mriclassify._errors import ClassMismatchError, DatasetError, MissingFileError


def make_files(root: Path, *names: str) -> Path:
    """Empty files: a dataset never opens them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_class_folders_are_mapped_by_name(tmp_path: Path) -> None:
    make_files(tmp_path, "pituitary_tumor/a.png", "no_tumor/b.JPG", "Glioma/c.dcm")
    data = Dataset.from_folder(tmp_path, source="mine")
    assert {record.path.name: record.label for record in data} == {
        "a.png": "pituitary",
        "b.JPG": "notumor",
        "c.dcm": "glioma",
    }
    assert {record.source for record in data} == {"mine"}
    assert {record.split for record in data} == {None}


@pytest.mark.parametrize(("train", "valid", "test"), [("Training", "Valid", "Testing"), ("train", "val", "TEST")])
def test_folders_of_parts_above_class_folders_are_noted(tmp_path: Path, train: str, valid: str, test: str) -> None:
    make_files(tmp_path, f"{train}/glioma/1.png", f"{valid}/glioma/2.png", f"{test}/no/3.png")
    data = Dataset.from_folder(tmp_path)
    assert [(record.split, record.label) for record in data] == [
        ("train", "glioma"),
        ("validation", "glioma"),
        ("test", "notumor"),
    ]


def test_files_come_in_natural_order_whatever_the_system_says(tmp_path: Path) -> None:
    names = ["s1.png", "S2.png", "s10.png", "s010.png", "t.png"]
    make_files(tmp_path, *(f"glioma/{name}" for name in reversed(names)))
    assert [record.path.name for record in Dataset.from_folder(tmp_path)] == [
        "s1.png",
        "S2.png",
        "s010.png",
        "s10.png",
        "t.png",
    ]


def test_only_images_and_files_without_suffix_count(tmp_path: Path) -> None:
    images = ["a.jpeg", "b.nii.gz", "c.nii", "IM0001", "1.2.840.10008.77", "d.WEBP", "deep/er/e.tif"]
    others = [
        ".hidden.png",
        "Thumbs.db",
        "x.csv",
        "x.txt",
        "x.md",
        "x.gz",
        "DICOMDIR",
        ".git/f.png",
        "__MACOSX/f.png",
    ]
    make_files(tmp_path, *(f"glioma/{name}" for name in images + others), "readme.txt", ".cache/x.png")
    found = {str(record.path.relative_to(tmp_path / "glioma")) for record in Dataset.from_folder(tmp_path)}
    assert found == set(images)


def test_groups_come_from_the_path(tmp_path: Path) -> None:
    make_files(tmp_path, "glioma/p1_1.png", "glioma/p1_2.png", "notumor/q.png")
    data = Dataset.from_folder(tmp_path, group=lambda path: path.name[:2] if "_" in path.name else None)
    assert data.groups == ["p1", "p1", None]


def test_a_relative_root_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_files(tmp_path, "set/glioma/a.png")
    monkeypatch.chdir(tmp_path)
    assert Dataset.from_folder("set") == Dataset.from_folder(tmp_path / "set")
    assert Dataset.from_folder("set/../set")[0].path == tmp_path / "set" / "glioma" / "a.png"


def test_other_classes_are_taken_when_named(tmp_path: Path) -> None:
    make_files(tmp_path, "edema/a.png", "no/b.png")
    assert Dataset.from_folder(tmp_path, classes=["edema", "notumor"]).classes == ("edema", "notumor")
    assert Dataset.from_folder(tmp_path, classes={"edema": "sick", "no": "well"}).classes == ("sick", "well")


def test_a_missing_folder_is_a_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such folder"):
        Dataset.from_folder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        Dataset.from_folder(tmp_path / "nowhere")


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    make_files(tmp_path, "a.csv")
    with pytest.raises(DatasetError, match="is a file"):
        Dataset.from_folder(tmp_path / "a.csv")


def test_no_class_folders_is_an_error(tmp_path: Path) -> None:
    make_files(tmp_path, "a.png", "b.png")
    with pytest.raises(DatasetError, match=r"no class folders.*glioma/"):
        Dataset.from_folder(tmp_path)
    make_files(tmp_path, "set/Training/readme.txt")
    with pytest.raises(DatasetError, match=r"Training: no class folders"):
        Dataset.from_folder(tmp_path / "set")


def test_an_empty_class_folder_is_named_with_what_it_holds(tmp_path: Path) -> None:
    make_files(tmp_path, "glioma/a.png", "no_tumor/notes.txt")
    with pytest.raises(DatasetError, match=r"no_tumor: .*no images: only files of other kinds \(\.txt\)"):
        Dataset.from_folder(tmp_path)


def test_unknown_folders_are_named(tmp_path: Path) -> None:
    make_files(tmp_path, "glioma/a.png", "edema/b.png")
    with pytest.raises(ClassMismatchError, match=r"'edema'.*classes="):
        Dataset.from_folder(tmp_path)


def test_a_folder_one_level_too_high_is_pointed_out(tmp_path: Path) -> None:
    make_files(tmp_path, "archive/glioma/a.png", "archive/notumor/b.png")
    with pytest.raises(ClassMismatchError, match=r"did you mean .*archive"):
        Dataset.from_folder(tmp_path)


def test_two_folders_of_one_class_are_refused_within_a_part_only(tmp_path: Path) -> None:
    make_files(tmp_path, "a/train/normal/1.png", "a/test/healthy/2.png")
    assert Dataset.from_folder(tmp_path / "a").counts() == {"notumor": 2}
    make_files(tmp_path, "b/normal/1.png", "b/healthy/2.png")
    with pytest.raises(ClassMismatchError, match=r"'healthy' and 'normal'"):
        Dataset.from_folder(tmp_path / "b")


def test_parts_and_classes_side_by_side_are_refused(tmp_path: Path) -> None:
    make_files(tmp_path, "Training/glioma/a.png", "glioma/b.png")
    with pytest.raises(DatasetError, match=r"Training.*'glioma'.*side by side"):
        Dataset.from_folder(tmp_path)


def test_two_folders_of_one_part_are_refused(tmp_path: Path) -> None:
    make_files(tmp_path, "train/glioma/a.png", "Training/glioma/b.png")
    with pytest.raises(DatasetError, match="both mean the train part"):
        Dataset.from_folder(tmp_path)


@pytest.mark.shared
def test_nickparvar_has_its_known_counts(shared: Path) -> None:
    data = Dataset.from_folder(shared / "nickparvar", recognize=False)
    assert data.counts() == {"glioma": 1621, "meningioma": 1645, "notumor": 1996, "pituitary": 1757}
    train, test = data.published_split()
    assert (len(train), len(test)) == (5708, 1311)


@pytest.mark.shared
def test_sartaj_has_its_known_counts(shared: Path) -> None:
    data = Dataset.from_folder(shared / "sartaj", recognize=False)
    assert data.counts() == {"glioma": 926, "meningioma": 937, "notumor": 500, "pituitary": 901}
    assert [len(part) for part in data.published_split()] == [2870, 394]
