"""An archive is unpacked whole, below its folder, or not at all."""

import io
import shutil
import stat
import zipfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from mriclassify._catalogue import _unpacking
from mriclassify._catalogue._unpacking import unpack
from mriclassify._errors import CacheError, DamagedFileError, DatasetError, TooMuchError


def test_files_of_archives_inside_the_archive_come_out(tmp_path: Path, standins: Any) -> None:
    inner = standins.pack({"1.mat": b"one", "2.mat": b"two"})
    archive = tmp_path / "a.zip"
    archive.write_bytes(
        standins.pack({"set/first.zip": inner, "set/cvind.mat": b"folds", "__MACOSX/set/._x": b"", ".DS_Store": b""})
    )
    unpack(archive, tmp_path / "out")
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*"))
    assert found == ["set", "set/1.mat", "set/2.mat", "set/cvind.mat"]
    assert (tmp_path / "out" / "set" / "2.mat").read_bytes() == b"two"


@pytest.mark.parametrize("name", ["../evil.jpg", "/evil.jpg", "a/../../evil.jpg", "..\\evil.jpg", "C:/evil.jpg"])
def test_a_member_that_leads_out_is_refused_before_anything_is_written(
    tmp_path: Path, standins: Any, name: str
) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(standins.pack({"fine.jpg": b"x", name: b"x"}))
    with pytest.raises(DatasetError, match=r"would be written elsewhere\. Nothing was unpacked"):
        unpack(archive, tmp_path / "in" / "out")
    assert list(tmp_path.iterdir()) == [archive]


def test_a_link_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(info, "/etc")
    with pytest.raises(DatasetError, match="is a link"):
        unpack(archive, tmp_path / "out")


def test_an_encrypted_member_is_refused(tmp_path: Path, standins: Any) -> None:
    body = bytearray(standins.pack({"a.jpg": b"x"}))
    body[body.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(body)
    with pytest.raises(DatasetError, match="is encrypted"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path, standins: Any) -> None:
    (tmp_path / "a.zip").write_bytes(standins.pack({"a.jpg": b"x"}))
    unpack(tmp_path / "a.zip", tmp_path / "out")
    with pytest.raises(DatasetError, match=r"a\.jpg is in the archives twice"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("kept", [0, 10, 0.5, -1])
def test_an_archive_that_was_cut_off_is_damaged(tmp_path: Path, standins: Any, kept: float) -> None:
    body = standins.pack({f"{k}.jpg": bytes(range(256)) * 9 for k in range(9)})
    end = int(len(body) * kept) if isinstance(kept, float) else kept
    (tmp_path / "a.zip").write_bytes(body[:end])
    with pytest.raises(DamagedFileError, match=r"a\.zip is not a whole ZIP archive .* Remove it and fetch it again"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_flipped_bit_is_damage(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        opened.writestr("a.jpg", b"slice" * 100)
    body = stream.getvalue().replace(b"slice", b"slicf", 1)
    (tmp_path / "a.zip").write_bytes(body)
    with pytest.raises(DamagedFileError, match="CRC"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_more_than_any_set_has_is_refused(tmp_path: Path, standins: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_bytes(standins.pack({"a.jpg": b"x" * 101, "b.jpg": b""}))
    monkeypatch.setattr(_unpacking, "MAX_BYTES", 100)
    with pytest.raises(TooMuchError, match="claims 2 files of 101 bytes"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    monkeypatch.setattr(_unpacking, "MAX_BYTES", 200)
    monkeypatch.setattr(_unpacking, "MAX_MEMBERS", 1)
    with pytest.raises(TooMuchError):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, standins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.zip").write_bytes(standins.pack({"a.jpg": b"x"}))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(CacheError, match=r"has 0\.0 GB free, and 0\.1 GB are needed"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path, standins: Any) -> None:
    (tmp_path / "a.zip").write_bytes(standins.pack({"a.jpg": b"x"}))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CacheError, match="can't be written"):
        unpack(tmp_path / "a.zip", tmp_path / "file" / "out")
