"""What a page asks for is answered, remembered, and forgotten."""

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from mriclassify._app import _desk
from mriclassify._app._desk import Desk, View

if TYPE_CHECKING:
    from mriclassify import Classifier

PAINT: dict[str, Any] = {"layer": "heat", "opacity": 0.5}


def phantom(size: int = 96) -> Image.Image:
    rows, columns = np.mgrid[0:size, 0:size] / size - 0.5
    noise = np.random.default_rng(0).normal(0, 6, (size, size))
    head = ((rows / 0.45) ** 2 + (columns / 0.36) ** 2 < 1) * 90.0
    return Image.fromarray(np.clip(head + noise * (head > 0), 0, 255).astype(np.uint8))


def png() -> bytes:
    stream = io.BytesIO()
    phantom().save(stream, format="PNG")
    return stream.getvalue()


def pages(count: int) -> bytes:
    stream = io.BytesIO()
    phantom().save(stream, format="TIFF", save_all=True, append_images=[phantom()] * (count - 1))
    return stream.getvalue()


@pytest.fixture
def desk(fitted: "Classifier", tmp_path: Path) -> Desk:
    return Desk(fitted, folder=tmp_path)


def drop(desk: Desk, **files: bytes) -> tuple[list[str], View]:
    """Drop files, named as the arguments with a dot for the underscore."""
    sent = []
    for number, (name, content) in enumerate(files.items()):
        path = desk.folder / str(number) / name.replace("_", ".")
        path.parent.mkdir()
        path.write_bytes(content)
        sent.append({"path": str(path), "orig_name": path.name})
    *steps, view = desk.drop("page", sent, **PAINT)
    assert isinstance(view, View)
    return [step for step in steps if isinstance(step, str)], view


def downloads(view: View) -> dict[str, bytes]:
    found = {}
    for part in view.picture.split("<a ")[1:]:
        name = part.split('download="')[1].split('"')[0]
        found[name] = base64.b64decode(part.split("base64,")[1].split('"')[0])
    return found


def test_one_picture(desk: Desk) -> None:
    steps, view = drop(desk, scan_png=png())
    answer = desk.clf.predict(phantom())
    assert steps == ["Looking at scan.png, 1 of 1 …"]
    assert str(answer.label) in view.answer
    assert f"{100 * (answer.confidence or 0):.1f} %" in view.answer
    assert view.has_picture
    assert view.count == 1
    assert len(view.rows) == 1
    assert not list(desk.folder.rglob("*.*"))


def test_downloads_hold_the_answer_and_the_notice(desk: Desk) -> None:
    _, view = drop(desk, scan_png=png())
    found = downloads(view)
    facts = json.loads(found["scan.json"])
    assert facts["source"] == facts["prediction"]["source"] == "scan.png"
    assert facts["notice"].startswith("For research use only")
    assert Image.open(io.BytesIO(found["scan.png"])).format == "PNG"


def test_a_series_is_scrolled_through(desk: Desk) -> None:
    _, view = drop(desk, series_tif=pages(4))
    assert view.count == 4
    assert "4 slices" in view.answer
    moved = desk.scroll("page", 2, **PAINT)
    assert moved.number == 2
    assert "Slice 3 of 4" in moved.picture
    assert json.loads(downloads(moved)["series-slice3.json"])["slice"] == 2


def test_of_several_one_is_chosen_and_a_broken_one_stops_nothing(desk: Desk) -> None:
    _, view = drop(desk, a_png=png(), b_jpg=b"not a picture", c_png=png())
    assert [row.split(" · ")[0] for row in view.rows] == ["1. a.png", "2. b.jpg", "3. c.png"]
    assert "1 not read" in (view.said or "")
    broken = desk.choose("page", 1, **PAINT)
    assert "b.jpg is not an image" in broken.answer
    assert not broken.has_picture
    assert desk.choose("page", 2, **PAINT).has_picture


def test_the_map_can_be_changed_and_left_out(desk: Desk) -> None:
    _, view = drop(desk, a_png=png())
    fainter = desk.repaint("page", layer="heat", opacity=0.1)
    none = desk.repaint("page", layer="none", opacity=0.5)
    assert len({view.picture, fainter.picture, none.picture}) == 3
    assert "without a map" in none.picture


def test_weights_without_lesion_map_show_the_heat_map(desk: Desk) -> None:
    drop(desk, a_png=png())
    assert "heat map" in desk.repaint("page", layer="lesion", opacity=0.5).picture


@pytest.mark.parametrize("ask", ["choose", "scroll", "repaint"])
def test_what_was_forgotten_is_said_to_be(desk: Desk, ask: str) -> None:
    view = {
        "choose": lambda: desk.choose("page", 0, **PAINT),
        "scroll": lambda: desk.scroll("page", 0, **PAINT),
        "repaint": lambda: desk.repaint("page", **PAINT),
    }[ask]()
    assert view.said == _desk.FORGOTTEN
    assert not view.has_picture


def test_numbers_out_of_range_are_no_error(desk: Desk) -> None:
    drop(desk, a_png=png())
    assert desk.scroll("page", 7, **PAINT).said == _desk.FORGOTTEN
    assert desk.choose("page", -1, **PAINT).said == _desk.FORGOTTEN


def test_a_page_sees_nothing_of_another(desk: Desk) -> None:
    drop(desk, a_png=png())
    assert desk.repaint("another", **PAINT).said == _desk.FORGOTTEN


def test_an_upload_without_files_is_said_to_be_one(desk: Desk) -> None:
    _, view = drop(desk)
    assert view.said == _desk.NOTHING
    assert _desk.NOTHING in view.answer
    assert len(desk.visits) == 0


def test_too_much_is_said_and_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mriclassify._app._uploads.MOST_FILES", 1)
    _, view = drop(desk, a_png=png(), b_png=png())
    assert "1 at most" in (view.said or "")
    assert not list(desk.folder.rglob("*.png"))
    assert desk.repaint("page", **PAINT).said == _desk.FORGOTTEN
