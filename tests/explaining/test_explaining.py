"""Explaining: maps lie where things are in the user's own file, and the answer is the one that `predict` gives."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from mriclassify import Bundle, Classifier, OptionError, Preprocessing, ReadError, Thresholds
from mriclassify._explaining import explain
from mriclassify._model._inference import ready
from mriclassify._model._network import Network, Outputs

CPU = torch.device("cpu")
SCANS = Path(__file__).resolve().parents[2] / "examples" / "scans"


class Bright(nn.Module):
    """Says how much of a slice is brighter than the head: two features, the second always 0."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.AvgPool2d(4), nn.Threshold(0.6, 0.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.maps(images).mean(dim=(2, 3))
        return torch.cat([found, torch.zeros_like(found)], dim=1)


class Spots(Network):
    """Class "spot" for bright spots, and a lesion wherever one is."""

    def forward(self, images: torch.Tensor) -> Outputs:
        logits, features, _ = super().forward(images)
        return Outputs(logits, features, 20 * (nn.functional.avg_pool2d(images, 4)[:, 0] - 0.7))


def bundle(*, crop: str = "head", lesions: bool = True) -> Bundle:
    size = 96
    kind = Spots if lesions else Network
    network = kind(Bright(), classes=2, channels=1, size=size, mean=0.0, std=1.0)
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        network.head.bias.copy_(torch.tensor([0.1, 0.0]))
    return Bundle(
        name="spots",
        backbone="custom:Bright",
        classes=("spot", "none"),
        network=ready(network, CPU),
        preprocessing=Preprocessing(size=size, window=(0, 100), crop=crop),  # type: ignore[arg-type]
        thresholds=Thresholds(appearance=None),
    )


def radius(shape: tuple[int, int]) -> float:
    """Of the spot: at least two pixels of the map, which are four each of the image."""
    return 0.06 * max(shape)


def phantom(shape: tuple[int, int], head: tuple[float, float, float, float], spot: tuple[float, float]) -> NDArray:
    """A grey ellipse (middle row and column, half height and width) with a bright spot."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    row, column, half_height, half_width = head
    inside = ((rows - row) / half_height) ** 2 + ((columns - column) / half_width) ** 2 < 1
    bright = (rows - spot[0]) ** 2 + (columns - spot[1]) ** 2 < radius(shape) ** 2
    texture = 80 + 40 * np.sin(rows / 5) * np.cos(columns / 7)
    return np.where(bright, 250, np.where(inside, texture, 0)).astype(np.uint8)


PHANTOMS = [
    ((160, 160), (80, 80, 70, 60), (50, 105)),
    ((120, 240), (60, 120, 55, 110), (35, 190)),  # wide
    ((260, 130), (130, 65, 120, 55), (200, 40)),  # tall
    ((171, 143), (85, 71, 80, 60), (120, 50)),  # odd
    ((300, 280), (90, 200, 60, 50), (70, 220)),  # padded: the head is in a corner
    ((97, 351), (48, 60, 40, 45), (30, 45)),
]


@pytest.mark.parametrize(("shape", "head", "spot"), PHANTOMS)
@pytest.mark.parametrize("crop", ["head", "none"])
def test_the_maps_peak_where_the_spot_is_in_the_file(
    shape: tuple[int, int], head: tuple[float, float, float, float], spot: tuple[float, float], crop: str
) -> None:
    found = explain(bundle(crop=crop), phantom(shape, head, spot), device=CPU)
    assert found.label == "spot"
    # Half a pixel of the map, which is four of the image, which may be coarser than the slice.
    tolerance = 4 * max(shape) / 96 / 2
    for heat in (found.heat_map, found.lesion_map):
        assert heat is not None
        assert heat.shape == shape
        assert heat.dtype == np.float32
        assert 0 <= heat.min() <= heat.max() <= 1
        weight = heat / heat.sum()
        middle = [float((np.arange(length) * weight.sum(axis=1 - axis)).sum()) for axis, length in enumerate(shape)]
        assert np.hypot(middle[0] - spot[0], middle[1] - spot[1]) < tolerance
    peak = np.unravel_index(found.heat_map.argmax(), shape)
    assert np.hypot(peak[0] - spot[0], peak[1] - spot[1]) < radius(shape)
    assert found.heat_map.max() == 1
    assert found.pixels.shape == shape
    assert found.pixels[int(spot[0]), int(spot[1])] == 255


@pytest.mark.parametrize(("shape", "head", "spot"), PHANTOMS[:4])
def test_the_region_is_the_spot(
    shape: tuple[int, int], head: tuple[float, float, float, float], spot: tuple[float, float]
) -> None:
    region = explain(bundle(), phantom(shape, head, spot), device=CPU).region
    assert region is not None
    left, top, right, bottom = region.box
    assert left <= spot[1] < right
    assert top <= spot[0] < bottom
    assert 0.4 < region.area / (np.pi * radius(shape) ** 2) < 1.6
    assert region.threshold == 0.5
    assert region.area_mm2 is None


def test_outside_of_the_frame_maps_are_zero() -> None:
    class Everything(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.AvgPool2d(8)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found = (self.pool(images) * 0 + 1).mean(dim=(2, 3))
            return torch.cat([found + self.pool(images).mean(dim=(2, 3)), found], dim=1)

    model = bundle()
    model.network.backbone = Everything()  # type: ignore[misc]
    padded = phantom((300, 280), (90, 200, 60, 50), (70, 220))
    heat = explain(model, padded, device=CPU, label="spot").heat_map
    windowed = model.preprocessing.windowed(padded.astype(np.float32))
    frame = model.preprocessing.frame(windowed)
    outside = np.ones(heat.shape, bool)
    outside[
        max(0, int(frame.top)) : int(frame.top + frame.side) + 1,
        max(0, int(frame.left)) : int(frame.left + frame.side) + 1,
    ] = False
    assert outside.any()
    assert (heat[outside] == 0).all()
    assert heat.max() == 1


def test_one_slice_in_another_file_has_the_same_maps(tmp_path: Path) -> None:
    pixels = phantom(*PHANTOMS[3])
    expected = explain(bundle(), pixels, device=CPU)
    Image.fromarray(pixels).save(tmp_path / "scan.png")
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter to the right when it is shown
    Image.fromarray(np.rot90(pixels).copy()).save(turned, "PNG", exif=exif)
    for source in (tmp_path / "scan.png", (tmp_path / "scan.png").read_bytes(), turned.getvalue()):
        found = explain(bundle(), source, device=CPU)
        np.testing.assert_array_equal(found.heat_map, expected.heat_map)
        np.testing.assert_array_equal(found.pixels, expected.pixels)
        assert found.region == expected.region


def test_a_stream_is_read_once() -> None:
    buffer = io.BytesIO()
    Image.fromarray(phantom(*PHANTOMS[0])).save(buffer, "PNG")
    assert explain(bundle(), io.BytesIO(buffer.getvalue()), device=CPU).label == "spot"


def test_millimetres_are_the_files_own() -> None:
    found = explain(bundle(lesions=True), SCANS / "mni152_ventricles.dcm", device=CPU)
    assert found.spacing is not None
    if found.region is not None:
        assert found.region.area_mm2 == pytest.approx(found.region.area * found.spacing[0] * found.spacing[1])


def test_the_answer_is_the_one_that_predict_gives(fitted: Classifier, phantom_folder: Path) -> None:
    for path in sorted(phantom_folder.rglob("*.png"))[::9]:
        found = explain(fitted.bundle, path, device=CPU)
        assert found.prediction == fitted.predict(path)
        assert found.label == found.prediction.label
        assert found.source == str(path)
        assert found.lesion_map is None
        assert found.region is None


def test_another_class_has_another_map(fitted: Classifier, phantom_folder: Path) -> None:
    path = phantom_folder / "glioma" / "p00_0.png"
    maps = {label: explain(fitted.bundle, path, device=CPU, label=label) for label in fitted.classes}
    assert [found.label for found in maps.values()] == list(fitted.classes)
    assert len({found.prediction.label for found in maps.values()}) == 1
    assert not np.allclose(maps["glioma"].heat_map, maps["notumor"].heat_map, atol=0.05)


@pytest.mark.parametrize("label", ["astrocytoma", "", "SPOT"])
def test_a_class_that_the_model_does_not_have_is_refused(label: str) -> None:
    with pytest.raises(OptionError, match="it knows: spot, none"):
        explain(bundle(), phantom(*PHANTOMS[0]), device=CPU, label=label)


def test_a_layer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(OptionError, match=r"no layer 'features\.14' in Bright; those that do: maps\.0, maps\.1, maps"):
        explain(bundle(), phantom(*PHANTOMS[0]), device=CPU, layer="features.14")


def test_what_can_not_be_read_can_not_be_explained(tmp_path: Path) -> None:
    (tmp_path / "scan.png").write_text("no picture")
    with pytest.raises(ReadError, match=r"scan\.png"):
        explain(bundle(), tmp_path / "scan.png", device=CPU)
