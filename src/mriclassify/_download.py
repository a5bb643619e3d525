"""Bytes over HTTP: a URL becomes a `.part` file, resumed where it was cut off; a list of files becomes JSON.

Whether they are the right bytes is not decided here: the caller checks what the host published of them.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from tqdm.auto import tqdm

from mriclassify._environment import progress_hidden
from mriclassify._errors import ChecksumError, DownloadError
from mriclassify._version import __version__

TRIES = 3
"""Of one URL, in a row, without a single byte gained."""

WAIT_SECONDS = 0.5
"""Before the second try; twice as long before each further one."""

TIMEOUT_SECONDS = (10.0, 30.0)
"""To connect, and between two pieces of the answer."""

CHUNK = 64 * 1024
"""Bytes; as much may be lost when a connection breaks."""

MAX_LISTING = 10_000_000
"""Bytes of a list of files; Mendeley's lists 200 in 100 kB."""

RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

logger = logging.getLogger("mriclassify")

T = TypeVar("T")


class _CutOffError(DownloadError):
    """The source failed in a way that may pass: worth another try."""


def download(url: str, part: Path, *, size: int | None, progress: bool | None = None) -> None:
    """Make `part` hold what lies at the URL; bytes that it holds already are not asked for again.

    Args:
        url: http:// or https://; redirects are followed, and the proxy settings of the environment honoured.
        part: the file to write; left for a later call to go on with where the source fails half-way.
        size: bytes that the whole file has; None where that is not published, and the source has to say.
        progress: whether to show a bar on stderr; None shows it on a terminal, unless MRICLASSIFY_PROGRESS=0.

    Raises:
        DownloadError: the source did not deliver, after as many tries as made sense.
        ChecksumError: what the source has is of another length.
        OSError: `part` can't be written.
    """

    def gained() -> int:
        return part.stat().st_size if part.exists() else 0

    _try_again(url, lambda: _receive(url, part, size=size, progress=progress), gained=gained)


def read_json(url: str) -> Any:
    """Return what a URL says in JSON.

    Raises:
        DownloadError: it did not answer, or not with JSON.
    """

    def receive() -> bytes:
        with _answer(url, start=0) as response:
            if response.status_code != 200:
                raise _refused(response)
            body = b""
            for chunk in response.iter_content(CHUNK):
                body += chunk
                if len(body) > MAX_LISTING:
                    raise DownloadError(f"sends more than {MAX_LISTING:,} bytes, where a list of files was expected")
            return body

    try:
        return json.loads(_try_again(url, receive, gained=lambda: 0))
    except ValueError as error:
        raise DownloadError(f"{without_password(url)} answered, but not with JSON: {error}") from error


def without_password(url: str) -> str:
    """Return the URL as it may be shown in a message or a log: without `user:password@`."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _try_again(url: str, receive: Callable[[], T], *, gained: Callable[[], int]) -> T:
    """Call `receive` until it is through, or failed `TRIES` times without gaining a byte."""
    attempt, before = 1, gained()
    while True:
        try:
            return receive()
        except _CutOffError as error:
            now = gained()
            attempt, before = (2 if now > before else attempt + 1), now
            if attempt > TRIES:
                raise DownloadError(f"{error} (tried {TRIES} times)") from error
            logger.info("%s: %s; trying again", without_password(url), error)
            time.sleep(WAIT_SECONDS * 2 ** (attempt - 2))


def _receive(url: str, part: Path, *, size: int | None, progress: bool | None) -> None:
    """Try once: ask for what is missing, and append what comes."""
    start = _usable_bytes(part, size=size)
    if start == size:
        return
    with _answer(url, start=start) as response:
        start, whole = _extent(response, part, start=start, size=size)
        _write(response, part, start=start, size=whole, progress=progress)
    received = part.stat().st_size
    if whole is not None and received < whole:
        raise _CutOffError(f"ended after {received:,} of {whole:,} bytes")


def _usable_bytes(part: Path, *, size: int | None) -> int:
    if not part.exists():
        return 0
    if size is not None and part.stat().st_size > size:
        part.unlink()
        return 0
    return part.stat().st_size


@contextmanager
def _answer(url: str, *, start: int) -> Iterator[Any]:
    """Yield the response, and put what goes wrong while it is read into our words."""
    # these take 0.1 s, and are not needed where the set is there already
    import requests
    from requests.exceptions import (
        InvalidSchema,
        InvalidURL,
        MissingSchema,
        RequestException,
        SSLError,
        TooManyRedirects,
    )

    # identity: ranges count the bytes that travel, and compressed ones would not be those of the file.
    # The hosts refuse clients that do not say who they are.
    headers = {"Accept-Encoding": "identity", "User-Agent": f"mriclassify/{__version__}"}
    headers |= {"Range": f"bytes={start}-"} if start else {}
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


def _extent(response: Any, part: Path, *, start: int, size: int | None) -> tuple[int, int | None]:
    """Return which byte of the file the answer begins with, and how many the file has, if that is known.

    The first is `start`, or 0 from servers without ranges.
    """
    status = response.status_code
    if status == 200:
        return 0, _stated_length(response, size=size)
    if status == 206:
        return start, _stated_range(response, part, start=start, size=size)
    if status == 416:
        part.unlink(missing_ok=True)
        raise _CutOffError("416: has no such range, so from the beginning")
    raise _refused(response)


def _refused(response: Any) -> DownloadError:
    """The error for an answer that is neither the file nor a part of it."""
    status = response.status_code
    message = f"{status} {response.reason}"
    return _CutOffError(message) if status >= 500 or status in (408, 429) else DownloadError(message)


def _stated_length(response: Any, *, size: int | None) -> int | None:
    stated = response.headers.get("Content-Length", "")
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    if is_page and size is None:
        raise DownloadError("it is a web page, perhaps a network's log-in page, where a file was expected")
    if "Content-Encoding" in response.headers or not stated.isdigit():
        return size
    if size is not None and int(stated) != size:
        hint = ": it is a web page, perhaps a network's log-in page" if is_page else ""
        raise ChecksumError(f"has {int(stated):,} bytes, where the published file has {size:,}{hint}")
    return int(stated)


def _stated_range(response: Any, part: Path, *, start: int, size: int | None) -> int | None:
    match = RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != start:
        part.unlink(missing_ok=True)
        raise _CutOffError("answered with another range than was asked for, so from the beginning")
    if match[2] == "*":
        return size
    if size is not None and int(match[2]) != size:
        raise ChecksumError(f"has {int(match[2]):,} bytes, where the published file has {size:,}")
    return int(match[2])


def _write(response: Any, part: Path, *, start: int, size: int | None, progress: bool | None) -> None:
    received = start
    with (
        part.open("ab" if start else "wb") as file,
        _bar(part, start=start, size=size, progress=progress) as bar,
    ):
        for chunk in response.iter_content(CHUNK):
            received += len(chunk)
            if size is not None and received > size:
                break
            file.write(chunk)
            bar.update(len(chunk))
    if size is not None and received > size:
        part.unlink()
        raise ChecksumError(f"sends more than the {size:,} bytes that the published file has")


def _bar(part: Path, *, start: int, size: int | None, progress: bool | None) -> Any:
    by_default = progress_hidden()
    disable = by_default if progress is None else not progress
    return tqdm(total=size, initial=start, desc=part.stem, unit="B", unit_scale=True, disable=disable)
