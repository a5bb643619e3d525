"""Bytes over HTTP: resumed where they were cut off, and never more or fewer than the source has."""

from pathlib import Path
from typing import Any

import pytest

from mriclassify._download import TRIES, download, read_json
from mriclassify._errors import ChecksumError, DownloadError

BODY = bytes(range(256)) * 1000


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "archive.zip.part"


@pytest.mark.parametrize("size", [len(BODY), None])
def test_a_connection_that_breaks_is_taken_up_where_it_broke(server: Any, answer: Any, part: Path, size: Any) -> None:
    url = server.offer("/a", answer(body=BODY, cut_after=100_000), answer(body=BODY))
    download(url, part, size=size)
    assert part.read_bytes() == BODY
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-"]


def test_a_source_that_gains_a_little_each_time_is_not_given_up(server: Any, answer: Any, part: Path) -> None:
    url = server.offer("/a", *[answer(body=BODY, cut_after=40_000)] * (TRIES + 3), answer(body=BODY))
    download(url, part, size=len(BODY))
    assert part.read_bytes() == BODY


def test_a_part_of_an_earlier_run_is_not_fetched_again(server: Any, answer: Any, part: Path) -> None:
    part.write_bytes(BODY[:70_000])
    download(server.offer("/a", answer(body=BODY)), part, size=None)
    assert part.read_bytes() == BODY
    assert server.asked == [("/a", "bytes=70000-")]


def test_a_whole_part_is_not_asked_for(server: Any, part: Path) -> None:
    part.write_bytes(BODY)
    download(f"{server.address}/a", part, size=len(BODY))
    assert server.asked == []


def test_a_whole_part_of_unknown_size_is_fetched_anew(server: Any, answer: Any, part: Path) -> None:
    part.write_bytes(BODY)
    download(server.offer("/a", answer(body=BODY)), part, size=None)  # the server says 416
    assert part.read_bytes() == BODY


def test_a_server_without_ranges_starts_from_the_beginning(server: Any, answer: Any, part: Path) -> None:
    part.write_bytes(b"?" * 500)
    download(server.offer("/a", answer(body=BODY, ranges=False)), part, size=len(BODY))
    assert part.read_bytes() == BODY


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(server: Any, answer: Any, part: Path, status: int) -> None:
    download(server.offer("/a", answer(status=status), answer(body=BODY)), part, size=None)
    assert part.read_bytes() == BODY


def test_a_server_that_stays_in_trouble_is_an_error(server: Any, answer: Any, part: Path) -> None:
    with pytest.raises(DownloadError, match=r"503 .*\(tried 3 times\)"):
        download(server.offer("/a", answer(status=503)), part, size=None)
    assert len(server.asked) == TRIES


def test_a_page_that_is_not_there_is_asked_for_once(server: Any, part: Path) -> None:
    with pytest.raises(DownloadError, match="404"):
        download(f"{server.address}/a", part, size=None)
    assert len(server.asked) == 1


def test_a_log_in_page_is_not_a_file(server: Any, answer: Any, part: Path) -> None:
    page = answer(body=b"<html>", headers=(("Content-Type", "text/html; charset=utf-8"),))
    with pytest.raises(DownloadError, match="it is a web page, perhaps a network's log-in page"):
        download(server.offer("/a", page), part, size=None)
    with pytest.raises(ChecksumError, match="has 6 bytes, where the published file has 7: it is a web page"):
        download(server.offer("/b", page), part, size=7)
    assert not part.exists()


def test_another_length_than_published_is_refused(server: Any, answer: Any, part: Path) -> None:
    with pytest.raises(ChecksumError, match="has 256,000 bytes, where the published file has 255,999"):
        download(server.offer("/a", answer(body=BODY)), part, size=len(BODY) - 1)


def test_no_server_is_an_error(server: Any, part: Path) -> None:
    with pytest.raises(DownloadError, match="ConnectionError"):
        download("http://127.0.0.1:1/a", part, size=None)


def test_json_is_read(server: Any, answer: Any) -> None:
    assert read_json(server.offer("/list", answer(status=502), answer(body=b'[{"a": 1}]'))) == [{"a": 1}]


@pytest.mark.parametrize("body", [b"<html>", b"\xff\xfe", b""])
def test_what_is_no_json_is_an_error(server: Any, answer: Any, body: bytes) -> None:
    with pytest.raises(DownloadError, match="not with JSON"):
        read_json(server.offer("/list", answer(body=body)))


def test_an_endless_list_is_an_error(server: Any, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mriclassify._download.MAX_LISTING", 100)
    with pytest.raises(DownloadError, match="more than 100 bytes"):
        read_json(server.offer("/list", answer(body=b"[" * 101)))
