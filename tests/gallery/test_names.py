"""Names that are hashed: who has the files finds them again, and nobody else learns them."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from mriclassify import OptionError
from mriclassify._gallery import save_gallery
from mriclassify._gallery._names import anonymous_name

Scans = Callable[..., list[Path]]
NAMES = ("DoeJane", "19410213", "ward_seven")


def everything(folder: Path) -> bytes:
    """All bytes of all files of a folder, and all names."""
    paths = sorted(folder.rglob("*"))
    return b"".join(
        str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b"") for path in paths
    )


@pytest.fixture
def named(tmp_path: Path) -> list[Path]:
    """Files that are read, and files that are not, for every reason; all have NAMES in path and content's comments."""
    folder = tmp_path / NAMES[2]
    folder.mkdir()
    rng = np.random.default_rng(0)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", " ".join(NAMES))
    stem = f"{NAMES[0]}_{NAMES[1]}"
    Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(folder / f"{stem}.png", pnginfo=info)
    Image.new("L", (64, 64)).save(folder / f"{stem}_blank.png")
    (folder / f"{stem}_cut.png").write_bytes((folder / f"{stem}.png").read_bytes()[:200])
    (folder / f"{stem}_empty.jpg").touch()
    (folder / f"{stem}_text.jpg").write_text("none")
    (folder / f"{stem}_folder").mkdir()
    (folder / f"{stem}.hdr").write_bytes((348).to_bytes(4, "little") + bytes(336) + b"ni1\0" + bytes(4))
    return [*sorted(folder.iterdir()), folder / f"{stem}_gone.png"]


def test_no_name_is_in_any_file_of_the_folder(answering: Any, named: list[Path], tmp_path: Path) -> None:
    answers = list(save_gallery(answering(), named, tmp_path / "out", anonymize=True))
    assert [answer.source for answer in answers] == [str(path) for path in named]  # the terminal keeps them
    assert sum(answer.status == "error" for answer in answers) == len(named) - 1
    content = everything(tmp_path / "out")
    leaked = [name for name in (*NAMES, "_cut", "_gone", tmp_path.name) if name.lower().encode() in content.lower()]
    assert leaked == []
    # Without it they are there: the search above would find them.
    list(save_gallery(answering(), named, tmp_path / "out"))
    assert all(name.encode() in everything(tmp_path / "out") for name in NAMES)


def test_who_has_the_files_finds_them_again(answering: Any, scans: Scans, tmp_path: Path) -> None:
    paths = scans("a.png", "b.png")
    shutil.copy(paths[0], tmp_path / "copy.png")
    list(
        save_gallery(answering(), [*paths, tmp_path / "copy.png", tmp_path / "gone"], tmp_path / "out", anonymize=True)
    )
    rows = (tmp_path / "out" / "answers.csv").read_text().splitlines()[1:]
    found = [row.split(",")[0] for row in rows]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in paths]
    assert found == [*digests, digests[0], "input-4"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert all(digest in page for digest in digests)
    assert "Text that is burnt into a picture is still there" in page


def test_a_slice_that_was_asked_for_is_named(scans: Scans) -> None:
    (path,) = scans("a.png")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert anonymous_name(path, number=1, index=90) == f"{digest}-slice-90"


def test_what_can_not_be_read_is_called_by_its_place(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone", "a\0b"):
        assert anonymous_name(path, number=7) == "input-7"


def test_addresses_can_not_be_hashed(answering: Any, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="download"):
        save_gallery(answering(), ["https://example.org/DoeJane.png"], tmp_path / "out", anonymize=True)
    assert not (tmp_path / "out").exists()
