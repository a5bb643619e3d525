"""Output: a file is whole under its name, or not there at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mriclassify._errors import OutputError


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside `path` to write to; when the block ends well it is moved to `path`, else removed.

    Missing folders are made. The move is atomic, so that a reader, or a run killed at any moment, finds the old
    file or the new one, never a half.

    Raises:
        OutputError: the folder or the file can't be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise OutputError(
            f"{target} can't be written: {error.strerror or error}. Choose another place, or make room or rights there."
        ) from error
    finally:
        # Missing after a move; and where the folder itself is no folder, nothing was left behind.
        if part.parent.is_dir():
            part.unlink(missing_ok=True)
