"""expand: folders, patterns and iterables become single sources, in natural order, one at a time."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mriclassify._errors import MissingFileError, ReadError, UnsupportedFormatError
from mriclassify._reading import expand, read_slice

NAMES = ["a/scan2.png", "a/scan10.png", "b/x/scan1.png", "scan3.png", "scan20.png"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in (*reversed(NAMES), ".hidden.png", ".cache/scan.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(20, dtype=np.uint8)).save(root / name)
    return root


def names(sources: Any, root: Path) -> list[str]:
    return [Path(path).relative_to(root).as_posix() for path in expand(sources)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", NAMES),
        ("*.png", NAMES[3:]),
        ("*", NAMES),
        ("**/*.png", NAMES),
        ("**", NAMES),
        ("?/*.png", NAMES[:2]),
        ("scan[0-3].png", ["scan3.png"]),
        ("*/x/*", ["b/x/scan1.png"]),
        ("scan3.png", ["scan3.png"]),
        (".*.png", [".hidden.png"]),
    ],
)
def test_folders_and_patterns_are_in_natural_order_without_hidden_files(
    pattern: str, expected: list[str], folder: Path
) -> None:
    for kind in (str, Path):
        assert names(kind(folder / pattern), folder) == expected


def test_a_pattern_may_be_relative(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "a")
    assert [str(path) for path in expand("*.png")] == ["scan2.png", "scan10.png"]
    assert [Path(path).name for path in expand("../scan*.png")] == ["scan3.png", "scan20.png"]  # type: ignore[arg-type]


def test_a_pattern_that_matches_nothing_is_missing(folder: Path) -> None:
    for pattern in ("*.dcm", "nowhere/*.png", "**/*.nii"):
        with pytest.raises(MissingFileError, match="Nothing matches"):
            list(expand(str(folder / pattern)))


def test_a_file_whose_name_looks_like_a_pattern_is_itself(folder: Path) -> None:
    path = (folder / "scan3.png").rename(folder / "scan[3].png")
    assert list(expand(path)) == [path]


def test_what_is_missing_or_can_not_be_is_passed_on_for_reading_to_tell() -> None:
    sources: list[Any] = ["nowhere.png", "nul\0byte", None, 3, {"a": 1}, "http://host/a?b=*"]
    assert list(expand(sources)) == sources


def test_iterables_are_taken_apart_lazily_and_nested(folder: Path) -> None:
    taken = []

    def endless() -> Iterator[Any]:
        k = 0
        while True:
            taken.append(k)
            yield [folder / "scan3.png", (folder / "a", [str(folder / "scan2*.png")])]
            k += 1

    found = expand(endless())
    first = [Path(next(found)).name for _ in range(4)]  # type: ignore[arg-type]
    assert first == ["scan3.png", "scan2.png", "scan10.png", "scan20.png"]
    assert taken == [0]


@pytest.mark.parametrize(
    "source",
    [
        np.eye(20),
        torch.eye(20),
        b"bytes",
        bytearray(b"x"),
        io.BytesIO(b"a\nb"),
        Image.new("L", (20, 20)),
    ],
    ids=lambda source: type(source).__name__,
)
def test_single_sources_that_could_be_iterated_are_left_whole(source: Any) -> None:
    (found,) = expand(source)
    assert found is source
    assert [found is source for found in expand([source, source])] == [True, True]


def test_a_list_that_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(UnsupportedFormatError, match="nested"):
        list(expand(circle))


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no scan in folder"):
        list(expand(tmp_path))


def test_within_a_list_what_gives_nothing_stays_at_its_place(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    first = sorted(folder.rglob("*.png"))[0]
    sources = [first, tmp_path / "empty", str(tmp_path / "*.dcm"), first]
    assert list(expand(sources)) == sources
    for source in sources[1:3]:
        with pytest.raises(ReadError, match=r"empty|dcm"):
            read_slice(source)


def test_links_that_lead_back_end(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / "a" / name).symlink_to(folder)
    assert names(folder / "**" / "*.png", folder) == NAMES
    (folder / "loop").symlink_to(folder / "loop")
    (source,) = expand(folder / "loop")
    with pytest.raises(ReadError, match="loop"):
        read_slice(source)


def test_a_pipe_that_a_pattern_matches_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    assert "pipe.png" in names(folder / "*.png", folder)
