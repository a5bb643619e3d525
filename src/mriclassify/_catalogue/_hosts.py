"""figshare and Mendeley: their files, fetched, resumed, and compared with the checksums that the host gives."""

import logging
from pathlib import Path, PurePath
from typing import Any

from mriclassify._catalogue._entries import CatalogueEntry, RemoteFile
from mriclassify._catalogue._unpacking import require_space
from mriclassify._download import download, read_json, without_password
from mriclassify._errors import ChecksumError, DownloadError

logger = logging.getLogger("mriclassify")


def fetch_files(entry: CatalogueEntry, folder: Path, *, progress: bool | None) -> list[Path]:
    """Fetch the files of a set into `folder`; those that lie there whole, or in part, are not fetched again.

    Raises:
        DownloadError: the host did not deliver.
        ChecksumError: it delivered something else than it published.
        CacheError: the disk is too full.
        OSError: `folder` can't be written.
    """
    files = remote_files(entry)
    # Twice: the archives and what comes out of them are there together for a moment.
    require_space(folder, 2 * sum(file.size or 0 for file in files))
    return [_fetch(file, folder / file.name, progress=progress) for file in files]


def remote_files(entry: CatalogueEntry) -> tuple[RemoteFile, ...]:
    """Return what there is to fetch: the archives that the host lists now, with checksums; else the entry's own."""
    if entry.listing is None:
        return entry.files
    try:
        listed = [_read_file(item) for item in _items(read_json(entry.listing))]
    except DownloadError as error:
        logger.warning("%s lists no checksums for %s: %s", entry.route, entry.name, error)
        listed = []
    archives = tuple(file for file in listed if file is not None and file.name.lower().endswith(".zip"))
    return archives or entry.files


def matches(path: Path, checksum: str) -> bool:
    """Whether a file has a checksum, `md5:...` or `sha256:...`."""
    import pooch  # takes a while, and most calls need none

    algorithm, _, expected = checksum.partition(":")
    return str(pooch.file_hash(str(path), alg=algorithm)) == expected.lower()


def _fetch(file: RemoteFile, target: Path, *, progress: bool | None) -> Path:
    if target.is_file() and (file.checksum is None or matches(target, file.checksum)):
        return target
    part = target.with_name(f"{target.name}.part")
    resumed = part.exists()
    try:
        download(file.url, part, size=file.size, progress=progress)
        if resumed and not _is_right(part, file):
            # The first bytes may be another day's: the host gets a chance of its own.
            part.unlink()
            download(file.url, part, size=file.size, progress=progress)
    except (DownloadError, ChecksumError) as error:
        kind = ChecksumError if isinstance(error, ChecksumError) else DownloadError
        raise kind(f"{file.name} could not be fetched from {without_password(file.url)}: {error}") from error
    if not _is_right(part, file):
        part.unlink()
        raise ChecksumError(
            f"{without_password(file.url)} delivered another file than was published as {file.name}: "
            f"its checksum should be {file.checksum}. Nothing of it was kept."
        )
    return part.replace(target)


def _is_right(part: Path, file: RemoteFile) -> bool:
    return file.checksum is None or matches(part, file.checksum)


def _items(listing: Any) -> list[Any]:
    """The files of Mendeley's answer: a list, or an object that has one."""
    items = listing.get("files") if isinstance(listing, dict) else listing
    if not isinstance(items, list):
        raise DownloadError("its list of files is not a list")
    return items


def _read_file(item: Any) -> RemoteFile | None:
    """One file of Mendeley's list; None for what is not as expected."""
    details = item.get("content_details") if isinstance(item, dict) else None
    if not isinstance(details, dict):
        return None
    name, url, sha256, size = (
        item.get("filename"),
        details.get("download_url"),
        details.get("sha256_hash"),
        details.get("size", item.get("size")),
    )
    if not isinstance(name, str) or PurePath(name).name != name or "\\" in name or not isinstance(url, str):
        return None
    return RemoteFile(
        name=name,
        url=url,
        size=size if isinstance(size, int) and size > 0 else None,
        checksum=f"sha256:{sha256}" if isinstance(sha256, str) and len(sha256) == 64 else None,
    )
