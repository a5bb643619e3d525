"""Row cache: a row holds as long as its file does, and no state of the disk makes it fail."""

import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from mriclassify._likeness._cache import NAME, RowCache

ROW = np.dtype([("number", np.int64), ("hash", np.uint64, (4,))])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("MRICLASSIFY_HOME", str(folder))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of ten files, one of them in a subfolder under a name that is not ASCII."""
    (tmp_path / "data" / "größe 1").mkdir(parents=True)
    for number in range(9):
        (tmp_path / "data" / f"{number}.png").write_bytes(bytes(number + 1))
    (tmp_path / "data" / "größe 1" / "ß.png").write_bytes(b"ten")
    return tmp_path / "data"


def files_of(data: Path) -> list[Path]:
    return sorted(path for path in data.rglob("*.png"))


def numbered(count: int) -> np.ndarray:
    rows = np.zeros(count, ROW)
    rows["number"] = np.arange(1, count + 1)
    rows["hash"] = np.random.default_rng(0).integers(1 << 63, size=(count, 4))
    return rows


def fill(data: Path, version: str = "1") -> np.ndarray:
    """Keep rows of all files, as a first run does."""
    paths, rows = files_of(data), numbered(10)
    cache = RowCache.open(data, ROW, version)
    assert not cache.get(paths)[1].any()
    cache.put(paths, rows)
    cache.save()
    return rows


def look(data: Path, version: str = "1", dtype: np.dtype = ROW) -> tuple[np.ndarray, np.ndarray]:
    return RowCache.open(data, dtype, version).get(files_of(data))


def test_a_second_run_finds_what_the_first_one_kept(data: Path) -> None:
    rows = fill(data)
    found, hit = look(data)
    assert hit.all()
    assert (found == rows).all()


def test_rows_are_there_before_they_are_saved(data: Path) -> None:
    cache = RowCache.open(data, ROW, "1")
    paths = files_of(data)
    cache.get(paths)
    cache.put(paths[:3], numbered(3))
    found, hit = cache.get(paths)
    assert hit.tolist() == [True] * 3 + [False] * 7
    assert found["number"].tolist() == [1, 2, 3] + [0] * 7


def test_a_file_that_changed_is_not_hit(data: Path) -> None:
    fill(data)
    longer, later, gone = files_of(data)[:3]
    state = longer.stat()
    longer.write_bytes(bytes(99))
    os.utime(longer, ns=(state.st_atime_ns, state.st_mtime_ns))
    os.utime(later, ns=(0, 1))
    gone.unlink()
    _, hit = RowCache.open(data, ROW, "1").get([longer, later, gone, files_of(data)[-1]])
    assert hit.tolist() == [False, False, False, True]


def test_a_file_that_changes_while_it_is_read_is_read_again(data: Path) -> None:
    paths = files_of(data)
    cache = RowCache.open(data, ROW, "1")
    cache.get(paths)
    os.utime(paths[0], ns=(0, 12345))  # while its pixels are being read
    cache.put(paths, numbered(10))
    cache.save()
    assert look(data)[1].tolist() == [False] + [True] * 9


def test_a_new_row_replaces_the_old_one(data: Path) -> None:
    fill(data)
    path = files_of(data)[4]
    os.utime(path, ns=(0, 1))
    cache = RowCache.open(data, ROW, "1")
    cache.get([path])
    cache.put([path], np.array([(77, (1, 2, 3, 4))], ROW))
    cache.save()
    found, hit = look(data)
    assert hit.all()
    assert found["number"].tolist() == [1, 2, 3, 4, 77, 6, 7, 8, 9, 10]


def test_only_files_that_were_asked_for_can_be_kept(data: Path) -> None:
    cache = RowCache.open(data, ROW, "1")
    with pytest.raises(KeyError):
        cache.put(files_of(data)[:1], numbered(1))


@pytest.mark.parametrize(
    ("version", "dtype"),
    [
        ("2", ROW),
        ("1", np.dtype([("number", np.int32), ("hash", np.uint64, (4,))])),
        ("1", np.dtype([("n", np.int64)])),
    ],
)
def test_another_version_or_dtype_starts_anew(data: Path, version: str, dtype: np.dtype) -> None:
    fill(data)
    found, hit = look(data, version, dtype)
    assert not hit.any()
    assert found.dtype == dtype


def test_a_moved_folder_keeps_its_rows(data: Path, tmp_path: Path) -> None:
    fill(data)
    moved = data.rename(tmp_path / "elsewhere")
    assert look(moved)[1].all()


def test_files_elsewhere_are_kept_as_well(data: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"1")
    cache = RowCache.open(data, ROW, "1")
    cache.get([outside])
    cache.put([outside], numbered(1))
    cache.save()
    assert RowCache.open(data, ROW, "1").get([outside])[1].all()


def test_rows_of_files_that_are_gone_are_dropped(data: Path) -> None:
    fill(data)
    before = (data / NAME).stat().st_size
    for path in files_of(data)[:5]:
        path.unlink()
    RowCache.open(data, ROW, "1").save()
    assert (data / NAME).stat().st_size < before
    assert look(data)[1].all()


def test_an_empty_cache_can_be_kept(data: Path) -> None:
    RowCache.open(data, ROW, "1").save()
    found, hit = look(data)
    assert len(found) == 10
    assert not hit.any()
    assert RowCache.open(data, ROW, "1").get([])[0].shape == (0,)


def test_a_damaged_or_foreign_file_is_passed_over_and_replaced(data: Path) -> None:
    fill(data)
    whole = (data / NAME).read_bytes()
    rng = np.random.default_rng(1)
    damaged = [b"", b"PK", whole[:-1], whole[:40], whole + b"x", b"\0" * 999, b"mriclassify"]
    for place in rng.integers(len(whole), size=50):
        damaged.append(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
    for content in damaged:
        (data / NAME).write_bytes(content)
        assert not look(data)[1].any()
    fill(data)
    assert look(data)[1].all()


def test_where_the_folder_cannot_be_written_the_home_keeps_the_rows(data: Path, home: Path) -> None:
    (data / NAME).mkdir()  # in the way of a file
    rows = fill(data)
    assert (look(data)[0] == rows).all()
    assert [path.parent for path in home.rglob("*") if path.is_file()] == [home / "rows"]


def test_homes_of_two_folders_do_not_mix(data: Path, tmp_path: Path) -> None:
    (data / NAME).mkdir()
    fill(data)
    (tmp_path / "other" / NAME).mkdir(parents=True)
    (tmp_path / "other" / "0.png").write_bytes(bytes(1))
    assert not look(tmp_path / "other")[1].any()


def test_where_nothing_can_be_written_a_warning_says_what_to_do(
    data: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data / NAME).mkdir()
    home.write_text("in the way")
    with caplog.at_level(logging.WARNING, "mriclassify"):
        fill(data)
    assert len(caplog.messages) == 1
    assert str(data / NAME) in caplog.messages[0]
    assert "MRICLASSIFY_HOME" in caplog.messages[0]


def test_two_that_save_at_once_leave_a_whole_file(data: Path) -> None:
    def save_often() -> None:
        cache = RowCache.open(data, ROW, "1")
        cache.get(files_of(data))
        cache.put(files_of(data), numbered(10))
        for _ in range(20):
            cache.save()

    threads = [threading.Thread(target=save_often) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert look(data)[1].all()
    assert [path.name for path in data.iterdir() if path.name.startswith(".")] == [NAME]
