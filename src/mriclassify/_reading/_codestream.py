"""What a compressed frame inside a DICOM file claims to be, told before a decoder believes it.

The file's own rows and columns are checked; a decoder, though, allocates what the frame says.
References: ITU-T T.81 B.2.2 (JPEG), T.87 C.2.2 (JPEG-LS), T.800 A.5.1 (JPEG 2000).
"""

import re
import struct
from typing import Any

from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import UID

from mriclassify._errors import DamagedFileError

_HEAD = 65536
"""Bytes in which the size of a frame stands, after tables and comments."""

_J2K_SIZE = re.compile(rb"\xff\x4f\xff\x51....(.{8})(.{8}).{16}(..)", re.DOTALL)

_JPEG = b"\xff\xd8"
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Start of frame: of JPEG, but for three other markers among them, and of JPEG-LS."""


def check_frame(dataset: Dataset, frame: int, syntax: UID, name: str) -> None:
    """Raise DamagedFileError if a compressed frame claims to be larger than the file says it is."""
    if not syntax.is_encapsulated or "PixelData" not in dataset:
        return
    count = max(1, int(dataset.get("NumberOfFrames") or 1))
    table = _extended_offsets(dataset)
    head = get_frame(dataset.PixelData, frame, number_of_frames=count, extended_offsets=table)[:_HEAD]
    claimed = claimed_size(head)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if claimed and (claimed[0] > rows or claimed[1] > columns or claimed[2] > 4):
        raise DamagedFileError(
            f"{name} is a DICOM file that can't be decoded: its frame claims {claimed[1]}x{claimed[0]} pixels of "
            f"{claimed[2]} channels, where the file says {columns}x{rows}."
        )


def claimed_size(head: bytes) -> tuple[int, int, int] | None:
    """Return (rows, columns, channels) of the frame that begins with `head`; None if it is no kind of JPEG."""
    if match := _J2K_SIZE.search(head):
        # The picture lies between its offset and its far corner.
        right, bottom = struct.unpack(">2I", match[1])
        left, top = struct.unpack(">2I", match[2])
        return bottom - top, right - left, int.from_bytes(match[3], "big")
    return _jpeg_size(head) if head.startswith(_JPEG) else None


def _jpeg_size(head: bytes) -> tuple[int, int, int] | None:
    place = len(_JPEG)
    while place + 10 <= len(head):
        if head[place] != 0xFF:
            return None
        marker = head[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif marker in _SOF:
            rows, columns, channels = struct.unpack_from(">HHB", head, place + 5)
            return rows, columns, channels
        else:
            place += 2 + struct.unpack_from(">H", head, place + 2)[0]
    return None


def _extended_offsets(dataset: Dataset) -> Any:
    if "ExtendedOffsetTable" not in dataset or "ExtendedOffsetTableLengths" not in dataset:
        return None
    return dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths
