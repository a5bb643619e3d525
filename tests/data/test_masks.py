"""Masks: from their files into the frame of their slice."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mriclassify import DatasetError, ReadError
from mriclassify._data._masks import check_mask, frame_mask, read_mask
from mriclassify._data._preprocessing import Frame, Preprocessing


def lesion() -> NDArray[np.bool_]:
    mask = np.zeros((40, 50), bool)
    mask[10:20, 30:45] = True
    return mask


def save(path: Path, values: NDArray[np.generic]) -> Path:
    Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize("inside", [1, 2, 128, 255])
def test_whatever_value_marks_the_lesion(tmp_path: Path, inside: int) -> None:
    path = save(tmp_path / "m.png", lesion().astype(np.uint8) * np.uint8(inside))
    mask = read_mask(path)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, lesion())
    np.testing.assert_array_equal(read_mask(str(path)), lesion())


@pytest.mark.parametrize("suffix", ["jpg", "tif", "bmp"])
def test_other_pictures(tmp_path: Path, suffix: str) -> None:
    mask = read_mask(save(tmp_path / f"m.{suffix}", lesion().astype(np.uint8) * np.uint8(255)))
    np.testing.assert_array_equal(mask, lesion())


def test_all_labels_are_lesion(tmp_path: Path) -> None:
    labels = lesion().astype(np.uint8)
    labels[12:15, 32:35], labels[16:18] = 4, 2 * labels[16:18]
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", labels)), lesion())


def test_probabilities_are_cut_at_half(tmp_path: Path) -> None:
    values = np.where(lesion(), np.float32(0.95), np.float32(0.02))
    values[0, 0] = 0.3
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.tif", values)), lesion())


def test_colour_is_read(tmp_path: Path) -> None:
    colour = np.zeros((40, 50, 3), np.uint8)
    colour[lesion()] = (255, 0, 0)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", colour)), lesion())


def test_an_empty_mask_is_a_slice_without_lesion(tmp_path: Path) -> None:
    mask = read_mask(save(tmp_path / "m.png", np.zeros((40, 50), np.uint8)))
    assert mask.shape == (40, 50)
    assert not mask.any()


def test_a_full_mask_is_legal(tmp_path: Path) -> None:
    assert read_mask(save(tmp_path / "m.png", np.full((40, 50), 255, np.uint8))).all()


def test_nifti(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    values = np.zeros((50, 40, 1), np.uint8)
    values[5:20, 10:20] = 1
    nibabel.Nifti1Image(values, np.eye(4)).to_filename(tmp_path / "m.nii.gz")
    assert read_mask(tmp_path / "m.nii.gz").sum() == 150


def test_matlab(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "1.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["cjdata/image"] = np.ones((50, 40), np.int16)
        file["cjdata/tumorMask"] = lesion().T.astype(np.uint8)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    np.testing.assert_array_equal(read_mask(path), lesion())


def test_a_scan_is_no_mask(tmp_path: Path) -> None:
    scan = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    with pytest.raises(DatasetError, match=r"m\.png is no mask: \d+% of its pixels"):
        read_mask(save(tmp_path / "m.png", scan))


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_values_that_no_mask_has(tmp_path: Path, wrong: float) -> None:
    values = lesion().astype(np.float32)
    values[3, 4] = wrong
    with pytest.raises(DatasetError, match="is no mask"):
        read_mask(save(tmp_path / "m.tif", values))


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"none\.png"):
        read_mask(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ReadError, match=r"text\.png"):
        read_mask(tmp_path / "text.png")


def test_another_size_than_the_slice_names_both() -> None:
    check_mask(lesion(), "m.png", shape=(40, 50), slice_path="s.png")
    with pytest.raises(DatasetError, match=r"m\.png: the mask is 50x40 pixels, and its slice s\.png is 100x80"):
        check_mask(lesion(), "m.png", shape=(80, 100), slice_path="s.png")


def test_a_mask_is_cut_as_its_slice_is() -> None:
    slice_pixels = np.where(lesion(), 200.0, 0.0).astype(np.float32)
    slice_pixels[2:38, 4:46] += 50
    preprocessing = Preprocessing(size=64)
    windowed = preprocessing.windowed(slice_pixels)
    frame = preprocessing.frame(windowed)
    mask = frame_mask(lesion(), frame, 64)
    assert mask.shape == (64, 64) and mask.dtype == np.float32
    assert mask.min() >= 0 and mask.max() <= 1
    np.testing.assert_array_equal(mask > 0.5, frame.cut(windowed, 64) > (windowed[5, 6] + windowed[12, 32]) / 2)


def test_outside_of_the_slice_there_is_no_lesion() -> None:
    mask = frame_mask(np.ones((40, 50), bool), Frame(-5.0, 0.0, 50.0), 50)
    assert mask[:5].sum() == 0 and (mask[5:45] == 1).all() and mask[45:].sum() == 0
