"""NIfTI: one picture per slice of the patient, whichever of 48 ways the volume is stored."""

import gzip
import io
import itertools
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff
from numpy.typing import NDArray

from mriclassify._errors import (
    DamagedFileError,
    OptionError,
    PixelError,
    UnsupportedFormatError,
)
from mriclassify._reading import _nifti as nifti
from mriclassify._reading import read_slice, read_study

# Right, front and top are told apart by their sizes, spacings and values.
VOLUME = np.random.default_rng(0).integers(0, 1000, (17, 19, 22)).astype(np.int16)
AFFINE = np.diag([0.5, 0.75, 3.0, 1.0])

ORIENTATIONS = [
    np.column_stack([order, signs])
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def make(data: NDArray[Any] = VOLUME, affine: NDArray[Any] | None = AFFINE, kind: Any = None) -> Any:
    image = (kind or nibabel.Nifti1Image)(data, affine)
    image.header.set_xyzt_units("mm")
    return image


def picture(axis: int, number: int) -> NDArray[Any]:
    """The slice as a radiologist views it: the far end of both axes first."""
    plane = np.take(VOLUME, number, axis)
    return plane[::-1, ::-1].T


def reoriented(orientation: NDArray[Any]) -> Any:
    data = apply_orientation(VOLUME, orientation)
    return make(data, AFFINE @ inv_ornt_aff(orientation, VOLUME.shape))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_all_48_orientations_give_the_same_picture_and_spacing(axis: int) -> None:
    zooms = (0.5, 0.75, 3.0)
    across, down = (other for other in range(3) if other != axis)
    for orientation in ORIENTATIONS:
        data = reoriented(orientation).to_bytes()
        for index in (None, 3):
            result = read_slice(data, axis=axis, index=index)
            number = VOLUME.shape[axis] // 2 if index is None else index
            np.testing.assert_array_equal(result.pixels, picture(axis, number))
            assert result.pixels.flags.c_contiguous
            assert result.spacing == (zooms[down], zooms[across])


def test_axial_is_the_default_with_the_front_at_the_top_and_the_right_at_the_left() -> None:
    volume = np.zeros((20, 20, 20), np.uint8)
    volume[15:, 8:12, 10] = 1  # the patient's right
    volume[8:12, 15:, 10] = 2  # the front
    result = read_slice(make(volume).to_bytes()).pixels
    assert (result[8:12, :5] == 1).all()
    assert (result[:5, 8:12] == 2).all()
    assert result[:, 12:].sum() + result[12:].sum() == 0


def test_coronal_and_sagittal_have_the_head_at_the_top() -> None:
    volume = np.zeros((20, 20, 20), np.uint8)
    volume[10, 10, 15:] = 1  # the top
    volume[10, 15:, 10] = 2  # the front
    volume[15:, 10, 10] = 3  # the patient's right
    coronal = read_slice(make(volume).to_bytes(), axis=1).pixels
    sagittal = read_slice(make(volume).to_bytes(), axis=0).pixels
    assert (coronal[:5, 9] == 1).all()
    assert (sagittal[:5, 9] == 1).all()
    assert (coronal[9, :5] == 3).all()
    assert (sagittal[9, :5] == 2).all()


def test_an_oblique_volume_is_cut_along_the_closest_axis() -> None:
    angle = np.deg2rad(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    result = read_slice(make(affine=turn @ AFFINE).to_bytes(), index=4)
    np.testing.assert_array_equal(result.pixels, picture(2, 4))


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("route", ["bytes", "stream", "path"])
def test_versions_byte_orders_gzip_and_sources(kind: Any, order: str, packed: bool, route: str, tmp_path: Path) -> None:
    image = kind(VOLUME, AFFINE, header=kind.header_class(endianness=order))
    data = gzip.compress(image.to_bytes()) if packed else image.to_bytes()
    path = tmp_path / "volume"  # no suffix: content decides
    path.write_bytes(data)
    source = {"bytes": data, "stream": io.BytesIO(data), "path": path}[route]
    result = read_slice(source)  # type: ignore[arg-type]
    assert result.kind == "NIfTI"
    assert result.notes == ()
    np.testing.assert_array_equal(result.pixels, picture(2, 11))


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
def test_a_pair_is_read_by_its_header(kind: Any, tmp_path: Path) -> None:
    nibabel.save(make(kind=kind), tmp_path / "scan.img")
    np.testing.assert_array_equal(read_slice(tmp_path / "scan.hdr").pixels, picture(2, 11))
    with pytest.raises(UnsupportedFormatError, match="pass the path"):
        read_slice((tmp_path / "scan.hdr").read_bytes())
    (tmp_path / "scan.img").unlink()
    with pytest.raises(UnsupportedFormatError, match=r"scan\.img beside it"):
        read_slice(tmp_path / "scan.hdr")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64, np.uint16])
def test_every_type_keeps_its_values(dtype: type) -> None:
    values = (VOLUME % 200).astype(dtype)
    result = read_slice(make(values).to_bytes(), index=5).pixels
    np.testing.assert_array_equal(result, values[::-1, ::-1, 5].T)


def test_scaled_integers_are_scaled() -> None:
    image = make()
    image.header.set_slope_inter(0.25, -7)
    result = read_slice(image.to_bytes()).pixels
    data = nibabel.Nifti1Image.from_bytes(image.to_bytes())
    np.testing.assert_allclose(result, data.get_fdata()[::-1, ::-1, 11].T, rtol=1e-6)
    assert result.min() < 0


@pytest.mark.parametrize("extra", [(3,), (1, 2), (2, 1, 2)])
def test_of_a_series_the_first_volume_is_read(extra: tuple[int, ...]) -> None:
    series = np.zeros((*VOLUME.shape, *extra), np.int16)
    series[(..., *([0] * len(extra)))] = VOLUME
    for axis in range(3):
        result = read_slice(make(series).to_bytes(), axis=axis, index=6).pixels
        np.testing.assert_array_equal(result, picture(axis, 6))


def test_colour_voxels_become_grey() -> None:
    rgb = np.zeros(VOLUME.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for channel in "RGB":
        rgb[channel] = VOLUME % 256
    np.testing.assert_array_equal(read_slice(make(rgb).to_bytes()).pixels, picture(2, 11) % 256)


def test_complex_voxels_are_refused() -> None:
    with pytest.raises(PixelError, match="real numbers"):
        read_slice(make(VOLUME.astype(np.complex64)).to_bytes())


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("beyond", [0, None])
def test_a_slice_out_of_range_is_refused_with_the_range(axis: int, beyond: int | None) -> None:
    count = VOLUME.shape[axis]
    with pytest.raises(OptionError, match=rf"0\.\.{count - 1}.*{count} slices"):
        read_slice(make().to_bytes(), axis=axis, index=-1 if beyond is None else count)


def test_units_other_than_millimetres_are_converted() -> None:
    image = make()
    image.header.set_xyzt_units("micron")
    assert read_slice(image.to_bytes()).spacing == pytest.approx((0.00075, 0.0005))


def test_an_unknown_unit_is_taken_for_millimetres() -> None:
    data = bytearray(make().to_bytes())
    data[123] = 248
    assert read_slice(bytes(data)).spacing == (0.75, 0.5)
    assert read_study(bytes(data)).places[2].position == 6.0


def test_a_volume_without_orientation_is_noted() -> None:
    assert "left and right" in read_slice(make(affine=None).to_bytes()).notes[0]


def test_a_flat_image_is_refused() -> None:
    with pytest.raises(PixelError, match="expected a volume"):
        read_slice(make(VOLUME[..., 0]).to_bytes())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("share", [0.03, 0.3, 0.55, 0.9, 0.999])
def test_a_volume_cut_off_anywhere_is_damaged(packed: bool, share: float) -> None:
    data = gzip.compress(make().to_bytes()) if packed else make().to_bytes()
    with pytest.raises(DamagedFileError, match="cut off"):
        read_slice(data[: int(len(data) * share)])


def test_a_wrong_checksum_is_damaged() -> None:
    data = bytearray(gzip.compress(make().to_bytes()))
    data[-6] ^= 1
    with pytest.raises(DamagedFileError):
        read_slice(bytes(data))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ((32767, 32767, 32767), UnsupportedFormatError),
        ((1000, 1000, 1000), DamagedFileError),
        ((-5, 20, 20), DamagedFileError),
        ((0, 20, 20), DamagedFileError),
    ],
)
def test_absurd_sizes_are_refused_before_allocation(
    packed: bool, shape: tuple[int, int, int], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("voxels were read")

    monkeypatch.setattr("nibabel.arrayproxy.ArrayProxy.__getitem__", refuse)
    data = bytearray(make().to_bytes())
    data[42:48] = np.array(shape, "<i2").tobytes()
    with pytest.raises(error, match="claims"):
        read_slice(gzip.compress(bytes(data)) if packed else bytes(data))


def test_an_affine_without_directions_is_damaged() -> None:
    image = make()
    image.header["srow_x"] = image.header["srow_y"] = image.header["srow_z"] = 0
    data = bytearray(image.to_bytes())
    data[280:328] = bytes(48)
    with pytest.raises(DamagedFileError):
        read_slice(bytes(data))


@pytest.mark.parametrize("name", ["anatomical.nii", "standard.nii.gz", "example4d.nii.gz", "example_nifti2.nii.gz"])
def test_nibabels_own_volumes_agree_with_its_canonical_ones(name: str) -> None:
    path = Path(nibabel.__file__).parent / "tests" / "data" / name
    canonical = nibabel.as_closest_canonical(nibabel.load(path)).get_fdata()
    canonical = canonical.reshape(*canonical.shape[:3], -1)[..., 0]
    for axis in range(3):
        middle = np.take(canonical, canonical.shape[axis] // 2, axis)[::-1, ::-1].T
        if min(middle.shape) < 16 or middle.min() == middle.max():
            with pytest.raises(PixelError):
                read_slice(path, axis=axis)
        else:
            np.testing.assert_allclose(read_slice(path, axis=axis).pixels, middle, rtol=1e-6)


def test_only_the_slice_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = nibabel.arrayproxy.ArrayProxy.__getitem__

    def watched(self: Any, slicer: Any) -> Any:
        result = original(self, slicer)
        sizes.append(result.size)
        return result

    monkeypatch.setattr(nibabel.arrayproxy.ArrayProxy, "__getitem__", watched)
    read_slice(make().to_bytes(), axis=1)
    assert sizes == [17 * 22]


def test_free_text_of_the_header_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    image = make()
    image.header["descrip"] = image.header["db_name"] = b"Zyxwv Patient"
    whole = image.to_bytes()
    assert "Zyxwv" not in repr(read_slice(whole))
    with pytest.raises(DamagedFileError) as caught:
        read_slice(whole[:-10])
    assert "Zyxwv" not in str(caught.value) + caplog.text


def test_nibabels_own_messages_are_kept_in(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(make().to_bytes())
    data[80:84] = np.float32(-1).tobytes()  # a pixdim that nibabel mends and logs
    assert read_slice(bytes(data)).kind == "NIfTI"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("packed", [False, True])
def test_any_broken_byte_gives_pixels_or_an_error_of_ours(packed: bool) -> None:
    rng = np.random.default_rng(3)
    whole = make().to_bytes()
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(4, 340, 4):
            data[place] = rng.integers(256)
        try:
            result = read_slice(gzip.compress(bytes(data), 1) if packed else bytes(data))
            assert result.pixels.dtype == np.float32
        except ValueError as error:
            assert type(error).__module__ == "mriclassify._errors"


def test_the_limit_on_voxels_allows_the_finest_scans() -> None:
    assert nifti.MAX_VOXELS > 700**3
