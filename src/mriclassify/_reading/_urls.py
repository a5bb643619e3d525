"""A URL becomes bytes: only when the caller allows it, and within limits on size and time."""

import threading
import time
from typing import Any

from mriclassify._environment import offline
from mriclassify._errors import MissingFileError, ReadError, UnreadableFileError, UnsupportedFormatError
from mriclassify._reading._sources import name_of

MAX_BYTES = 200_000_000

TIMEOUT_SECONDS = 30.0
"""From the first word to the last byte."""

MAX_REDIRECTS = 5

_CHUNK = 2**13
"""Bytes between two looks at the clock: few, so that a slow source is noticed."""


def check_allowed(name: str, *, allow_url: bool) -> None:
    """Raise unless a URL may be fetched: the caller has to say so, and downloads must not be switched off."""
    if not allow_url:
        raise UnsupportedFormatError(
            f"{name} is a URL, which is fetched only where the caller says allow_url=True; or download it first."
        )
    if offline():
        raise UnreadableFileError(
            f"{name} can't be fetched: MRICLASSIFY_OFFLINE or HF_HUB_OFFLINE switches downloads off."
        )


def fetch_bytes(url: str, *, max_bytes: int = MAX_BYTES, timeout: float = TIMEOUT_SECONDS) -> bytes:
    """Return what a URL of http or https sends; redirects are followed, to these two only.

    Messages leave out the URL's user, password, query and fragment, and so do those of requests, which are not
    passed on.

    Raises:
        MissingFileError: The server has no such file.
        UnreadableFileError: It can't be reached, refuses, or is not done after `timeout` seconds.
        UnsupportedFormatError: It sends more than `max_bytes`, or is no URL that is fetched.
    """
    name = name_of(url)
    job = _Job(url, name, max_bytes, time.monotonic() + timeout)
    # A name server, or headers that come a byte at a time, can hold up the one who asks for as long as they
    # like: so somebody else asks, who is not waited for.
    thread = threading.Thread(target=job.run, daemon=True, name="mriclassify fetch")
    thread.start()
    thread.join(timeout)
    job.given_up = thread.is_alive()
    if job.error is not None:
        raise job.error from None
    if job.given_up or job.content is None:
        raise _too_slow(name, timeout)
    return job.content


def _too_slow(name: str, timeout: float) -> UnreadableFileError:
    return UnreadableFileError(f"{name} was not there after {timeout:g} s: try again, or download it by other means.")


class _Job:
    """One download, run by a thread of its own; `content` or `error` is set when it ends."""

    def __init__(self, url: str, name: str, max_bytes: int, deadline: float) -> None:
        self.content: bytes | None = None
        self.error: ReadError | None = None
        self.given_up = False
        self._url, self._name, self._max_bytes, self._deadline = url, name, max_bytes, deadline

    def run(self) -> None:
        # requests takes 0.1 s to import, and few sources are URLs.
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        try:
            self.content = self._fetch()
        except ReadError as error:
            self.error = error
        except (RequestException, HTTPError, OSError, ValueError, LookupError) as error:
            # Its words hold the URL as it was given, with what is secret in it.
            self.error = UnreadableFileError(f"{self._name} could not be fetched: {type(error).__name__}.")

    def _fetch(self) -> bytes:
        import requests

        with requests.Session() as session:
            session.max_redirects = MAX_REDIRECTS
            # identity: what comes compressed could unfold to any size.
            answer = session.get(
                self._url,
                stream=True,
                timeout=max(0.001, self._deadline - time.monotonic()),
                headers={"Accept-Encoding": "identity"},
            )
            with answer:
                self._check(answer)
                return self._received(answer)

    def _check(self, answer: Any) -> None:
        status = int(answer.status_code)
        if status in (404, 410):
            raise MissingFileError(f"There is nothing at {self._name} ({status}): check the address.")
        if status != 200:
            raise UnreadableFileError(f"{self._name} could not be fetched: the server answers {status}.")
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnsupportedFormatError(
                f"{self._name} is sent compressed, which was not asked for: download it first."
            )
        stated = answer.headers.get("Content-Length", "")
        if stated.isdigit() and int(stated) > self._max_bytes:
            raise self._too_large()

    def _received(self, answer: Any) -> bytes:
        content = bytearray()
        for piece in answer.iter_content(_CHUNK):
            content += piece
            if len(content) > self._max_bytes:
                raise self._too_large()
            if self.given_up or time.monotonic() > self._deadline:
                raise UnreadableFileError(f"{self._name} was not there in time: download it by other means.")
        return bytes(content)

    def _too_large(self) -> UnsupportedFormatError:
        return UnsupportedFormatError(f"{self._name} has more than the {self._max_bytes:,} bytes that are fetched.")
