"""Locating: what a user calls weights (a name, a file, a folder) becomes one file on this machine."""

import os
from pathlib import Path

from mriclassify._errors import UnknownWeightsError
from mriclassify._weights._cache import fetch
from mriclassify._weights._registry import WeightsRecord, find, is_known, packaged_path

SUFFIX = ".safetensors"


def locate(weights: str | os.PathLike[str]) -> Path:
    """Return the file for a name in the registry (downloaded and verified if need be), or for a path.

    Names win over paths: write "./default" for a folder of that name.

    Raises:
        UnknownWeightsError: no such file or name; or a folder without, or with several, files of weights.
        DownloadError, ChecksumError, CacheError: the weights can't be fetched.
    """
    # Names first: a folder called "default" in the current one must not take the place of verified weights.
    if isinstance(weights, str) and is_known(weights):
        return file_of(find(weights))
    path = Path(weights)
    if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises OSError for a name that is too long
        return path
    if os.path.isdir(path):  # noqa: PTH112
        return _only_file(path)
    if isinstance(weights, os.PathLike) or path.suffix == SUFFIX or len(path.parts) > 1:
        raise UnknownWeightsError(f"no file of weights lies at {path}: expected one that clf.save() wrote, or a name")
    return file_of(find(str(weights)))


def file_of(record: WeightsRecord) -> Path:
    """Return the file of published weights: in the package, or in the cache after a verified download."""
    if record.packaged:
        return packaged_path(record)
    return fetch(file=record.file, sha256=record.sha256, size=record.size, urls=record.urls)


def _only_file(folder: Path) -> Path:
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise UnknownWeightsError(f"{folder} must hold one {SUFFIX} file; it has: {names}. Pass the file itself")
    return files[0]
