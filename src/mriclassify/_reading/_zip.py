"""ZIP archives: members are decompressed in memory, one at a time, against limits; nothing is written to disk.

What an archive claims (sizes, counts, names) is not believed: bytes are counted as they come. Exporters like to
name members after patients, so that here they are called by their number.
"""

import io
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from mriclassify._errors import TooMuchError, UnsupportedFormatError
from mriclassify._reading._foreign import damaged
from mriclassify._reading._limits import Limits
from mriclassify._reading._shelf import Single
from mriclassify._suffixes import claims_scan

_ERRORS = (zipfile.BadZipFile, zipfile.LargeZipFile)

_ENTRY = 512
"""Bytes of the archive's index for each member: entries of scans are smaller."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others can ask for gigabytes of memory, and no exporter of scans uses them."""

_FREE = 100_000_000
"""Bytes that anything may become, whatever its size: a blank slice shrinks to a thousandth."""

_CHUNK = 2**18

_ENCRYPTED = 0x1

_LEADS_OUT = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[A-Za-z]:")


class Archive:
    """A shelf of those members of a ZIP that may be scans.

    Attributes:
        refused: Why other members are not read: (label, reason).
    """

    def __init__(self, file: Single, limits: Limits) -> None:
        """Read the index of an archive.

        Raises:
            DamagedFileError: It has none that can be read.
            TooMuchError: It lists more members than the limit.
        """
        self.refused: list[tuple[str, str]] = []
        self._file = file
        self._limits = limits
        self._raw = _Reopened(file)
        self._seen: set[int] = set()
        self._unpacked = 0
        with damaged(file.title, "ZIP", private=True, also=_ERRORS):
            self._zip = zipfile.ZipFile(cast("BinaryIO", _Guarded(self._raw, limits.files * _ENTRY, file.title)))
        infos = self._zip.infolist()
        if len(infos) > limits.files:
            raise TooMuchError(
                f"{file.title} has {len(infos):,} members, more than the {limits.files:,} that are read: "
                "unpack the series that you need."
            )
        self._members = [(number, info) for number, info in enumerate(infos, 1) if self._is_candidate(number, info)]

    @property
    def title(self) -> str:
        """What messages call the archive."""
        return self._file.title

    @property
    def count(self) -> int:
        """How many members there are that may be scans."""
        return len(self._members)

    def name(self, number: int) -> str:
        """Return which member of which archive it is."""
        return f"{self.label(number)} of {self.title}"

    def label(self, number: int) -> str:
        """Return the member's number among all, from 1."""
        return f"member {self._members[number][0]}"

    def claims(self, number: int) -> bool:
        """Whether the member's name says that it is a scan; exporters add viewers and texts."""
        return claims_scan(self._members[number][1].filename)

    @contextmanager
    def opened(self, number: int) -> Iterator[BinaryIO]:
        """Decompress a member.

        Raises:
            UnsupportedFormatError: It is larger than the limit.
            TooMuchError: All members that were opened so far are.
            DamagedFileError: It is cut off, or not what its checksum says.
        """
        name, info = self.name(number), self._members[number][1]
        with damaged(name, "ZIP", private=True, also=_ERRORS), self._zip.open(info) as member:
            content = self._unpack(number, member, name)
        self._seen.add(number)
        yield content

    def _unpack(self, number: int, member: Any, name: str) -> io.BytesIO:
        """Return the content of a member at its start, as long as it stays within the limits."""
        limits, packed = self._limits, self._raw.size
        # A member can't be larger than the archive, whatever its header says.
        most = min(limits.file_bytes, max(_FREE, min(packed, self._members[number][1].compress_size) * limits.ratio))
        most_of_all = min(limits.total_bytes, max(_FREE, packed * limits.ratio))
        content = io.BytesIO()
        while piece := member.read(_CHUNK):
            content.write(piece)
            if content.tell() > most:
                raise UnsupportedFormatError(f"{name} becomes more than the {most:,} bytes that are read.")
            self._unpacked += 0 if number in self._seen else len(piece)
            if self._unpacked > most_of_all:
                raise TooMuchError(
                    f"{self.title} becomes more than the {most_of_all:,} bytes that are read: "
                    "unpack the series that you need."
                )
        content.seek(0)
        return content

    def _is_candidate(self, number: int, info: zipfile.ZipInfo) -> bool:
        """Whether to read a member; notes why not, unless it is of no interest."""
        parts = re.split(r"[/\\]", info.filename)
        is_hidden = any(part.startswith(".") and part.strip(".") for part in parts) or "__MACOSX" in parts
        # Not is_dir(), which fails where there is no name at all.
        if not parts[-1] or is_hidden or parts[-1].upper() == "DICOMDIR":
            return False
        if reason := _objection(info):
            self.refused.append((f"member {number}", f"member {number} of {self.title} {reason}."))
        return not reason


def _objection(info: zipfile.ZipInfo) -> str:
    """Return why a member is not read, or nothing."""
    if _LEADS_OUT.search(info.filename):
        return "has a name that leads out of the archive"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return "is a link or a device"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted: decrypt it first"
    if info.compress_type not in _METHODS:
        return "is compressed in another way than by deflate, which is not read"
    return ""


class _Reopened(io.RawIOBase):
    """A file that is open only while it is read: a study may live long, and nobody closes it."""

    def __init__(self, file: Single) -> None:
        self._file = file
        self._position = 0
        with file.opened(0) as stream:
            self.size = stream.seek(0, 2)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self.size)[whence]
        if self._position < 0:
            raise ValueError("before the first byte")
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        with self._file.opened(0) as stream:
            stream.seek(self._position)
            piece = stream.read(len(buffer))
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


class _Guarded(io.BufferedReader):
    """Refuses to read much at once: zipfile takes an index of any size into memory, and then to pieces."""

    def __init__(self, raw: _Reopened, most: int, title: str) -> None:
        super().__init__(raw, _CHUNK)
        self._most = max(most, 2 * _CHUNK)
        self._title = title

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most:
            raise TooMuchError(f"{self._title} lists more members than are read: unpack the series that you need.")
        return super().read(size)
