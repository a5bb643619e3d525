"""Who may see the page, where it listens, and what it tells others."""

import asyncio
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mriclassify import MissingExtraError, OptionError
from mriclassify._app import _serving as serving
from mriclassify._cli import main

if TYPE_CHECKING:
    from mriclassify import Classifier

PASSWORD = "a-long-password"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(serving.PASSWORD, raising=False)
    for name, value in serving.SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_this_computer_needs_no_password(host: str) -> None:
    assert serving.password_for(host, None) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.3", "lab.example"])
def test_other_computers_need_one(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="--password-file"):
        serving.password_for(host, None)
    monkeypatch.setenv(serving.PASSWORD, PASSWORD)
    assert serving.password_for(host, None) == PASSWORD


def test_a_password_file_wins_and_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(serving.PASSWORD, "another-password")
    file = tmp_path / "password.txt"
    file.write_text(PASSWORD + "\n")
    assert serving.password_for("0.0.0.0", file) == PASSWORD
    file.write_text("short\n")
    with pytest.raises(OptionError, match="at least 12 letters, not 5"):
        serving.password_for("127.0.0.1", file)
    file.write_text("\n")
    with pytest.raises(OptionError, match="is empty"):
        serving.password_for("127.0.0.1", file)
    with pytest.raises(OptionError, match="can't be read"):
        serving.password_for("127.0.0.1", tmp_path / "missing")


def test_the_command_refuses_other_computers_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["app", "--host", "0.0.0.0", "--no-browser"]) == 2
    assert serving.PASSWORD in capsys.readouterr().err


def test_a_port_in_use_is_named_with_another_to_take() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=rf"127.0.0.1:{port}.*--port {port + 1}"):
            serving.listening("127.0.0.1", port)


def test_a_port_or_address_that_can_not_be_is_refused() -> None:
    with pytest.raises(OptionError, match="from 0 to 65535"):
        serving.listening("127.0.0.1", 70000)
    with pytest.raises(OptionError, match=r"192\.0\.2\.1"):
        serving.listening("192.0.2.1", 0)


def test_without_gradio_the_command_to_install_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mriclassify\[app\]"'):
        serving.require_extra()


@pytest.fixture
def client(fitted: "Classifier", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that asks a page with a password or without."""
    pytest.importorskip("gradio")
    from starlette.testclient import TestClient

    from mriclassify._app._desk import Desk

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    async def built(password: str | None, host: str) -> serving.Guard:
        return serving.guarded(Desk(fitted, folder=tmp_path), host=host, password=password)

    def make(password: str | None = None, host: str = "127.0.0.1") -> Any:
        # Where no loop runs Gradio makes some, which nobody closes.
        return TestClient(asyncio.run(built(password, host)), base_url="http://127.0.0.1:7860")

    return make


def test_the_page_is_served_without_anything_from_elsewhere(client: Any) -> None:
    answer = client().get("/")
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    for word in ("fonts.googleapis", "cdnjs", "google-analytics", "gradio.live"):
        assert word not in answer.text


def test_another_site_is_refused(client: Any) -> None:
    page = client()
    assert page.get("/", headers={"host": "evil.example"}).status_code == 421
    assert page.post("/gradio_api/upload", headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_what_is_too_large_is_refused_before_it_is_read(client: Any, tmp_path: Path) -> None:
    answer = client().post("/gradio_api/upload", headers={"content-length": "200000000"}, content=b"")
    assert answer.status_code == 413
    assert "200 MB together" in answer.text
    assert not list(tmp_path.iterdir())


def test_a_file_that_grows_too_large_leaves_nothing(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST_BYTES", 1000)
    answer = client().post("/gradio_api/upload", files={"files": ("a.png", bytes(5000))})
    assert answer.status_code == 413
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("path", ["/gradio_api/info", "/gradio_api/openapi.json", "/openapi.json", "/docs"])
def test_there_is_no_interface_for_programs(client: Any, path: str) -> None:
    assert client().get(path).status_code == 404


def test_with_a_password_nothing_is_done_without_it(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DELAY", 0.0)
    page = client(PASSWORD, "0.0.0.0")
    assert page.post("/gradio_api/upload", files={"files": ("a.png", b"a")}).status_code == 401
    assert page.get("/config").status_code == 401
    assert "glioma" not in page.get("/").text
    assert page.post("/login", data={"username": "mri", "password": "wrong"}).status_code == 400
    assert page.post("/login", data={"username": "other", "password": PASSWORD}).status_code == 400
    assert page.post("/login", data={"username": "mri", "password": PASSWORD}).status_code == 200
    assert "glioma" in page.get("/").text
