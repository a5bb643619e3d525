"""A report's folder: what it may replace, and what it must not."""

from pathlib import Path

import pytest

from mriclassify import OutputError
from mriclassify._gallery._folder import IMAGES, MARK, PAGE, TABLE, whole_folder


def fill(folder: Path, text: str = "new") -> None:
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    (folder / IMAGES / "0001.png").write_text(text)
    (folder / TABLE).write_text(text)
    (folder / PAGE).write_text(MARK + text)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("other", ["notes.txt", "images/holiday.png", "images/0002.png/mine.txt", ".git/config"])
def test_what_is_not_ours_is_named_and_kept(tmp_path: Path, other: str) -> None:
    fill(tmp_path / "out")
    path = tmp_path / "out" / other
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    before = names(tmp_path)
    found = str(Path(*Path(other).parts[:2])) if other.startswith("images") else Path(other).parts[0]
    with (
        pytest.raises(OutputError, match=rf"{found}.*choose another folder, or empty"),
        whole_folder(tmp_path / "out"),
    ):
        pytest.fail("began")
    assert names(tmp_path) == before


@pytest.mark.parametrize("name", [PAGE, TABLE, "scan.png"])
def test_a_page_of_somebody_else_is_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("<html>")
    with pytest.raises(OutputError, match=f"something else .*{name}"), whole_folder(tmp_path / "out"):
        pytest.fail("began")
    assert (tmp_path / "out" / name).read_text() == "<html>"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    for path in (tmp_path / "out", tmp_path / "out" / "report"):
        with pytest.raises(OutputError, match=r"file|File|Not a directory"), whole_folder(path):
            pytest.fail("began")


def test_a_path_with_a_null_byte_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="null byte"), whole_folder(tmp_path / "a\0b"):
        pytest.fail("began")


@pytest.mark.parametrize("earlier", ["nothing", "empty", "report", "report that was looked at"])
def test_a_new_report_takes_the_place_of_the_old_one(tmp_path: Path, earlier: str) -> None:
    out = tmp_path / "deep" / "out"
    if earlier != "nothing":
        out.mkdir(parents=True)
    if earlier.startswith("report"):
        fill(out, "old")
        (out / IMAGES / "0002-heat.png").touch()
    if earlier.endswith("looked at"):
        (out / ".DS_Store").touch()
        (out / IMAGES / "Thumbs.db").touch()
    with whole_folder(out) as part:
        fill(part)
        assert part.parent == out.parent
    assert names(tmp_path / "deep") == ["out", "out/answers.csv", "out/images", "out/images/0001.png", "out/index.html"]
    assert (out / TABLE).read_text() == "new"


def test_a_link_to_a_folder_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_folder(tmp_path / "link") as part:
        fill(part)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / PAGE).is_file()


def test_the_old_report_stays_if_the_new_one_fails(tmp_path: Path) -> None:
    fill(tmp_path / "out", "old")
    with pytest.raises(OutputError, match="No space left"), whole_folder(tmp_path / "out") as part:
        fill(part)
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == ["out", "out/answers.csv", "out/images", "out/images/0001.png", "out/index.html"]
    assert (tmp_path / "out" / TABLE).read_text() == "old"


def test_the_old_report_comes_back_if_the_new_one_can_not_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "out", "old")
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise OSError(16, "Device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OutputError, match="busy"), whole_folder(tmp_path / "out") as part:
        fill(part)
    assert (tmp_path / "out" / TABLE).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_came_in_meanwhile_is_kept(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"notes\.txt"), whole_folder(tmp_path / "out") as part:
        fill(part)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes.txt").touch()
    assert names(tmp_path) == ["out", "out/notes.txt"]
