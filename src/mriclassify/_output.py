"""Output: a file is whole under its name, or not there at all."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from mriclassify._errors import OutputError

if TYPE_CHECKING:
    import torch


def make_folder(folder: Path, what: str) -> None:
    """Make the folder of a `what` ("report", "run"), before work is done that could not be kept.

    Raises:
        OutputError: it can't be made, or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(
            f"a {what} needs a folder, but {folder}, or a part of that path, is a file: choose another path"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{folder} can't be the folder of a {what}: {error.strerror or error}. Choose another"
        ) from error


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside `path` to write to; when the block ends well it is moved to `path`, else removed.

    Missing folders are made. The move is atomic, so that a reader, or a run killed at any moment, finds the old
    file or the new one, never a half.

    Raises:
        OutputError: the folder or the file can't be written.
    """
    target = Path(path)
    # A name for this block alone: threads, processes and other machines may be writing the same file.
    part = target.parent / f".{target.name[:40]}.{token_hex(8)}.part"
    try:
        _refuse_other_kinds(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{target} can't be written: {error.strerror or error}. Choose another place, or make room or rights there."
        ) from error
    finally:
        # Missing after a move; and where the folder itself is no folder, nothing was left behind.
        with suppress(OSError, ValueError):
            part.unlink()


def _refuse_other_kinds(target: Path) -> None:
    if "\0" in str(target):
        raise OutputError(f"{str(target)!r} can't be written: no path can have a null byte.")
    if target.is_dir():
        raise OutputError(f"{target} is a folder: expected the name of a file to write.")
    if target.exists() and not target.is_file():
        # Moving a file over a device or a pipe would take it away from everybody: /dev/null, say.
        raise OutputError(f"{target} is a device or pipe: expected the name of a file to write.")


def write_tensors(
    path: str | os.PathLike[str], tensors: "Mapping[str, torch.Tensor]", *, metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file, whole or not at all.

    Raises:
        OutputError: the folder or the file can't be written.
    """
    from safetensors import SafetensorError  # its torch part imports torch, which tables do without
    from safetensors.torch import save_file

    with whole_file(path) as part:
        part.touch()
        rights = part.stat().st_mode
        try:
            save_file(dict(tensors), part, metadata=dict(metadata))
        except SafetensorError as error:
            # A full disk, say: safetensors does not raise OSError for it.
            raise OSError(str(error)) from error
        # It leaves the file to its owner alone, whatever the umask says.
        part.chmod(rights)
