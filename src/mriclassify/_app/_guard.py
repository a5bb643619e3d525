"""Guard: which requests reach the page, and what a browser may do with it."""

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from mriclassify._app._uploads import MOST_BYTES, delete_parts, too_large

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""What a browser on this computer calls it."""

ENVELOPE = 1_000_000
"""Bytes that a request of uploads may have beyond the files: names and separators."""

HEADERS = (
    # The page's own scripts are built with eval. Nothing can be asked of, or sent to, another server.
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

UPLOAD = "/gradio_api/upload"
CLOSED = ("/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/deep_link", "/gradio_api/runs", "/openapi.json")
"""What Gradio offers besides the page, and nobody needs here."""


class Guard:
    """Stands before the page: refuses what comes from other sites, or is too large, and clears up after uploads."""

    def __init__(self, app: Application, *, folder: Path, hosts: frozenset[str] | None) -> None:
        """Guard an ASGI application.

        Args:
            app: what is guarded.
            folder: where uploads lie.
            hosts: names by which this computer may be called; None allows any.
        """
        self._app, self._folder, self._hosts = app, folder, hosts
        self._uploading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if refusal := self._refusal(scope):
            await _answer(send, *refusal)
            return
        is_upload = scope["path"].startswith(UPLOAD)
        self._uploading += is_upload
        try:
            await self._app(scope, receive, _with_headers(send))
        finally:
            self._uploading -= is_upload
            if is_upload and not self._uploading:
                delete_parts(self._folder)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if self._hosts is not None and _host(headers.get("host", "")) not in self._hosts:
            # A page of another site whose name was made to lead here (DNS rebinding).
            return 421, "This page is for this computer alone: open it by the address that the terminal shows."
        if scope["method"] not in ("GET", "HEAD") and headers.get("sec-fetch-site") == "cross-site":
            return 403, "Another site may not ask this page."
        if scope["path"].rstrip("/") in CLOSED:
            return 404, "There is nothing here."
        size = headers.get("content-length", "")
        if scope["path"].startswith(UPLOAD) and size.isdecimal() and int(size) > MOST_BYTES + ENVELOPE:
            return 413, too_large(int(size))
        return None


def _host(name: str) -> str:
    """Return a host's name without its port."""
    return name.lower() if name.endswith("]") else name.lower().rpartition(":")[0] or name.lower()


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return send_with_headers


async def _answer(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
