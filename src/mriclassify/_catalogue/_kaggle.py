"""Kaggle's sets, through Kaggle's own client: it knows the accounts, and resumes by itself."""

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from mriclassify._catalogue._entries import CatalogueEntry
from mriclassify._environment import progress_hidden
from mriclassify._errors import CacheError, ChecksumError, DownloadError, MissingExtraError

TOKEN = (
    "Kaggle asks for an account: make one, press 'Generate New Token' at https://www.kaggle.com/settings/api, and "
    "put the token into the environment variable KAGGLE_API_TOKEN or the file ~/.kaggle/access_token "
    "(an older kaggle.json belongs in ~/.kaggle/)."
)
"""What to do where Kaggle refuses."""

logger = logging.getLogger("mriclassify")


def fetch_from_kaggle(entry: CatalogueEntry, folder: Path, *, progress: bool | None) -> None:
    """Let kagglehub fetch and unpack a set into its own cache, and bring its files into `folder`.

    Files are linked where cache and folder share a disk, so that they take no room twice; else copied.

    Raises:
        DownloadError: Kaggle did not deliver, or wants an account; the message says how to get a token.
        ChecksumError: what came is not what Kaggle said it would send.
        CacheError: kagglehub's cache or `folder` can't be written.
        MissingExtraError: kagglehub is not installed.
    """
    with _quiet(progress):
        cached = _fetch(entry, _import_kagglehub())
    try:
        shutil.copytree(cached, folder, copy_function=_link_or_copy, dirs_exist_ok=True)
    except OSError as error:
        raise CacheError(f"{folder} can't be written: {error}. Make room, or choose another folder.") from error


def _fetch(entry: CatalogueEntry, kagglehub: Any) -> Path:
    from kagglehub.exceptions import (
        BackendError,
        CredentialError,
        DataCorruptionError,
        KaggleApiHTTPError,
        UnauthenticatedError,
    )
    from requests import RequestException

    what = f"Kaggle did not deliver {entry.handle}"
    try:
        return Path(kagglehub.dataset_download(entry.handle))
    except KaggleApiHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        hint = f" {TOKEN}" if status in (401, 403) else ""
        raise DownloadError(f"{what}: {error}{hint}") from error
    except (UnauthenticatedError, CredentialError) as error:
        raise DownloadError(f"{what}: {error}. {TOKEN}") from error
    except DataCorruptionError as error:
        raise ChecksumError(f"{what} whole: {error}. Try again.") from error
    except (BackendError, RequestException) as error:
        raise DownloadError(f"{what}: {type(error).__name__}: {error}") from error
    except OSError as error:
        raise CacheError(
            f"kagglehub's cache can't be used: {error}. Let KAGGLEHUB_CACHE name a folder that can be written."
        ) from error
    except ValueError as error:
        # of its credentials file, or of an archive that is none
        raise DownloadError(f"{what}: {error}") from error


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def _quiet(progress: bool | None) -> Iterator[None]:
    """Keep kagglehub off stdout, where programs read our answers, and its bar away where none is wanted."""
    hidden = progress_hidden() or not sys.stderr.isatty() if progress is None else not progress
    log = logging.getLogger("kagglehub")
    level = log.level
    with redirect_stdout(sys.stderr), Path(os.devnull).open("w") as nowhere:
        log.setLevel(logging.ERROR)
        try:
            with redirect_stderr(nowhere if hidden else sys.stderr):
                yield
        finally:
            log.setLevel(level)


def _import_kagglehub() -> Any:
    try:
        import kagglehub
    except ImportError as error:
        raise MissingExtraError(
            "Kaggle's sets are fetched with kagglehub: pip install 'mriclassify[datasets]'. "
            "By hand: download the archive in a browser, unpack it, and pass the folder as root."
        ) from error
    return kagglehub
