"""What Pillow, pydicom and nibabel raise, warn of and log on bad files, kept within this room."""

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from mriclassify._errors import DamagedFileError, MriClassifyError, UnreadableFileError

FOREIGN_ERRORS: tuple[type[Exception], ...] = (
    OSError,  # Pillow: truncated; gzip: bad header
    ValueError,  # all three; UnicodeError with it
    TypeError,
    LookupError,  # KeyError, IndexError: missing elements, short tables
    AttributeError,  # pydicom: an element is missing; Pillow: a chunk is
    ArithmeticError,  # sizes of zero, or beyond an integer
    RuntimeError,  # pydicom: all decoders failed; NotImplementedError and RecursionError with it
    SyntaxError,  # Pillow: not what the magic bytes said
    EOFError,
    AssertionError,
    BufferError,
    struct.error,
    zlib.error,
    np.linalg.LinAlgError,
)
"""What the three are known to raise on broken files, besides their own. MemoryError is told apart below."""

_LIBRARIES = r"(PIL|pydicom|nibabel|mriclassify\._reading)\b"
_LOGGERS = ("pydicom", "nibabel.global")


@contextmanager
def damaged(
    name: str, kind: str, *, private: bool, also: tuple[type[Exception], ...] = (), hint: str = ""
) -> Iterator[None]:
    """Turn errors of a foreign decoder in the block into errors of ours; ours pass through.

    Args:
        name: What the source is called.
        kind: What its content claims to be, as "JPEG".
        private: The decoder's message may quote the file's text, so it is not chained to ours.
        also: Errors of the decoder's own that derive from no builtin but Exception.
        hint: A sentence on what else may be wrong.
    """
    try:
        yield
    except MriClassifyError:
        raise
    except MemoryError as error:
        raise UnreadableFileError(f"{name} ({kind}) does not fit into memory.") from error
    except (*FOREIGN_ERRORS, *also) as error:
        message = f"{name} is a {kind} file that can't be decoded: it is cut off or broken."
        message = f"{message} {hint or 'Copy or export it again.'}"
        raise DamagedFileError(message) from (None if private else error)


class _Gate(logging.Filter):
    """Counts the threads that are decoding, and keeps the libraries quiet while there are any.

    Python's warning filters are one list for all threads, and `catch_warnings` in two threads at once can
    leave the wrong list behind: so the first thread in changes the list, and the last one out restores it.
    Log records are dropped by thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._threads: dict[int, int] = {}
        self._warnings = warnings.catch_warnings()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record of pydicom's or nibabel's may pass."""
        return record.thread not in self._threads

    def enter(self) -> None:
        """Let the calling thread in; it may come in more than once."""
        me = threading.get_ident()
        with self._lock:
            if not self._threads:
                self._close()
            self._threads[me] = self._threads.get(me, 0) + 1

    def leave(self) -> None:
        """Let the calling thread out."""
        me = threading.get_ident()
        with self._lock:
            self._threads[me] -= 1
            if not self._threads[me]:
                del self._threads[me]
            if not self._threads:
                self._open()

    def _close(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.filterwarnings("ignore", module=_LIBRARIES)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def _open(self) -> None:
        self._warnings.__exit__(None, None, None)
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)


_gate = _Gate()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings and log records of the decoders in: they may quote a patient's data, and help nobody.

    What matters in them (cut off, too large) is checked and raised as an error of ours.
    """
    _gate.enter()
    try:
        yield
    finally:
        _gate.leave()
