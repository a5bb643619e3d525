"""A set is fetched once, checked, and there whole or not at all."""

import hashlib
import json
import shutil
import threading
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mriclassify._catalogue._downloading import download
from mriclassify._catalogue._entries import CatalogueEntry, RemoteFile
from mriclassify._catalogue._finding import locate
from mriclassify._errors import (
    CacheError,
    ChecksumError,
    DamagedFileError,
    DatasetError,
    DownloadError,
    OfflineError,
)

LISTING = "/public-api/datasets/mk56jw9rns/files"
DOWNLOAD_ALL = "/public-api/zip/mk56jw9rns/download/1"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leftovers(root: Path) -> list[str]:
    """What lies in the root besides sets and locks."""
    return sorted(path.name for path in root.iterdir() if path.name.startswith(".") and path.suffix != ".lock")


@pytest.fixture
def figshare(server: Any, answer: Any, standins: Any) -> CatalogueEntry:
    """figshare's stand-in: two archives and the folds, on the server, with their checksums."""
    first, second = standins.pack(standins.mats(1, 2, 3, 4)), standins.pack(standins.mats(5, 6, 7, 8))
    bodies = {"first_1-4.zip": first, "second_5-8.zip": second, "cvind.mat": standins.folds()}
    files = tuple(
        RemoteFile(
            name=name,
            url=server.offer(f"/files/{name}", answer(body=body)),
            size=len(body),
            checksum=f"md5:{hashlib.md5(body).hexdigest()}",
        )
        for name, body in bodies.items()
    )
    return replace(standins.small("figshare"), files=files)


@pytest.fixture
def bangladesh(server: Any, standins: Any) -> CatalogueEntry:
    """Mendeley's stand-in; what the server offers is for the test to say."""
    whole = RemoteFile(name="mk56jw9rns-1.zip", url=f"{server.address}{DOWNLOAD_ALL}")
    return replace(standins.small("bangladesh"), listing=f"{server.address}{LISTING}", files=(whole,))


def test_figshare_is_fetched_whole_and_not_again(
    server: Any, figshare: CatalogueEntry, standins: Any, tmp_path: Path
) -> None:
    folder = download(figshare, tmp_path / "data")
    assert folder == tmp_path / "data" / "figshare" == locate(figshare, tmp_path / "data")
    assert contents(folder) == standins.mats() | {"cvind.mat": standins.folds()}
    assert leftovers(tmp_path / "data") == []
    asked = len(server.asked)
    assert download(figshare, tmp_path / "data") == folder
    assert len(server.asked) == asked == 3


def test_a_broken_connection_is_taken_up_in_the_same_call(
    server: Any, answer: Any, figshare: CatalogueEntry, tmp_path: Path
) -> None:
    path = "/files/second_5-8.zip"
    body = server.answers[path][0].body
    server.offer(path, answer(body=body, cut_after=1000), answer(body=body))
    folder = download(figshare, tmp_path)
    assert folder == locate(figshare, tmp_path)
    assert [asked for asked in server.asked if asked[0] == path] == [(path, None), (path, "bytes=1000-")]


def test_a_download_that_failed_goes_on_where_it_ended(
    server: Any, answer: Any, figshare: CatalogueEntry, tmp_path: Path
) -> None:
    path = "/files/second_5-8.zip"
    body = server.answers[path][0].body
    server.offer(path, answer(body=body, cut_after=100), answer(status=404))
    with pytest.raises(DownloadError, match=r"second_5-8\.zip could not be fetched .* 404 .* By hand: download"):
        download(figshare, tmp_path)
    assert not (tmp_path / "figshare").exists()
    assert leftovers(tmp_path) == [".figshare.download"]
    server.offer(path, answer(body=body))
    server.asked.clear()
    download(figshare, tmp_path)
    # the first archive was whole already, and of the second 100 bytes
    assert server.asked == [(path, "bytes=100-"), ("/files/cvind.mat", None)]
    assert leftovers(tmp_path) == []


def test_the_beginning_of_another_file_is_not_kept(
    server: Any, figshare: CatalogueEntry, standins: Any, tmp_path: Path
) -> None:
    work = tmp_path / ".figshare.download"
    standins.lay({"first_1-4.zip.part": b"of another day"}, work)
    folder = download(figshare, tmp_path)
    assert len(contents(folder)) == 9
    assert server.asked[:2] == [("/files/first_1-4.zip", "bytes=14-"), ("/files/first_1-4.zip", None)]


def test_what_a_killed_process_left_unpacked_is_not_used(
    figshare: CatalogueEntry, standins: Any, tmp_path: Path
) -> None:
    standins.lay({"1.mat": b"half", "99.mat": b""}, tmp_path / ".figshare.download" / "unpacked")
    assert contents(download(figshare, tmp_path)) == standins.mats() | {"cvind.mat": standins.folds()}


def test_another_file_than_published_is_refused(
    server: Any, answer: Any, figshare: CatalogueEntry, tmp_path: Path
) -> None:
    path = "/files/first_1-4.zip"
    server.offer(path, answer(body=bytes(len(server.answers[path][0].body))))
    with pytest.raises(ChecksumError, match=r"delivered another file than was published as first_1-4\.zip"):
        download(figshare, tmp_path)
    assert not (tmp_path / "figshare").exists()
    assert leftovers(tmp_path) == []


def test_of_four_that_ask_at_once_one_downloads(server: Any, figshare: CatalogueEntry, tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(download(figshare, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "figshare"] * 4
    assert len(server.asked) == 3


def test_a_new_folder_of_the_sets_name_is_where_it_goes(figshare: CatalogueEntry, tmp_path: Path) -> None:
    assert download(figshare, tmp_path / "data" / "figshare") == tmp_path / "data" / "figshare"
    assert (tmp_path / "data" / "figshare" / "1.mat").is_file()


def test_without_a_root_it_goes_where_sets_are_kept(figshare: CatalogueEntry, tmp_path: Path) -> None:
    assert download(figshare) == tmp_path / "home" / "datasets" / "figshare" == locate(figshare)


def test_progress_is_shown_where_it_is_asked_for(
    figshare: CatalogueEntry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download(figshare, tmp_path / "a", progress=False)
    assert capsys.readouterr() == ("", "")
    download(figshare, tmp_path / "b", progress=True)
    shown = capsys.readouterr()
    assert shown.out == "" and "first_1-4.zip" in shown.err


def test_mendeley_is_fetched_with_the_checksums_that_it_lists(
    server: Any, answer: Any, bangladesh: CatalogueEntry, standins: Any, tmp_path: Path
) -> None:
    files = {
        f"Brain_Cancer raw MRI data/Brain_Cancer/{name}": body for name, body in standins.members("bangladesh").items()
    }
    body = standins.pack(files)
    details = {
        "sha256_hash": hashlib.sha256(body).hexdigest(),
        "size": len(body),
        "download_url": server.offer("/raw.zip", answer(body=body)),
    }
    listing = [{"filename": "raw.zip", "content_details": details}, {"filename": "read me.txt"}, "?"]
    server.offer(f"{LISTING}", answer(body=json.dumps(listing).encode()))
    folder = download(bangladesh, tmp_path)
    assert folder == tmp_path / "bangladesh" / "Brain_Cancer raw MRI data" / "Brain_Cancer"
    assert contents(folder) == standins.members("bangladesh")
    listing[0]["content_details"]["sha256_hash"] = "0" * 64  # type: ignore[index]
    server.offer(f"{LISTING}", answer(body=json.dumps(listing).encode()))
    with pytest.raises(ChecksumError, match=r"its checksum should be sha256:0000"):
        download(bangladesh, tmp_path / "again")


@pytest.mark.parametrize("listing", [b"[]", b"<html>", b'{"files": 3}', b'[{"filename": "../x.zip"}]', None])
def test_mendeley_without_a_usable_list_is_fetched_in_one_archive(
    server: Any, answer: Any, bangladesh: CatalogueEntry, standins: Any, tmp_path: Path, listing: bytes | None
) -> None:
    if listing is not None:
        server.offer(LISTING, answer(body=listing))
    inner = standins.pack(standins.members("bangladesh"))
    body = standins.pack({"Brain Cancer/raw.zip": inner})
    stored = server.offer("/s3/mk56jw9rns-1.zip", answer(body=body, cut_after=len(body) - 9), answer(body=body))
    server.offer(DOWNLOAD_ALL, answer(status=302, headers=(("Location", stored),)))
    assert contents(download(bangladesh, tmp_path)) == standins.members("bangladesh")


def test_an_archive_of_something_else_does_not_stay(
    server: Any, answer: Any, bangladesh: CatalogueEntry, standins: Any, tmp_path: Path
) -> None:
    server.offer(DOWNLOAD_ALL, answer(body=standins.pack({"readme.txt": b"moved"})))
    with pytest.raises(DatasetError, match="does not look like it"):
        download(bangladesh, tmp_path)
    assert not (tmp_path / "bangladesh").exists()
    assert not (tmp_path / ".bangladesh.download" / "unpacked").exists()


def test_half_a_set_does_not_stay(
    server: Any, answer: Any, bangladesh: CatalogueEntry, standins: Any, tmp_path: Path
) -> None:
    files = {name: body for name, body in standins.members("bangladesh").items() if "brain_tumor" not in name}
    server.offer(DOWNLOAD_ALL, answer(body=standins.pack(files)))
    with pytest.raises(DatasetError, match="only a part of bangladesh: pituitary: 0 of 4"):
        download(bangladesh, tmp_path)
    assert not (tmp_path / "bangladesh").exists()


def test_offline_says_what_to_do_by_hand(
    server: Any, figshare: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    with pytest.raises(OfflineError) as caught:
        download(figshare, tmp_path / "data")
    message = str(caught.value)
    assert "switched off by MRICLASSIFY_OFFLINE" in message
    assert f"download the archives from {figshare.url} on any machine, lay them in {tmp_path / 'data'}" in message
    assert server.asked == []
    assert leftovers(tmp_path / "data") == []


@pytest.mark.parametrize("name", ["nickparvar", "rm1000", "sartaj", "bangladesh"])
def test_an_archive_laid_there_by_hand_needs_no_network(
    tmp_path: Path, standins: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    others = {"nickparvar": "rm1000", "rm1000": "nickparvar", "sartaj": "bangladesh", "bangladesh": "sartaj"}
    archives = {
        "archive (1).zip": standins.pack(standins.members(others[name])),
        "archive.zip": standins.pack(standins.members(name)),
        "broken.zip": b"PK",
    }
    standins.lay(archives, tmp_path)
    folder = download(standins.small(name), tmp_path)
    assert contents(folder) == standins.members(name)
    assert folder == tmp_path / name
    assert {path.name for path in tmp_path.glob("*.zip")} == set(archives)  # they are the user's, and stay


def test_figshares_archives_laid_there_by_hand_need_no_network(
    server: Any, figshare: CatalogueEntry, standins: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    bodies = {file.name: server.answers[f"/files/{file.name}"][0].body for file in figshare.files}
    standins.lay(bodies, tmp_path / "each" / "figshare")
    folder = download(figshare, tmp_path / "each" / "figshare")
    assert contents(folder) == standins.mats() | {"cvind.mat": standins.folds()}
    standins.lay({"1512427.zip": standins.pack(bodies)}, tmp_path / "all")  # figshare's button "Download all"
    assert contents(download(figshare, tmp_path / "all")) == contents(folder)
    bodies["first_1-4.zip"] = bodies["first_1-4.zip"][:-1]
    standins.lay(bodies, tmp_path / "half")
    with pytest.raises(ChecksumError, match=r"first_1-4\.zip is not the published file, or not whole"):
        download(figshare, tmp_path / "half")


def test_an_archive_cut_off_on_its_way_here_is_damaged(
    tmp_path: Path, standins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bytearray(standins.pack(standins.members("sartaj")))
    body[60:70] = bytes(10)
    standins.lay({"archive.zip": bytes(body)}, tmp_path)
    with pytest.raises(DamagedFileError, match=r"archive\.zip is not a whole ZIP archive"):
        download(standins.small("sartaj"), tmp_path)
    assert not (tmp_path / "sartaj").exists()
    assert leftovers(tmp_path) == []


def test_what_lies_in_the_place_of_the_set_is_left_alone(figshare: CatalogueEntry, tmp_path: Path) -> None:
    (tmp_path / "figshare").mkdir()
    (tmp_path / "figshare" / "thesis.txt").write_text("years of work")
    with pytest.raises(DatasetError, match="holds something else than the set figshare: move it away"):
        download(figshare, tmp_path)
    assert contents(tmp_path / "figshare") == {"thesis.txt": b"years of work"}


def test_half_a_set_that_lies_there_is_left_alone(figshare: CatalogueEntry, standins: Any, tmp_path: Path) -> None:
    standins.lay(standins.mats(1, 2, 3), tmp_path / "figshare")
    with pytest.raises(DatasetError, match="only a part of figshare: 3 of 8 slices"):
        download(figshare, tmp_path)


def test_a_full_disk_is_said_before_anything_is_fetched(
    server: Any, figshare: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(CacheError, match="make room, or choose another folder"):
        download(figshare, tmp_path)
    assert server.asked == []
    assert leftovers(tmp_path) == []


def test_a_root_that_is_a_file_or_can_not_be_written_is_said(figshare: CatalogueEntry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="can't be used to keep sets"):
        download(figshare, tmp_path / "file" / "data")
    with pytest.raises(CacheError, match="can't be used to keep sets"):
        download(figshare, tmp_path / "file")
