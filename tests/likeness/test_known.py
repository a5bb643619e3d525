import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mriclassify._labels import CLASSES
from mriclassify._likeness import _known
from mriclassify._likeness._hashing import hash_slice
from mriclassify._likeness._known import KEPT, LARGEST, TABLE, Match, find, known_slice
from mriclassify._reading import read_slice


def reconstructed(image: int, side: int = 160) -> NDArray[np.float32]:
    """What the table has of a slice, as a picture: blurred, but made without the real data."""
    plain = _known._table().plain[image - 1]
    waves = _known._cosine(16, (np.arange(side) + 0.5) / side)
    pixels = waves.T @ plain @ waves
    return ((pixels - pixels.min()) / np.ptp(pixels) * 255).astype(np.float32)


def posed(pixels: NDArray[np.float32], *, turn: float, scale: float, shift: tuple[float, float]) -> NDArray[np.float32]:
    """Turn (degrees), scale and shift (parts of the side) a square picture about its centre."""
    side = pixels.shape[0]
    cosine, sine = np.cos(np.radians(turn)) / scale, np.sin(np.radians(turn)) / scale
    matrix = np.array([[cosine, sine], [-sine, cosine]])
    offset = np.full(2, side / 2) - matrix @ (side / 2 + np.array(shift) * side)
    data = (*matrix[0], offset[0], *matrix[1], offset[1])
    picture = Image.fromarray(pixels).transform((side, side), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    return np.asarray(picture)


def test_table_fits_and_holds_every_slice() -> None:
    assert TABLE.stat().st_size <= LARGEST
    slices = [known_slice(image) for image in range(1, 3065)]
    assert len({one.patient for one in slices}) == 209
    labels = [one.label for one in slices]
    assert {label: labels.count(label) for label in set(labels)} == {
        "glioma": 1426,
        "meningioma": 708,
        "pituitary": 930,
    }
    assert set(labels) <= set(CLASSES)


@pytest.mark.parametrize("image", [0, -1, 3065])
def test_unknown_number(image: int) -> None:
    with pytest.raises(IndexError, match="numbered 1 to 3064"):
        known_slice(image)


def test_table_is_no_pickle_and_of_eight_bits() -> None:
    with np.load(TABLE, allow_pickle=False) as file:
        assert file["coefficients"].dtype == np.int8
        assert file["coefficients"].shape == (KEPT.sum(), 3064)


@pytest.mark.parametrize("image", [1, 700, 3064])
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_found_whichever_way_round(image: int, turns: int, mirrored: bool) -> None:
    pixels = np.rot90(reconstructed(image), turns)
    match = find(np.ascontiguousarray(np.fliplr(pixels) if mirrored else pixels))
    assert match is not None and match.image == image and not match.altered
    assert 0.999 < match.similarity <= 1


@pytest.mark.parametrize("side", [48, 64, 333])
def test_found_in_any_size_and_range(side: int) -> None:
    pixels = reconstructed(1500)
    resized = np.asarray(Image.fromarray(pixels).resize((side, side + 5), Image.Resampling.BICUBIC))
    match = find(resized * np.float32(17.5) - np.float32(900))
    assert match is not None and match.image == 1500 and not match.altered


@pytest.mark.parametrize(
    ("turn", "scale", "shift"),
    [(9, 1.0, (0, 0)), (0, 0.91, (0, 0)), (0, 1.0, (0.045, -0.045)), (-7, 1.08, (-0.03, 0.04))],
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_found_turned_scaled_and_shifted(turn: float, scale: float, shift: tuple[float, float], mirrored: bool) -> None:
    pixels = reconstructed(2000)
    pixels = posed(np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels, turn=turn, scale=scale, shift=shift)
    match = find(pixels)
    assert match is not None and match.image == 2000 and match.altered
    assert 0.99 < match.similarity <= 1


def test_turned_too_far_is_not_taken() -> None:
    assert find(posed(reconstructed(2000), turn=30, scale=1, shift=(0, 0))) is None


@pytest.mark.parametrize("shape", [(64, 64), (1, 1), (1, 200), (3, 3)])
def test_one_value_is_nothing(shape: tuple[int, int]) -> None:
    assert find(np.full(shape, 7, np.float32)) is None


@pytest.mark.parametrize("shape", [(2, 2), (1, 40), (300, 5), (120, 120)])
def test_noise_is_nothing(shape: tuple[int, int]) -> None:
    assert find(np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)) is None


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_found_in_extreme_units(factor: float) -> None:
    match = find(reconstructed(1500) * np.float32(factor))
    assert match is not None and match.image == 1500


@pytest.mark.parametrize("k", [1, 13, 20, 60])
def test_one_wave_is_nothing(k: int) -> None:
    assert find(np.tile(np.cos(np.pi * k * (np.arange(128) + 0.5) / 128).astype(np.float32), (128, 1))) is None


def test_range_that_does_not_fit_is_nothing() -> None:
    assert find(np.array([[3e38, -3e38], [-3e38, 3e38]], np.float32)) is None


def test_phantom_head_is_nothing() -> None:
    rows, columns = np.mgrid[0:128, 0:128] / 128 - 0.5
    head = ((rows / 0.45) ** 2 + (columns / 0.36) ** 2 < 1) * 90.0 + ((rows - 0.1) ** 2 + columns**2 < 0.01) * 100.0
    assert find(head.astype(np.float32)) is None


def test_half_of_two_slices_is_neither() -> None:
    pixels = reconstructed(100)
    pixels[:, 80:] = reconstructed(2800)[:, 80:]
    assert find(pixels) is None


def test_pixels_are_left_as_they_are() -> None:
    pixels = reconstructed(5)
    before = pixels.copy()
    find(pixels)
    hash_slice(pixels)
    assert np.array_equal(pixels, before)


# --- the required figures, on a part of the real data; training/check_known_slices.py takes all of it ---


def truth(shared: Path) -> list[tuple[Path, int]]:
    pairs = []
    for name in ("nickparvar", "sartaj"):
        with (shared / "provenance" / f"{name}.csv").open(newline="") as file:
            pairs += [(shared / name / row["path"], int(row["figshare_image"] or 0)) for row in csv.DictReader(file)]
    return pairs


@pytest.mark.shared
def test_copies_are_found_with_the_right_patient(shared: Path) -> None:
    copies = [(path, image) for path, image in truth(shared) if image][::3]
    right = 0
    for path, image in copies:
        match = find(read_slice(path).pixels)
        right += match is not None and known_slice(match.image).patient == known_slice(image).patient
    assert len(copies) > 2000
    assert right / len(copies) >= 0.999


@pytest.mark.shared
def test_no_other_file_is_taken_for_a_known_slice(shared: Path) -> None:
    others = [path for path, image in truth(shared) if not image]
    nearest = [path for path in others if path.parts[-3:-1] == ("Testing", "pituitary_tumor")]
    assert any(path.name == "image(1).jpg" for path in nearest)  # the file that comes nearest of all
    pictures = sorted((shared / "not_brain_mri").rglob("*.jp*g")) + sorted(
        (shared / "external_lgg").glob("*_[tf]*.png")
    )
    false: list[tuple[Path, Match]] = []
    for path in {*others[::8], *nearest, *sorted(pictures)[::2]}:
        match = find(read_slice(path).pixels)
        if match is not None:
            false.append((path, match))
    assert not false


@pytest.mark.shared
def test_turned_scaled_and_shifted_slices_are_found(shared: Path) -> None:
    rng = np.random.default_rng(7)
    found = wrong = 0
    for image in range(5, 3065, 20):
        pixels = read_slice(shared / "figshare" / "images" / f"{image}.jpg").pixels
        shift = tuple(rng.uniform(-0.05, 0.05, 2).tolist())
        match = find(posed(pixels, turn=rng.uniform(-10, 10), scale=rng.uniform(0.9, 1.1), shift=shift))
        right = match is not None and known_slice(match.image).patient == known_slice(image).patient
        found, wrong = found + right, wrong + (match is not None and not right)
    assert found >= 0.98 * 153
    assert wrong == 0


@pytest.mark.shared
def test_table_says_what_the_figshare_set_says(shared: Path) -> None:
    with (shared / "figshare" / "patients.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            known = known_slice(int(row["image"]))
            assert (known.patient, known.label) == (row["patient_group"], row["label_name"])
