"""A verification says what is there, what is not, and what is not right."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mriclassify._catalogue._entries import RemoteFile
from mriclassify._catalogue._managing import check, download, show
from mriclassify._catalogue._sets import find_entry
from mriclassify._catalogue._verifying import verify
from mriclassify._errors import DatasetError, MissingFileError, OptionError


def test_a_whole_set_is_as_published(tmp_path: Path, standins: Any) -> None:
    folder = standins.lay(standins.members("sartaj"), tmp_path / "sartaj")
    report = verify(standins.small("sartaj"), tmp_path)
    assert report.complete
    assert report.folder == folder
    assert report.found == report.published
    assert str(report).splitlines()[0] == f"sartaj: as published, {folder}"


def test_what_is_missing_too_much_and_empty_is_listed(tmp_path: Path, standins: Any) -> None:
    files = standins.members("sartaj")
    for name in [name for name in files if "Testing/no_tumor" in name or "Training/no_tumor/image (1)" in name]:
        del files[name]
    files |= {"Training/glioma_tumor/new.jpg": b"x", "Training/glioma_tumor/image (2).jpg": b""}
    standins.lay(files, tmp_path)
    report = verify(standins.small("sartaj"), tmp_path)
    assert not report.complete
    assert (report.missing, report.surplus) == (3, 1)
    assert report.damaged == ("Training/glioma_tumor/image (2).jpg",)
    lines = str(report).splitlines()
    assert lines[0].startswith("sartaj: not as published")
    assert "  train glioma            5 of      4  (+1)" in lines
    assert "  test notumor            0 of      2  (-2)" in lines
    assert "  no folder for notumor of test" in lines
    assert json.loads(json.dumps(report.to_dict()))["missing"] == 3


def test_every_slice_of_figshare_is_opened(tmp_path: Path, standins: Any) -> None:
    files = standins.mats()
    del files["6.mat"]
    standins.lay(files | {"3.mat": files["3.mat"][:600]}, tmp_path)
    report = verify(standins.small("figshare"), tmp_path)
    assert report.found == {"all": {"meningioma": 2, "glioma": 2, "pituitary": 2}}
    assert report.damaged == ("3.mat",)
    assert report.notes == ("missing slices: 6",)
    assert not report.complete


def test_archives_that_lie_there_are_compared_with_their_checksums(tmp_path: Path, standins: Any) -> None:
    md5 = hashlib.md5(b"folds").hexdigest()
    files = tuple(RemoteFile(name=name, url="http://x", checksum=f"md5:{md5}") for name in ("cvind.mat", "a.zip"))
    standins.lay(standins.mats() | {"cvind.mat": b"folds", "a.zip": b"half"}, tmp_path)
    report = verify(replace(standins.small("figshare"), files=files), tmp_path)
    assert report.archives == {"cvind.mat": "as published", "a.zip": "not the published file"}
    assert not report.complete
    assert "  a.zip: not the published file" in str(report).splitlines()


def test_nothing_alike_is_an_error(tmp_path: Path, standins: Any) -> None:
    with pytest.raises(DatasetError, match="nor any other of the catalogue"):
        verify(standins.small("sartaj"), tmp_path)
    with pytest.raises(MissingFileError):
        verify(standins.small("sartaj"), tmp_path / "typo")
    with pytest.raises(MissingFileError, match="not on this machine"):
        verify(standins.small("sartaj"))


def test_listing_names_every_set_in_words_and_in_json() -> None:
    lines: list[str] = []
    show(None, as_json=False, write=lines.append)
    assert [line.split()[0] for line in lines] == ["nickparvar", "rm1000", "sartaj", "bangladesh", "figshare"]
    show(None, as_json=True, write=lines.append)
    assert json.loads(lines[-1])[4]["size_bytes"] == 879_499_062
    lines.clear()
    show("bangladesh", as_json=False, write=lines.append)
    assert "  - Its folder brain_tumor holds pituitary tumours." in lines
    with pytest.raises(OptionError, match="no public set"):
        show("brats", as_json=False, write=lines.append)


@pytest.mark.shared
def test_checking_says_whether_a_set_is_as_published(shared: Path) -> None:
    lines: list[str] = []
    assert not check("nickparvar", shared, write=lines.append)
    assert "train notumor       1,591 of  1,595  (-4)" in lines[0]
    assert check("sartaj", shared, as_json=True, write=lines.append)
    assert json.loads(lines[-1])[0]["complete"] is True


def test_checking_all_passes_over_those_that_are_not_here() -> None:
    lines: list[str] = []
    assert check(None, None, write=lines.append)
    assert lines == [
        f"{name}: not on this machine" for name in ("nickparvar", "rm1000", "sartaj", "bangladesh", "figshare")
    ]
    with pytest.raises(MissingFileError):
        check("sartaj", None, write=lines.append)


@pytest.mark.shared
def test_fetching_what_is_there_says_where_and_what_is_wrong_with_it(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    lines: list[str] = []
    download("sartaj", shared, write=lines.append)
    assert lines[0] == f"sartaj: {shared / 'sartaj'}"
    assert lines[1:] == [f"  - {defect}" for defect in find_entry("sartaj").defects]
