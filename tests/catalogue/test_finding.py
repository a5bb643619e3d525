"""An unpacked set is found wherever it lies, and whatever else lies there is called by its name."""

import logging
from pathlib import Path
from typing import Any

import pytest

from mriclassify._catalogue._counting import compare
from mriclassify._catalogue._finding import locate, usual_root
from mriclassify._catalogue._matfiles import check_numbers
from mriclassify._catalogue._sets import find_entry
from mriclassify._errors import DatasetError, MissingFileError


@pytest.mark.parametrize("name", ["nickparvar", "rm1000", "sartaj", "bangladesh"])
@pytest.mark.parametrize("place", ["", "NAME", "archive/Brain Tumor", "datasets/owner/name/versions/3"])
def test_a_set_is_found_at_the_root_and_below(tmp_path: Path, standins: Any, name: str, place: str) -> None:
    folder = tmp_path / "data" / place.replace("NAME", name)
    standins.lay(standins.members(name), folder)
    assert locate(standins.small(name), tmp_path / "data") == folder


@pytest.mark.parametrize("place", ["", "figshare", "brainTumorDataPublic_1-766"])
def test_slices_are_found_in_one_folder_or_in_several(tmp_path: Path, standins: Any, place: str) -> None:
    standins.lay(standins.mats(), tmp_path / place)
    assert locate(standins.small("figshare"), tmp_path) == tmp_path / place


def test_slices_in_a_folder_for_each_archive_are_one_set(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.mats(1, 2, 3, 4), tmp_path / "set" / "first")
    standins.lay(standins.mats(5, 6, 7, 8), tmp_path / "set" / "second")
    assert locate(standins.small("figshare"), tmp_path) == tmp_path / "set"


def test_case_and_separators_of_folder_names_do_not_matter(tmp_path: Path, standins: Any) -> None:
    files = {name.replace("no_tumor", "No Tumor").upper(): b"x" for name in standins.members("sartaj")}
    standins.lay(files, tmp_path)
    assert locate(standins.small("sartaj"), tmp_path) == tmp_path


def test_two_sets_side_by_side_are_told_apart(tmp_path: Path, standins: Any) -> None:
    for name in ("nickparvar", "rm1000", "sartaj", "bangladesh"):
        standins.lay(standins.members(name), tmp_path / f"set of {name}")
    for name in ("nickparvar", "rm1000", "sartaj", "bangladesh"):
        assert locate(standins.small(name), tmp_path) == tmp_path / f"set of {name}"


def test_hidden_folders_hold_no_sets(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.members("rm1000"), tmp_path / ".rm1000.download" / "unpacked")
    with pytest.raises(DatasetError, match="does not hold the set rm1000, nor any other"):
        locate(standins.small("rm1000"), tmp_path)


def test_another_set_is_called_by_its_name(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.members("nickparvar"), tmp_path)
    # three of rm1000's four folder names occur in nickparvar's Training/
    with pytest.raises(DatasetError, match=r"does not hold the set rm1000: it looks like nickparvar \(Brain Tumor MRI"):
        locate(standins.small("rm1000"), tmp_path)
    with pytest.raises(DatasetError, match="it looks like nickparvar"):
        locate(standins.small("figshare"), tmp_path)


def test_slices_are_recognised_where_another_set_was_expected(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.mats(1), tmp_path)
    with pytest.raises(DatasetError, match="it looks like figshare"):
        locate(standins.small("sartaj"), tmp_path)


def test_one_part_of_a_set_leads_to_the_folder_above(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.members("sartaj"), tmp_path / "sartaj")
    with pytest.raises(DatasetError, match=r"is a part of it: pass .*sartaj as root"):
        locate(standins.small("sartaj"), tmp_path / "sartaj" / "Training")


def test_a_folder_of_something_else_is_refused_with_what_was_expected(tmp_path: Path, standins: Any) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "archive (1).zip").write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        locate(standins.small("sartaj"), tmp_path)
    message = str(caught.value)
    assert "expected glioma_tumor, meningioma_tumor, no_tumor, pituitary_tumor in Training and Testing" in message
    assert "found holiday" in message
    assert "archive (1).zip lies there, still packed" in message
    assert "mriclassify data download sartaj" in message and "Dataset.from_folder" in message


def test_a_missing_class_folder_is_named_with_its_count(tmp_path: Path, standins: Any) -> None:
    files = {name: b"x" for name in standins.members("nickparvar") if "Testing/notumor" not in name}
    standins.lay(files, tmp_path)
    with pytest.raises(DatasetError, match=r"only a part of nickparvar: notumor of test: 0 of 6\. Unpack"):
        locate(standins.small("nickparvar"), tmp_path)


def test_a_missing_part_is_named_class_by_class(tmp_path: Path, standins: Any) -> None:
    standins.lay({name: b"x" for name in standins.members("sartaj") if "Testing" not in name}, tmp_path)
    with pytest.raises(DatasetError, match=r"part of sartaj: glioma of test: 0 of 2, meningioma of test: 0 of 2"):
        locate(standins.small("sartaj"), tmp_path)


def test_a_class_folder_that_was_cut_off_is_refused(tmp_path: Path, standins: Any) -> None:
    files = list(standins.members("nickparvar").items())
    kept = dict(file for file in files if "Training/pituitary" not in file[0])
    kept |= dict([file for file in files if "Training/pituitary" in file[0]][:20])
    standins.lay(kept, tmp_path)
    with pytest.raises(DatasetError, match="pituitary of train: 20 of 40"):
        locate(standins.small("nickparvar"), tmp_path)


def test_a_few_missing_files_are_a_warning(tmp_path: Path, standins: Any, caplog: pytest.LogCaptureFixture) -> None:
    folder = standins.lay(standins.members("nickparvar"), tmp_path)
    (folder / "Training" / "notumor" / "image (7).jpg").unlink()
    with caplog.at_level(logging.WARNING, logger="mriclassify"):
        assert locate(standins.small("nickparvar"), tmp_path) == folder
    assert "notumor of train: 59 of 60" in caplog.text


def test_a_set_that_is_whole_is_no_warning(tmp_path: Path, standins: Any, caplog: pytest.LogCaptureFixture) -> None:
    standins.lay(standins.members("nickparvar"), tmp_path)
    with caplog.at_level(logging.DEBUG, logger="mriclassify"):
        locate(standins.small("nickparvar"), tmp_path)
    assert not caplog.records


def test_a_newer_version_with_more_images_is_not_taken_for_the_published_set(tmp_path: Path, standins: Any) -> None:
    extra = {f"Training/glioma/new {k}.jpg": b"x" for k in range(10)}
    standins.lay(standins.members("nickparvar") | extra, tmp_path)
    with pytest.raises(DatasetError, match=r"more images than were published: glioma of train: 50 of 40.*version"):
        locate(standins.small("nickparvar"), tmp_path)


def test_files_that_are_no_images_do_not_count(tmp_path: Path, standins: Any) -> None:
    folder = standins.lay(standins.members("rm1000"), tmp_path)
    standins.lay({"glioma/Thumbs.db": b"x", "glioma/._image (1).jpg": b"x", "glioma/notes.txt": b"x"}, tmp_path)
    assert locate(standins.small("rm1000"), tmp_path) == folder


def test_missing_slices_lead_to_the_archive_that_was_not_unpacked(tmp_path: Path, standins: Any) -> None:
    standins.lay({f"{number}.mat": b"" for number in range(1, 3065) if not 767 <= number <= 1532}, tmp_path)
    with pytest.raises(DatasetError) as caught:
        locate(find_entry("figshare"), tmp_path)
    message = str(caught.value)
    assert "2,298 of 3,064 slices; missing are 767-1532." in message
    assert "Nothing of brainTumorDataPublic_767-1532.zip is there" in message


def test_a_few_missing_slices_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture, standins: Any) -> None:
    standins.lay({f"{number}.mat": b"" for number in range(1, 3065) if number not in (5, 6, 9)}, tmp_path)
    with caplog.at_level(logging.WARNING, logger="mriclassify"):
        assert locate(find_entry("figshare"), tmp_path) == tmp_path
    assert "3 of 3064 slices are missing: 5-6, 9" in caplog.text


def test_a_slice_that_is_there_twice_is_refused(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.mats(), tmp_path / "a")
    standins.lay(standins.mats(3), tmp_path / "b")
    with pytest.raises(DatasetError, match="holds slice 3 twice"):
        locate(standins.small("figshare"), tmp_path)


def test_a_number_above_the_last_is_refused(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.mats() | {"9.mat": b""}, tmp_path)
    with pytest.raises(DatasetError, match="does not have: 9 are above 8"):
        locate(standins.small("figshare"), tmp_path)


def test_no_folder_and_a_file_are_refused(tmp_path: Path, standins: Any) -> None:
    with pytest.raises(MissingFileError, match=r"no such folder\. To fetch it: mriclassify data download sartaj"):
        locate(standins.small("sartaj"), tmp_path / "typo")
    (tmp_path / "archive.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError, match="is a file: expected a folder"):
        locate(standins.small("sartaj"), tmp_path / "archive.zip")


def test_without_a_root_the_usual_places_are_searched(tmp_path: Path, standins: Any) -> None:
    entry = standins.small("nickparvar")
    with pytest.raises(MissingFileError, match=r"nickparvar is not on this machine; searched were .*home/datasets"):
        locate(entry)
    version = "datasets/masoudnickparvar/brain-tumor-mri-dataset/versions/1"
    cached = standins.lay(standins.members("nickparvar"), tmp_path / "kagglehub" / version)
    assert locate(entry) == cached
    ours = standins.lay(standins.members("nickparvar"), usual_root() / "nickparvar")
    assert locate(entry) == ours
    assert ours == tmp_path / "home" / "datasets" / "nickparvar"


def test_links_to_folders_are_followed_and_lead_in_no_circle(tmp_path: Path, standins: Any) -> None:
    for name, files in (("sartaj", standins.members("sartaj")), ("figshare", standins.mats())):
        elsewhere = standins.lay(files, tmp_path / "disk" / name)
        root = tmp_path / f"data of {name}"
        root.mkdir()
        (root / "link").symlink_to(elsewhere)
        (root / "loop").symlink_to(root)
        (elsewhere / "back").symlink_to(root)
        assert locate(standins.small(name), root) == root / "link"


def test_a_root_above_everything_is_searched_for_a_while(
    tmp_path: Path, standins: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mriclassify._catalogue._finding.MAX_FOLDERS", 5)
    for k in range(9):
        (tmp_path / str(k)).mkdir()
    with caplog.at_level(logging.WARNING, logger="mriclassify"), pytest.raises(DatasetError, match="nor any other"):
        locate(standins.small("sartaj"), tmp_path)
    assert "more than 5 folders, and was not searched to its end" in caplog.text


@pytest.mark.parametrize(
    ("found", "is_small"),
    [
        ({"a": 1000, "b": 100}, True),
        ({"a": 994, "b": 95}, True),  # 1 % of the set, and 5 % of the class
        ({"a": 993, "b": 95}, False),
        ({"a": 1000, "b": 94}, False),
        ({"a": 1006, "b": 105}, True),
        ({"a": 1000, "b": 106}, False),
        ({"a": 1012, "b": 100}, False),
    ],
)
def test_how_much_may_differ(found: dict[str, int], is_small: bool) -> None:
    difference = compare({"all": {"a": 1000, "b": 100}}, {"all": found})
    assert difference.small == is_small
    assert bool(difference) == (found != {"a": 1000, "b": 100})


@pytest.mark.parametrize(("missing", "is_small"), [(30, True), (31, False)])
def test_how_many_slices_may_be_missing(tmp_path: Path, missing: int, is_small: bool) -> None:
    numbers = range(1, 3065 - missing)
    if is_small:
        check_numbers(find_entry("figshare"), numbers, tmp_path)
    else:
        with pytest.raises(DatasetError, match="only a part"):
            check_numbers(find_entry("figshare"), numbers, tmp_path)


@pytest.mark.shared
def test_the_shared_copies_are_found_and_told_apart(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="mriclassify"):
        assert locate(find_entry("nickparvar"), shared) == shared / "nickparvar"
        assert locate(find_entry("sartaj"), shared) == shared / "sartaj"
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == [
        "a little differs from the published set nickparvar: notumor of train: 1,591 of 1,595"
    ]
    with pytest.raises(DatasetError, match=r"it looks like nickparvar .* and sartaj"):
        locate(find_entry("rm1000"), shared)
