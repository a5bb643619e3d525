"""Uploads are read and deleted, and what is too much is refused in words."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from mriclassify._app import _uploads as uploads
from mriclassify._errors import MissingFileError, TooMuchError


def sent(folder: Path, name: str, content: bytes = b"content", place: str = "0a1b") -> dict[str, Any]:
    (folder / place).mkdir(exist_ok=True)
    path = folder / place / name
    path.write_bytes(content)
    return {"path": str(path), "orig_name": name}


def test_files_are_taken_by_their_own_names_and_deleted(tmp_path: Path) -> None:
    files = [sent(tmp_path, "a.png", b"a"), sent(tmp_path, "b.png", b"b", "2c")]
    assert [(upload.name, upload.content) for upload in uploads.take(files, tmp_path)] == [
        ("a.png", b"a"),
        ("b.png", b"b"),
    ]
    assert not list(tmp_path.iterdir())


def test_an_upload_is_called_by_its_name_without_folders(tmp_path: Path) -> None:
    file = sent(tmp_path, "x.png")
    (upload,) = uploads.take([{**file, "orig_name": "C:\\Users\\Ann\\x.png"}], tmp_path)
    assert upload.name == "x.png"
    assert upload.opened().name == "x.png"


def test_too_many_bytes_are_refused_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 5_000_000)
    with pytest.raises(TooMuchError, match="6 MB together, and 5 MB at most"):
        uploads.take([sent(tmp_path, "a", bytes(3_000_000)), sent(tmp_path, "b", bytes(3_000_000))], tmp_path)
    assert not list(tmp_path.iterdir())


def test_too_many_files_are_refused_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    with pytest.raises(TooMuchError, match="3 files, and 2 at most"):
        uploads.take([sent(tmp_path, name) for name in "abc"], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["outside", "link", "root", "missing"])
def test_what_is_no_upload_is_neither_read_nor_deleted(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "uploads"
    (folder / "0a").mkdir(parents=True)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (folder / "0a" / "link").symlink_to(secret)
    (folder / "part").write_text("another page's")
    path = {
        "outside": folder / "0a" / ".." / ".." / "secret.txt",
        "link": folder / "0a" / "link",
        "root": folder / "part",
        "missing": folder / "0a" / "gone",
    }[where]
    with pytest.raises(MissingFileError, match="drop it again"):
        uploads.take([{"path": str(path), "orig_name": "x"}], folder)
    assert secret.read_text() == "secret"
    assert (folder / "part").exists()


def test_parts_of_a_broken_upload_are_deleted_and_whole_ones_are_not(tmp_path: Path) -> None:
    file = sent(tmp_path, "whole.png")
    (tmp_path / "tmpabc").write_bytes(b"half")
    uploads.delete_parts(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["whole.png"]
    assert Path(file["path"]).exists()


def test_the_folder_stays_when_its_last_part_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "tmpabc").write_bytes(b"half")
    uploads.delete_parts(tmp_path)
    assert tmp_path.is_dir()


def test_only_what_is_old_is_swept(tmp_path: Path) -> None:
    old, young = Path(sent(tmp_path, "old", place="1")["path"]), Path(sent(tmp_path, "young", place="2")["path"])
    long_ago = time.time() - 100
    for path in (old, old.parent):
        os.utime(path, (long_ago, long_ago))
    uploads.sweep(tmp_path, age=50)
    assert not old.exists()
    assert young.exists()
    uploads.sweep(tmp_path, age=-1)
    assert not list(tmp_path.iterdir())
    assert tmp_path.exists()
