"""The folder of fetched files: a name and a sha256 become a path, and the bytes there are the published ones.

    fetch ── cached and right ───────────────────────────────────────> path, without network
       └──── lock ── mirrors, then URLs ── .part ── sha256 ── move ──> path

Nothing else ever writes under a final name, and sixteen processes that ask at once fetch once.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pooch
from filelock import FileLock, Timeout

from mriclassify._download import download, without_password
from mriclassify._environment import cache_home
from mriclassify._errors import (
    CacheError,
    ChecksumError,
    DownloadError,
    OptionError,
    UnknownWeightsError,
    WeightsError,
)
from mriclassify._weights._sources import all_failed, refuse_offline, sources_of

STUCK_SECONDS = 300.0
"""How long to wait for another process whose download does not grow."""

TAG = "CACHEDIR.TAG"
"""Marks a folder made here (https://bford.info/cachedir): backups skip it, and `clear` may empty it."""

TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# Weights that mriclassify fetched; can be fetched again.\n"

logger = logging.getLogger("mriclassify")


@dataclass(frozen=True, kw_only=True)
class Cleared:
    """What `clear` removed: the files, and the bytes that they took."""

    files: tuple[Path, ...]
    freed: int


def cache_folder() -> Path:
    """Return the folder for fetched weights: `$MRICLASSIFY_HOME/weights`, else one in the user's cache.

    Nothing is made; the folder appears with the first file.
    """
    return cache_home() / "weights"


def fetch(
    *,
    file: str,
    sha256: str,
    size: int,
    urls: Sequence[str],
    folder: Path | None = None,
    progress: bool | None = None,
) -> Path:
    """Return the path of a file with that sha256, from the cache or else from the first source that has it.

    Args:
        file: file name, without a folder.
        sha256: of the whole file, hexadecimal.
        size: bytes of the whole file; no source gets to send more.
        urls: where it lies, tried in order after the mirrors that MRICLASSIFY_MIRROR names.
        folder: where it is kept, by default `cache_folder()`.
        progress: whether to show a bar; None shows one on a terminal, unless MRICLASSIFY_PROGRESS=0.

    Raises:
        OfflineError: it is not cached, and MRICLASSIFY_OFFLINE or HF_HUB_OFFLINE is on.
        DownloadError: no source delivered it; the message has each source and the way by hand.
        ChecksumError: the same, and at least one source delivered another file.
        CacheError: the folder can't be written, or another process holds the lock and does nothing.
        OptionError: a URL is not of http or https, or `file` is not a bare name.

    """
    target = _target(file, folder)
    found = cached(file, sha256, target.parent)
    if found is not None:
        return found
    sources = sources_of(file, urls)
    refuse_offline(target, sources)
    with _locked(target):
        # another process may have fetched it while this one waited
        found = cached(file, sha256, target.parent)
        return found or _fetch_from_any(target, sha256=sha256, size=size, sources=sources, progress=progress)


def import_file(path: str | Path, *, file: str, sha256: str, size: int, folder: Path | None = None) -> Path:
    """Copy a file that was fetched by hand into the cache, and return its path there.

    Args:
        path: the file, under whatever name.
        file: the name that it gets in the cache.
        sha256: that it must have, hexadecimal.
        size: bytes that it must have.
        folder: the cache, by default `cache_folder()`.

    Raises:
        UnknownWeightsError: there is no file at `path`.
        ChecksumError: it is not the published file; the cache stays as it was.
        CacheError: the cache can't be written.

    """
    source, target = _absolute(path), _target(file, folder)
    verify(source, sha256=sha256, size=size)
    with _locked(target), _folder_errors(target.parent):
        _place(target, sha256=sha256, source=str(source), bring=_copy)
        _part(target).unlink(missing_ok=True)
    return target


def verify(path: str | Path, *, sha256: str, size: int | None = None) -> Path:
    """Return the path, if the file there has that sha256.

    Raises:
        UnknownWeightsError: there is no file at `path`.
        ChecksumError: it has another sha256, or another size than stated.
        CacheError: it can't be read.

    """
    path = _absolute(path)
    if not _is_file(path):
        raise UnknownWeightsError(f"there is no file at {path}")
    if size is not None and path.stat().st_size != size:
        raise ChecksumError(f"{path} has {path.stat().st_size:,} bytes, where the published file has {size:,}")
    got = _sha256(path)
    if got != sha256.lower():
        raise ChecksumError(
            f"{path} is not the published file: its sha256 should be {sha256.lower()}, got {got}. Fetch it again."
        )
    return path


def cached(file: str, sha256: str, folder: Path | None = None) -> Path | None:
    """Return the path of the file in the cache if it is there with that sha256, else None; no network.

    The sha256 is computed on each call: it takes a tenth of a second for 100 MB, and disks do fail.

    Raises:
        CacheError: a file is there but can't be read.

    """
    target = _target(file, folder)
    if not _is_file(target):
        return None
    if _sha256(target) != sha256.lower():
        logger.warning("%s does not have the published sha256, and is not used", target)
        return None
    return target


def clear(folder: Path | None = None, file: str | None = None) -> Cleared:
    """Remove one file, or all, from the cache; not to be called while another process downloads.

    Lock files stay: without them two processes could take themselves for the only one.

    Args:
        folder: the cache, by default `cache_folder()`.
        file: which one, with what is there of its download; None for all.

    Raises:
        CacheError: a file can't be removed, or the folder is to be emptied but was not made here.

    """
    folder = _absolute(folder or cache_folder())
    with _folder_errors(folder):
        if file is not None:
            target = _target(file, folder)
            return _remove([target, _part(target)])
        if not folder.is_dir() or not any(folder.iterdir()):
            return Cleared(files=(), freed=0)
        if not (folder / TAG).is_file():
            raise CacheError(
                f"{folder} was not made by mriclassify (it has no {TAG}), so it is not emptied: "
                "it may hold files of yours. Clear weights by name, or delete the folder yourself."
            )
        return _remove([path for path in sorted(folder.iterdir()) if path.name != TAG and path.suffix != ".lock"])


def _fetch_from_any(target: Path, *, sha256: str, size: int, sources: Sequence[str], progress: bool | None) -> Path:
    bring = partial(_bring, part=_part(target), sha256=sha256, size=size, progress=progress)
    failures: dict[str, WeightsError] = {}
    for url in sources:
        shown = without_password(url)
        logger.info("fetching %s from %s", target.name, shown)
        try:
            return _place(target, sha256=sha256, source=url, bring=bring)
        except (DownloadError, ChecksumError) as error:
            logger.warning("could not fetch %s from %s: %s", target.name, shown, error)
            failures[shown] = error
    raise all_failed(target, failures) from next(reversed(failures.values()), None)


def _place(target: Path, *, sha256: str, source: str, bring: Callable[[str, str, object], None]) -> Path:
    """Let pooch bring the bytes into a temporary file, check the sha256, and move it to the target."""
    try:
        with _folder_errors(target.parent), _silent_pooch():
            pooch.retrieve(
                source,
                known_hash=f"sha256:{sha256.lower()}",
                fname=target.name,
                path=target.parent,
                downloader=bring,
            )
    except WeightsError:
        raise
    except ValueError as error:  # pooch's word for a wrong hash
        raise ChecksumError(str(error)) from error
    return target


def _bring(
    url: str,
    output_file: str,
    _pooch: object,
    *,
    part: Path,
    sha256: str,
    size: int,
    progress: bool | None,
) -> None:
    """Download for pooch: into `.part`, which outlives a failure, and then into pooch's file."""
    resumed = part.exists()
    download(url, part, size=size, progress=progress)
    if resumed and _sha256(part) != sha256.lower():
        # The first bytes may be another source's, or another day's: this source gets a chance of its own.
        part.unlink()
        download(url, part, size=size, progress=progress)
    part.replace(output_file)


def _copy(source: str, output_file: str, _pooch: object) -> None:
    shutil.copyfile(source, output_file)


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    with _folder_errors(target.parent):
        _make_folder(target.parent)
        lock = FileLock(f"{target}.lock")
        _acquire(lock, _part(target))
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, part: Path) -> None:
    """Wait for the lock as long as its holder's download grows."""
    seen = _length(part)
    while True:
        try:
            lock.acquire(timeout=STUCK_SECONDS)
            return
        except Timeout as error:
            length = _length(part)
            if length == seen:
                raise CacheError(
                    f"another process has held {lock.lock_file} for {STUCK_SECONDS:.0f} s "
                    "without fetching anything. Wait for it or end it; if there is none, delete that file."
                ) from error
            seen = length


def _make_folder(folder: Path) -> None:
    ours = not folder.is_dir() or not any(folder.iterdir())
    folder.mkdir(parents=True, exist_ok=True)
    if ours:
        (folder / TAG).write_text(TAG_TEXT, encoding="ascii")


def _remove(paths: Sequence[Path]) -> Cleared:
    files = tuple(path for path in paths if path.is_file())
    freed = sum(path.lstat().st_size for path in files)
    for path in files:
        path.unlink()
    return Cleared(files=files, freed=freed)


@contextmanager
def _folder_errors(folder: Path) -> Iterator[None]:
    """Say what the system has against the folder in our words; our own errors pass."""
    try:
        yield
    except WeightsError:
        raise
    except OSError as error:
        raise CacheError(
            f"the cache folder {folder} can't be used: {error}. "
            "Let MRICLASSIFY_HOME name a folder that can be written and has room."
        ) from error


@contextmanager
def _silent_pooch() -> Iterator[None]:
    """Keep pooch from writing to stderr in this thread: our own log says the same, without passwords."""
    thread = threading.get_ident()

    def is_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread

    pooch.get_logger().addFilter(is_elsewhere)
    try:
        yield
    finally:
        pooch.get_logger().removeFilter(is_elsewhere)


def _target(file: str, folder: Path | None) -> Path:
    if not file or file.startswith(".") or Path(file).name != file or "\\" in file:
        raise OptionError(f"file should be a bare file name, got {file!r}")
    return _absolute(folder or cache_folder()) / file


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().absolute()


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise CacheError(f"{path} can't be reached: {error}") from error


def _sha256(path: Path) -> str:
    try:
        return str(pooch.file_hash(str(path), alg="sha256"))
    except OSError as error:
        raise CacheError(f"{path} can't be read: {error}") from error
