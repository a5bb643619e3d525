"""A set comes onto this machine: fetched, checked, unpacked beside its place, and moved there whole.

there already ───────────────────────────────────────────────────────────> folder, without network
lock ── archives that lie there, or the host's ── unpack ── count ── move ──> folder
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from mriclassify._catalogue._entries import CatalogueEntry
from mriclassify._catalogue._finding import absolute, check, find, usual_root
from mriclassify._catalogue._hosts import fetch_files, matches
from mriclassify._catalogue._kaggle import fetch_from_kaggle
from mriclassify._catalogue._unpacking import member_names, unpack
from mriclassify._environment import offline
from mriclassify._errors import (
    CacheError,
    ChecksumError,
    DatasetError,
    DownloadError,
    MriClassifyError,
    OfflineError,
)
from mriclassify._labels import simplify

logger = logging.getLogger("mriclassify")


def download(
    entry: CatalogueEntry, root: str | os.PathLike[str] | None = None, *, progress: bool | None = None
) -> Path:
    """Return the folder of a set below `root`, where it is fetched to if it is not there yet.

    A download that was cut off goes on where it ended. Archives of the set that lie in `root`, fetched by hand, are
    unpacked, and no network is needed. Of several processes that ask at once, one downloads.

    Args:
        entry: the set.
        root: where sets are kept; the set gets a folder of its name there. None for `usual_root()`.
        progress: whether to show a bar; None shows one on a terminal, unless MRICLASSIFY_PROGRESS=0.

    Raises:
        OfflineError: it is not there, and MRICLASSIFY_OFFLINE or HF_HUB_OFFLINE is on.
        DownloadError: the host did not deliver, or wants an account; the message has the way by hand.
        ChecksumError: it delivered something else than it published.
        DamagedFileError: an archive is cut off.
        DatasetError: a part of the set lies there already, or the archives hold something else.
        CacheError: `root` can't be written, or the disk is too full.
        MissingExtraError: the set is one of Kaggle's, and kagglehub is not installed.
    """
    root = usual_root() if root is None else absolute(root)
    with _usable(root):
        found = _found(entry, root)
        if found is not None:
            return found
        target = _target(entry, root)
    with _locked(target):
        # another process may have fetched it while this one waited
        return _found(entry, root) or _bring(entry, root, target, progress=progress)


def archives_at(entry: CatalogueEntry, folder: Path) -> list[Path]:
    """Return the archives of a set that lie in a folder, known by what they hold; none if some are missing."""
    zips = sorted(folder.glob("*.zip"))
    if entry.folders:
        return next(([path] for path in zips if _holds_classes(entry, path)), [])
    wanted = [folder / file.name for file in entry.files if file.name.endswith(".zip")]
    if wanted and all(path.is_file() for path in wanted):
        return wanted
    names = {path.name for path in wanted}
    return next(([path] for path in zips if names <= {name.name for name in member_names(path)}), [])


def _bring(entry: CatalogueEntry, root: Path, target: Path, *, progress: bool | None) -> Path:
    # What was fetched stays there after a failure, for the next call to go on with; what was unpacked does not.
    work = _beside(target, ".download")
    unpacked = work / "unpacked"
    try:
        with _usable(target.parent):
            shutil.rmtree(unpacked, ignore_errors=True)
            work.mkdir(exist_ok=True)
            _fill(entry, root, work, unpacked, progress=progress)
            found = _checked(entry, unpacked)
            if target.is_dir():
                target.rmdir()
            unpacked.replace(target)
    except BaseException:
        shutil.rmtree(unpacked, ignore_errors=True)
        if not any(work.glob("*")):
            shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)
    return target / found.relative_to(unpacked)


def _fill(entry: CatalogueEntry, root: Path, work: Path, unpacked: Path, *, progress: bool | None) -> None:
    """Fill `unpacked` with the files of the set, from archives that lie in `root` or from its host."""
    by_hand = archives_at(entry, root)
    if by_hand:
        logger.info("unpacking %s", ", ".join(map(str, by_hand)))
        _refuse_wrong(entry, by_hand)
        loose = [root / file.name for file in entry.files if not file.name.endswith(".zip")]
        files = by_hand + [path for path in loose if path.is_file()]
    elif offline():
        raise OfflineError(
            f"the set {entry.name} is not at {root}, and downloads are switched off by MRICLASSIFY_OFFLINE or "
            f"HF_HUB_OFFLINE. {_by_hand(entry, root)}"
        )
    else:
        logger.info("fetching %s from %s", entry.name, entry.url)
        with _way_by_hand(entry, root):
            if entry.route == "kaggle":
                fetch_from_kaggle(entry, unpacked, progress=progress)
                return
            files = fetch_files(entry, work, progress=progress)
    unpacked.mkdir(exist_ok=True)
    for file in files:
        if file.suffix.lower() == ".zip":
            unpack(file, unpacked)
        else:
            shutil.copyfile(file, unpacked / file.name)


def _checked(entry: CatalogueEntry, unpacked: Path) -> Path:
    """The folder of the set in what was unpacked."""
    found = find(entry, unpacked)
    if found is None:
        raise DatasetError(
            f"what was unpacked for {entry.name} does not look like it: it has none of its class folders. "
            f"Its publisher may have changed it, see {entry.url}. Nothing of it was kept."
        )
    check(entry, found)
    return found


def _found(entry: CatalogueEntry, root: Path) -> Path | None:
    """The folder of the set if it is there already; half a set is refused."""
    folder = find(entry, root) if root.is_dir() else None
    if folder is not None:
        check(entry, folder)
    return folder


def _target(entry: CatalogueEntry, root: Path) -> Path:
    """Where the set goes: below `root`, or right there where that is a new folder of the set's name."""
    target = root if root.name.casefold() == entry.name and _is_free(root) else root / entry.name
    if not _is_free(target):
        raise DatasetError(
            f"{target} holds something else than the set {entry.name}: move it away, or choose another folder."
        )
    return target


def _is_free(folder: Path) -> bool:
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _refuse_wrong(entry: CatalogueEntry, archives: list[Path]) -> None:
    """Compare archives that were fetched by hand with the published checksums."""
    published = {file.name: file.checksum for file in entry.files}
    for path in archives:
        checksum = published.get(path.name)
        if checksum is not None and not matches(path, checksum):
            raise ChecksumError(
                f"{path} is not the published file, or not whole: its checksum should be {checksum}. Fetch it again."
            )


def _holds_classes(entry: CatalogueEntry, archive: Path) -> bool:
    folders = {simplify(part) for name in member_names(archive) for part in name.parts[:-1]}
    return folders >= {simplify(name) for name in (*entry.folders, *entry.parts)}


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}{suffix}")


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    with _usable(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(_beside(target, ".lock"))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Say what the system has against the folder in our words; our own errors pass."""
    try:
        yield
    except MriClassifyError:
        raise
    except OSError as error:
        raise CacheError(
            f"{folder} can't be used to keep sets: {error}. Choose another folder, or make room or rights there."
        ) from error


@contextmanager
def _way_by_hand(entry: CatalogueEntry, root: Path) -> Iterator[None]:
    """Add to the host's failures what to do without it."""
    try:
        yield
    except ChecksumError as error:
        raise ChecksumError(f"{error} {_by_hand(entry, root)}") from error
    except DownloadError as error:
        raise DownloadError(f"{error} {_by_hand(entry, root)}") from error


def _by_hand(entry: CatalogueEntry, root: Path) -> str:
    account = " (Kaggle may ask for an account)" if entry.may_need_login else ""
    return (
        f"By hand: download the archives from {entry.url}{account} on any machine, lay them in {root} as they are, "
        "and ask again: they are unpacked without network. Or unpack them yourself, and pass that folder as root."
    )
