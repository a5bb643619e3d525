"""Names: what a scan is called in a page that is given away."""

import os
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path

from mriclassify._errors import (
    DamagedFileError,
    MissingFileError,
    OptionError,
    PixelError,
    UnreadableFileError,
    UnsupportedFormatError,
)
from mriclassify._model._prediction import Prediction

DIGITS = 12
"""Of SHA-256 in hexadecimal: among a million files, the chance that two have the same is 1 in 500."""

_SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (MissingFileError, "There is no such file."),
    (UnreadableFileError, "The system refused to open or read it."),
    (UnsupportedFormatError, "It is of a kind that is not read, or not an image at all."),
    (DamagedFileError, "It is empty, cut off or broken."),
    (PixelError, "Its pixels can't be a slice: blank, not finite, too small or of another shape."),
    (OptionError, "It has no slice of that number."),
)


def anonymous_name(source: str | os.PathLike[str], *, number: int, index: int | None = None) -> str:
    """Return the first digits of SHA-256 of the file's content, as `sha256sum` prints them.

    Args:
        source: a path.
        number: place in the input, from 1; a file that can't be read is called by it.
        index: of the slice, if one was asked for by number.
    """
    digest = _digest(Path(source))
    if digest is None:
        return f"input-{number}"
    return digest[:DIGITS] if index is None else f"{digest[:DIGITS]}-slice-{index}"


def _digest(path: Path) -> str | None:
    try:
        if not path.is_file():  # a pipe would never end
            return None
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # ValueError: a null byte; what is wrong with it says the reason
        return None


def anonymous(answer: Prediction, name: str, *, error: Exception | None) -> Prediction:
    """Return an answer that does not say which file it is about.

    Args:
        answer: of a file.
        name: what it shall be called.
        error: why it could not be read. Its message names the file, and perhaps others beside it or within it, so that
            a sentence for each kind of error stands instead. The reasons of files that were read name none.
    """
    if error is None:
        return replace(answer, source=name)
    sentence = next((text for kind, text in _SENTENCES if isinstance(error, kind)), "It can't be read as a slice.")
    return replace(answer, source=name, reasons=(sentence,))
