"""What is fed in to break things: each a clear error, at once, in little memory."""

import gzip
import io
import os
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian

from mriclassify._errors import (
    DamagedFileError,
    MissingFileError,
    OptionError,
    PixelError,
    ReadError,
    UnreadableFileError,
    UnsupportedFormatError,
)
from mriclassify._reading import _deflated as deflated
from mriclassify._reading import _sources as sources
from mriclassify._reading import read_slice, read_study

Make = Callable[..., bytes]
READERS = pytest.mark.parametrize("read", [read_slice, read_study], ids=["slice", "study"])


@contextmanager
def cheaply(*, seconds: float = 2.0, megabytes: float = 50.0) -> Iterator[None]:
    """Fail if the block takes longer, or more memory at any time."""
    started = time.monotonic()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < seconds
    assert peak < megabytes * 1e6


def png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compress(rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@READERS
def test_a_png_that_claims_50000_by_50000_pixels(read: Any) -> None:
    data = png(50_000, 50_000, bytes(50_001 * 100))
    with cheaply(), pytest.raises(UnsupportedFormatError, match="50000x50000"):
        read(data)


def test_a_png_that_unfolds_to_more_than_it_claims() -> None:
    data = png(20, 20, bytes(60_000_000))
    with cheaply(), pytest.raises(ReadError):
        read_slice(data)


def test_a_png_whose_text_unfolds_to_gigabytes() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    stream = io.BytesIO()
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(stream, "PNG")
    whole = stream.getvalue()
    text = chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(60_000_000)))
    with cheaply(), suppress(ReadError):
        assert read_slice(whole[:33] + text + whole[33:]).kind == "PNG"


@READERS
@pytest.mark.parametrize("packed", [False, True])
def test_a_volume_that_claims_a_trillion_voxels(read: Any, packed: bool) -> None:
    image = nibabel.Nifti2Image(np.zeros((20, 20, 20), np.uint8), np.eye(4))
    data = bytearray(image.to_bytes())
    struct.pack_into("<8q", data, 16, 3, 2**20, 2**10, 2**10, 1, 1, 1, 1)
    source = gzip.compress(bytes(data)) if packed else bytes(data)
    with cheaply(), pytest.raises(UnsupportedFormatError, match="claims"):
        read(source)


@READERS
def test_a_gzip_bomb_that_could_hold_what_it_claims(read: Any) -> None:
    # 1.5 GB of zeros, as its header says: few megabytes of gzip.
    image = nibabel.Nifti1Image(np.zeros((20, 20, 20), np.uint8), np.eye(4))
    data = bytearray(image.to_bytes())
    struct.pack_into("<8h", data, 40, 3, 1000, 1000, 1000, 1, 1, 1, 1)
    struct.pack_into("<2h", data, 70, 4, 16)  # int16
    piece = zlib.compressobj(9, wbits=31)
    packed = piece.compress(bytes(data)) + piece.flush()
    source = packed + gzip.compress(bytes(10_000_000)) * 200
    with cheaply(), pytest.raises(UnsupportedFormatError, match="compressed volume"):
        read(source)


def test_a_gzip_bomb_that_is_no_volume() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    with cheaply(), pytest.raises(UnsupportedFormatError, match="gzip, but not"):
        read_slice(bomb)


@READERS
@pytest.mark.parametrize("offset", [1e30, -1e30, -352.0, float("nan"), float("inf")])
def test_a_volume_whose_voxels_begin_nowhere(read: Any, offset: float) -> None:
    data = bytearray(nibabel.Nifti1Image(np.zeros((20, 20, 20), np.uint8), np.eye(4)).to_bytes())
    struct.pack_into("<f", data, 108, offset)
    for source in (bytes(data), gzip.compress(bytes(data))):
        with cheaply(), pytest.raises(ReadError):
            read(source)


def deflate_bomb(dicom: Make, size: int) -> bytes:
    whole = dicom(0.0, syntax=DeflatedExplicitVRLittleEndian)
    end = 144 + int.from_bytes(whole[140:144], "little")
    packer = zlib.compressobj(9, wbits=-15)
    body = zlib.decompress(whole[end:], wbits=-15)
    return whole[:end] + packer.compress(body + bytes(size)) + packer.flush()


@READERS
def test_a_deflated_dicom_file_is_read_and_a_bomb_is_not(
    read: Any, dicom: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (plain := read(deflate_bomb(dicom, 0))) is not None
    assert plain.kind == "DICOM"
    monkeypatch.setattr(deflated, "MAX_INFLATED", 10_000_000)
    bomb = deflate_bomb(dicom, 60_000_000)
    with cheaply(), pytest.raises(ReadError, match="becomes more than 10,000,000 bytes"):
        read(bomb)


def test_deflated_dicom_gives_the_pixels_of_plain(dicom: Make) -> None:
    packed = dicom(0.0, syntax=DeflatedExplicitVRLittleEndian)
    np.testing.assert_array_equal(read_slice(packed).pixels, read_slice(dicom(0.0)).pixels)
    for cut in (200, 400, len(packed) - 20):
        with pytest.raises(DamagedFileError):
            read_slice(packed[:cut])


@READERS
@pytest.mark.parametrize("route", ["bytes", "path"])
def test_dicom_that_claims_gigabytes_of_pixels(read: Any, route: str, dicom: Make, tmp_path: Path) -> None:
    data = dicom(0.0)
    place = data.index(b"\xe0\x7f\x10\0OW") + 8
    lying = data[:place] + struct.pack("<I", 0xFFFFFFF0) + data[place + 4 : -2]
    path = tmp_path / "scan.dcm"
    path.write_bytes(lying)
    with cheaply(), pytest.raises(ReadError):
        read(lying if route == "bytes" else path).read(0)


@pytest.mark.parametrize(
    ("file", "size", "bits"),
    [
        ("JPEG2000.dcm", struct.pack(">2I", 256, 1024), ">2I"),
        ("SC_rgb_jpeg.dcm", struct.pack(">2H", 256, 256), ">2H"),
        ("MR_small_jpeg_ls_lossless.dcm", struct.pack(">2H", 64, 64), ">2H"),
    ],
)
def test_a_frame_that_claims_more_than_its_file(file: str, size: bytes, bits: str) -> None:
    data = Path(str(get_testdata_file(file, download=False))).read_bytes()
    place = data.index(size, data.rindex(b"\xe0\x7f\x10\0"))
    lying = data[:place] + struct.pack(bits, 13000, 13000) + data[place + len(size) :]
    with cheaply(), pytest.raises(ReadError, match=r"claims 13000x13000 pixels|no decoder is installed"):
        read_slice(lying)


@READERS
@pytest.mark.parametrize("shape", [(65535, 65535), (65535, 1), (1, 65535), (0, 0)])
def test_dicom_that_claims_any_size(read: Any, shape: tuple[int, int], dicom: Make) -> None:
    data = dicom(0.0, Rows=shape[0], Columns=shape[1])
    with cheaply(), pytest.raises(ReadError):
        result = read(data)
        result.read(0)


def test_a_tiff_whose_pages_go_round_ends() -> None:
    stream = io.BytesIO()
    page = Image.fromarray(np.eye(20, dtype=np.uint8))
    page.save(stream, "TIFF", save_all=True, append_images=[page])
    data = bytearray(stream.getvalue())
    first = struct.unpack_from("<I", data, 4)[0]
    for _ in range(2):  # the last page is followed by the first
        place = first + 2 + 12 * struct.unpack_from("<H", data, first)[0]
        following = struct.unpack_from("<I", data, place)[0]
        if not following:
            struct.pack_into("<I", data, place, struct.unpack_from("<I", data, 4)[0])
        first = following or first
    with cheaply():
        assert len(read_study(bytes(data))) >= 1


@READERS
def test_pipes_devices_and_loops_are_not_opened(read: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with cheaply():
        for path in (tmp_path / "pipe.dcm", "/dev/zero", "/dev/urandom", "/dev/stdin", "/proc/self/mem"):
            with pytest.raises(ReadError):
                read(path)
        with pytest.raises((UnreadableFileError, MissingFileError), match="loop"):
            read(tmp_path / "loop")


def test_a_folder_of_pipes_and_loops_is_no_study(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    (tmp_path / "loop.dcm").symlink_to(tmp_path / "loop.dcm")
    (tmp_path / "here").symlink_to(tmp_path)
    with cheaply(), pytest.raises(ReadError):
        read_study(tmp_path)


def test_a_folder_that_is_called_scan_jpg(tmp_path: Path) -> None:
    (folder := tmp_path / "scan.jpg").mkdir()
    with pytest.raises(ReadError, match=r"scan\.jpg is a folder"):
        read_slice(folder)
    with pytest.raises(ReadError, match=r"no scan in folder .*scan\.jpg"):
        read_study(folder)


@READERS
def test_an_open_stream_without_end(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            buffer[:] = bytes(len(buffer))
            return len(buffer)

    monkeypatch.setattr(sources, "MAX_PIPED", 5_000_000)
    with cheaply(), pytest.raises(UnsupportedFormatError, match="more than the 5,000,000 bytes"):
        read(Endless())


class Shrinking(io.BytesIO):
    """A file that somebody else cuts short after it was first looked at."""

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        if self.tell() > 10:
            self.truncate(200)
        return content


def whole_files(dicom: Make) -> dict[str, bytes]:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)).save(stream, "PNG")
    volume = nibabel.Nifti1Image(np.random.default_rng(0).integers(0, 99, (20, 20, 20)).astype(np.uint8), np.eye(4))
    return {
        "PNG": stream.getvalue(),
        "DICOM": dicom(0.0),
        "NIfTI": volume.to_bytes(),
        "packed": gzip.compress(volume.to_bytes()),
    }


@pytest.mark.parametrize("kind", ["PNG", "DICOM", "NIfTI", "packed"])
def test_a_file_that_shrinks_while_it_is_read(kind: str, dicom: Make) -> None:
    data = whole_files(dicom)[kind]
    with cheaply(), pytest.raises(ReadError):
        read_slice(Shrinking(data))
    # A study takes all of a stream before it looks at any of it.
    np.testing.assert_array_equal(read_study(Shrinking(data)).read(0).pixels, read_slice(data, index=0).pixels)


@pytest.mark.parametrize("kind", ["PNG", "DICOM", "NIfTI", "packed"])
def test_a_path_that_is_replaced_before_it_is_read_again(kind: str, dicom: Make, tmp_path: Path) -> None:
    path = tmp_path / "scan"
    path.write_bytes(whole_files(dicom)[kind])
    study = read_study(path)
    path.write_bytes(b"something else")
    if kind in ("NIfTI", "packed"):
        assert study.read(3).kind == "NIfTI"  # it is in memory
    else:
        with pytest.raises(ReadError, match=r"scan is not an image|can't be decoded|without pixel data"):
            study.read(0)


VALUES = np.random.default_rng(0).normal(0, 100, (5, 20, 20))


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_blank_slices_of_every_kind(value: float, dicom: Make) -> None:
    blank = np.full((20, 20), value)
    stream = io.BytesIO()
    Image.fromarray(blank.astype(np.float32)).save(stream, "TIFF")
    volume = nibabel.Nifti1Image(np.repeat(blank[..., None], 3, axis=2).astype(np.float32), np.eye(4)).to_bytes()
    for source in (blank, stream.getvalue(), volume, dicom(0.0, pixels=blank.astype(np.int16))):
        with pytest.raises(PixelError, match="blank"):
            read_slice(source)
        with pytest.raises(PixelError, match="blank"):
            read_study(source).read(0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_in_every_kind(value: float) -> None:
    bad = VALUES.astype(np.float32)
    bad[:, 3, 4] = value
    stream = io.BytesIO()
    Image.fromarray(bad[0]).save(stream, "TIFF")
    volume = nibabel.Nifti1Image(bad.transpose(1, 2, 0), np.eye(4)).to_bytes()
    for source in (bad[0], stream.getvalue(), volume):
        with pytest.raises(PixelError, match="1 of 400 pixels"):
            read_slice(source)
        with pytest.raises(PixelError, match="1 of 400 pixels"):
            read_study(source).read(0)


@pytest.mark.parametrize("shape", [(1, 400), (400, 1)])
def test_one_pixel_wide_in_every_kind(shape: tuple[int, int], dicom: Make) -> None:
    line = np.arange(400, dtype=np.int16).reshape(shape)
    stream = io.BytesIO()
    Image.fromarray(line.astype(np.uint8)).save(stream, "PNG")
    for source in (line, stream.getvalue(), dicom(0.0, pixels=line)):
        with pytest.raises(PixelError, match="at least 16"):
            read_slice(source)


def test_negative_values_are_kept_in_every_kind(dicom: Make) -> None:
    values = VALUES[0].round().astype(np.int16)
    assert values.min() < 0
    stream = io.BytesIO()
    Image.fromarray(values.astype(np.float32)).save(stream, "TIFF")
    volume = nibabel.Nifti1Image(np.repeat(values.T[::-1, ::-1, None], 3, axis=2), np.eye(4)).to_bytes()
    for source in (values, stream.getvalue(), volume, dicom(0.0, pixels=values)):
        np.testing.assert_array_equal(read_slice(source).pixels, values)


@READERS
def test_an_index_beyond_any(read: Any, dicom: Make) -> None:
    options = {"index": 10**30} if read is read_slice else {"indices": [10**30]}
    for source in (*whole_files(dicom).values(), VALUES[0]):
        with pytest.raises(OptionError):
            read(source, **options)
