"""The page of a batch: what is in it, in which order, and what is left when it can't be finished."""

import csv
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mriclassify import OptionError, OutputError
from mriclassify._gallery import save_gallery
from mriclassify._notice import NOTICE

Scans = Callable[..., list[Path]]


def rows(folder: Path) -> list[str]:
    """The rows of the page's table of scans."""
    body = (folder / "index.html").read_text(encoding="utf-8").split('class="gallery"')[1]
    return re.findall(r'<tr role="row" class.*?</tr>', body, re.DOTALL)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "answers.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def words(html: str) -> str:
    return " ".join(unescape(re.sub("<[^>]+>", " ", html)).split())


def test_rejected_scans_come_first_then_errors_uncertain_and_ok_ones(
    answering: Any, scans: Scans, tmp_path: Path
) -> None:
    clf = answering({"b": "rejected", "c": "uncertain", "e": "rejected"})
    paths = scans("a.png", "b.png", "c.png", "d.png", "e.png")
    paths.insert(3, tmp_path / "gone.png")
    answers = list(save_gallery(clf, paths, tmp_path / "out"))
    assert [Path(answer.source).name for answer in answers] == [path.name for path in paths]
    found = [re.findall(r'class="name" data-value="[^"]*/(\w+)\.png"', row)[0] for row in rows(tmp_path / "out")]
    assert found == ["b", "e", "gone", "c", "a", "d"]
    # The table for programs stays in the order of the input.
    assert [row["status"] for row in table(tmp_path / "out")] == [answer.status for answer in answers]
    assert clf.asked == [str(path) for path in paths]  # each once


def test_a_row_says_what_the_answer_says(answering: Any, scans: Scans, tmp_path: Path) -> None:
    (answer,) = save_gallery(answering({"a": "uncertain"}), scans("a.png"), tmp_path / "out")
    (row,) = rows(tmp_path / "out")
    said = words(row)
    for label, chance in answer.probabilities.items():
        assert f"{label} {chance:.3f}" in said
        assert f"--part: {100 * chance:.1f}%" in row
    assert said.endswith("uncertain It is <odd>. It is small.")  # escaped
    assert "<odd>" not in row
    (written,) = table(tmp_path / "out")
    assert (written["source"], written["glioma"]) == (answer.source, str(answer.probabilities["glioma"]))


def test_a_page_loads_nothing_but_its_own_pictures_and_those_lazily(
    answering: Any, scans: Scans, tmp_path: Path
) -> None:
    list(save_gallery(answering(), scans("a.png", "b.png"), tmp_path / "out"))
    html = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    shown = re.findall(r'<img src="([^"]+)" alt="([^"]+)" loading="lazy"', html)
    assert len(shown) == html.count("<img") == 6
    assert all((tmp_path / "out" / path).is_file() for path, _ in shown)
    assert len({alt for _, alt in shown}) == 6
    assert not re.search(r'(src|href)="?(https?:)?//|url\(|@import', html)
    assert NOTICE in unescape(html)


def test_pictures_are_small_and_of_the_scans_own_proportions(answering: Any, scans: Scans, tmp_path: Path) -> None:
    large, small = scans("large.png", shape=(700, 350)) + scans("small.png", shape=(40, 60))
    list(save_gallery(answering(), [large, small], tmp_path / "out"))
    pictures = {path.name: pixels(path) for path in (tmp_path / "out" / "images").iterdir()}
    sizes = {name: picture.shape[1::-1] for name, picture in pictures.items()}
    kinds = ("", "-heat", "-lesion")
    assert sizes == {f"0001{kind}.png": (128, 256) for kind in kinds} | {f"0002{kind}.png": (60, 40) for kind in kinds}
    assert np.array_equal(pictures["0002.png"], pixels(small))


def test_weights_that_look_for_no_lesions_have_no_column_for_them(answering: Any, scans: Scans, tmp_path: Path) -> None:
    list(save_gallery(answering(has_lesions=False), scans("a.png"), tmp_path / "out"))
    html = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "esion map" not in words(html)
    assert sorted(path.name for path in (tmp_path / "out" / "images").iterdir()) == ["0001-heat.png", "0001.png"]


def test_the_summary_counts_every_scan_once(answering: Any, scans: Scans, tmp_path: Path) -> None:
    clf = answering({"b": "rejected", "c": "uncertain"})
    list(save_gallery(clf, [*scans("a.png", "b.png", "c.png", "d.png"), tmp_path / "gone.png"], tmp_path / "out"))
    html = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    counts = re.findall(r'<b class="\w+">(\d+)</b> <span class="state">(\w+)</span>', html)
    assert counts == [("1", "rejected"), ("1", "error"), ("1", "uncertain"), ("2", "ok")]
    said = words(html)
    assert "class ok uncertain rejected all glioma 2 1 1 4 notumor 0 0 0 0" in said
    assert "Answers for 5 scans" in said
    assert f"The confidence is below {clf.thresholds.uncertain_below:.2f}" in said
    assert "fake-v1" in said


def test_no_scans_at_all_still_make_a_page(answering: Any, tmp_path: Path) -> None:
    assert list(save_gallery(answering(), [], tmp_path / "out")) == []
    assert rows(tmp_path / "out") == table(tmp_path / "out") == []


def test_an_earlier_report_is_replaced_wholly(answering: Any, scans: Scans, tmp_path: Path) -> None:
    list(save_gallery(answering(), scans("a.png", "b.png"), tmp_path / "out"))
    list(save_gallery(answering(has_lesions=False), scans("a.png"), tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out" / "images").iterdir()) == ["0001-heat.png", "0001.png"]
    assert len(rows(tmp_path / "out")) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "scans"]


def test_nothing_is_there_before_the_end_and_nothing_stays_of_what_was_stopped(
    answering: Any, scans: Scans, tmp_path: Path
) -> None:
    list(save_gallery(answering(), scans("a.png"), tmp_path / "out"))
    before = (tmp_path / "out" / "index.html").read_bytes()
    answers = save_gallery(answering(), scans("a.png", "b.png"), tmp_path / "out")
    next(answers)
    assert any(path.name.startswith(".out.") for path in tmp_path.iterdir())
    assert (tmp_path / "out" / "index.html").read_bytes() == before
    answers.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "scans"]
    assert (tmp_path / "out" / "index.html").read_bytes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_breaks_off_leaves_nothing(
    answering: Any, scans: Scans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    clf = answering()
    answers = save_gallery(clf, scans("a.png", "b.png"), tmp_path / "out")
    next(answers)

    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(clf, "explain", broken)
    with pytest.raises(error):
        next(answers)
    assert [path.name for path in tmp_path.iterdir()] == ["scans"]


def test_scans_are_not_taken_from_the_folder_that_is_replaced(answering: Any, scans: Scans, tmp_path: Path) -> None:
    scans("a.png")
    out = tmp_path / "scans" / "report"
    list(save_gallery(answering(), [tmp_path / "scans" / "a.png"], out))
    with pytest.raises(OutputError, match="not among the scans"):
        save_gallery(answering(), sorted((tmp_path / "scans").rglob("*.png")), out)


@pytest.mark.parametrize(("options", "said"), [({"index": -1}, "at least 0"), ({"axis": 3}, "axis")])
def test_options_out_of_range_are_refused_before_anything_is_read(
    answering: Any, scans: Scans, tmp_path: Path, options: dict[str, int], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        save_gallery(answering(), scans("a.png"), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
