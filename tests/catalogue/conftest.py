"""Stand-ins: sets of a few files, their archives, and a web server on loopback that hands them out."""

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mriclassify._catalogue._entries import CatalogueEntry
from mriclassify._catalogue._sets import find_entry

SMALL = {
    "nickparvar": {
        "train": {"glioma": 40, "meningioma": 40, "notumor": 60, "pituitary": 40},
        "test": {"glioma": 5, "meningioma": 5, "notumor": 6, "pituitary": 4},
    },
    "rm1000": {"all": {"glioma": 4, "meningioma": 4, "notumor": 5, "pituitary": 4}},
    "sartaj": {
        "train": {"glioma": 4, "meningioma": 4, "notumor": 5, "pituitary": 4},
        "test": {"glioma": 2, "meningioma": 2, "notumor": 2, "pituitary": 2},
    },
    "bangladesh": {"all": {"glioma": 3, "meningioma": 3, "pituitary": 4}},
    "figshare": {"all": {"meningioma": 2, "glioma": 4, "pituitary": 2}},
}
"""Published counts of the stand-ins."""

HEAD = b"MATLAB 7.3 MAT-file, Platform: PCWIN64, Created on: Mon Jan 01 00:00:00 2014 HDF5 schema 1.00 ."
SLICES = {1: (1, "100360"), 2: (1, "100360"), 3: (2, "MR040240"), 4: (2, "MR040240B"), 5: (2, "MR040240D")} | {
    6: (2, "MR029209E"),
    7: (3, "112649"),
    8: (3, "112649"),
}
"""figshare's stand-in: number -> label and patient id."""


def small(name: str) -> CatalogueEntry:
    return replace(find_entry(name), counts=SMALL[name])


def members(name: str) -> dict[str, bytes]:
    """What the archive of a stand-in holds: path -> bytes."""
    entry = small(name)
    parts = {part: folder for folder, part in entry.parts.items()} or {"all": ""}
    folders = {label: folder for folder, label in entry.folders.items()}
    return {
        f"{parts[part]}/{folders[label]}/image ({k}).jpg".lstrip("/"): f"{part} {label} {k}".encode() * 50
        for part, counts in entry.counts.items()
        for label, count in counts.items()
        for k in range(1, count + 1)
    }


def matlab(values: dict[str, Any]) -> bytes:
    """A MATLAB v7.3 file with these variables, each stored columns first."""
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        for name, value in values.items():
            file[name] = value
    return HEAD.ljust(124) + b"\0\2IM" + stream.getvalue()[128:]


def slice_file(label: int, pid: str) -> bytes:
    image = np.arange(64, dtype=np.int16).reshape(8, 8)
    codes = np.array([[ord(letter)] for letter in pid], np.uint16)
    return matlab(
        {
            "cjdata/label": np.array([[float(label)]]),
            "cjdata/PID": codes,
            "cjdata/image": image,
            "cjdata/tumorMask": (image > 40).astype(np.uint8),
        }
    )


def pack(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def lay(files: dict[str, bytes], root: Path) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@dataclass(frozen=True)
class StandIns:
    """What the tests make sets of."""

    small: Callable[[str], CatalogueEntry] = small
    members: Callable[[str], dict[str, bytes]] = members
    pack: Callable[[dict[str, bytes]], bytes] = pack
    lay: Callable[[dict[str, bytes], Path], Path] = lay
    matlab: Callable[[dict[str, Any]], bytes] = matlab

    def mats(self, *numbers: int) -> dict[str, bytes]:
        """figshare's slices, all or those named."""
        return {f"{number}.mat": slice_file(*SLICES[number]) for number in numbers or SLICES}

    def folds(self) -> bytes:
        """figshare's cvind.mat."""
        return matlab({"cvind": np.array([[1.0, 1, 2, 2, 2, 3, 4, 5]]).T})


@pytest.fixture(scope="session")
def standins() -> StandIns:
    return StandIns()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server says to one request."""

    body: bytes = b""
    status: int = 200
    cut_after: int | None = None  # bytes that are sent before the connection is closed
    ranges: bool = True
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Server:
    """Each request takes the next answer of its path; the last answer is given again and again."""

    address: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path, range

    def offer(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return f"{self.address}{path}"

    def next_answer(self, path: str) -> Answer:
        answers = self.answers.get(path, [Answer(status=404)])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def make_handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def do_GET(self) -> None:
            asked_range = self.headers.get("Range")
            server.asked.append((self.path, asked_range))
            answer = server.next_answer(self.path)
            status, body, headers = answer.status, answer.body, list(answer.headers)
            if asked_range and answer.ranges and status == 200:
                start = int(asked_range.removeprefix("bytes=").rstrip("-"))
                status = 206 if start < len(body) else 416
                headers.append(("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}"))
                body = body[start:]
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: answer.cut_after])

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        pass  # a client that hangs up is part of the play


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on a free port of 127.0.0.1, out of reach of the machine's proxy settings; nobody waits long."""
    from mriclassify import _download

    monkeypatch.setattr(_download, "WAIT_SECONDS", 0.001)
    monkeypatch.setattr(_download, "CHUNK", 100)  # so much is lost where a connection breaks
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("MRICLASSIFY_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    play = Server()
    with QuietServer(("127.0.0.1", 0), make_handler(play)) as http:
        play.address = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield play
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture
def answer() -> type[Answer]:
    """The class of answers, as tests can't import a conftest."""
    return Answer


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test looks at, or writes to, what the machine keeps."""
    monkeypatch.setenv("MRICLASSIFY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "no-account"))
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
