"""A web server on loopback that answers as it is told, and says what it was asked."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server says to one request."""

    body: bytes = b""
    status: int = 200
    cut_after: int | None = None  # bytes that are sent before the connection is closed
    stall_after: int | None = None  # bytes that are sent before the server falls silent, until it is closed
    ranges: bool = True
    states_length: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    wait: float = 0.0  # seconds before anything is sent


@dataclass
class Asked:
    """One request, and how many bytes of body went out."""

    path: str
    range: str | None
    written: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def sent(self) -> int:
        """Bytes of body; asked once the server has done with the request, which may be after the client has."""
        assert self.over.wait(10)
        return self.written


@dataclass
class Server:
    """Each request takes the next answer of its path; the last answer is given again and again."""

    address: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def offer(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return f"{self.address}{path}"

    def next_answer(self, path: str) -> Answer:
        answers = self.answers.get(path, [Answer(status=404)])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def make_handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = Asked(path=self.path, range=self.headers.get("Range"))
            server.asked.append(asked)
            answer = server.next_answer(self.path)
            server.released.wait(answer.wait)
            body = self.head(answer, asked)
            end = min(len(body), *(n for n in (answer.cut_after, answer.stall_after, len(body)) if n is not None))
            try:
                self.wfile.write(body[:end])
                self.wfile.flush()
                asked.written = end
            finally:
                asked.over.set()
            if answer.stall_after is not None:
                server.released.wait(10)

        def head(self, answer: Answer, asked: Asked) -> bytes:
            status, body, headers = answer.status, answer.body, list(answer.headers)
            if asked.range and answer.ranges and status == 200:
                start = int(asked.range.removeprefix("bytes=").rstrip("-"))
                status = 206 if start < len(body) else 416
                headers.append(("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}"))
                body = body[start:]
            self.send_response(status)
            if answer.states_length:
                headers.append(("Content-Length", str(len(body))))
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            return body

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class QuietServer(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        pass  # a client that hangs up is part of the play


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on a free port of 127.0.0.1, out of reach of the machine's proxy settings."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    play = Server()
    with QuietServer(("127.0.0.1", 0), make_handler(play)) as http:
        play.address = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield play
        finally:
            play.released.set()
            http.shutdown()
            thread.join()


@pytest.fixture
def answer() -> type[Answer]:
    """The class of answers, as tests can't import a conftest."""
    return Answer
