"""What a slice can be read from, what it is called in messages, and how it is opened."""

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeGuard, Union
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mriclassify._errors import (
    DamagedFileError,
    MissingFileError,
    ReadError,
    UnreadableFileError,
    UnsupportedFormatError,
)

if TYPE_CHECKING:
    import torch

MAX_PIPED = 2**29
"""Bytes that are taken from a stream that can't seek, which may have no end."""

_CHUNK = 2**20

Source: TypeAlias = Union[str, os.PathLike[str], bytes, BinaryIO, Image.Image, NDArray[Any], "torch.Tensor"]
"""A path or a URL, the bytes of a file, a binary stream, a PIL image, an array or a tensor."""


def name_of(source: object) -> str:
    """Return what messages and results call `source`: the path as it was given, or a short description.

    A URL is called without what may be secret in it: user, password, query and fragment.
    """
    if is_url(source):
        return _public(source)
    if is_path(source):
        return os.fspath(source)
    if isinstance(source, np.ndarray):
        return f"array {source.shape} {source.dtype}"
    if is_tensor(source):
        return f"tensor {tuple(source.shape)} {str(source.dtype).removeprefix('torch.')}"
    if isinstance(source, Image.Image):
        return f"PIL image {source.width}x{source.height}"
    if isinstance(source, bytes | bytearray | memoryview):
        return "bytes"
    if is_stream(source):
        name = getattr(source, "name", None)
        return name if isinstance(name, str) and name else "stream"
    return type(source).__name__


def is_path(source: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether `source` is a path."""
    return isinstance(source, str | os.PathLike)


def is_url(source: object) -> TypeGuard[str]:
    """Whether `source` is a string that begins with http:// or https://."""
    return isinstance(source, str) and source[:8].lower().startswith(("http://", "https://"))


def _public(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition(":")[0] + "://..."
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_stream(source: object) -> TypeGuard[BinaryIO]:
    """Whether `source` can be read from, as an open file can."""
    return callable(getattr(source, "read", None))


def is_tensor(source: object) -> "TypeGuard[torch.Tensor]":
    """Whether `source` is a torch tensor; asks without importing torch, which takes seconds."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.Tensor)


@contextmanager
def opened(source: object, name: str) -> Iterator[BinaryIO]:
    """Yield a seekable stream at the first byte of a path, of bytes or of a stream.

    A stream of the caller's is read from its start, as Pillow does, and left open.

    Raises:
        MissingFileError: There is no such file.
        UnreadableFileError: It is not a regular file, or may not be read.
        DamagedFileError: It is empty.
        UnsupportedFormatError: `source` is not something that can be opened.
    """
    if is_path(source):
        with open_regular(Path(source), name) as stream:
            yield _filled(stream, name)
    elif isinstance(source, bytes | bytearray | memoryview):
        yield _filled(io.BytesIO(source), name)
    elif is_stream(source):
        yield _filled(_rewound(source, name), name)
    else:
        raise UnsupportedFormatError(
            f"Expected a path, bytes, a binary stream, a PIL image, an array or a tensor, got {name}."
        )


def open_regular(path: Path, name: str) -> BinaryIO:
    """Open the regular file at `path`; all else is refused unopened, since a FIFO would block for ever."""
    mode = _mode(path, name)
    if stat.S_ISDIR(mode):
        raise ReadError(f"{name} is a folder: use predict_many or predict_study for the files in it.")
    if not stat.S_ISREG(mode):
        raise UnreadableFileError(f"{name} is a device, pipe or socket: expected a regular file.")
    try:
        return path.open("rb")
    except PermissionError as error:
        raise UnreadableFileError(f"{name} may not be read: check its permissions.") from error
    except OSError as error:
        raise UnreadableFileError(f"{name} can't be opened: {_reason(error)}.") from error


def _mode(path: Path, name: str) -> int:
    """Return the type and permissions of what lies at `path`."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"There is no file {name}: check the path.") from error
    except OSError as error:
        raise UnreadableFileError(f"{name} can't be reached: {_reason(error)}.") from error
    except ValueError as error:
        raise MissingFileError(f"There is no file {name!r}: no path can have a null byte.") from error


def _reason(error: Exception) -> str:
    """Return why the system refused; streams that are no files raise errors without its words."""
    return getattr(error, "strerror", None) or type(error).__name__


def _rewound(source: BinaryIO, name: str) -> BinaryIO:
    """Return `source` at its start, or its bytes where it can't seek (a pipe, a web response)."""
    try:
        if source.seekable():
            source.seek(0)
            # Zero bytes are of the type that all others will be: a text stream betrays itself unread.
            content, stream = source.read(0), source
        else:
            stream = _kept(source, MAX_PIPED, name)
            content = stream.read(0)
    except ReadError:
        raise
    except (OSError, ValueError, AttributeError) as error:
        raise UnreadableFileError(f"{name} can't be read: {_reason(error)}.") from error
    if not isinstance(content, bytes):
        raise UnsupportedFormatError(f"{name} is a text stream: open the file in binary mode, 'rb'.")
    return stream


def _kept(source: BinaryIO, most: int, name: str) -> io.BytesIO:
    """Return what is left in `source`, which may have no end, in memory and at its first byte."""
    kept = io.BytesIO()
    while piece := source.read(_CHUNK):
        if not isinstance(piece, bytes):
            raise UnsupportedFormatError(f"{name} is a text stream: open the file in binary mode, 'rb'.")
        kept.write(piece)
        if kept.tell() > most:
            raise UnsupportedFormatError(f"{name} has more than the {most:,} bytes that are read from a stream.")
    kept.seek(0)
    return kept


def content_of(source: object, name: str, most: int) -> bytes:
    """Return all bytes of a source that is no path: of bytes, or of a stream, which is left open.

    Raises:
        UnsupportedFormatError: There are more than `most`, or `source` is nothing that holds bytes.
        UnreadableFileError: The stream can't be read.
        DamagedFileError: There are none.
    """
    if isinstance(source, bytes):
        return source
    with opened(source, name) as stream:
        try:
            return _kept(stream, most, name).getvalue()
        except ReadError:
            raise
        except (OSError, ValueError) as error:
            raise UnreadableFileError(f"{name} can't be read: {_reason(error)}.") from error


def _filled(stream: BinaryIO, name: str) -> BinaryIO:
    """Return `stream` at its start, unless there is nothing in it."""
    if not head_of(stream, 1, name):
        raise DamagedFileError(f"{name} is empty: copy or download it again.")
    return stream


def head_of(stream: BinaryIO, size: int, name: str) -> bytes:
    """Return up to `size` first bytes of a stream that is at its start, and leave it there."""
    try:
        head = stream.read(size)
        stream.seek(0)
    except OSError as error:
        raise UnreadableFileError(f"{name} can't be read: {_reason(error)}.") from error
    return head
