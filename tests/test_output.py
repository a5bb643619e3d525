"""Output: whole under its name, or not there at all."""

import os
import threading
from pathlib import Path

import pytest

from mriclassify import OutputError
from mriclassify._output import whole_file


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file.txt"
    with whole_file(target) as part:
        part.write_text("half")
        assert not target.exists()
        part.write_text("whole")
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(target) as part:
        part.write_text("new")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"file/below\.txt can't be written"), whole_file(tmp_path / "file/below.txt"):
        pass
    with pytest.raises(OutputError, match="is a folder"), whole_file(tmp_path):
        pass


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"), whole_file(tmp_path / "file.txt") as part:
        part.write_text("some")
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_readers_never_see_a_half(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    lengths = {100_000, 200_000}
    target.write_text("x" * 100_000)
    seen: set[int] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.add(len(target.read_text()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(40):
        with whole_file(target) as part:
            part.write_text("x" * sorted(lengths)[number % 2])
    stop.set()
    watcher.join()
    assert seen <= lengths


def test_a_device_or_pipe_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="device or pipe"), whole_file(tmp_path / "pipe") as part:
        part.write_text("in its place")
    assert (tmp_path / "pipe").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
