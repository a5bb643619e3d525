"""URLs: fetched only where it is allowed, and never for longer or more than is allowed; nothing secret is said."""

import contextlib
import io
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from mriclassify._errors import MissingFileError, ReadError, UnreadableFileError, UnsupportedFormatError
from mriclassify._reading import Limits, fetch_bytes, name_of, read_slice, read_study

SECRET = "hunter2"
DONE = threading.Event()


def picture() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers by the first word of the path."""

    def do_GET(self) -> None:
        word = self.path.lstrip("/").partition("?")[0]
        if word.startswith("loop"):
            self.redirect(f"/loop?{SECRET}")
        elif word.startswith("hop"):
            left = int(word[3:])
            self.redirect(f"/hop{left - 1}" if left else "/picture")
        elif word == "file":
            self.redirect("file:///etc/passwd")
        elif word == "slow-headers":
            self.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90)
        elif word == "slow-body":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            self.drip(bytes(1000))
        elif word == "endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not DONE.is_set():
                self.wfile.write(bytes(10_000))
        elif word == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")
        elif word == "gzip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx")
        elif word == "nonsense":
            self.wfile.write(b"\0\1\2\3\r\n\r\n")
        elif word.isdigit():
            self.send_error(int(word), SECRET)
        else:
            content = picture()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
        self.close_connection = True

    def redirect(self, target: str) -> None:
        self.wfile.write(
            f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
        )

    def drip(self, content: bytes) -> None:
        for byte in content:
            if DONE.wait(0.05):
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client went away
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MRICLASSIFY_OFFLINE", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server of this machine."""
    DONE.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        DONE.set()
        running.shutdown()


def test_a_url_is_read_where_that_is_allowed(server: str) -> None:
    url = f"{server}/picture"
    assert fetch_bytes(url) == picture()
    assert read_slice(url, allow_url=True).kind == "PNG"
    assert len(read_study(url, allow_url=True)) == 1


@pytest.mark.parametrize("scheme", ["http", "https", "HTTP"])
def test_a_url_is_not_asked_for_otherwise(scheme: str) -> None:
    url = f"{scheme}://user:{SECRET}@nowhere.invalid/scan.png?token={SECRET}#{SECRET}"
    for read in (read_slice, read_study):
        with pytest.raises(UnsupportedFormatError, match=r"nowhere\.invalid/scan\.png is a URL.*allow_url") as caught:
            read(url)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("variable", ["MRICLASSIFY_OFFLINE", "HF_HUB_OFFLINE"])
def test_the_switch_against_downloads_holds(variable: str, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(UnreadableFileError, match="switches downloads off"):
        read_slice(f"{server}/picture", allow_url=True)


def test_five_redirects_are_followed_and_no_more(server: str) -> None:
    assert fetch_bytes(f"{server}/hop4") == picture()
    for path in ("hop5", "loop"):
        with pytest.raises(UnreadableFileError, match="TooManyRedirects"):
            fetch_bytes(f"{server}/{path}")


def test_a_redirect_to_another_scheme_is_refused(server: str) -> None:
    with pytest.raises(UnreadableFileError, match="InvalidSchema"):
        fetch_bytes(f"{server}/file")


@pytest.mark.parametrize("path", ["slow-headers", "slow-body"])
def test_a_source_that_drips_ends_in_time(server: str, path: str) -> None:
    started = time.monotonic()
    with pytest.raises(UnreadableFileError, match=r"was not there (after 0\.4 s|in time)|could not be fetched"):
        fetch_bytes(f"{server}/{path}", timeout=0.4)
    assert time.monotonic() - started < 1.5


def test_a_source_without_end_is_cut_at_the_limit(server: str) -> None:
    with pytest.raises(UnsupportedFormatError, match="more than the 100,000 bytes"):
        fetch_bytes(f"{server}/endless", max_bytes=100_000)
    with pytest.raises(UnsupportedFormatError, match="more than the 9 bytes"):
        read_study(f"{server}/picture", allow_url=True, limits=Limits(download_bytes=9))


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("404", MissingFileError),
        ("410", MissingFileError),
        ("403", UnreadableFileError),
        ("500", UnreadableFileError),
        ("cut", UnreadableFileError),
        ("nonsense", UnreadableFileError),
        ("gzip", UnsupportedFormatError),
    ],
)
def test_a_server_that_does_not_deliver(server: str, path: str, error: type[ReadError]) -> None:
    with pytest.raises(error, match=path if path.isdigit() else None) as caught:
        fetch_bytes(f"{server}/{path}?token={SECRET}")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["http://", "http://[", "http://127.0.0.1:1/x", "http://127.0.0.1:99999/", "http://\0"])
def test_an_address_that_leads_nowhere(url: str) -> None:
    with pytest.raises(ReadError):
        fetch_bytes(url, timeout=5)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "x.png"])
def test_other_schemes_are_no_urls(url: str) -> None:
    with pytest.raises(ReadError):
        fetch_bytes(url, timeout=5)
    with pytest.raises(MissingFileError):
        read_slice(url, allow_url=True)


def test_the_name_of_a_url_holds_nothing_secret() -> None:
    assert name_of(f"https://me:{SECRET}@host:8/a/b.dcm?x={SECRET}#{SECRET}") == "https://host:8/a/b.dcm"
    assert name_of(f"http://[broken@{SECRET}") == "http://..."
