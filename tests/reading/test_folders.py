"""list_scans: what is a scan or claims to be one, in natural order."""

import gzip
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from mriclassify._errors import MissingFileError, ReadError, UnreadableFileError
from mriclassify._reading import list_scans


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(path, "PNG")
    return path


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_scans(folder)]


def test_scans_are_in_natural_order_folder_by_folder(tmp_path: Path) -> None:
    order = ["a2/x1.png", "a2/x10.png", "a10/x2.png", "Te-2.png", "Te-2a.png", "te-10.png", "Te-100.png"]
    for name in reversed(order):
        put(tmp_path / name)
    assert names(tmp_path) == order


def test_content_decides_and_a_suffix_that_claims_is_believed_enough_to_be_listed(tmp_path: Path) -> None:
    put(tmp_path / "no_suffix")
    put(tmp_path / "picture.txt")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.DCM").touch()
    (tmp_path / "broken.nii.gz").write_bytes(b"x")
    (tmp_path / "README.md").write_text("P5 is a magic number, and so is BM")
    (tmp_path / "labels.csv").write_text("path,label\n")
    (tmp_path / "notes.gz").write_bytes(gzip.compress(b"text"))
    (tmp_path / "empty").touch()
    assert names(tmp_path) == ["broken.nii.gz", "empty.DCM", "no_suffix", "picture.txt", "text.jpg"]


def test_medical_files_without_suffix_are_found(tmp_path: Path) -> None:
    for stem, file in (("IM0001", "MR_small.dcm"), ("IM0002", "ExplVR_LitEndNoMeta.dcm")):
        (tmp_path / stem).write_bytes(Path(str(get_testdata_file(file, download=False))).read_bytes())
    volume = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)).to_bytes()
    (tmp_path / "volume").write_bytes(volume)
    (tmp_path / "packed").write_bytes(gzip.compress(volume))
    assert names(tmp_path) == ["IM0001", "IM0002", "packed", "volume"]


def test_hidden_files_folders_and_dicom_indices_are_left_out(tmp_path: Path) -> None:
    put(tmp_path / "scan.png")
    put(tmp_path / "._scan.png")
    put(tmp_path / ".cache" / "scan.png")
    dicom = Path(str(get_testdata_file("MR_small.dcm", download=False)))
    (tmp_path / "DICOMDIR").write_bytes(dicom.read_bytes())
    assert names(tmp_path) == ["scan.png"]


def test_a_hidden_folder_is_listed_when_asked_for(tmp_path: Path) -> None:
    put(tmp_path / ".cache" / "scan.png")
    assert names(tmp_path / ".cache") == ["scan.png"]


def test_linked_folders_are_not_followed_but_linked_files_are_taken(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "scan.png")
    folder = tmp_path / "folder"
    put(folder / "own.png")
    (folder / "loop").symlink_to(folder)
    (folder / "others").symlink_to(tmp_path / "elsewhere")
    (folder / "link.png").symlink_to(tmp_path / "elsewhere" / "scan.png")
    (folder / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (folder / "nowhere").symlink_to(tmp_path / "gone")
    assert names(folder) == ["link.png", "nowhere.png", "own.png"]


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    put(tmp_path / "scan.png")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.png")
    assert names(tmp_path) == ["scan.png"]


def test_a_folder_without_scans(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing here")
    with pytest.raises(ReadError, match="no scan in folder"):
        list_scans(tmp_path)


def test_no_folder_and_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nowhere"):
        list_scans(tmp_path / "nowhere")
    with pytest.raises(ReadError, match="not a folder"):
        list_scans(put(tmp_path / "scan.png"))


def test_a_folder_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(UnreadableFileError, match="Permission denied"):
        list_scans(tmp_path)
