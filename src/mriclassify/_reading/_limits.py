"""How much of a study is read: more is refused, since a small file can claim or unfold to any size."""

from dataclasses import dataclass, fields

from mriclassify._errors import OptionError

MAX_FILE = 2**31
"""Bytes of one DICOM file, or of a stream that is read as a whole."""

MAX_UNPACKED = 2**30
"""Bytes that a compressed volume may have once it is decompressed: it is held in memory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What `read_study` takes at most; each a whole number of 1 or more.

    Attributes:
        files: Files in a folder, or members of a ZIP.
        slices: Slices, frames and pages of all of them.
        file_bytes: Bytes of one file, or of one member of a ZIP once decompressed.
        total_bytes: Bytes of all members of a ZIP once decompressed.
        volume_bytes: Bytes of a NIfTI volume once decompressed, which is held in memory.
        ratio: How many times its own size a ZIP may become, beyond its first 100 MB.
        seconds: Time that a URL may take.
        download_bytes: Bytes that a URL may send.
    """

    files: int = 10_000
    slices: int = 100_000
    file_bytes: int = MAX_FILE
    total_bytes: int = 2**31
    volume_bytes: int = MAX_UNPACKED
    ratio: int = 100
    seconds: float = 30.0
    download_bytes: int = 200_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise OptionError(f"Limits.{field.name} must be a number above 0, got {value!r}.")
