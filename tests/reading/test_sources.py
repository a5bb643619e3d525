"""Sources: paths, bytes, streams; bad ones raise an error of ours that names them."""

import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mriclassify._errors import (
    DamagedFileError,
    MissingFileError,
    OptionError,
    ReadError,
    UnreadableFileError,
    UnsupportedFormatError,
)
from mriclassify._reading import name_of, read_slice

GREY = np.random.default_rng(0).integers(0, 256, (20, 31)).astype(np.uint8)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.png"
    Image.fromarray(GREY).save(path)
    return path


class Pipe(io.RawIOBase):
    """A stream that can't seek, as that of a web response."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._rest.readinto(buffer)


@pytest.mark.parametrize(
    "source",
    [
        str,
        Path,
        lambda path: path.read_bytes(),
        lambda path: bytearray(path.read_bytes()),
        lambda path: memoryview(path.read_bytes()),
        lambda path: io.BytesIO(path.read_bytes()),
        lambda path: Pipe(path.read_bytes()),
    ],
    ids=["str", "Path", "bytes", "bytearray", "memoryview", "BytesIO", "pipe"],
)
def test_every_kind_of_source_gives_the_same_pixels(scan: Path, source: Callable[[Path], Any]) -> None:
    np.testing.assert_array_equal(read_slice(source(scan)).pixels, GREY)


def test_a_stream_is_read_from_its_start_and_left_open(scan: Path) -> None:
    with scan.open("rb") as stream:
        stream.read(10)
        for _ in range(2):
            np.testing.assert_array_equal(read_slice(stream).pixels, GREY)
        assert not stream.closed


def test_the_suffix_is_not_believed(scan: Path) -> None:
    for suffix in (".jpg", ".dcm", ".nii.gz", ""):
        assert read_slice(scan.rename(scan.with_name("scan" + suffix))).kind == "PNG"
        (scan.parent / ("scan" + suffix)).rename(scan)


def test_a_slice_hides_its_pixels_in_its_repr_and_is_frozen(scan: Path) -> None:
    result = read_slice(scan)
    assert repr(result) == "Slice(kind='PNG', spacing=None, notes=(), window=None)"
    with pytest.raises(AttributeError):
        result.kind = "JPEG"  # type: ignore[misc]


def test_names(scan: Path) -> None:
    assert name_of("a/b.png") == "a/b.png"
    assert name_of(Path("a/b.png")) == str(Path("a/b.png"))
    assert name_of(np.zeros((224, 200), np.uint8)) == "array (224, 200) uint8"
    assert name_of(torch.zeros(1, 20, 30)) == "tensor (1, 20, 30) float32"
    assert name_of(Image.new("L", (30, 20))) == "PIL image 30x20"
    assert name_of(b"abc") == "bytes"
    assert name_of(io.BytesIO()) == "stream"
    with scan.open("rb") as stream:
        assert name_of(stream) == str(scan)
    with os.fdopen(os.open(scan, os.O_RDONLY), "rb") as stream:  # its name is a number
        assert name_of(stream) == "stream"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nowhere\.png") as caught:
        read_slice(tmp_path / "nowhere.png")
    assert isinstance(caught.value, FileNotFoundError)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(MissingFileError):
        read_slice(tmp_path / "file" / "below.png")


@pytest.mark.parametrize("name", ["x" * 3000, "nul\0byte.png"])
def test_a_path_that_no_file_can_have(name: str) -> None:
    with pytest.raises(ReadError, match=name[:3]):
        read_slice(name)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="predict_many"):
        read_slice(tmp_path)


def test_pipes_and_sockets_are_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnreadableFileError, match=r"pipe\.png is a device, pipe"):
        read_slice(tmp_path / "pipe.png")
    with pytest.raises(UnreadableFileError, match="null is a device"):
        read_slice(os.devnull)
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.png")
        with pytest.raises(UnreadableFileError, match=r"s\.png is a device"):
            read_slice("s.png")


def test_no_permission(scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # chmod would not stop root
    with pytest.raises(UnreadableFileError, match="permissions"):
        read_slice(scan)


def test_an_error_of_the_disk() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(UnreadableFileError, match="Input/output"):
        read_slice(Failing(b"x"))


@pytest.mark.parametrize("source", [b"", io.BytesIO(), Pipe(b"")])
def test_nothing_is_empty(source: Any) -> None:
    with pytest.raises(DamagedFileError, match="is empty"):
        read_slice(source)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "scan.jpg").touch()
    with pytest.raises(DamagedFileError, match=r"scan\.jpg is empty"):
        read_slice(tmp_path / "scan.jpg")


@pytest.mark.parametrize(
    "content",
    [b"A text, not a picture.\n" * 99, b"BM is a bookmark", b"P5", b"\0" * 999, b"%PDF-1.7", b"PK\3\4", b"\x1f\x8b"],
)
def test_what_is_not_an_image_is_refused_whatever_its_suffix(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scan.jpg").write_bytes(content)
    with pytest.raises(UnsupportedFormatError, match=r"scan\.jpg is .*not.* JPEG, PNG"):
        read_slice(tmp_path / "scan.jpg")


def test_a_text_stream_is_refused() -> None:
    with pytest.raises(UnsupportedFormatError, match="binary"):
        read_slice(io.StringIO("text"))  # type: ignore[arg-type]


def test_a_closed_stream_is_unreadable() -> None:
    stream = io.BytesIO(b"x")
    stream.close()
    with pytest.raises(UnreadableFileError):
        read_slice(stream)


@pytest.mark.parametrize("source", [None, 3, 2.5, ["a.png"], {"path": "a.png"}, object()])
def test_what_is_no_source_is_refused_by_its_type(source: Any) -> None:
    with pytest.raises(UnsupportedFormatError, match=type(source).__name__):
        read_slice(source)


@pytest.mark.parametrize("axis", [-1, 3, "axial", None])
def test_an_axis_out_of_range_is_refused_for_every_kind(scan: Path, axis: Any) -> None:
    with pytest.raises(OptionError, match="axis must be 0"):
        read_slice(scan, axis=axis)


def test_reading_a_picture_imports_nothing_heavy(scan: Path) -> None:
    code = (
        "import sys; from mriclassify._reading import read_slice; read_slice(sys.argv[1]);"
        "sys.exit(' '.join(m for m in ('torch', 'sklearn', 'pydicom', 'nibabel') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(scan)], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
