"""Explanation: pictures of the slice's own size, files that need no other, and facts without pixels."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from mriclassify import OptionError, OutputError, Prediction
from mriclassify._explaining import Explanation, Region
from mriclassify._explaining._colours import colours

HEIGHT, WIDTH = 70, 50


def explanation(*, label: str = "glioma", lesions: bool = True) -> Explanation:
    rng = np.random.default_rng(0)
    return Explanation(
        source="/home/jane-doe/scan.png",
        prediction=Prediction(source="/home/jane-doe/scan.png", label=label, confidence=0.9, model="weights-v1"),
        label=label,
        method="Grad-CAM",
        layer="features",
        heat_map=rng.random((HEIGHT, WIDTH), np.float32),
        lesion_map=rng.random((HEIGHT, WIDTH), np.float32) if lesions else None,
        region=Region(box=(1, 2, 9, 8), area=30, peak=0.9, parts=1, threshold=0.5) if lesions else None,
        pixels=rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8),
        image=rng.random((32, 32), np.float32),
        spacing=(0.5, 0.5),
    )


def test_an_overlay_has_the_slices_own_size() -> None:
    overlay = explanation().overlay()
    assert overlay.mode == "RGB"
    assert overlay.size == (WIDTH, HEIGHT)


def test_opacity_goes_from_the_slice_to_the_colours() -> None:
    made = explanation()
    bare = np.asarray(made.overlay(opacity=0))
    np.testing.assert_array_equal(bare, made.pixels[..., None].repeat(3, axis=2))
    full = np.asarray(replace(made, heat_map=np.ones_like(made.heat_map)).overlay(opacity=1))
    assert (full == colours(np.array(1.0))).all()


def test_the_lesion_map_is_shown_on_request() -> None:
    made = explanation()
    assert made.lesion_map is not None
    swapped = replace(made, heat_map=made.lesion_map)
    assert made.overlay(show="lesion").tobytes() == swapped.overlay().tobytes() != made.overlay().tobytes()


def test_a_model_that_does_not_look_for_lesions_has_none_to_show(tmp_path: Path) -> None:
    made = explanation(lesions=False)
    with pytest.raises(OptionError, match=r"weights-v1 does not look for lesions.*show='heat'"):
        made.overlay(show="lesion")
    with pytest.raises(OptionError, match="does not look for lesions"):
        made.save(tmp_path / "overlay.png", show="lesion")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"show": "both"}, {"opacity": -0.1}, {"opacity": 1.5}, {"opacity": float("nan")}])
def test_values_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        explanation().overlay(**wrong)  # type: ignore[arg-type]


def test_a_png_holds_the_overlay_and_the_scale(tmp_path: Path) -> None:
    made = explanation()
    made.save(tmp_path / "new folder" / "overlay.PNG")
    with Image.open(tmp_path / "new folder" / "overlay.PNG") as figure:
        assert figure.format == "PNG"
        assert figure.info == {}
        pixels = np.asarray(figure.convert("RGB"))
    overlay = np.asarray(made.overlay())
    times = -(-360 // HEIGHT)
    enlarged = overlay.repeat(times, axis=0).repeat(times, axis=1)
    places = [
        (row, column)
        for row in range(pixels.shape[0] - enlarged.shape[0])
        for column in range(pixels.shape[1] - enlarged.shape[1])
        if (pixels[row, column] == enlarged[0, 0]).all()
        and (pixels[row : row + enlarged.shape[0], column : column + enlarged.shape[1]] == enlarged).all()
    ]
    assert len(places) == 1
    row, column = places[0]
    bar = pixels[row : row + enlarged.shape[0], column + enlarged.shape[1] + 16]
    np.testing.assert_array_equal(bar, colours(np.linspace(1, 0, len(bar))))


def test_an_svg_holds_the_overlay_and_needs_no_other_file(tmp_path: Path) -> None:
    made = explanation(label="<glioma> & \x00 'co'")
    made.save(tmp_path / "overlay.svg")
    text = (tmp_path / "overlay.svg").read_text(encoding="utf-8")
    assert set(re.findall(r"[a-z]+://[^\"]+", text)) == {"http://www.w3.org/2000/svg"}
    root = ElementTree.fromstring(text)
    (image,) = root.iter("{http://www.w3.org/2000/svg}image")
    data = image.attrib["href"].removeprefix("data:image/png;base64,")
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.tobytes() == made.overlay().tobytes()
    words = [word.text for word in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"0", "0.5", "1"} <= set(words)
    assert "<glioma> & ? 'co': Grad-CAM" in words


@pytest.mark.parametrize("name", ["overlay.png", "overlay.svg"])
def test_a_saved_file_does_not_name_the_source_and_carries_the_notice(tmp_path: Path, name: str) -> None:
    explanation().save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert b"jane" not in content
    if name.endswith("svg"):
        assert b"research use only" in content


@pytest.mark.parametrize("name", ["overlay.jpg", "overlay", "overlay.png.exe"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError, match=r"ends in \.png or \.svg"):
        explanation().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_can_not_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "overlay.png").mkdir()
    with pytest.raises(OutputError, match="folder"):
        explanation().save(tmp_path / "overlay.png")


@pytest.mark.parametrize("shape", [(16, 16), (1500, 40), (40, 1500)])
@pytest.mark.parametrize("name", ["overlay.png", "overlay.svg"])
def test_slices_of_any_shape_can_be_saved(tmp_path: Path, shape: tuple[int, int], name: str) -> None:
    made = replace(explanation(), heat_map=np.zeros(shape, np.float32), pixels=np.zeros(shape, np.uint8))
    made.save(tmp_path / name)
    assert (tmp_path / name).stat().st_size > 500


def test_facts_are_json_without_pixels_unless_they_are_asked_for() -> None:
    made = explanation()
    facts = json.loads(json.dumps(made.to_dict()))
    assert facts["region"]["box"] == [1, 2, 9, 8]
    assert facts["shape"] == [HEIGHT, WIDTH]
    assert facts["prediction"]["label"] == "glioma"
    assert len(json.dumps(facts)) < 1500
    whole = json.loads(json.dumps(made.to_dict(maps=True)))
    np.testing.assert_array_equal(np.float32(whole["heat_map"]), made.heat_map)
    np.testing.assert_array_equal(np.float32(whole["lesion_map"]), made.lesion_map)
    assert explanation(lesions=False).to_dict(maps=True)["lesion_map"] is None


def test_a_repr_shows_no_arrays() -> None:
    assert "array(" not in repr(explanation())
    assert len(repr(explanation())) < 600
