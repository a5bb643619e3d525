"""Output: whole under its name, or not there at all."""

import os
import threading
from pathlib import Path

import pytest
import torch

from mriclassify import OutputError
from mriclassify._output import whole_file, write_tensors


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


@pytest.mark.parametrize("length", [215, 250, 255])
def test_any_name_that_the_system_takes_can_be_written(tmp_path: Path, length: int) -> None:
    with whole_file(tmp_path / ("a" * length)) as part:
        part.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a" * length]


@pytest.mark.parametrize("name", ["a" * 300, "", ".", "nul\0l"])
def test_what_can_be_no_file_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError), whole_file(name) as part:
        part.write_text("nowhere")
    assert list(tmp_path.iterdir()) == []


def test_an_output_error_inside_is_not_told_twice(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught, whole_file(tmp_path / "outer") as part:
        part.write_text("some")
        with whole_file(tmp_path):
            pass
    assert str(caught.value).startswith(f"{tmp_path} is a folder")
    assert list(tmp_path.iterdir()) == []


def test_writers_side_by_side_leave_one_of_their_files_whole(tmp_path: Path) -> None:
    failures: list[Exception] = []

    def write(letter: str) -> None:
        try:
            for _ in range(20):
                with whole_file(tmp_path / "file.txt") as part:
                    part.write_text(letter * 50_000)
                assert len(set((tmp_path / "file.txt").read_text())) == 1
        except (OutputError, AssertionError) as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert len((tmp_path / "file.txt").read_text()) == 50_000
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_tensors_that_do_not_fit_on_the_disk_are_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch
    from safetensors import SafetensorError

    def full(*_: object, **__: object) -> None:
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        write_tensors(tmp_path / "x.safetensors", {"x": torch.ones(2)}, metadata={})
    assert list(tmp_path.iterdir()) == []


def test_tensors_are_readable_as_the_umask_says(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {"x": torch.ones(2)}, metadata={})
    (tmp_path / "plain").touch()
    assert (tmp_path / "x.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
