"""Where a file may come from: mirrors, then its URLs, unless downloads are off; and the way by hand."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

from mriclassify._download import without_password
from mriclassify._environment import offline
from mriclassify._errors import ChecksumError, DownloadError, OfflineError, OptionError, WeightsError


def sources_of(file: str, urls: Sequence[str]) -> tuple[str, ...]:
    """Return the URLs to try, in order: `<mirror>/<file>` for each mirror in MRICLASSIFY_MIRROR, then `urls`.

    Raises:
        OptionError: one of them is not of http or https.

    """
    mirrors = os.environ.get("MRICLASSIFY_MIRROR", "").split()
    for url in (*mirrors, *urls):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            place = "MRICLASSIFY_MIRROR" if url in mirrors else f"the URLs of {file}"
            raise OptionError(f"{place} should begin with https:// or http://; got {without_password(url)!r}")
    from_mirrors = (f"{mirror.rstrip('/')}/{quote(file)}" for mirror in mirrors)
    return tuple(dict.fromkeys([*from_mirrors, *urls]))


def refuse_offline(target: Path, urls: Sequence[str]) -> None:
    """Stop here if MRICLASSIFY_OFFLINE, or HF_HUB_OFFLINE where that is not set, switches downloads off.

    Raises:
        OfflineError: they are; the message has what to do by hand.

    """
    if not offline():
        return
    state = "is in the cache, but is not the published file" if target.exists() else "is not in the cache"
    raise OfflineError(
        f"{target.name} {state}, and downloads are switched off by MRICLASSIFY_OFFLINE or HF_HUB_OFFLINE. "
        f"{_by_hand(target, urls)}"
    )


def all_failed(target: Path, failures: Mapping[str, WeightsError]) -> WeightsError:
    """Return the error that lists what happened at each URL; ChecksumError if one had another file."""
    if not failures:
        return DownloadError(f"{target.name} is not in the cache, and has no URL. {_by_hand(target, ())}")
    lines = "".join(f"\n  {url}: {error}" for url, error in failures.items())
    wrong = any(isinstance(error, ChecksumError) for error in failures.values())
    kind = ChecksumError if wrong else DownloadError
    return kind(f"{target.name} could not be fetched:{lines}\n{_by_hand(target, tuple(failures))}")


def _by_hand(target: Path, urls: Sequence[str]) -> str:
    # the last one: mirrors come first, and may be out of reach elsewhere
    origin = f" from {without_password(urls[-1])}" if urls else ""
    return (
        f"By hand: get the file{origin} on any machine, then run `mriclassify weights import FILE` here, "
        f"or lay it at {target}. MRICLASSIFY_MIRROR can name another place to fetch from."
    )
