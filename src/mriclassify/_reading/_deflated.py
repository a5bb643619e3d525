"""DICOM whose data set is compressed as a whole: decompressed here, against a limit.

pydicom would decompress whatever there is, and 2 MB can become 2 GB.
Reference: DICOM PS3.5 A.5 and PS3.10 7.1.
"""

import io
import struct
import zlib
from typing import BinaryIO

from mriclassify._errors import DamagedFileError, UnsupportedFormatError

MAX_INFLATED = 2**28
"""Bytes that a data set may have once it is decompressed."""

_HEAD = 4096
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_PLAIN = b"1.2.840.10008.1.2.1\0\0\0"  # Explicit VR Little Endian, as long as the above
_GROUP_LENGTH = b"\x02\0\0\0UL\x04\0"
_CHUNK = 2**20


def undeflated(stream: BinaryIO, name: str) -> BinaryIO:
    """Return `stream`, which is at its start; one of a deflated data set as one of the same data set, plain.

    Raises:
        UnsupportedFormatError: It has more than MAX_INFLATED bytes.
        DamagedFileError: It is cut off, or its file meta information has no length.
    """
    head = stream.read(_HEAD)
    stream.seek(0)
    if head[128:132] != b"DICM" or _DEFLATED not in head:
        return stream
    end = _end_of_meta(head)
    if end is None or _DEFLATED not in head[:end]:
        raise DamagedFileError(f"{name} is a DICOM file that can't be decoded: its file meta information is broken.")
    plain = io.BytesIO()
    plain.write(head[:end].replace(_DEFLATED, _PLAIN))
    stream.seek(end)
    _inflate(stream, plain, name)
    plain.seek(0)
    return plain


def _end_of_meta(head: bytes) -> int | None:
    """Return where the file meta information ends, as its first element says."""
    if head[132:140] != _GROUP_LENGTH:
        return None
    (length,) = struct.unpack("<I", head[140:144])
    end = 144 + int(length)
    return end if end <= len(head) else None


def _inflate(stream: BinaryIO, plain: io.BytesIO, name: str) -> None:
    """Write what is in `stream` to `plain`, a piece at a time."""
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    packed = stream.read(_CHUNK)
    while packed and not inflater.eof:
        plain.write(inflater.decompress(packed, _CHUNK))
        if plain.tell() > MAX_INFLATED:
            raise UnsupportedFormatError(f"{name} becomes more than {MAX_INFLATED:,} bytes, which are not read.")
        packed = inflater.unconsumed_tail or stream.read(_CHUNK)
    # What a last, full piece left inside the inflater.
    while not inflater.eof and (rest := inflater.decompress(b"", _CHUNK)):
        plain.write(rest)
    if not inflater.eof:
        raise DamagedFileError(f"{name} is a DICOM file that can't be decoded: it is cut off.")
