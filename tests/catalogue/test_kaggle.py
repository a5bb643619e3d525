"""Kaggle's sets come through Kaggle's own client, which talks to our server here."""

import gc
import inspect
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mriclassify._catalogue._downloading import download
from mriclassify._catalogue._entries import CatalogueEntry
from mriclassify._errors import CacheError, ChecksumError, DatasetError, DownloadError, MissingExtraError

KAGGLE = "/v1/datasets.DatasetApiService/DownloadDataset"

# kagglehub leaves connections open when it fails
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def kaggle(server: Any, answer: Any, standins: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[CatalogueEntry]:
    """Kaggle's own client, talking to our server instead of Kaggle's."""
    pytest.importorskip("kagglehub")
    monkeypatch.setattr("kagglehub.clients.CHUNK_SIZE", 1000)
    http_client = pytest.importorskip("kagglesdk.kaggle_http_client")
    monkeypatch.setattr(http_client, "get_endpoint", lambda _: server.address)
    archive = answer(body=standins.pack(standins.members("nickparvar")), headers=(("Accept-Ranges", "bytes"),))
    stored = server.offer("/archive.zip", archive)
    server.offer(KAGGLE, answer(status=302, headers=(("Location", stored),)))
    yield standins.small("nickparvar")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_kaggles_client_is_called_as_it_wants_to_be() -> None:
    kagglehub = pytest.importorskip("kagglehub")
    inspect.signature(kagglehub.dataset_download).bind("owner/name/versions/1")


def test_kaggle_is_fetched_through_its_client(
    kaggle: CatalogueEntry, standins: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = download(kaggle, tmp_path / "data", progress=False)
    assert folder == tmp_path / "data" / "nickparvar"
    assert {n: b for n, b in contents(folder).items() if not n.startswith(".")} == standins.members("nickparvar")
    assert not (tmp_path / "data" / ".nickparvar.download").exists()
    cached = tmp_path / "kagglehub/datasets/masoudnickparvar/brain-tumor-mri-dataset/versions/1"
    image = "Training/glioma/image (1).jpg"
    assert os.path.samefile(cached / image, folder / image)  # noqa: PTH121 -- linked, so that it takes no room twice
    assert capsys.readouterr() == ("", "")


def test_kaggles_client_goes_on_where_it_ended(
    server: Any, answer: Any, kaggle: CatalogueEntry, standins: Any, tmp_path: Path
) -> None:
    whole = server.answers["/archive.zip"][0]
    server.offer("/archive.zip", replace(whole, cut_after=2000), whole)
    with pytest.raises(DownloadError, match=r"Kaggle did not deliver masoudnickparvar/.*By hand: download"):
        download(kaggle, tmp_path, progress=False)
    assert not (tmp_path / "nickparvar").exists()
    download(kaggle, tmp_path, progress=False)
    assert server.asked[-1] == ("/archive.zip", "bytes=2000-")


@pytest.mark.parametrize("status", [401, 403])
def test_where_kaggle_wants_an_account_the_way_to_a_token_is_said(
    server: Any, answer: Any, kaggle: CatalogueEntry, tmp_path: Path, status: int
) -> None:
    server.offer(KAGGLE, answer(status=status))
    with pytest.raises(DownloadError) as caught:
        download(kaggle, tmp_path, progress=False)
    message = str(caught.value)
    assert "https://www.kaggle.com/settings/api" in message and "KAGGLE_API_TOKEN" in message
    assert "By hand: download the archives from https://www.kaggle.com/datasets/masoudnickparvar/" in message


def test_a_set_that_kaggle_no_longer_has_is_an_error(
    server: Any, answer: Any, kaggle: CatalogueEntry, tmp_path: Path
) -> None:
    server.offer(KAGGLE, answer(status=404))
    with pytest.raises(DownloadError, match="Resource not found"):
        download(kaggle, tmp_path, progress=False)


def test_kaggle_out_of_reach_is_an_error(
    kaggle: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kagglesdk.kaggle_http_client.get_endpoint", lambda _: "http://127.0.0.1:1")
    with pytest.raises(DownloadError, match="ConnectionError"):
        download(kaggle, tmp_path, progress=False)


def test_another_version_on_kaggle_is_not_taken_for_the_published_set(
    server: Any, answer: Any, kaggle: CatalogueEntry, standins: Any, tmp_path: Path
) -> None:
    files = standins.members("nickparvar") | {f"Training/glioma/new {k}.jpg": b"x" for k in range(20)}
    server.offer("/archive.zip", answer(body=standins.pack(files)))
    with pytest.raises(DatasetError, match="more images than were published: glioma of train: 60 of 40"):
        download(kaggle, tmp_path, progress=False)
    assert not (tmp_path / "nickparvar").exists()


def test_without_kagglehub_the_extra_is_named(
    kaggle: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mriclassify\[datasets\]'.*By hand"):
        download(kaggle, tmp_path)


def test_what_kaggle_did_not_mean_to_send_is_an_error(
    server: Any, answer: Any, kaggle: CatalogueEntry, standins: Any, tmp_path: Path
) -> None:
    body = standins.pack(standins.members("nickparvar"))
    md5 = "AAAAAAAAAAAAAAAAAAAAAA=="
    server.offer("/archive.zip", answer(body=body, headers=(("X-Goog-Hash", f"md5={md5}"),)))
    with pytest.raises(ChecksumError, match=r"Kaggle did not deliver .* whole"):
        download(kaggle, tmp_path, progress=False)
    server.offer("/archive.zip", answer(body=b"<html>"))
    with pytest.raises(DownloadError, match="Unsupported archive type"):
        download(kaggle, tmp_path, progress=False)


def test_a_broken_file_of_credentials_is_an_error(
    kaggle: CatalogueEntry, tmp_path: Path, standins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    standins.lay({"kaggle.json": b"{"}, tmp_path / "no-account")
    monkeypatch.setattr("kagglehub.config.DEFAULT_KAGGLE_CREDENTIALS_FOLDER", str(tmp_path / "no-account"))
    with pytest.raises(DownloadError, match="Invalid Kaggle credentials file"):
        download(kaggle, tmp_path, progress=False)


def test_a_cache_of_kagglehub_that_can_not_be_written_is_said(
    kaggle: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "file"))
    with pytest.raises(CacheError, match="Let KAGGLEHUB_CACHE name a folder"):
        download(kaggle, tmp_path, progress=False)
