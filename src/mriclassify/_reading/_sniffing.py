"""Of what kind a file is, by its first bytes; suffixes are not believed."""

import re
import zlib
from typing import NoReturn

from mriclassify._errors import UnsupportedFormatError

HEAD_SIZE = 4096
"""Bytes that decide the kind: DICOM's magic is at 128, NIfTI-1's at 344, and behind gzip a NIfTI header of
540 bytes needs some more."""

KINDS = "JPEG, PNG, TIFF, BMP, GIF, WebP, JPEG 2000, PNM, DICOM, NIfTI and MATLAB v7.3"

GZIP = b"\x1f\x8b"

# Each pattern is matched at the first byte.
_PICTURES = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),  # + is BigTIFF
    # "BM" alone begins words: the size of the second header, at byte 14, must be one that exists.
    "BMP": re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "WebP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "JPEG 2000": re.compile(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    "PNM": re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+[0-9#]"),
}

# A data set without preamble begins with group 2 or 8, then a known VR, or a length of one byte.
_VRS = rb"AE|AS|AT|CS|DA|DS|DT|IS|LO|LT|OB|OW|PN|SH|SQ|ST|TM|UI|UL|UN|US|UT"
_BARE_DICOM = re.compile(
    rb"[\x02\x08]\0[\0-\x20]\0(?:" + _VRS + rb"|[\0-\xfe]\0\0\0)|\0[\x02\x08]\0[\0-\x20](?:" + _VRS + rb")"
)

# (magic, where) -> (version, in one file with its header)
_NIFTI = {
    (b"n+1\0", 344): (1, True),
    (b"ni1\0", 344): (1, False),
    (b"n+2\0\r\n\x1a\n", 4): (2, True),
    (b"ni2\0\r\n\x1a\n", 4): (2, False),
}
_NIFTI_SIZES = {1: 348, 2: 540}

# In plain words at the first byte; the HDF5 file begins 512 bytes later.
_MATLAB = b"MATLAB 7.3 MAT-file"
_OLD_MATLAB = b"MATLAB 5.0 MAT-file"


def sniff(head: bytes) -> str | None:
    """Return the kind of a file that begins with `head` (up to HEAD_SIZE bytes), or None if it is not known.

    Example:
        >>> sniff(b"GIF89a")
        'GIF'
    """
    # DICOM first: the preamble of a DICOM file may be a TIFF header.
    if head[128:132] == b"DICM":
        return "DICOM"
    if nifti_flavour(gunzipped(head)):
        return "NIfTI"
    if head.startswith(_MATLAB):
        return "MATLAB"
    for kind, pattern in _PICTURES.items():
        if pattern.match(head):
            return kind
    return "DICOM" if _BARE_DICOM.match(head) else None


def nifti_flavour(head: bytes) -> tuple[int, bool] | None:
    """Return the NIfTI version, and whether the voxels are in the same file; None if it is not NIfTI."""
    for (magic, start), (version, single) in _NIFTI.items():
        size = _NIFTI_SIZES[version]
        sizes = (size.to_bytes(4, "little"), size.to_bytes(4, "big"))
        if head[:4] in sizes and head[start : start + len(magic)] == magic:
            return version, single
    return None


def gunzipped(head: bytes) -> bytes:
    """Return the first bytes behind gzip, bounded; `head` itself if it is not gzip, nothing if broken."""
    if not head.startswith(GZIP):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, max(_NIFTI_SIZES.values()))
    except zlib.error:
        return b""


def is_zip(head: bytes) -> bool:
    """Whether a file that begins with `head` is a ZIP archive, or one of the kinds built on it."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def refuse_unknown(head: bytes, name: str) -> NoReturn:
    """Raise UnsupportedFormatError for a file that begins with `head`, which is of no known kind."""
    if head.startswith(_OLD_MATLAB):
        raise UnsupportedFormatError(
            f"{name} is a MATLAB file of an older version than 7.3: load it there, and save it with -v7.3."
        )
    what = "not an image of a known kind"
    if head.startswith(GZIP):
        what = "gzip, but not of a NIfTI volume"
    elif is_zip(head):
        what = "a ZIP archive, not one image (predict_study answers for a series in one)"
    raise UnsupportedFormatError(f"{name} is {what}, whatever its suffix says: {KINDS} are read.")
