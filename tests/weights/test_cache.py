import hashlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import platformdirs
import pooch
import pytest
from filelock import FileLock

from mriclassify import _download
from mriclassify._errors import (
    CacheError,
    ChecksumError,
    DownloadError,
    OfflineError,
    OptionError,
    UnknownWeightsError,
)
from mriclassify._weights import _cache

FILE = "net.safetensors"
BODY = bytes(range(256)) * 1000  # 256,000 bytes: four chunks
WRONG = bytes(len(BODY))
SHA256 = hashlib.sha256(BODY).hexdigest()
SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, and none of the machine's own settings."""
    monkeypatch.setattr(_download, "WAIT_SECONDS", 0.001)
    monkeypatch.setattr(_download, "TIMEOUT_SECONDS", (2.0, 2.0))
    for name in ("HOME", "OFFLINE", "MIRROR", "PROGRESS"):
        monkeypatch.delenv(f"MRICLASSIFY_{name}", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def get(*urls: str, folder: Path | None = None, progress: bool | None = None) -> Path:
    return _cache.fetch(file=FILE, sha256=SHA256, size=len(BODY), urls=urls, folder=folder, progress=progress)


def keep(folder: Path, body: bytes = BODY, name: str = FILE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(body)
    return folder / name


def names(folder: Path) -> set[str]:
    """What lies in the cache, apart from its tag and its locks."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock" and path.name != _cache.TAG}


def closed_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/{FILE}"


CHILD = """
import hashlib, sys
from pathlib import Path
from mriclassify._weights import _cache

body = bytes(range(256)) * 1000
if len(sys.argv) > 3:
    print("ready", flush=True)
    sys.stdin.readline()
path = _cache.fetch(
    file="net.safetensors", sha256=hashlib.sha256(body).hexdigest(), size=len(body),
    urls=[sys.argv[2]], folder=Path(sys.argv[1]),
)
print(path.read_bytes() == body, "torch" in sys.modules)
"""


def child_environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(SOURCE)}


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


# --- one source ---


def test_a_file_is_fetched_once_and_then_taken_from_the_cache(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(body=BODY))
    first, second = get(url, folder=folder), get(url, folder=folder)
    assert first == second == folder / FILE
    assert first.read_bytes() == BODY
    assert len(server.asked) == 1
    assert names(folder) == {FILE}


def test_a_cached_file_needs_no_socket(no_network: None, folder: Path) -> None:
    path = keep(folder)
    assert get("https://example.org/f", folder=folder) == path


def test_a_redirect_is_followed(server: Any, answer: Any, folder: Path) -> None:
    server.offer("/there", answer(body=BODY))
    url = server.offer("/here", answer(status=302, headers=(("Location", "/there"),)))
    assert get(url, folder=folder).read_bytes() == BODY


def test_a_file_without_stated_length_is_fetched(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(body=BODY, states_length=False))
    assert get(url, folder=folder).read_bytes() == BODY


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_tried_again(server: Any, answer: Any, folder: Path, status: int) -> None:
    url = server.offer("/f", answer(status=status), answer(body=BODY))
    assert get(url, folder=folder).read_bytes() == BODY
    assert len(server.asked) == 2


def test_a_lasting_failure_is_not_tried_again(server: Any, answer: Any, folder: Path) -> None:
    with pytest.raises(DownloadError, match="404 Not Found"):
        get(server.offer("/f", answer(status=404)), folder=folder)
    assert len(server.asked) == 1


def test_tries_come_to_an_end(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(status=500))
    with pytest.raises(DownloadError, match=f"500 .*tried {_download.TRIES} times") as caught:
        get(url, folder=folder)
    assert len(server.asked) == _download.TRIES
    assert isinstance(caught.value, ConnectionError)
    assert names(folder) == set()


def test_waits_double(server: Any, answer: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(_download, "WAIT_SECONDS", 4.0)
    monkeypatch.setattr(time, "sleep", waits.append)
    with pytest.raises(DownloadError):
        get(server.offer("/f", answer(status=500)), folder=folder)
    assert waits == [4.0, 8.0]


def test_a_silent_server_is_given_up(server: Any, answer: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "TIMEOUT_SECONDS", (0.05, 0.05))
    with pytest.raises(DownloadError, match="timed out"):
        get(server.offer("/f", answer(body=BODY, wait=5)), folder=folder)


def test_a_server_that_is_gone_is_named_with_the_way_by_hand(folder: Path, server: Any) -> None:
    url = closed_port()
    with pytest.raises(DownloadError) as caught:
        get(url, folder=folder)
    for part in (url, str(folder / FILE), "mriclassify weights import", "refused"):
        assert part in str(caught.value)


def test_no_url_at_all_is_a_download_error(folder: Path) -> None:
    with pytest.raises(DownloadError, match="no URL"):
        get(folder=folder)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/f", "net.safetensors", "https://"])
def test_only_http_is_spoken(no_network: None, folder: Path, url: str) -> None:
    with pytest.raises(OptionError, match="http://"):
        get(url, folder=folder)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "/etc/passwd", "a\\b"])
def test_a_file_name_leads_nowhere_else(folder: Path, name: str) -> None:
    with pytest.raises(OptionError, match="bare file name"):
        _cache.fetch(file=name, sha256=SHA256, size=1, urls=(), folder=folder)


# --- going on after a cut ---


def test_a_cut_download_goes_on_where_it_stopped(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(body=BODY, cut_after=150_000), answer(body=BODY))
    assert get(url, folder=folder).read_bytes() == BODY
    first, second = server.asked
    assert first.range is None
    start = int(second.range.removeprefix("bytes=").rstrip("-"))
    assert 0 < start <= 150_000
    assert second.sent == len(BODY) - start
    assert names(folder) == {FILE}


def test_a_later_call_goes_on_where_the_earlier_one_failed(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(body=BODY, cut_after=150_000), answer(status=404))
    with pytest.raises(DownloadError):
        get(url, folder=folder)
    assert names(folder) == {f"{FILE}.part"}
    server.offer("/f", answer(body=BODY))
    assert get(url, folder=folder).read_bytes() == BODY
    assert server.asked[-1].sent < len(BODY)


def test_a_server_without_ranges_starts_again(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(body=BODY, cut_after=150_000), answer(body=BODY, ranges=False))
    assert get(url, folder=folder).read_bytes() == BODY
    assert server.asked[-1].range is not None
    assert server.asked[-1].sent == len(BODY)


def test_a_refused_range_starts_again(server: Any, answer: Any, folder: Path) -> None:
    keep(folder, BODY[:1000], f"{FILE}.part")
    url = server.offer("/f", answer(status=416), answer(body=BODY))
    assert get(url, folder=folder).read_bytes() == BODY
    assert [asked.range for asked in server.asked] == ["bytes=1000-", None]


def test_another_range_than_asked_for_starts_again(server: Any, answer: Any, folder: Path) -> None:
    keep(folder, BODY[:1000], f"{FILE}.part")
    other = answer(status=206, body=BODY[5:], headers=(("Content-Range", f"bytes 5-{len(BODY) - 1}/{len(BODY)}"),))
    url = server.offer("/f", other, answer(body=BODY))
    assert get(url, folder=folder).read_bytes() == BODY
    assert server.asked[-1].range is None


def test_a_part_longer_than_the_file_starts_again(server: Any, answer: Any, folder: Path) -> None:
    keep(folder, BODY + b"more", f"{FILE}.part")
    assert get(server.offer("/f", answer(body=BODY)), folder=folder).read_bytes() == BODY
    assert server.asked[0].range is None


def test_a_part_with_foreign_bytes_does_not_spoil_a_good_source(server: Any, answer: Any, folder: Path) -> None:
    keep(folder, WRONG[:1000], f"{FILE}.part")
    assert get(server.offer("/f", answer(body=BODY)), folder=folder).read_bytes() == BODY
    assert [asked.range for asked in server.asked] == ["bytes=1000-", None]


def test_a_whole_part_needs_no_request(no_network: None, folder: Path) -> None:
    keep(folder, BODY, f"{FILE}.part")
    assert get("https://example.org/f", folder=folder).read_bytes() == BODY


def test_a_killed_process_leaves_no_file_and_its_part_is_used(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(body=BODY, stall_after=200_000), answer(body=BODY))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder), url], env=child_environment())
    part = folder / f"{FILE}.part"
    # A buffered file shows its bytes in pieces: the first that are on the disk will do.
    wait_until(lambda: part.exists() and part.stat().st_size > 0)
    child.kill()
    child.wait()
    assert not (folder / FILE).exists()
    assert get(url, folder=folder).read_bytes() == BODY
    assert server.asked[-1].range is not None


# --- other bytes than the published ones ---


def test_a_wrong_hash_is_refused_with_url_expected_and_got(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(body=WRONG))
    with pytest.raises(ChecksumError) as caught:
        get(url, folder=folder)
    for part in (url, SHA256, hashlib.sha256(WRONG).hexdigest(), "mriclassify weights import"):
        assert part in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert names(folder) == set()


def test_after_a_wrong_hash_the_next_url_is_tried(server: Any, answer: Any, folder: Path) -> None:
    wrong = server.offer("/wrong", answer(body=WRONG))
    right = server.offer("/right", answer(body=BODY))
    assert get(wrong, right, folder=folder).read_bytes() == BODY
    assert server.asked[-1].range is None  # nothing of the wrong file was gone on with


@pytest.mark.parametrize("states_length", [True, False])
def test_a_body_larger_than_stated_is_stopped(server: Any, answer: Any, folder: Path, states_length: bool) -> None:
    url = server.offer("/f", answer(body=BODY + b"x", states_length=states_length))
    with pytest.raises(ChecksumError, match=f"{len(BODY):,}"):
        get(url, folder=folder)
    assert names(folder) == set()


def test_an_endless_body_is_stopped(server: Any, answer: Any, folder: Path) -> None:
    # far more than the sockets hold: were it read to its end, all of it would count as sent
    url = server.offer("/f", answer(body=BODY * 100, states_length=False))
    with pytest.raises(ChecksumError, match="sends more"):
        get(url, folder=folder)
    assert names(folder) == set()
    assert server.asked[0].sent == 0


def test_a_log_in_page_is_recognised(server: Any, answer: Any, folder: Path) -> None:
    page = answer(body=b"<html>please log in</html>", headers=(("Content-Type", "text/html; charset=utf-8"),))
    with pytest.raises(ChecksumError, match="log-in page"):
        get(server.offer("/f", page), folder=folder)
    assert len(server.asked) == 1


def test_a_range_of_another_file_is_refused(server: Any, answer: Any, folder: Path) -> None:
    keep(folder, BODY[:1000], f"{FILE}.part")
    with pytest.raises(ChecksumError, match="256,001 bytes"):
        get(server.offer("/f", answer(body=BODY + b"x")), folder=folder)


def test_a_damaged_cached_file_is_replaced(
    server: Any, answer: Any, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(folder, WRONG)
    assert get(server.offer("/f", answer(body=BODY)), folder=folder).read_bytes() == BODY
    assert "does not have the published sha256" in caplog.text


def test_upper_case_sha256_means_the_same(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(body=BODY))
    for _ in range(2):
        _cache.fetch(file=FILE, sha256=SHA256.upper(), size=len(BODY), urls=(url,), folder=folder)
    assert len(server.asked) == 1


# --- several sources ---


def test_the_mirror_is_asked_first(server: Any, answer: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.offer(f"/mirror/{FILE}", answer(body=BODY))
    monkeypatch.setenv("MRICLASSIFY_MIRROR", f"{server.address}/mirror/")
    get(server.offer("/f", answer(body=BODY)), folder=folder)
    assert [asked.path for asked in server.asked] == [f"/mirror/{FILE}"]


def test_mirrors_and_urls_are_tried_in_order_until_one_has_the_file(
    server: Any, answer: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.offer(f"/b/{FILE}", answer(body=WRONG))
    monkeypatch.setenv("MRICLASSIFY_MIRROR", f"{server.address}/a  {server.address}/b")
    bad, good = server.offer("/bad", answer(status=403)), server.offer("/good", answer(body=BODY))
    assert get(bad, good, folder=folder).read_bytes() == BODY
    assert [asked.path for asked in server.asked] == [f"/a/{FILE}", f"/b/{FILE}", "/bad", "/good"]


def test_the_last_error_lists_every_url(server: Any, answer: Any, folder: Path) -> None:
    urls = [server.offer(f"/{status}", answer(status=status)) for status in (403, 404)]
    with pytest.raises(DownloadError) as caught:
        get(*urls, closed_port(), folder=folder)
    for part in (*urls, "403", "404", "refused"):
        assert part in str(caught.value)


def test_a_mirror_without_http_is_refused(no_network: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRICLASSIFY_MIRROR", "/mnt/weights")
    with pytest.raises(OptionError, match="MRICLASSIFY_MIRROR"):
        get("https://example.org/f", folder=folder)


def test_a_mirrors_password_is_shown_to_nobody(
    server: Any,
    answer: Any,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MRICLASSIFY_MIRROR", server.address.replace("://", "://user:hush@"))
    with pytest.raises(DownloadError) as caught:
        get(server.offer("/f", answer(status=500)), folder=folder)
    assert len(server.asked) > 1
    assert "hush" not in str(caught.value) + caplog.text + "".join(capfd.readouterr())


# --- offline ---


@pytest.mark.parametrize("variable", ["MRICLASSIFY_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_offline_says_what_to_do_and_opens_no_socket(
    no_network: None, folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(OfflineError) as caught:
        get("https://example.org/f", folder=folder)
    for part in (FILE, str(folder / FILE), "https://example.org/f", "mriclassify weights import"):
        assert part in str(caught.value)
    assert not folder.exists()


def test_offline_gives_the_cached_file(no_network: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    path = keep(folder)
    assert get("https://example.org/f", folder=folder) == path


def test_offline_refuses_a_damaged_cached_file(no_network: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    keep(folder, WRONG)
    with pytest.raises(OfflineError, match="not the published file"):
        get("https://example.org/f", folder=folder)


@pytest.mark.parametrize(("ours", "theirs"), [("0", "1"), ("", "0"), ("no", "")])
def test_our_own_switch_wins(
    server: Any, answer: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, ours: str, theirs: str
) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", ours)
    monkeypatch.setenv("HF_HUB_OFFLINE", theirs)
    assert get(server.offer("/f", answer(body=BODY)), folder=folder).exists()


# --- the folder ---


def test_home_is_honoured_when_it_is_needed(
    server: Any, answer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRICLASSIFY_HOME", str(tmp_path / "home"))
    assert get(server.offer("/f", answer(body=BODY))) == tmp_path / "home" / "weights" / FILE


def test_without_home_the_users_cache_is_taken_and_nothing_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: tmp_path / name)
    monkeypatch.setenv("MRICLASSIFY_HOME", "")
    assert _cache.cache_folder() == tmp_path / "mriclassify" / "weights"
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_in_home_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MRICLASSIFY_HOME", "~/mri")
    assert _cache.cache_folder() == tmp_path / "mri" / "weights"


def test_a_folder_that_cannot_be_made_is_a_cache_error_with_the_remedy(no_network: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CacheError, match="MRICLASSIFY_HOME") as caught:
        get("https://example.org/f", folder=tmp_path / "file" / "cache")
    assert isinstance(caught.value, OSError)


def test_a_read_only_folder_is_a_cache_error_and_stays_as_it_was(
    no_network: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(folder, b"", "other")

    def refuse(self: Any, **_: Any) -> None:
        raise PermissionError(13, "Permission denied", self.lock_file)

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(CacheError, match=r"Permission denied.*MRICLASSIFY_HOME"):
        get("https://example.org/f", folder=folder)
    assert names(folder) == {"other"}


def test_a_read_only_folder_still_gives_what_it_holds(
    no_network: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = keep(folder)
    monkeypatch.setattr(_cache, "_locked", lambda _: pytest.fail("a lock was asked for"))
    assert get("https://example.org/f", folder=folder) == path


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs Linux's /dev/full")
def test_no_space_is_a_cache_error_and_ends_the_tries(server: Any, answer: Any, folder: Path) -> None:
    folder.mkdir()
    (folder / f"{FILE}.part").symlink_to("/dev/full")  # every write to it fails with ENOSPC
    with pytest.raises(CacheError, match=r"No space left.*MRICLASSIFY_HOME"):
        get(server.offer("/f", answer(body=BODY)), folder=folder)
    assert names(folder) == {f"{FILE}.part"}
    assert len(server.asked) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB, where the machine lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_only_a_part(server: Any, answer: Any, small_disk: Path) -> None:
    with pytest.raises(CacheError, match="No space left"):
        get(server.offer("/f", answer(body=BODY)), folder=small_disk)
    assert names(small_disk) == {f"{FILE}.part"}


# --- many at once ---


def test_sixteen_processes_at_once_fetch_once(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(body=BODY, wait=0.3))
    command = [sys.executable, "-c", CHILD, str(folder), url, "together"]
    children = [
        subprocess.Popen(command, env=child_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(16)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.communicate()[0] for child in children] == ["True False\n"] * 16
    assert len(server.asked) == 1
    assert names(folder) == {FILE}


def test_threads_at_once_fetch_once(server: Any, answer: Any, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="mriclassify")
    url = server.offer("/f", answer(body=BODY, wait=0.05))
    threads = [threading.Thread(target=get, args=(url,), kwargs={"folder": folder}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1
    assert caplog.text.count("fetching") == 1
    assert names(folder) == {FILE}


def test_a_stuck_lock_is_a_cache_error(no_network: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cache, "STUCK_SECONDS", 0.05)
    folder.mkdir()
    with FileLock(folder / f"{FILE}.lock"), pytest.raises(CacheError, match=r"net\.safetensors\.lock"):
        get("https://example.org/f", folder=folder)


def test_a_lock_whose_holders_download_has_stopped_growing_is_stuck(
    no_network: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cache, "STUCK_SECONDS", 0.02)
    lengths = iter([0, 5, 9, 9])
    monkeypatch.setattr(_cache, "_length", lambda _: next(lengths))
    folder.mkdir()
    with FileLock(folder / f"{FILE}.lock"), pytest.raises(CacheError, match="another process"):
        get("https://example.org/f", folder=folder)


def test_a_lock_is_waited_for_while_its_holders_download_grows(
    no_network: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cache, "STUCK_SECONDS", 0.1)
    folder.mkdir()
    held = threading.Event()

    def slow_holder() -> None:
        with FileLock(folder / f"{FILE}.lock"), (folder / f"{FILE}.part").open("wb", buffering=0) as part:
            held.set()
            for _ in range(16):
                part.write(b"x")
                time.sleep(0.025)
            keep(folder)

    holder = threading.Thread(target=slow_holder)
    holder.start()
    held.wait()
    assert get("https://example.org/f", folder=folder).read_bytes() == BODY
    holder.join()


# --- import, verify, clear ---


def import_from(path: Path, folder: Path) -> Path:
    return _cache.import_file(path, file=FILE, sha256=SHA256, size=len(BODY), folder=folder)


def test_an_imported_file_is_cached_and_the_original_stays(no_network: None, tmp_path: Path, folder: Path) -> None:
    original = keep(tmp_path, name="from-a-stick.bin")
    keep(folder, BODY[:10], f"{FILE}.part")
    assert import_from(original, folder) == folder / FILE
    assert _cache.cached(FILE, SHA256, folder) == folder / FILE
    assert original.read_bytes() == BODY
    assert names(folder) == {FILE}


@pytest.mark.parametrize("body", [WRONG, BODY[:-1], b""])
def test_importing_another_file_changes_nothing(tmp_path: Path, folder: Path, body: bytes) -> None:
    original = keep(tmp_path, body, "other.bin")
    with pytest.raises(ChecksumError, match=r"other\.bin"):
        import_from(original, folder)
    assert original.read_bytes() == body
    assert not folder.exists()


def test_importing_replaces_a_damaged_file(tmp_path: Path, folder: Path) -> None:
    keep(folder, WRONG)
    assert import_from(keep(tmp_path, name="good.bin"), folder).read_bytes() == BODY


def test_importing_the_cached_file_itself_does_no_harm(folder: Path) -> None:
    path = keep(folder)
    assert import_from(path, folder) == path
    assert path.read_bytes() == BODY


def test_a_missing_file_is_neither_imported_nor_verified(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UnknownWeightsError, match="no file at"):
        import_from(tmp_path / "missing", folder)
    with pytest.raises(UnknownWeightsError, match="no file at"):
        _cache.verify(tmp_path / "missing", sha256=SHA256)


def test_verify_compares_the_sha256(tmp_path: Path) -> None:
    assert _cache.verify(keep(tmp_path), sha256=SHA256) == tmp_path / FILE
    with pytest.raises(ChecksumError, match=SHA256):
        _cache.verify(keep(tmp_path, WRONG), sha256=SHA256)


def test_cached_knows_right_wrong_and_missing(folder: Path) -> None:
    assert _cache.cached(FILE, SHA256, folder) is None
    assert _cache.cached(FILE, SHA256, keep(folder).parent) == folder / FILE
    assert _cache.cached(FILE, SHA256, keep(folder, WRONG).parent) is None


def test_clear_removes_one_file_and_its_part(folder: Path) -> None:
    keep(folder)
    keep(folder, b"12345", f"{FILE}.part")
    keep(folder, b"", "other.safetensors")
    cleared = _cache.clear(folder, FILE)
    assert cleared.freed == len(BODY) + 5
    assert set(cleared.files) == {folder / FILE, folder / f"{FILE}.part"}
    assert names(folder) == {"other.safetensors"}


def test_clear_empties_a_folder_that_the_cache_made(server: Any, answer: Any, folder: Path) -> None:
    get(server.offer("/f", answer(body=BODY)), folder=folder)
    assert _cache.clear(folder).freed == len(BODY)
    assert names(folder) == set()
    assert _cache.clear(folder) == _cache.Cleared(files=(), freed=0)


def test_clear_does_not_empty_somebody_elses_folder(server: Any, answer: Any, folder: Path) -> None:
    keep(folder, b"my own", "my-model.safetensors")
    get(server.offer("/f", answer(body=BODY)), folder=folder)
    with pytest.raises(CacheError, match="not emptied"):
        _cache.clear(folder)
    assert names(folder) == {FILE, "my-model.safetensors"}


def test_clearing_what_is_not_there_frees_nothing(folder: Path) -> None:
    assert _cache.clear(folder) == _cache.clear(folder, FILE) == _cache.Cleared(files=(), freed=0)
    assert not folder.exists()


# --- what is shown ---


def test_a_fetch_writes_nothing_to_the_streams_without_a_terminal(server: Any, answer: Any, folder: Path) -> None:
    url = server.offer("/f", answer(body=BODY))
    command = [sys.executable, "-W", "error", "-c", CHILD, str(folder), url]
    # In a process of its own: pooch's log holds on to the stderr that it found when it was imported.
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True False\n", "")


def test_a_bar_is_shown_on_request_and_ends_full(
    server: Any, answer: Any, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    get(server.offer("/f", answer(body=BODY)), folder=folder, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert FILE in err
    assert "100%" in err


@pytest.mark.parametrize(
    ("progress", "variable", "disable"),
    [(None, "", None), (None, "0", True), (None, "1", None), (True, "0", False), (False, "1", True)],
)
def test_an_argument_wins_over_the_environment_about_the_bar(
    monkeypatch: pytest.MonkeyPatch, progress: bool | None, variable: str, disable: bool | None
) -> None:
    seen: list[bool | None] = []
    monkeypatch.setenv("MRICLASSIFY_PROGRESS", variable)
    monkeypatch.setattr(_download, "tqdm", lambda **options: seen.append(options["disable"]))
    _download._bar(Path(FILE), start=0, size=1, progress=progress)
    assert seen == [disable]


def test_poochs_log_is_left_as_it_was(server: Any, answer: Any, folder: Path) -> None:
    before = (pooch.get_logger().level, list(pooch.get_logger().filters))
    get(server.offer("/f", answer(body=BODY)), folder=folder)
    assert (pooch.get_logger().level, list(pooch.get_logger().filters)) == before
