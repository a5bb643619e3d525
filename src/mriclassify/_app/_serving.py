"""Serving: from the command line to a page on this computer."""

import ipaddress
import os
import signal
import socket
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hmac import compare_digest
from pathlib import Path
from threading import Event, Thread, Timer
from types import FrameType
from typing import TYPE_CHECKING, Any

from mriclassify._app._desk import Desk
from mriclassify._app._guard import LOOPBACK, Guard
from mriclassify._app._page import build, script, style, theme
from mriclassify._app._uploads import MOST_BYTES, sweep
from mriclassify._errors import MissingExtraError, OptionError, OutputError
from mriclassify._notice import NOTICE

if TYPE_CHECKING:
    from mriclassify._classifier import Classifier

HOST, PORT = "127.0.0.1", 7860
USER = "mri"
"""Whom the password belongs to."""
PASSWORD = "MRICLASSIFY_APP_PASSWORD"
"""The environment variable that may hold it."""
SHORTEST = 12
"""Letters of a password."""
DELAY = 1.0
"""Seconds before a wrong password is refused, so that many can't be tried."""
UNASKED = 600.0
"""Seconds after which an upload is deleted that nobody asked about."""

SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_MCP_SERVER": "False",
    "GRADIO_SSR_MODE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}
"""Of Gradio, before it is imported: it sends nothing, and shares and remembers nothing."""


def require_extra() -> None:
    """Raise unless Gradio is there.

    Raises:
        MissingExtraError: it is not.
    """
    os.environ.update(SETTINGS)
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            'the page needs Gradio, which is not installed: pip install "mriclassify[app]"'
        ) from error


def password_for(host: str, file: Path | None) -> str | None:
    """Return the password that the page asks for, or None where it is for this computer alone and has none.

    Raises:
        OptionError: another computer could reach the page and there is none; it is too short; or the file can't be
            read.
    """
    password = _from_file(file) if file is not None else os.environ.get(PASSWORD, "")
    if password and len(password) < SHORTEST:
        raise OptionError(f"the password must have at least {SHORTEST} letters, not {len(password)}: choose another")
    if not password and file is not None:
        raise OptionError(f"{file} is empty: write a password of at least {SHORTEST} letters into it")
    if not password and not is_loopback(host):
        raise OptionError(
            f"--host {host} lets other computers reach the page, which then needs a password: --password-file FILE, "
            f"or the environment variable {PASSWORD}, with at least {SHORTEST} letters"
        )
    return password or None


def _from_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"the password can't be read from {path}: {error}") from error


def is_loopback(host: str) -> bool:
    """Whether an address is this computer's own.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
        (True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes any that is free.

    Raises:
        OptionError: the port is out of range, or in use; or this computer has no such address.
    """
    if not 0 <= port <= 65535:
        raise OptionError(f"--port must be from 0 to 65535, not {port}")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except socket.gaierror as error:
        raise OptionError(f"--host {host}: this computer has no such address ({error.strerror})") from error
    except OSError as error:
        raise OptionError(
            f"{host}:{port} can't be listened on: {(error.strerror or str(error)).lower()}. Another program, or "
            f"another mriclassify app, may have it: take --port {port + 1 if 0 < port < 65535 else PORT}"
        ) from error


def serve(
    clf: "Classifier", *, host: str = HOST, port: int = PORT, password: str | None = None, browser: bool = False
) -> None:
    """Show the page until Ctrl-C.

    Args:
        clf: what answers.
        host: address to listen on.
        port: 0 takes any that is free.
        password: from `password_for`.
        browser: whether to open it in one.

    Raises:
        MissingExtraError: Gradio is not installed.
        OptionError: the address can't be listened on.
        OutputError: there is no place for uploads.
    """
    require_extra()
    with listening(host, port) as listener, _uploads_folder() as folder:
        application = guarded(Desk(clf, folder=folder), host=host, password=password)
        address = _address(host, listener.getsockname()[1])
        print(f"mriclassify app: {address}  (Ctrl-C ends it)", flush=True)
        if password is not None:
            print(f"user name: {USER}; the password is the one that you set", flush=True)
        print(NOTICE, flush=True)
        if browser:
            Timer(1.0, webbrowser.open, [address]).start()
        _run(application, listener)


def guarded(desk: Desk, *, host: str, password: str | None) -> Guard:
    """Return the page as an ASGI application."""
    import gradio as gr
    from fastapi import FastAPI

    application = gr.mount_gradio_app(
        FastAPI(openapi_url=None),
        build(desk),
        path="/",
        auth=None if password is None else _check(password),
        auth_message=f"{NOTICE} The user name is {USER}.",
        allowed_paths=[],
        max_file_size=MOST_BYTES,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
        css=style(),
        head=script(),
    )
    return Guard(application, folder=desk.folder, hosts=LOOPBACK if is_loopback(host) else None)


def _check(password: str) -> Any:
    async def check(user: str, given: str) -> bool:
        import asyncio

        if user == USER and compare_digest(given.encode(), password.encode()):
            return True
        await asyncio.sleep(DELAY)
        return False

    return check


def _address(host: str, port: int) -> str:
    named = "localhost" if host in ("0.0.0.0", "::") else host
    return f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}"


@contextmanager
def _uploads_folder() -> Iterator[Path]:
    """Yield a folder that nobody else can look into, with what is too old deleted; it is gone at the end."""
    try:
        place = tempfile.TemporaryDirectory(prefix="mriclassify-app-", ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(f"there is no place for uploads: {error}. Set TMPDIR to a folder with room") from error
    ended = Event()
    with place as name:
        folder = Path(name)
        os.environ["GRADIO_TEMP_DIR"] = name
        Thread(target=_keep_clean, args=(folder, ended), daemon=True).start()
        try:
            yield folder
        finally:
            ended.set()


def _keep_clean(folder: Path, ended: Event) -> None:
    while not ended.wait(UNASKED / 10):
        with suppress(OSError):
            sweep(folder, age=UNASKED)


def _run(application: Guard, listener: socket.socket) -> None:
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(application, log_level="warning", server_header=False, timeout_graceful_shutdown=1)
    )
    # A terminated program would leave the folder of uploads; one that is interrupted cleans up.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
