"""Twelve ways in which a file in a long run is broken; `tests/test_keeps_going.py` uses them too."""

import os
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

EACH = 10
"""Of so many files one is broken."""


def truncated(path: Path, whole: bytes) -> None:
    """Write half of a file."""
    path.write_bytes(whole[: len(whole) // 2])


def empty(path: Path, _: bytes) -> None:
    """Write nothing."""
    path.write_bytes(b"")


def text(path: Path, _: bytes) -> None:
    """Write words."""
    path.write_text("a listing that was saved under the wrong name\n")


def absent(path: Path, _: bytes) -> None:
    """Leave the place empty."""


def a_link_to_nowhere(path: Path, _: bytes) -> None:
    """Make a link to a file that there is not."""
    path.symlink_to(path.with_name("nowhere.png"))


def a_link_to_itself(path: Path, _: bytes) -> None:
    """Make a link that can't be followed."""
    path.symlink_to(path)


def a_pipe(path: Path, _: bytes) -> None:
    """Make a pipe, which would block who opens it."""
    os.mkfifo(path)


def blank(path: Path, _: bytes) -> None:
    """Write a picture of one grey."""
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(path, format="PNG")


def one_pixel_wide(path: Path, _: bytes) -> None:
    """Write a picture of one column."""
    Image.fromarray(np.arange(64, dtype=np.uint8)[:, None]).save(path, format="PNG")


def a_bomb(path: Path, _: bytes) -> None:
    """Write a PNG file that claims 50,000 x 50,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    chunks = (header, b"IDAT" + zlib.compress(bytes(1000)), b"IEND")
    framed = (struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))


def a_broken_dicom(path: Path, _: bytes) -> None:
    """Write the beginning of a DICOM file and then nonsense."""
    path.write_bytes(b"\0" * 128 + b"DICM" + b"\x02\0\0\0UL\x04\0" + b"\xff" * 200)


def not_a_number(path: Path, _: bytes) -> None:
    """Write a TIFF file in which one pixel is NaN."""
    pixels = np.ones((64, 64), np.float32)
    pixels[5, 6] = np.nan
    Image.fromarray(pixels).save(path, format="TIFF")


Break = Callable[[Path, bytes], None]
"""Makes a bad file at a path, from the bytes of a good one."""

WAYS: tuple[Break, ...] = (
    truncated,
    empty,
    text,
    absent,
    a_link_to_nowhere,
    a_link_to_itself,
    a_pipe,
    blank,
    one_pixel_wide,
    a_bomb,
    a_broken_dicom,
    not_a_number,
)


def is_broken(number: int) -> bool:
    """Whether the file of this number in a long run is broken."""
    return number % EACH == 7


def way_of(number: int) -> Break:
    """Return how the file of this number is broken, if it is."""
    return WAYS[number // EACH % len(WAYS)]


def fill(folder: Path, scans: Sequence[Path], count: int) -> list[Path]:
    """Return `count` paths in `folder`: links to the scans in turn, and every tenth broken in one of the ways."""
    contents = [scan.read_bytes() for scan in scans]
    paths = [folder / f"{number:05}{scans[number % len(scans)].suffix}" for number in range(count)]
    for number, path in enumerate(paths):
        if is_broken(number):
            way_of(number)(path, contents[number % len(scans)])
        else:
            path.hardlink_to(scans[number % len(scans)])
    return paths
