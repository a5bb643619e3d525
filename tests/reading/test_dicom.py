"""DICOM: modality values, MONOCHROME1 inverted, padding dark; nothing of the patient gets out."""

import io
import logging
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import get_decoder
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, RLELossless, generate_uid

from mriclassify._errors import (
    DamagedFileError,
    MriClassifyError,
    OptionError,
    PixelError,
    UnsupportedFormatError,
)
from mriclassify._reading import read_slice

STORED = np.random.default_rng(0).integers(-500, 3000, (20, 31)).astype(np.int16)
SECRET = "Zyxwv^Patient"


def bundled(name: str) -> Path:
    return Path(str(get_testdata_file(name, download=False)))


def make(pixels: NDArray[Any] = STORED, **elements: Any) -> Dataset:
    """A minimal MR image; `elements` override its own."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.PatientName = SECRET
    dataset.PatientID = SECRET
    dataset.Modality = "MR"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OW"
    return dataset


def encoded(dataset: Dataset, **options: Any) -> bytes:
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, **{"enforce_file_format": True, **options})
    return stream.getvalue()


def read(pixels: NDArray[Any] = STORED, **elements: Any) -> NDArray[np.float32]:
    return read_slice(encoded(make(pixels, **elements))).pixels


def test_a_bundled_mr_equals_what_pydicom_decodes() -> None:
    path = bundled("MR_small.dcm")
    result = read_slice(path)
    assert result.kind == "DICOM"
    assert result.notes == ("It is derived from other images (ImageType DERIVED), not as the scanner made it.",)
    assert result.spacing == (0.3125, 0.3125)
    assert result.window == (-200, 1399)  # centre 600, width 1600
    np.testing.assert_array_equal(result.pixels, pydicom.dcmread(path).pixel_array)


@pytest.mark.parametrize(
    "name", ["MR_small_implicit.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "MR_small_padded.dcm"]
)
def test_however_it_is_encoded_the_pixels_are_the_same(name: str) -> None:
    expected = read_slice(bundled("MR_small.dcm")).pixels
    np.testing.assert_array_equal(read_slice(bundled(name)).pixels, expected)


@pytest.mark.parametrize("name", ["ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm"])
def test_dicom_without_preamble_is_recognised(name: str) -> None:
    # Both hold a structured report or plan: recognised, and refused for want of pixels.
    with pytest.raises(DamagedFileError, match="without pixel data"):
        read_slice(bundled(name))


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_an_image_without_preamble_is_read(implicit: bool, little: bool) -> None:
    dataset = make(STORED if little else STORED.byteswap(), SOPClassUID=MRImageStorage)
    del dataset.file_meta
    data = encoded(dataset, enforce_file_format=False, implicit_vr=implicit, little_endian=little)
    assert data[128:132] != b"DICM"
    np.testing.assert_array_equal(read_slice(data).pixels, STORED)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32])
def test_signed_and_unsigned_values_of_any_width_are_kept(dtype: type) -> None:
    low, high = np.iinfo(dtype).min, min(np.iinfo(dtype).max, 2**20)
    stored = np.random.default_rng(1).integers(low, high, (20, 32)).astype(dtype)
    np.testing.assert_array_equal(read(stored), stored)


def test_rescale_gives_modality_values_and_no_window_is_applied() -> None:
    result = read(RescaleSlope="2.5", RescaleIntercept="-10", WindowCenter="100", WindowWidth="10")
    np.testing.assert_allclose(result, STORED * 2.5 - 10)


def test_a_modality_table_is_applied() -> None:
    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table["LUTDescriptor"].VR = "US"
    table.LUTData = [7 * k for k in range(256)]
    table["LUTData"].VR = "US"
    table.ModalityLUTType = "US"
    stored = np.random.default_rng(1).integers(0, 256, (20, 32)).astype(np.uint8)
    np.testing.assert_array_equal(read(stored, ModalityLUTSequence=Sequence([table])), stored * 7.0)


def test_monochrome1_is_inverted_after_rescaling() -> None:
    rescale = {"RescaleSlope": "-2", "RescaleIntercept": "5"}
    plain = read(**rescale)
    inverted = read(PhotometricInterpretation="MONOCHROME1", **rescale)
    np.testing.assert_allclose(inverted, plain.max() + plain.min() - plain)


def test_monochrome1_of_the_full_range_does_not_overflow() -> None:
    stored = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    np.testing.assert_array_equal(read(stored, PhotometricInterpretation="MONOCHROME1"), 65535.0 - stored)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("slope", ["1", "3"])
def test_padding_becomes_the_darkest_of_the_rest(photometric: str, slope: str) -> None:
    stored = STORED.copy()
    stored[:5] = -2000
    dataset = make(stored, PhotometricInterpretation=photometric, RescaleSlope=slope, RescaleIntercept="0")
    dataset.add_new("PixelPaddingValue", "SS", -2000)
    result = read_slice(encoded(dataset)).pixels
    rest = STORED[5:].astype(float) * int(slope)
    expected = rest.max() + rest.min() - rest if photometric == "MONOCHROME1" else rest
    np.testing.assert_array_equal(result[5:], expected)
    assert (result[:5] == expected.min()).all()


def test_a_range_of_padding_and_one_written_unsigned() -> None:
    stored = STORED.copy()
    stored[:5] = -2000
    stored[5] = -1990
    dataset = make(stored)
    dataset.add_new("PixelPaddingValue", "SS", -2000)
    dataset.add_new("PixelPaddingRangeLimit", "SS", -1985)
    result = read_slice(encoded(dataset)).pixels
    assert (result[:6] == STORED[6:].min()).all()
    data = encoded(make(np.where(stored == -1990, -2000, stored).astype(np.int16)))
    unsigned = pydicom.dcmread(io.BytesIO(data))
    unsigned.add_new("PixelPaddingValue", "US", 63536)
    assert (read_slice(encoded(unsigned)).pixels[:6] == STORED[6:].min()).all()


def test_nothing_but_padding_is_blank() -> None:
    dataset = make(np.full_like(STORED, -2000))
    dataset.add_new("PixelPaddingValue", "SS", -2000)
    with pytest.raises(PixelError, match="blank"):
        read_slice(encoded(dataset))


FRAMES = np.stack([STORED + k for k in range(5)])


@pytest.mark.parametrize(("index", "frame"), [(None, 2), (0, 0), (4, 4)])
def test_of_several_frames_the_middle_or_the_given_one_is_read(index: int | None, frame: int) -> None:
    data = encoded(make(FRAMES, NumberOfFrames=5))
    np.testing.assert_array_equal(read_slice(data, index=index).pixels, FRAMES[frame])


@pytest.mark.parametrize(("count", "index"), [(5, 5), (5, -1), (1, 1)])
def test_a_frame_out_of_range_is_refused_with_the_range(count: int, index: int) -> None:
    data = encoded(make(FRAMES[:count], NumberOfFrames=count))
    with pytest.raises(OptionError, match=rf"0\.\.{count - 1}: bytes has {count} frame"):
        read_slice(data, index=index)


def test_enhanced_objects_keep_slope_and_spacing_by_frame() -> None:
    def group(slope: str) -> Dataset:
        values = Dataset()
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = slope, "1", "US"
        item = Dataset()
        item.PixelValueTransformationSequence = Sequence([values])
        return item

    measures = Dataset()
    measures.PixelSpacing = ["0.5", "0.75"]
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    dataset = make(
        FRAMES,
        NumberOfFrames=5,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence([group(str(k + 2)) for k in range(5)]),
    )
    result = read_slice(encoded(dataset), index=3)
    assert result.spacing == (0.5, 0.75)
    np.testing.assert_allclose(result.pixels, FRAMES[3] * 5.0 + 1)


def test_a_colour_capture_becomes_grey_and_is_noted() -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    elements = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}
    result = read_slice(encoded(make(rgb, Rows=20, Columns=30, **elements)))
    np.testing.assert_allclose(result.pixels, rgb @ [0.299, 0.587, 0.114], atol=1e-4)
    assert "colour" in " ".join(result.notes)
    equal = np.repeat(rgb[..., :1], 3, axis=2)
    result = read_slice(encoded(make(equal, Rows=20, Columns=30, **elements)))
    np.testing.assert_array_equal(result.pixels, equal[..., 0])


def test_a_palette_is_applied() -> None:
    stored = np.random.default_rng(1).integers(0, 256, (20, 32)).astype(np.uint8)
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"{colour}PaletteColorLookupTableData"] = (np.arange(256, dtype="<u2") * 9).tobytes()
    np.testing.assert_array_equal(read(stored, **elements), stored * 9.0)


@pytest.mark.parametrize(
    ("elements", "note"),
    [
        ({"Modality": "CT"}, "Modality is CT, not MR."),
        ({"Modality": "ZYXWV PATIENT"}, "Modality is not MR."),
        ({"Modality": ""}, "Modality is not stated, so it may not be MR."),
        ({"BurnedInAnnotation": "YES"}, "Text is burnt into the picture."),
    ],
)
def test_notes(elements: dict[str, str], note: str) -> None:
    assert read_slice(encoded(make(**elements))).notes == (note,)
    assert read_slice(bundled("CT_small.dcm")).notes == ("Modality is CT, not MR.",)


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [(["0.5", "0.75"], (0.5, 0.75)), (["0", "1"], None), (["-1", "1"], None), (None, None), ("1", None)],
)
def test_spacing_is_rows_then_columns_or_none(spacing: Any, expected: tuple[float, float] | None) -> None:
    assert read_slice(encoded(make(PixelSpacing=spacing))).spacing == expected


@pytest.mark.parametrize("share", np.linspace(0.05, 0.97, 12))  # what follows is padding
@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_implicit.dcm"])
def test_dicom_cut_off_anywhere_is_damaged(name: str, share: float) -> None:
    data = bundled(name).read_bytes()
    with pytest.raises(DamagedFileError, match="cut off"):
        read_slice(data[: int(len(data) * share)])


def test_the_bundled_truncated_file_is_damaged() -> None:
    with pytest.raises(DamagedFileError, match="MR_truncated"):
        read_slice(bundled("MR_truncated.dcm"))


def test_absurd_sizes_are_refused_before_allocation() -> None:
    with pytest.raises(UnsupportedFormatError, match="65535x65535"):
        read(Rows=65535, Columns=65535)
    with pytest.raises(DamagedFileError):
        read(NumberOfFrames=2**31 - 1)
    with pytest.raises(DamagedFileError):
        read(Rows=0)


def test_compression_without_a_decoder_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = get_decoder(RLELossless)
    monkeypatch.setattr(decoder, "_available", {})
    with pytest.raises(UnsupportedFormatError, match=r"RLE Lossless \(1\.2.*pip install 'mriclassify\[dicom\]'"):
        read_slice(bundled("MR_small_RLE.dcm"))


def test_an_unknown_transfer_syntax_is_refused_without_repeating_it() -> None:
    dataset = make()
    data = encoded(dataset).replace(b"1.2.840.10008.1.2.1\0", b"1.2.777.10008.1.2.1\0")
    with pytest.raises(UnsupportedFormatError, match="an unknown syntax") as caught:
        read_slice(data)
    assert "777" not in str(caught.value)


@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "JPEG-lossy.dcm"])
def test_other_compression_is_read_or_refused_by_name(name: str) -> None:
    try:
        assert read_slice(bundled(name)).kind == "DICOM"
    except (UnsupportedFormatError, DamagedFileError) as error:
        assert "JPEG" in str(error)
        assert "pip install" in str(error)


def everything_said(caught: BaseException) -> str:
    return "".join(traceback.format_exception(caught))


def test_nothing_of_the_patient_gets_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    whole = encoded(make(InstitutionName=SECRET, PatientComments=SECRET, StudyDate="20010203"))
    # The name in elements that are read, too: as a UID, a code, a number, a character set.
    broken = [
        whole.replace(b"MONOCHROME2\0", b"Zyxwv^Patien"),
        whole.replace(b"1.2.840.10008.1.2.1\0", b"Zyxwv^Patient.01234\0"[:20]),
        encoded(make(SpecificCharacterSet="ISO_IR 100")).replace(b"ISO_IR 100", b"Zyxwv^Pati"),
        encoded(make(PixelSpacing=["1.0", "2.0"])).replace(b"1.0\\2.0", b"Zyxwv^P"),
        encoded(make(RescaleSlope="1.000", RescaleIntercept="0")).replace(b"1.000", b"Zyxwv"),
        encoded(make(NumberOfFrames="10000")).replace(b"10000", b"Zyxwv"),
    ]
    said = []
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        for data in [whole, whole[:-50], *broken]:
            try:
                said.append(repr(read_slice(data)))
            except MriClassifyError as error:
                said.append(everything_said(error))
    assert len(said) == len(broken) + 2
    assert raised == []
    assert "Zyxwv" not in "".join(said) + caplog.text
    assert "20010203" not in "".join(said) + caplog.text


def test_pydicoms_own_messages_are_kept_in_only_while_reading(caplog: pytest.LogCaptureFixture) -> None:
    read_slice(bundled("MR_small_padded.dcm"))
    assert caplog.text == ""
    with pytest.warns(UserWarning, match="padding"):
        pydicom.dcmread(bundled("MR_small_padded.dcm")).pixel_array  # noqa: B018
    assert "padding" in caplog.text


def test_any_broken_byte_gives_pixels_or_an_error_of_ours() -> None:
    rng = np.random.default_rng(3)
    whole = encoded(make())
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(132, len(data) - STORED.nbytes, 4):
            data[place] = rng.integers(256)
        try:
            assert read_slice(bytes(data)).pixels.dtype == np.float32
        except ValueError as error:
            assert type(error).__module__ == "mriclassify._errors"


@pytest.mark.parametrize(
    ("elements", "window"),
    [
        ({"WindowCenter": "100", "WindowWidth": "101"}, (49.5, 149.5)),  # PS3.3 C.11.2.1.2.1
        ({"WindowCenter": "2048", "WindowWidth": "4096"}, (0, 4095)),
        ({"WindowCenter": ["100", "900"], "WindowWidth": ["101", "11"]}, (49.5, 149.5)),
        ({"WindowCenter": "100", "WindowWidth": "100", "VOILUTFunction": "LINEAR_EXACT"}, (50, 150)),
        ({"WindowCenter": "100", "WindowWidth": "100", "VOILUTFunction": "SIGMOID"}, (50, 150)),
        ({"WindowCenter": "-7.5", "WindowWidth": "2"}, (-8.5, -7.5)),
        ({}, None),
        ({"WindowCenter": "100"}, None),
        ({"WindowCenter": "100", "WindowWidth": "1"}, None),
        ({"WindowCenter": "100", "WindowWidth": "-5"}, None),
        ({"WindowCenter": "1e38", "WindowWidth": "5"}, None),
        ({"WindowCenter": None, "WindowWidth": None}, None),
    ],
)
def test_the_window_is_reported(elements: dict[str, Any], window: tuple[float, float] | None) -> None:
    assert read_slice(encoded(make(**elements))).window == window


def test_the_window_is_of_modality_values_and_inverted_with_them() -> None:
    elements = {"RescaleSlope": "2", "RescaleIntercept": "-10", "WindowCenter": "500.5", "WindowWidth": "1001"}
    plain = read_slice(encoded(make(**elements)))
    inverted = read_slice(encoded(make(PhotometricInterpretation="MONOCHROME1", **elements)))
    assert plain.window == (0, 1000)
    assert inverted.window is not None
    low, high = inverted.window
    inside = (plain.pixels > 0) & (plain.pixels < 1000)
    np.testing.assert_array_equal((inverted.pixels > low) & (inverted.pixels < high), inside)
    assert high - low == 1000


def test_an_enhanced_object_has_a_window_for_each_frame() -> None:
    def group(center: str) -> Dataset:
        values, item = Dataset(), Dataset()
        values.WindowCenter, values.WindowWidth = center, "101"
        item.FrameVOILUTSequence = Sequence([values])
        return item

    groups = Sequence([group(str(100 * k)) for k in range(5)])
    data = encoded(make(FRAMES, NumberOfFrames=5, PerFrameFunctionalGroupsSequence=groups))
    assert read_slice(data, index=3).window == (249.5, 349.5)


CAPTURE = "It is a secondary capture (a screen or a scanned film), not the scanner's own image."
DERIVED = "It is derived from other images (ImageType DERIVED), not as the scanner made it."
LOCALIZER = "It is a localizer, made to plan other slices."


@pytest.mark.parametrize(
    ("elements", "notes"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]}, ()),
        ({"ImageType": "ORIGINAL"}, ()),
        ({"ImageType": ["DERIVED", "PRIMARY", "MPR"]}, (DERIVED,)),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, (LOCALIZER,)),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, (CAPTURE,)),
        ({"ImageType": ["DERIVED", "SECONDARY"], "ConversionType": "WSD"}, (CAPTURE,)),
        ({"ConversionType": "SI"}, (CAPTURE,)),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, (CAPTURE,)),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2"}, (CAPTURE,)),
        ({"SOPClassUID": MRImageStorage}, ()),
    ],
)
def test_captures_derived_images_and_localizers_are_noted(elements: dict[str, Any], notes: tuple[str, ...]) -> None:
    assert read_slice(encoded(make(**elements))).notes == notes
