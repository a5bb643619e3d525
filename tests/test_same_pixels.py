"""Same pixels, same answer: one slice in every container gets one answer, from the weights in the package.

The slice is not square and has no symmetry, so that a turned or mirrored one is told apart, and it uses 16 bits.
"""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)

from mriclassify import Classifier

SCANS = Path(__file__).parents[1] / "examples" / "scans"
TOP = 60_000
"""The brightest value of the slice: beyond what int16 holds."""
HALF = TOP // 2

EXACT, ROUNDED = 0.002, 0.012
"""How far any probability may be from that of the 16-bit PNG file, for 16 bits and for fewer."""

Pixels = NDArray[np.uint16]
Make = Callable[[Pixels], Any]


@pytest.fixture(scope="module")
def slice_16() -> Pixels:
    """(240, 208) uint16, 0..TOP, with a bright spot: to a good network a head is nearly its own mirror image."""
    picture = Image.open(SCANS / "sagittal_16bit.png").crop((0, 20, 256, 256))
    values = np.asarray(Image.fromarray(np.array(picture, np.float32)).resize((208, 240), Image.Resampling.BICUBIC))
    rows, columns = np.mgrid[0:240, 0:208]
    spot = np.exp(-((rows - 80) ** 2 + (columns - 140) ** 2) / (2 * 15**2))
    scaled: Pixels = np.round(np.clip(values / values.max() + 0.5 * spot, 0, 1) * TOP).astype(np.uint16)
    assert len(np.unique(scaled)) > 2**14
    return scaled


@pytest.fixture(scope="module")
def clf() -> Classifier:
    return Classifier.from_pretrained(device="cpu")


def picture(pixels: NDArray[Any], kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind, **options)
    return stream.getvalue()


def dicom(pixels: NDArray[Any], syntax: str = ExplicitVRLittleEndian, **elements: Any) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality = "MR"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OW"
    if syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax == ExplicitVRBigEndian:
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def nifti(
    pixels: Pixels, orientation: str = "RAS", *, gz: bool = False, scaled: bool = False, dtype: type = np.float32
) -> bytes:
    """A volume of three axial slices, `pixels` in the middle, stored in `orientation`."""
    # Pictures start at the front and at the patient's right, where the axes of RAS end.
    axial = pixels[::-1, ::-1].T.astype(np.float64)
    volume = np.stack([axial[::-1], axial, axial[:, ::-1]], axis=-1)
    image = nib.Nifti1Image(volume.astype(dtype), np.diag([0.9, 0.8, 5.0, 1.0]))
    ends = (nib.orientations.axcodes2ornt(codes) for codes in ("RAS", orientation))
    stored = image.as_reoriented(nib.orientations.ornt_transform(*ends))
    assert "".join(nib.aff2axcodes(stored.affine)) == orientation
    if scaled:
        stored.set_data_dtype(np.int16)  # so that nibabel finds a slope and an intercept
    content = bytes(stored.to_bytes())
    return gzip.compress(content) if gz else content


WHOLE: dict[str, Make] = {
    "TIFF": lambda pixels: picture(pixels, "TIFF"),
    "TIFF, LZW": lambda pixels: picture(pixels, "TIFF", compression="tiff_lzw"),
    "TIFF, float": lambda pixels: picture(pixels.astype(np.float32), "TIFF"),
    "JPEG 2000": lambda pixels: picture(pixels, "JPEG2000"),
    "PGM": lambda pixels: picture(pixels, "PPM"),
    "DICOM": lambda pixels: dicom(pixels),
    "DICOM, implicit": lambda pixels: dicom(pixels, ImplicitVRLittleEndian),
    "DICOM, big-endian": lambda pixels: dicom(pixels, ExplicitVRBigEndian),
    "DICOM, deflated": lambda pixels: dicom(pixels, DeflatedExplicitVRLittleEndian),
    "DICOM, RLE": lambda pixels: dicom(pixels, RLELossless),
    "DICOM, JPEG-LS": lambda pixels: dicom(pixels, JPEGLSLossless),
    "DICOM, JPEG 2000": lambda pixels: dicom(pixels, JPEG2000Lossless),
    "DICOM, white is zero": lambda pixels: dicom(65_535 - pixels, PhotometricInterpretation="MONOCHROME1"),
    "DICOM, slope and intercept": lambda pixels: dicom(pixels, RescaleSlope="0.25", RescaleIntercept="-1024"),
    "DICOM, signed": lambda pixels: dicom(signed(pixels)),
    "DICOM, signed with intercept": lambda pixels: dicom(signed(pixels), RescaleSlope="1", RescaleIntercept=str(HALF)),
    "DICOM, signed, JPEG 2000": lambda pixels: dicom(signed(pixels), JPEG2000Lossless),
    "NIfTI, .nii.gz": lambda pixels: nifti(pixels, gz=True),
    "NIfTI, scaled integers": lambda pixels: nifti(pixels, "LPS", scaled=True),
    "NIfTI, uint16": lambda pixels: nifti(pixels, "SLA", dtype=np.uint16),
    "array, uint16": lambda pixels: pixels,
    "array, int16": lambda pixels: signed(pixels),
    "array, int32": lambda pixels: pixels.astype(np.int32),
    "array, float32": lambda pixels: pixels.astype(np.float32),
    "array, float64": lambda pixels: pixels.astype(np.float64) / TOP,
    "array, big-endian": lambda pixels: pixels.astype(">u2"),
    "array, not contiguous": lambda pixels: np.repeat(pixels, 2, axis=1)[:, ::2],
    "array, grey as RGB": lambda pixels: np.stack([pixels] * 3, axis=-1),
    "tensor, int32": lambda pixels: torch.from_numpy(pixels.astype(np.int32)),
    "tensor, channel first": lambda pixels: torch.from_numpy(pixels.astype(np.float32))[None] / TOP,
    "PIL image": Image.fromarray,
    "PIL image, float": lambda pixels: Image.fromarray(pixels.astype(np.float32)),
}
ORIENTATIONS = ("RAS", "LAS", "LPS", "RPI", "ASR", "PIR", "SLA", "IRP")

FEWER_BITS: dict[str, Make] = {
    "DICOM, 12 bits": lambda pixels: dicom((pixels // 16).astype(np.uint16), BitsStored=12, HighBit=11),
    "PNG": lambda pixels: picture(eight(pixels), "PNG"),
    "BMP": lambda pixels: picture(eight(pixels), "BMP"),
    "JPEG": lambda pixels: picture(eight(pixels), "JPEG", quality=95),
    "WebP": lambda pixels: picture(eight(pixels), "WebP", lossless=True),
    "RGB PNG": lambda pixels: picture(np.stack([eight(pixels)] * 3, axis=-1), "PNG"),
    "RGB JPEG": lambda pixels: picture(np.stack([eight(pixels)] * 3, axis=-1), "JPEG", quality=95),
    "uint8": lambda pixels: eight(pixels),
    "tensor, uint8": lambda pixels: torch.from_numpy(eight(pixels)),
    "16-bit RGB array": lambda pixels: np.stack([eight(pixels).astype(np.uint16) * 257] * 3, axis=-1),
}


def signed(pixels: Pixels) -> NDArray[np.int16]:
    return (pixels.astype(np.int32) - HALF).astype(np.int16)


def eight(pixels: Pixels) -> NDArray[np.uint8]:
    return np.round(pixels / TOP * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def expected(clf: Classifier, slice_16: Pixels) -> NDArray[np.float64]:
    """The answer for the PNG file of 16 bits."""
    answer: NDArray[np.float64] = clf.predict_proba([picture(slice_16, "PNG")])[0]
    return answer


def difference(clf: Classifier, source: Any, expected: NDArray[np.float64], **where: int) -> float:
    """Return how far any probability is from what is expected; a rejected slice is as far from any as can be."""
    found = clf.predict(source, **where)  # type: ignore[arg-type]
    if found.status == "rejected":
        return 1.0
    return float(np.abs(np.array(list(found.probabilities.values())) - expected).max())


@pytest.mark.parametrize("form", WHOLE)
def test_of_16_bits_and_more(form: str, clf: Classifier, slice_16: Pixels, expected: NDArray[np.float64]) -> None:
    assert difference(clf, WHOLE[form](slice_16), expected) <= EXACT


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_of_a_volume_however_it_lies(
    orientation: str, clf: Classifier, slice_16: Pixels, expected: NDArray[np.float64]
) -> None:
    assert difference(clf, nifti(slice_16, orientation), expected, axis=2, index=1) <= EXACT


@pytest.mark.parametrize("form", FEWER_BITS)
def test_of_fewer_bits(form: str, clf: Classifier, slice_16: Pixels, expected: NDArray[np.float64]) -> None:
    assert difference(clf, FEWER_BITS[form](slice_16), expected) <= ROUNDED


def test_files_and_what_is_in_them(
    clf: Classifier, slice_16: Pixels, expected: NDArray[np.float64], tmp_path: Path
) -> None:
    """Suffixes are not believed, and a path is as good as bytes."""
    for name, content in {
        "slice.nii.gz": nifti(slice_16, "LPS", gz=True),
        "slice.jpg": picture(slice_16, "PNG"),
        "slice": dicom(slice_16, RLELossless),
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert difference(clf, path, expected) <= EXACT, name


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pixels: pixels[::-1],
        lambda pixels: pixels[:, ::-1],
        lambda pixels: pixels.T,
        lambda pixels: TOP - pixels,
        lambda pixels: pixels.clip(max=255),
        lambda pixels: pixels & 0xFF,
        lambda pixels: pixels.byteswap(),
    ],
    ids=["upside down", "mirrored", "transposed", "inverted", "clipped at 255", "lower byte only", "swapped bytes"],
)
def test_the_measure_tells_what_commonly_goes_wrong(
    spoil: Make, clf: Classifier, slice_16: Pixels, expected: NDArray[np.float64]
) -> None:
    assert difference(clf, spoil(slice_16), expected) > ROUNDED
