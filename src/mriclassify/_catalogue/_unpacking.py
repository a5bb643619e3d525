"""An archive becomes files: members that lead out, links and bombs are refused, and every CRC is checked."""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mriclassify._catalogue._counting import is_hidden
from mriclassify._errors import CacheError, DamagedFileError, DatasetError, MriClassifyError, TooMuchError

MAX_MEMBERS = 100_000
"""Files of one archive; the largest set has 7,023."""

MAX_BYTES = 20_000_000_000
"""Unpacked bytes of one archive; the largest set has 2 GB."""

_SPARE = 100_000_000
"""Bytes that stay free on the disk."""

_ENCRYPTED = 0x1


def unpack(archive: Path, folder: Path) -> None:
    """Write the members of a ZIP below `folder`, those of ZIPs inside it too; hidden ones are left out.

    Raises:
        DamagedFileError: the archive is cut off, is none, or a member's CRC is wrong.
        DatasetError: a member would be written elsewhere, is a link or encrypted, or is there twice.
        TooMuchError: it claims more than any of these sets has.
        CacheError: the disk is too full, or can't be written.
    """
    inner = _unpack(archive, folder)
    for path in inner:
        if _unpack(path, path.parent):
            raise DatasetError(f"{archive.name} holds archives in archives in archives: expected images")
        path.unlink()


def require_space(folder: Path, needed: int) -> None:
    """Refuse, before anything is written, what the disk has no room for.

    Raises:
        CacheError: fewer bytes than `needed`, and some to spare, are free where `folder` lies.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise CacheError(f"{folder} can't be used: {error}. Choose another folder.") from error
    if free < needed + _SPARE:
        raise CacheError(
            f"{folder} has {free / 1e9:.1f} GB free, and {(needed + _SPARE) / 1e9:.1f} GB are needed: "
            "make room, or choose another folder."
        )


def member_names(archive: Path) -> list[PurePosixPath]:
    """The names of a ZIP's files, none where it is no ZIP."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return [PurePosixPath(info.filename) for info in opened.infolist() if not info.is_dir()]
    except (OSError, zipfile.BadZipFile):
        return []


def _unpack(archive: Path, folder: Path) -> list[Path]:
    """Write the members; return the ZIPs among them."""
    with _damage(archive), zipfile.ZipFile(archive) as opened:
        members = [(info, _place(archive, info)) for info in opened.infolist() if not info.is_dir()]
        members = [(info, place) for info, place in members if not any(map(is_hidden, place.parts))]
        _check_extent(archive, [info for info, _ in members])
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        require_space(folder, sum(info.file_size for info, _ in members))
        for info, place in members:
            _write(opened, info, folder / place)
    return [folder / place for _, place in members if place.suffix.lower() == ".zip"]


def _write(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    # The reader stops at the size that was claimed and checked, and compares the CRC at the end.
    with _writing(target), opened.open(info) as source:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            shutil.copyfileobj(source, file)


def _place(archive: Path, info: zipfile.ZipInfo) -> PurePosixPath:
    """Where a member belongs below the folder."""
    place = PurePosixPath(info.filename)
    leads_out = place.is_absolute() or ".." in place.parts or any(c in info.filename for c in "\\:\0")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if leads_out or kind not in (0, stat.S_IFREG):
        raise DatasetError(
            f"{archive} is not trusted: its member {info.filename!r} is a link or would be written elsewhere. "
            "Nothing was unpacked; fetch the archive from its publisher."
        )
    if info.flag_bits & _ENCRYPTED:
        raise DatasetError(f"{archive}: its member {info.filename!r} is encrypted; the published archive is not.")
    return place


def _check_extent(archive: Path, infos: list[zipfile.ZipInfo]) -> None:
    total = sum(info.file_size for info in infos)
    if len(infos) > MAX_MEMBERS or total > MAX_BYTES:
        raise TooMuchError(
            f"{archive} claims {len(infos):,} files of {total:,} bytes; "
            f"unpacked are at most {MAX_MEMBERS:,} of {MAX_BYTES:,}. Is it the published archive?"
        )


@contextmanager
def _damage(archive: Path) -> Iterator[None]:
    """Put what the ZIP reader has against the archive into our words."""
    try:
        yield
    except MriClassifyError:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DamagedFileError(
            f"{archive} is not a whole ZIP archive ({error}). Remove it and fetch it again."
        ) from error
    except OSError as error:
        raise DamagedFileError(f"{archive} can't be read: {error}") from error


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise DatasetError(f"{target} is in the archives twice. Fetch them again from their publisher.") from error
    except OSError as error:
        raise CacheError(
            f"{target} can't be written: {error.strerror or error}. Make room or rights there, or choose another "
            "folder."
        ) from error
