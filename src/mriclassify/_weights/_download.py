"""Bytes over HTTP: a URL becomes a `.part` file of the published length, resumed where it was cut off.

Whether they are the right bytes is not decided here: the cache checks the sha256.
"""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tqdm.auto import tqdm

from mriclassify._environment import progress_hidden
from mriclassify._errors import ChecksumError, DownloadError

TRIES = 3
"""Of one URL, before the next is tried."""

WAIT_SECONDS = 0.5
"""Before the second try; twice as long before each further one."""

TIMEOUT_SECONDS = (10.0, 30.0)
"""To connect, and between two pieces of the answer."""

CHUNK = 64 * 1024
"""Bytes; as much may be lost when a connection breaks."""

RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

logger = logging.getLogger("mriclassify")


class _CutOffError(DownloadError):
    """The source failed in a way that may pass: worth another try."""


def download(url: str, part: Path, *, size: int, progress: bool | None = None) -> None:
    """Make `part` hold `size` bytes from the URL; bytes that it holds already are not asked for again.

    Args:
        url: http:// or https://; redirects are followed, and the proxy settings of the environment honoured.
        part: the file to write; left for a later call to go on with where the source fails half-way.
        size: bytes that the whole file has.
        progress: whether to show a bar on stderr; None shows it on a terminal, unless MRICLASSIFY_PROGRESS=0.

    Raises:
        DownloadError: the source did not deliver, after as many tries as made sense.
        ChecksumError: what the source has is of another length.
        OSError: `part` can't be written.

    """
    for attempt in range(1, TRIES + 1):
        try:
            _receive(url, part, size=size, progress=progress)
            return
        except _CutOffError as error:
            if attempt == TRIES:
                raise DownloadError(f"{error} (tried {TRIES} times)") from error
            logger.info("%s: %s; trying again", without_password(url), error)
            time.sleep(WAIT_SECONDS * 2 ** (attempt - 1))


def without_password(url: str) -> str:
    """Return the URL as it may be shown in a message or a log: without `user:password@`."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _receive(url: str, part: Path, *, size: int, progress: bool | None) -> None:
    """Try once: ask for what is missing, and append what comes."""
    start = _usable_bytes(part, size=size)
    if start == size:
        return
    with _answer(url, start=start) as response:
        start = _first_byte(response, part, start=start, size=size)
        _write(response, part, start=start, size=size, progress=progress)
    received = part.stat().st_size
    if received < size:
        raise _CutOffError(f"ended after {received:,} of {size:,} bytes")


def _usable_bytes(part: Path, *, size: int) -> int:
    if not part.exists():
        return 0
    if part.stat().st_size > size:
        part.unlink()
        return 0
    return part.stat().st_size


@contextmanager
def _answer(url: str, *, start: int) -> Iterator[Any]:
    """Yield the response, and put what goes wrong while it is read into our words."""
    # these take 0.1 s, and are not needed where the file is in the cache already
    import requests
    from requests.exceptions import (
        InvalidSchema,
        InvalidURL,
        MissingSchema,
        RequestException,
        SSLError,
        TooManyRedirects,
    )

    # identity: ranges count the bytes that travel, and compressed ones would not be those of the file
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
            yield response
    except SSLError as error:
        hint = "behind a proxy that opens TLS, let REQUESTS_CA_BUNDLE name the file with its certificate"
        raise DownloadError(f"its certificate was refused ({hint}): {error}") from error
    except (TooManyRedirects, MissingSchema, InvalidSchema, InvalidURL) as error:
        # about the URL, or one that it was redirected to: no use in asking again
        raise DownloadError(f"{type(error).__name__}: {error}") from error
    except RequestException as error:
        raise _CutOffError(f"{type(error).__name__}: {error}") from error


def _first_byte(response: Any, part: Path, *, start: int, size: int) -> int:
    """Return which byte of the file the answer begins with: `start`, or 0 from servers without ranges."""
    status = response.status_code
    if status == 200:
        _check_length(response, size=size)
        return 0
    if status == 206:
        return _check_range(response, part, start=start, size=size)
    if status == 416:
        part.unlink(missing_ok=True)
        raise _CutOffError("416: has no such range, so from the beginning")
    message = f"{status} {response.reason}"
    raise _CutOffError(message) if status >= 500 or status in (408, 429) else DownloadError(message)


def _check_length(response: Any, *, size: int) -> None:
    stated = response.headers.get("Content-Length", "")
    if "Content-Encoding" in response.headers or not stated.isdigit() or int(stated) == size:
        return
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    hint = ": it is a web page, perhaps a network's log-in page" if is_page else ""
    raise ChecksumError(f"has {int(stated):,} bytes, where the published file has {size:,}{hint}")


def _check_range(response: Any, part: Path, *, start: int, size: int) -> int:
    match = RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != start:
        part.unlink(missing_ok=True)
        raise _CutOffError("answered with another range than was asked for, so from the beginning")
    if match[2] not in ("*", str(size)):
        raise ChecksumError(f"has {int(match[2]):,} bytes, where the published file has {size:,}")
    return start


def _write(response: Any, part: Path, *, start: int, size: int, progress: bool | None) -> None:
    received = start
    with (
        part.open("ab" if start else "wb") as file,
        _bar(part, start=start, size=size, progress=progress) as bar,
    ):
        for chunk in response.iter_content(CHUNK):
            received += len(chunk)
            if received > size:
                break
            file.write(chunk)
            bar.update(len(chunk))
    if received > size:
        part.unlink()
        raise ChecksumError(f"sends more than the {size:,} bytes that the published file has")


def _bar(part: Path, *, start: int, size: int, progress: bool | None) -> Any:
    by_default = progress_hidden()
    disable = by_default if progress is None else not progress
    return tqdm(total=size, initial=start, desc=part.stem, unit="B", unit_scale=True, disable=disable)
