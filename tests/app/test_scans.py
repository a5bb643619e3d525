"""Dropped files become slices and series; each slice can be read alone as it is read in its series."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from mriclassify._app._scans import Scan, scans_of
from mriclassify._app._uploads import Upload
from mriclassify._errors import ReadError
from mriclassify._reading import read_slice

SCANS = Path(__file__).resolve().parents[2] / "examples" / "scans"
Make = Callable[..., bytes]


@pytest.fixture(scope="module")
def dicom() -> Make:
    def make(number: int, *, series: int = 1, frames: int = 1) -> bytes:
        dataset = dcmread(SCANS / "mni152_ventricles.dcm")
        shape = (40, 40) if frames == 1 else (frames, 40, 40)
        dataset.Rows = dataset.Columns = 40
        dataset.PixelData = np.random.default_rng(number).integers(0, 900, shape).astype(np.uint16).tobytes()
        dataset.SeriesInstanceUID = f"2.25.{series}"
        dataset.ImagePositionPatient = ["0", "0", str(5 * number)]
        if frames > 1:
            dataset.NumberOfFrames = frames
        stream = io.BytesIO()
        dataset.save_as(stream)
        return stream.getvalue()

    return make


def tiff(pages: int) -> bytes:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 255, (40, 50), dtype=np.uint8)) for _ in range(pages)]
    stream = io.BytesIO()
    pictures[0].save(stream, format="TIFF", save_all=True, append_images=pictures[1:])
    return stream.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def require_same_slices(scan: Scan) -> None:
    assert scan.study is not None
    for number in range(scan.count):
        source, index = scan.source(number)
        here, there = read_slice(source, index=index), scan.study.read(number)
        assert np.array_equal(here.pixels, there.pixels)
        assert (here.window, here.spacing) == (there.window, there.spacing)


def test_dicom_files_dropped_together_are_one_series_in_order_of_position(dicom: Make) -> None:
    uploads = [Upload(f"{name}.dcm", dicom(position)) for name, position in (("c", 3), ("a", 1), ("b", 2))]
    (scan,) = scans_of(uploads)
    assert scan.name == "3 DICOM files"
    assert [scan.source(number)[0].name for number in range(3)] == ["a.dcm", "b.dcm", "c.dcm"]
    require_same_slices(scan)


def test_two_series_among_the_files_are_two_scans(dicom: Make) -> None:
    uploads = [Upload(f"{k}", dicom(k, series=1 + (k > 2))) for k in range(5)]
    first, second = scans_of(uploads)
    assert (first.name, second.name) == ("series 1 of 5 DICOM files", "series 2 of 5 DICOM files")
    assert (first.count, second.count) == (3, 2)
    require_same_slices(first)
    require_same_slices(second)


def test_slices_of_different_series_are_scans_by_their_own_names(dicom: Make) -> None:
    scans = scans_of([Upload("ann.dcm", dicom(0, series=1)), Upload("ben.dcm", dicom(0, series=2))])
    assert [(scan.name, scan.count, scan.study) for scan in scans] == [("ann.dcm", 1, None), ("ben.dcm", 1, None)]


@pytest.mark.parametrize("kind", ["zip", "volume", "pages", "frames"])
def test_slices_are_the_same_alone(dicom: Make, kind: str) -> None:
    content = {
        "zip": lambda: zipped({"x/readme.txt": b"text", **{f"x/{k}.dcm": dicom(k) for k in range(3)}}),
        "volume": lambda: (SCANS / "colin27_slab.nii.gz").read_bytes(),
        "pages": lambda: tiff(3),
        "frames": lambda: dicom(0, frames=3),
    }[kind]()
    (scan,) = scans_of([Upload("file", content)])
    assert scan.count > 2
    require_same_slices(scan)


def test_pictures_are_scans_of_their_own() -> None:
    content = (SCANS / "echo_planar.png").read_bytes()
    scans = scans_of([Upload("a.png", content), Upload("b.png", content)])
    assert [(scan.name, scan.count, scan.fault) for scan in scans] == [("a.png", 1, ""), ("b.png", 1, "")]


def test_a_zip_without_scans_says_so() -> None:
    (scan,) = scans_of([Upload("letters.zip", zipped({"letter.txt": b"Dear"}))])
    assert scan.fault.startswith("letters.zip holds no DICOM image")


def test_a_broken_file_beside_a_series_is_a_scan_that_says_why(dicom: Make) -> None:
    broken = dicom(1)[:700]
    series, alone = scans_of([Upload("a.dcm", dicom(0)), Upload("bad.dcm", broken), Upload("b.dcm", dicom(2))])
    assert series.count == 2
    assert alone.name == "bad.dcm"
    with pytest.raises(ReadError, match=r"bad\.dcm"):
        read_slice(alone.upload.opened())


def test_only_broken_files_are_scans_of_their_own(dicom: Make) -> None:
    scans = scans_of([Upload(name, dicom(1)[:700]) for name in ("a.dcm", "b.dcm")])
    assert [scan.name for scan in scans] == ["a.dcm", "b.dcm"]


def test_members_are_called_by_the_names_of_the_files_that_were_dropped(dicom: Make) -> None:
    (scan,) = scans_of([Upload("first.dcm", dicom(0)), Upload("second.dcm", dicom(1))])
    assert scan.named("1 of 2 files could not be read: member 2.") == "1 of 2 files could not be read: second.dcm."
