"""The page of a report: one file, no links outside, every figure, nothing of the user's that acts as HTML."""

import base64
import copy
import io
import json
import pickle
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mriclassify._errors import MissingFileError, OptionError
from mriclassify._evaluation import Leakage, Report, make_report
from mriclassify._evaluation._pictures import PICTURES, Picture, pictures_of, shown_mistakes

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
HEADLINES = ("accuracy", "macro_f1", "auroc", "loss", "brier", "calibration_error", "jaccard", "specificity")
EVIL = "<script>alert(1)</script>\"'&"
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """What a page holds; an end tag that closes another element than the innermost is an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and "style" not in self.open and "title" not in self.open:
            self.texts.append(" ".join(data.split()))

    def values(self, *names: str) -> list[str]:
        return [value or "" for _, attrs in self.tags for name, value in attrs.items() if name in names]

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def png(grey: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), grey).save(buffer, format="png")
    return buffer.getvalue()


def two_pictures(index: int) -> Sequence[Picture]:
    return (Picture(png=png(), caption="The slice"), Picture(png=png(200), caption=f"Heat map of {index}"))


def report_of(n: int = 80, *, classes: Sequence[str] = CLASSES, seed: int = 0, **changes: Any) -> Report:
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % len(classes)
    odds = np.exp(rng.normal(size=(n, len(classes))) + 1.5 * np.eye(len(classes))[targets])
    given: dict[str, Any] = {
        "probabilities": odds / odds.sum(axis=1, keepdims=True),
        "targets": targets,
        "classes": tuple(classes),
        "groups": [f"p{number // 2}" for number in range(n)],
        "split": "by patient",
        "leakage": Leakage(checked=True, slices_seen=0, groups_seen=0, n_slices=n),
        "model": "demo",
        "names": [f"scan_{number}.png" for number in range(n)],
        "sources": ["here", "there"] * (n // 2),
        "statuses": ["ok", "ok", "uncertain", "rejected"] * (n // 4),
        "settings": {"device": "cpu", "evaluated with": {"torch": "2.9", "numpy": "2.0"}},
        "pictures": two_pictures,
        "bootstrap": 50,
    }
    return make_report(**(given | changes))


def html_of(report: Report, folder: Path, **options: Any) -> str:
    report.save(folder, **options)
    return (folder / "report.html").read_text(encoding="utf-8")


def page_of(report: Report, folder: Path, **options: Any) -> Page:
    return Page(html_of(report, folder, **options))


@pytest.fixture
def plotless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib a report is saved in no time."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)


def test_the_page_needs_no_other_file_and_every_picture_is_said_in_words(tmp_path: Path) -> None:
    html = html_of(report_of(history=[{"epoch": 1, "train_loss": 1.0}]), tmp_path)
    page = Page(html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for address in page.values("src", "href", "srcset", "action", "poster", "background"):
        assert address.startswith("data:image/png;base64,") or address[1:] in ids, address[:80]
    assert "url(" not in html
    assert "@import" not in html
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 5 + 2 * PICTURES
    for image in images:
        assert len(str(image["alt"])) > 5
        with Image.open(io.BytesIO(base64.b64decode(str(image["src"]).partition(",")[2]))) as picture:
            picture.load()
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]


def test_plots_are_told_to_those_who_cannot_see_them(tmp_path: Path) -> None:
    report = report_of()
    told = " ".join(page_of(report, tmp_path).values("alt"))
    right = int(np.trace(report.confusion))
    assert f"{right} of 80 slices were answered rightly" in told
    assert f"glioma {report.per_class['glioma'].auroc:.3f}" in told
    assert f"expected calibration error is {report.calibration_error:.3f}" in told
    assert f"Of all answers, {100 * (1 - report.accuracy):.1f} % are wrong" in told
    assert told.count("[") == 0
    assert f"![Risk and coverage: Of all answers, {100 * (1 - report.accuracy):.1f} %" in (
        tmp_path / "report.md"
    ).read_text(encoding="utf-8")


@pytest.mark.usefixtures("plotless")
def test_every_headline_figure_is_the_one_of_the_json_file(tmp_path: Path) -> None:
    page = page_of(report_of(), tmp_path)
    found = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    values = {float(value) for value in page.values("value")}
    for name in HEADLINES:
        assert found[name] in values, name
        assert f"{found[name]:.3f}" in page.text
        low, high = found["intervals"][name].values()
        assert f"{low:.3f} to {high:.3f}" in page.text


@pytest.mark.usefixtures("plotless")
def test_a_leak_is_the_first_thing_that_is_said_after_the_notice(tmp_path: Path) -> None:
    leak = Leakage(checked=True, slices_seen=12, groups_seen=3, n_slices=80)
    page = page_of(report_of(leakage=leak), tmp_path)
    assert page.texts[1] == leak.sentence
    assert page.text.count(leak.sentence) == 1
    clean = page_of(report_of(), tmp_path)
    assert clean.texts[1] == "Evaluation of demo"
    assert report_of().leakage.sentence in clean.text


@pytest.mark.usefixtures("plotless")
def test_names_of_files_classes_and_sources_are_text_and_never_html(tmp_path: Path) -> None:
    n = 80
    report = report_of(
        classes=(EVIL, "b", "c", "d"),
        names=[f"{EVIL}{number}.png" for number in range(n)],
        sources=[EVIL, "x"] * (n // 2),
        model=EVIL,
        split=EVIL,
        settings={EVIL: {EVIL: EVIL}},
        unreadable=[(EVIL, EVIL)],
        pictures=lambda index: [Picture(png=png(), caption=EVIL)],
    )
    html = html_of(report, tmp_path)
    page = Page(html)
    assert "<script>alert" not in html
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert page.text.count("<script>alert(1)</script>") > 20


@pytest.mark.usefixtures("plotless")
def test_names_that_are_no_text_can_be_written(tmp_path: Path) -> None:
    names = ["bad\udcff.png"] + [f"{number}.png" for number in range(79)]
    Page(html_of(report_of(names=names, unreadable=[("also\udcfe.png", "gone")]), tmp_path))
    found = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert found["unreadable"][0][0] == "also\udcfe.png"


@pytest.mark.usefixtures("plotless")
def test_without_matplotlib_the_page_tells_in_words_what_is_missing(tmp_path: Path) -> None:
    page = page_of(report_of(), tmp_path)
    assert "pip install 'mriclassify[plot]'" in page.text
    assert "expected calibration error is" in page.text
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 2 * PICTURES


@pytest.mark.usefixtures("plotless")
def test_tables_hold_sources_statuses_and_the_surest_answers(tmp_path: Path) -> None:
    report = report_of()
    text = page_of(report, tmp_path).text
    for name, part in (report.per_source | report.per_status).items():
        groups = "–" if part.n_groups is None else part.n_groups
        assert f"{name} {part.n} {groups} {part.right} {part.accuracy:.3f}" in text
    assert f"100.0 % 80 {report.probabilities.max(axis=1).min():.3f} {len(report.mistakes)}" in text
    assert "evaluated with torch 2.9, numpy 2.0" in text


@pytest.mark.usefixtures("plotless")
def test_a_report_without_mistakes_says_so_and_asks_for_no_picture(tmp_path: Path) -> None:
    def never(index: int) -> Sequence[Picture]:
        raise AssertionError(index)

    targets = np.arange(12) % 4
    report = report_of(12, probabilities=np.eye(4)[targets] * 0.9 + 0.025, pictures=never)
    page = page_of(report, tmp_path)
    assert "every slice was answered rightly" in page.text
    assert "12 of 12 slices were answered rightly" in page.text


@pytest.mark.usefixtures("plotless")
@pytest.mark.parametrize(("asked", "shown"), [({}, PICTURES), ({"pictures": 0}, 0), ({"pictures": 3}, 3)])
def test_as_many_mistakes_are_shown_as_asked_for_and_the_worst_first(
    asked: dict[str, int], shown: int, tmp_path: Path
) -> None:
    calls: list[int] = []

    def pictures(index: int) -> Sequence[Picture]:
        calls.append(index)
        return two_pictures(index)

    report = report_of(pictures=pictures)
    assert len(report.mistakes) > PICTURES
    assert calls == []
    page = page_of(report, tmp_path, **asked)
    assert calls == [mistake.index for mistake in report.mistakes[:shown]]
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 2 * shown
    assert ("and pictures of slices" in page.text) == bool(shown)
    assert "Do not publish" in page.text


@pytest.mark.usefixtures("plotless")
@pytest.mark.parametrize("error", [MissingFileError("scan.png: no such file"), OSError("gone"), RuntimeError("full")])
def test_a_picture_that_cannot_be_made_becomes_a_sentence(error: Exception, tmp_path: Path) -> None:
    report = report_of()
    first = report.mistakes[0].index

    def pictures(index: int) -> Sequence[Picture]:
        if index == first:
            raise error
        return two_pictures(index)

    page = page_of(report_of(pictures=pictures), tmp_path)
    assert f"No picture: {error}" in page.text
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 2 * (PICTURES - 1)


def test_less_than_no_pictures_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="-1"):
        report_of().save(tmp_path, pictures=-1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("plotless")
def test_many_classes_fit(tmp_path: Path) -> None:
    classes = [f"a class with a rather long name {number}" for number in range(30)]
    page = page_of(report_of(120, classes=classes), tmp_path)
    assert "Areas under the curves run from" in page.text
    assert all(name in page.text for name in classes)


@pytest.mark.usefixtures("plotless")
def test_absent_classes_no_intervals_and_unknown_patients_make_a_page_too(tmp_path: Path) -> None:
    only = np.zeros(8, dtype=int)
    report = report_of(
        8,
        targets=only,
        probabilities=np.tile([0.7, 0.1, 0.1, 0.1], (8, 1)),
        groups=None,
        bootstrap=0,
        statuses=None,
        sources=None,
    )
    page = page_of(report, tmp_path)
    assert "no interval" in page.text
    assert "patients not known" in page.text
    assert "By source" not in page.text


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda report: pickle.loads(pickle.dumps(report))])
@pytest.mark.usefixtures("plotless")
def test_a_copy_of_a_report_leaves_the_model_behind(clone: Any, tmp_path: Path) -> None:
    report = report_of(pictures=lambda index: two_pictures(index))
    copied = clone(report)
    assert copied.to_dict() == report.to_dict()
    assert copied.pictures is None
    assert report.pictures is not None
    page = page_of(copied, tmp_path)
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert report.mistakes[0].name in page.text


class Explained:
    """An explanation of a wide slice."""

    pixels = np.arange(600 * 300, dtype=np.uint32).reshape(300, 600).astype(np.uint8)
    label = "glioma"
    method = "Grad-CAM"

    def overlay(self) -> Image.Image:
        return Image.new("RGB", (600, 300), (200, 30, 30))


def test_pictures_are_small_keep_their_shape_and_name_the_method() -> None:
    for picture, mode in zip(pictures_of(Explained(), answer="glioma"), ("L", "RGB"), strict=True):
        with Image.open(io.BytesIO(picture.png)) as image:
            assert (image.size, image.mode) == ((256, 128), mode)
    assert "glioma" in picture.caption
    assert "Grad-CAM" in picture.caption


def test_a_file_that_is_answered_otherwise_now_is_not_shown() -> None:
    report = report_of(pictures=lambda index: pictures_of(Explained(), answer="notumor"))
    (shown,) = shown_mistakes(report, 1)
    assert shown.pictures == ()
    assert "changed since" in shown.trouble
