"""read_study: the same series in any container gives the same slices, in the same order."""

import gzip
import io
import itertools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedSRStorage

from mriclassify._errors import (
    DamagedFileError,
    MissingFileError,
    OptionError,
    PixelError,
    ReadError,
    UnsupportedFormatError,
)
from mriclassify._reading import Limits, Study, read_slice, read_study

Make = Callable[..., bytes]

STACK = np.random.default_rng(1).integers(0, 3000, (6, 20, 24)).astype(np.int16)
HEIGHTS = [-12.5, -7.5, -2.5, 2.5, 7.5, 12.5]
SHUFFLED = [3, 0, 5, 1, 4, 2]


def write_series(folder: Path, dicom: Make, heights: list[float] = HEIGHTS, **elements: Any) -> Path:
    """Slices of STACK at these heights, under names in another order."""
    folder.mkdir(exist_ok=True)
    for name, k in enumerate(SHUFFLED):
        if k < len(heights):
            (folder / f"IM{name}").write_bytes(dicom(heights[k], pixels=STACK[k], **elements))
    return folder


def zipped(folder: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, f"export/{path.name}")
    return stream.getvalue()


def positions(study: Study) -> list[float | None]:
    return [place.position for place in study.places]


def stack_of(study: Study) -> NDArray[np.float32]:
    return np.stack([study.read(k).pixels for k in range(len(study))])


@pytest.mark.parametrize("route", ["folder", "zip path", "zip bytes", "zip stream"])
def test_a_dicom_series_is_sorted_by_position(route: str, tmp_path: Path, dicom: Make) -> None:
    folder = write_series(tmp_path / "series", dicom)
    archive = tmp_path / "series.bin"
    archive.write_bytes(zipped(folder))
    source: Any = {
        "folder": folder,
        "zip path": str(archive),
        "zip bytes": archive.read_bytes(),
        "zip stream": io.BytesIO(archive.read_bytes()),
    }[route]
    study = read_study(source)
    assert study.kind == "DICOM"
    assert positions(study) == HEIGHTS
    assert (study.notes, study.failures, study.series, study.n_series) == ((), (), 0, 1)
    np.testing.assert_array_equal(stack_of(study), STACK)
    assert study.read(2).spacing is None


@pytest.mark.parametrize(
    ("orientation", "direction"),
    [
        (("1", "0", "0", "0", "1", "0"), (0, 0, 1)),
        (("1", "0", "0", "0", "-1", "0"), (0, 0, 1)),
        (("1", "0", "0", "0", "0", "-1"), (0, -1, 0)),
        (("0", "1", "0", "0", "0", "-1"), (-1, 0, 0)),
    ],
    ids=["axial", "axial from above", "coronal", "sagittal"],
)
def test_slices_run_to_the_top_the_front_or_the_right(
    orientation: tuple[str, ...], direction: tuple[int, int, int], tmp_path: Path, dicom: Make
) -> None:
    for name, k in enumerate(SHUFFLED):
        corner = tuple(float(3 * k * part) for part in direction)
        (tmp_path / f"{name}.dcm").write_bytes(dicom(corner, pixels=STACK[k], orientation=orientation))
    study = read_study(tmp_path)
    assert positions(study) == [0, 3, 6, 9, 12, 15]
    np.testing.assert_array_equal(stack_of(study), STACK)


def test_a_dicom_series_and_the_volume_made_of_it_agree(tmp_path: Path, dicom: Make) -> None:
    for k in range(6):
        (tmp_path / f"{k}.dcm").write_bytes(dicom((-30.0, -40.0, HEIGHTS[k]), pixels=STACK[k]))
    # Array (rows to the back, columns to the left) as RAS voxels: the first pixel is at the right and front.
    volume = STACK.transpose(2, 1, 0)[::-1, ::-1]
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    affine[2, 3] = HEIGHTS[0]
    from_volume = read_study(nibabel.Nifti1Image(volume, affine).to_bytes())
    from_files = read_study(tmp_path)
    assert positions(from_volume) == pytest.approx(positions(from_files))
    np.testing.assert_array_equal(stack_of(from_volume), stack_of(from_files))


def test_without_positions_the_instance_numbers_decide_then_the_names(tmp_path: Path, dicom: Make) -> None:
    for name, k in enumerate(SHUFFLED):
        (tmp_path / f"IM{name}").write_bytes(dicom(None, pixels=STACK[k], InstanceNumber=str(k + 8)))
    study = read_study(tmp_path)
    assert positions(study) == [None] * 6
    np.testing.assert_array_equal(stack_of(study), STACK)
    assert "positions are not stated" in study.notes[0]
    (folder := tmp_path / "names").mkdir()
    for k in range(6):
        (folder / f"IM{k + 7}").write_bytes(dicom(None, pixels=STACK[k]))
    np.testing.assert_array_equal(stack_of(read_study(folder)), STACK)


@pytest.mark.parametrize("bad", [["0", "0"], ["0", "0", "1e400"], None])
def test_one_slice_without_a_position_makes_all_go_by_number(bad: Any, tmp_path: Path, dicom: Make) -> None:
    for k in range(6):
        elements = {} if k != 2 else {"ImagePositionPatient": bad}
        (tmp_path / f"{k}").write_bytes(dicom(-5.0 * k, pixels=STACK[k], InstanceNumber=str(k), **elements))
    np.testing.assert_array_equal(stack_of(read_study(tmp_path)), STACK)


@pytest.mark.parametrize(
    ("heights", "notes"),
    [
        ([0, 5, 10, 15, 20, 25], ()),
        ([0, 5.02, 9.97, 15, 20.04, 25], ()),
        ([0, 5, 10, 20, 25, 30], ("1 slice is missing between 10.0 and 20.0 mm.",)),
        (
            [0, 5, 25, 30, 35, 50],
            ("3 slices are missing between 5.0 and 25.0 mm.", "2 slices are missing between 35.0 and 50.0 mm."),
        ),
    ],
)
def test_missing_slices_are_told(heights: list[float], notes: tuple[str, ...], tmp_path: Path, dicom: Make) -> None:
    assert read_study(write_series(tmp_path / "s", dicom, heights)).notes == notes


def test_many_gaps_are_summed_up(tmp_path: Path, dicom: Make) -> None:
    heights = np.cumsum([0, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 1]).tolist()
    for k, height in enumerate(heights):
        (tmp_path / f"{k}").write_bytes(dicom(height))
    assert read_study(tmp_path).notes[-1] == "4 more slices are missing elsewhere."


def test_slices_at_one_position_are_told(tmp_path: Path, dicom: Make) -> None:
    study = read_study(write_series(tmp_path / "s", dicom, [0, 0, 5, 5, 10, 10]))
    assert len(study) == 6
    assert "same position" in study.notes[0]


def test_of_several_series_the_one_with_most_mr_slices_is_taken_or_the_one_asked_for(
    tmp_path: Path, dicom: Make
) -> None:
    for k in range(6):
        (tmp_path / f"a{k}").write_bytes(dicom(k, series=1, Modality="CT"))
    for k in range(3):
        (tmp_path / f"b{k}").write_bytes(dicom(k, pixels=STACK[k], series=2))
    (tmp_path / "c").write_bytes(dicom(0, series=3))
    study = read_study(tmp_path)
    assert (study.series, study.n_series, len(study)) == (1, 3, 3)
    assert study.notes[0] == "There are 3 series: number 1, from 0, was taken, which has the most MR slices (3)."
    assert (read_study(tmp_path, series=0).notes, len(read_study(tmp_path, series=0))) == ((), 6)
    assert [place.name for place in read_study(tmp_path, series=2).places] == ["c"]
    for wrong in (3, -1, "1"):
        with pytest.raises(OptionError, match="series"):
            read_study(tmp_path, series=wrong)  # type: ignore[arg-type]


def test_directions_under_one_uid_are_series_of_their_own(tmp_path: Path, dicom: Make) -> None:
    planes = [("1", "0", "0", "0", "1", "0"), ("1", "0", "0", "0", "0", "-1"), ("0", "1", "0", "0", "0", "-1")]
    for number, (plane, k) in enumerate(itertools.product(planes, range(3))):
        (tmp_path / f"{number}").write_bytes(dicom((3.0 * k, 3.0 * k, 3.0 * k), orientation=plane))
    study = read_study(tmp_path)
    assert (study.n_series, len(study)) == (3, 3)


def test_files_that_cannot_be_read_are_named_and_left_out(tmp_path: Path, dicom: Make) -> None:
    folder = write_series(tmp_path / "s", dicom)
    (folder / "text.dcm").write_text("not DICOM")
    (folder / "empty.dcm").touch()
    (folder / "cut").write_bytes(dicom(0.0)[:300])
    (folder / "preview.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "README").write_text("of no interest")
    study = read_study(folder)
    np.testing.assert_array_equal(stack_of(study), STACK)
    assert {failure.name for failure in study.failures} == {"text.dcm", "empty.dcm", "cut"}
    assert "could not be read: " in study.notes[0]
    assert "text.dcm" in study.notes[0]
    assert study.notes[-1] == "1 file of another kind than DICOM left out."


def test_a_slice_that_is_cut_off_or_blank_fails_alone(tmp_path: Path, dicom: Make) -> None:
    folder = write_series(tmp_path / "s", dicom)
    (folder / "IM1").write_bytes(dicom(HEIGHTS[0])[:-100])
    (folder / "IM2").write_bytes(dicom(HEIGHTS[5], pixels=np.zeros((20, 24), np.int16)))
    study = read_study(folder)
    with pytest.raises(DamagedFileError, match="IM1"):
        study.read(0)
    with pytest.raises(PixelError, match=r"IM2.*blank"):
        study.read(5)
    np.testing.assert_array_equal(study.read(3).pixels, STACK[3])


def test_reports_among_the_images_are_left_out(tmp_path: Path, dicom: Make) -> None:
    folder = write_series(tmp_path / "s", dicom)
    report = dicom(0.0, series=9, SOPClassUID=EnhancedSRStorage, Modality="SR")
    (folder / "report").write_bytes(report[: report.index(b"\x28\0\x02\0")])  # what comes before Image Pixel
    study = read_study(folder)
    assert (len(study), study.n_series, study.failures) == (6, 1, ())


def test_a_folder_of_nothing_but_bad_files_says_why_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "1.dcm").write_text("text")
    (tmp_path / "2.dcm").write_text("text")
    with pytest.raises(ReadError, match=r"2 files failed; the first: .*1\.dcm is not an image"):
        read_study(tmp_path)


def frame_group(position: str) -> Dataset:
    plane, group = Dataset(), Dataset()
    plane.ImagePositionPatient = ["0", "0", position]
    group.PlanePositionSequence = Sequence([plane])
    return group


def multi_frame(dicom: Make, order: list[int]) -> bytes:
    orientation, shared = Dataset(), Dataset()
    orientation.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    shared.PlaneOrientationSequence = Sequence([orientation])
    return dicom(
        None,
        orientation=None,
        pixels=STACK[order],
        NumberOfFrames=str(len(order)),
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence([frame_group(str(HEIGHTS[k])) for k in order]),
    )


def test_frames_of_an_enhanced_file_are_sorted_by_position(dicom: Make, tmp_path: Path) -> None:
    data = multi_frame(dicom, SHUFFLED)
    (tmp_path / "enhanced").write_bytes(data)
    for source in (data, tmp_path / "enhanced", tmp_path):
        study = read_study(source)
        assert positions(study) == HEIGHTS
        np.testing.assert_array_equal(stack_of(study), STACK)
    assert study.places[0].name == "frame 1 of enhanced"
    with pytest.raises(DamagedFileError):
        read_study(data[:-5]).read(3)


def test_plain_frames_keep_their_order_and_only_one_is_decoded_at_a_time(
    dicom: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dicom(None, orientation=None, pixels=STACK, NumberOfFrames="6")
    study = read_study(data)
    decoded = []
    original = np.frombuffer

    def watched(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        decoded.append(result.nbytes)
        return result

    monkeypatch.setattr(np, "frombuffer", watched)
    np.testing.assert_array_equal(stack_of(study), STACK)
    assert max(decoded, default=0) <= STACK[0].nbytes


def test_one_dicom_slice_is_a_study_of_one(dicom: Make) -> None:
    study = read_study(dicom(4.0, pixels=STACK[0]))
    assert (len(study), study.notes, positions(study)) == (1, (), [4.0])
    np.testing.assert_array_equal(study.read(0).pixels, STACK[0])


def test_what_read_slice_refuses_in_one_file_read_study_refuses_likewise(dicom: Make) -> None:
    report = dicom(0.0)
    for data in (b"", b"text", report[: report.index(b"\x28\0\x02\0")], gzip.compress(b"text"), b"PK\3\4", b"PK\5\6"):
        with pytest.raises(ReadError) as by_study:
            read_study(data)
        with pytest.raises(ReadError) as by_slice:
            read_slice(data)
        assert data[:2] == b"PK" or type(by_study.value) is type(by_slice.value)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("flip", [1, -1])
def test_a_volume_gives_the_slices_that_read_slice_gives_and_their_positions(
    axis: int, packed: bool, flip: int
) -> None:
    volume = np.random.default_rng(0).integers(0, 999, (17, 19, 22, 2)).astype(np.int16)
    affine = np.diag([flip * 0.5, flip * 0.75, flip * 3.0, 1.0])
    affine[:3, 3] = [10, 20, 30]
    image = nibabel.Nifti1Image(volume, affine)
    image.header.set_slope_inter(0.5, -3)
    image.header.set_xyzt_units("mm")
    data = gzip.compress(image.to_bytes()) if packed else image.to_bytes()
    study = read_study(data, axis=axis)
    assert study.kind == "NIfTI"
    for k in range(0, len(study), 5):
        one, other = study.read(k), read_slice(data, axis=axis, index=k)
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert (one.spacing, one.notes) == (other.spacing, other.notes)
    edge = affine[axis, 3] + np.array([0, affine[axis, axis]]) * (volume.shape[axis] - 1)
    assert (study.places[0].position, study.places[-1].position) == pytest.approx((edge.min(), edge.max()))


def test_a_packed_volume_is_decompressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = np.random.default_rng(0).integers(0, 999, (20, 20, 50)).astype(np.int16)
    data = gzip.compress(nibabel.Nifti1Image(volume, np.eye(4)).to_bytes())
    study = read_study(data)

    def refuse(*_: object) -> None:
        raise AssertionError("decompressed again")

    monkeypatch.setattr(gzip.GzipFile, "read", refuse)
    assert stack_of(study).shape == (50, 20, 20)


def test_a_volume_by_path_leaves_no_file_open_and_a_pair_is_read(tmp_path: Path) -> None:
    image = nibabel.Nifti1Pair(np.random.default_rng(0).integers(0, 9, (20, 20, 5)).astype(np.uint8), np.eye(4))
    nibabel.save(image, tmp_path / "scan.img")
    study = read_study(tmp_path / "scan.hdr")
    (tmp_path / "scan.img").unlink()
    assert stack_of(study).shape == (5, 20, 20)


def test_a_volume_beyond_the_limit_is_refused_before_it_is_read() -> None:
    data = nibabel.Nifti1Image(np.zeros((20, 20, 20), np.int16), np.eye(4)).to_bytes()
    with pytest.raises(UnsupportedFormatError, match=r"more than the 9,999"):
        read_study(data, limits=Limits(volume_bytes=9_999))


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("packed", [False, True])
def test_a_volume_cut_off_is_damaged(share: float, packed: bool) -> None:
    volume = np.random.default_rng(0).integers(0, 999, (20, 20, 20)).astype(np.int16)
    data = nibabel.Nifti1Image(volume, np.eye(4)).to_bytes()
    data = gzip.compress(data) if packed else data
    with pytest.raises(DamagedFileError, match="cut off"):
        read_study(data[: int(len(data) * share)])


def test_pages_of_a_tiff_are_slices() -> None:
    pages = [Image.fromarray(page.astype(np.uint16)) for page in STACK]
    stream = io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    study = read_study(stream)
    assert (study.kind, positions(study)) == ("TIFF", [None] * 6)
    stream.close()  # all that is needed was taken
    np.testing.assert_array_equal(stack_of(study), STACK)


def test_a_folder_of_pictures_is_in_natural_order(tmp_path: Path) -> None:
    for k in range(6):
        Image.fromarray(STACK[k].astype(np.uint16)).save(tmp_path / f"slice{k + 7}.png")
    (tmp_path / "slice9b.png").write_text("broken")
    study = read_study(tmp_path)
    assert study.kind == "pictures"
    assert [place.name for place in study.places] == [f"slice{k + 7}.png" for k in range(6)]
    assert [failure.name for failure in study.failures] == ["slice9b.png"]
    np.testing.assert_array_equal(stack_of(study), STACK)


def test_a_folder_with_one_volume_is_that_volume_and_with_two_is_refused(tmp_path: Path) -> None:
    data = nibabel.Nifti1Image(np.zeros((20, 20, 5), np.int16), np.eye(4)).to_bytes()
    (tmp_path / "a.nii").write_bytes(data)
    assert len(read_study(tmp_path)) == 5
    (tmp_path / "b.nii").write_bytes(data)
    with pytest.raises(UnsupportedFormatError, match="2 volumes: pass the path"):
        read_study(tmp_path)
    (tmp_path / "b.nii").unlink()
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(tmp_path / "c.png")
    with pytest.raises(UnsupportedFormatError, match="and other files"):
        read_study(tmp_path)


@pytest.mark.parametrize(
    "stack",
    [STACK, STACK.astype(np.float64), np.repeat(STACK[..., None], 3, axis=3), torch.from_numpy(STACK)],
    ids=["int", "float", "colour", "tensor"],
)
def test_the_first_axis_of_an_array_counts_slices(stack: Any) -> None:
    study = read_study(stack)
    assert study.kind == "array"
    np.testing.assert_array_equal(stack_of(study), STACK)
    assert len(read_study(stack[0] if stack.ndim == 3 else stack[0][None])) == 1


def test_other_arrays_are_refused() -> None:
    for shape in ((5,), (0, 20, 20), (2, 2, 2, 20, 20)):
        with pytest.raises(PixelError):
            read_study(np.zeros(shape))
    with pytest.raises(PixelError, match="slice 0 of array"):
        read_study(np.zeros((3, 20, 20))).read(0)


def test_a_pil_image_is_a_study_of_one() -> None:
    assert len(read_study(Image.fromarray(np.eye(20, dtype=np.uint8)))) == 1


def test_indices_keep_their_order_and_their_numbers_in_the_series() -> None:
    study = read_study(STACK, indices=[4, 1, np.int64(2)])
    assert [place.index for place in study.places] == [4, 1, 2]
    np.testing.assert_array_equal(stack_of(study), STACK[[4, 1, 2]])
    for wrong in ([6], [-1], [], [1.5], 3, "1"):
        with pytest.raises(OptionError, match=r"ind(ex|ices)"):
            read_study(STACK, indices=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [6, -1])
def test_a_slice_beyond_the_study_is_refused(number: int) -> None:
    with pytest.raises(OptionError, match=r"0\.\.5"):
        read_study(STACK).read(number)


def test_a_series_number_where_there_is_one_series() -> None:
    assert len(read_study(STACK, series=0)) == 6
    with pytest.raises(OptionError, match=r"0\.\.0"):
        read_study(STACK, series=1)


@pytest.mark.parametrize("source", ["nowhere", "nul\0byte", "x" * 3000])
def test_no_such_file(source: str) -> None:
    with pytest.raises((MissingFileError, ReadError), match=source[:3]):
        read_study(source)


@pytest.mark.parametrize("source", [None, 3, {"a": 1}, object()])
def test_no_source(source: Any) -> None:
    with pytest.raises(UnsupportedFormatError, match=type(source).__name__):
        read_study(source)


def test_too_many_files_or_slices_are_refused(tmp_path: Path, dicom: Make) -> None:
    folder = write_series(tmp_path / "s", dicom)
    with pytest.raises(UnsupportedFormatError, match="6 files, more than the 5"):
        read_study(folder, limits=Limits(files=5))
    for source in (folder, STACK):
        with pytest.raises(UnsupportedFormatError, match=r"more than the 5 slices|6 slices, more than"):
            read_study(source, limits=Limits(slices=5))


def test_a_claim_of_endless_frames_fails_fast(dicom: Make, tmp_path: Path) -> None:
    data = dicom(0.0, NumberOfFrames=str(2**31 - 1))
    with pytest.raises(ReadError):
        read_study(data)
    folder = write_series(tmp_path / "s", dicom)
    (folder / "endless").write_bytes(data)
    assert [failure.name for failure in read_study(folder).failures] == ["endless"]


@pytest.mark.parametrize("value", [0, -1, True, "9", float("nan")])
def test_limits_are_checked_when_they_are_made(value: Any) -> None:
    with pytest.raises(OptionError, match=r"Limits\.files"):
        Limits(files=value)


def test_a_study_is_frozen_and_shows_no_pixels_and_no_uid(tmp_path: Path, dicom: Make) -> None:
    study = read_study(write_series(tmp_path / "s", dicom))
    assert repr(study) == "Study(kind='DICOM', notes=(), failures=(), series=0, n_series=1)"
    with pytest.raises(AttributeError):
        study.series = 3  # type: ignore[misc]


@pytest.mark.shared
def test_the_real_series_in_three_containers(shared: Path, tmp_path: Path) -> None:
    folder = shared / "dicom_t1"
    archive = tmp_path / "series.zip"
    archive.write_bytes(zipped(folder))
    study, from_zip = read_study(folder), read_study(archive)
    heights = positions(study)
    assert len(study) == 20
    assert np.diff(heights) == pytest.approx(6.67, abs=0.01)  # type: ignore[arg-type]
    assert positions(from_zip) == heights
    # Patient's left to right is how sagittal slices run: the files' numbers run the other way or the same.
    names = [place.name for place in study.places if place.name.endswith(".dcm")]
    assert names in (sorted(names), sorted(names, reverse=True))
    np.testing.assert_array_equal(study.read(7).pixels, from_zip.read(7).pixels)
