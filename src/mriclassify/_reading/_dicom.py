"""DICOM becomes pixels: stored values -> modality values -> MONOCHROME1 inverted; the window is only reported.

Only the elements listed here are parsed, so that a patient's name, ids and dates never get into an object of
ours; and pydicom's messages, which may quote values, are not passed on.

References: DICOM PS3.3 C.7.6.3 (image pixel), C.11.1 (modality LUT), C.7.5.1.1.2 (pixel padding).
"""

import io
import math
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_rescale, get_decoder, pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mriclassify._errors import DamagedFileError, UnsupportedFormatError
from mriclassify._reading._checks import check_size, place
from mriclassify._reading._codestream import check_frame
from mriclassify._reading._deflated import undeflated
from mriclassify._reading._foreign import damaged, quiet
from mriclassify._reading._grey import as_float32, grey
from mriclassify._reading._groups import group_of, numbers
from mriclassify._reading._limits import MAX_FILE
from mriclassify._reading._raw import Raw
from mriclassify._reading._suspicion import notes_of
from mriclassify._reading._voi import window_of
from mriclassify._shapes import Pixels

_PIXEL_DATA = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

_ELEMENTS = [
    "ImageType",
    "SOPClassUID",
    "Modality",
    "ConversionType",
    "BurnedInAnnotation",
    "PixelSpacing",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "ModalityLUTSequence",
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    *_PIXEL_DATA,
]

DICOM_ERRORS = (InvalidDicomError, BytesLengthException)
"""What pydicom raises of its own that derives from no builtin but Exception."""

_SMALL = 2**26
"""Bytes of a file that is read at once: an open file allocates whatever length an element claims, bytes do not."""

_DECODERS = "pip install 'mriclassify[dicom]'"


def read_dicom(stream: BinaryIO, name: str, index: int | None) -> Raw:
    """Read frame `index` (None: the middle one) of a DICOM file.

    Raises:
        UnsupportedFormatError: It is too large, or no decoder for its compression is installed.
        DamagedFileError: It is cut off or broken, or holds no pixel data.
        OptionError: There is no such frame.
    """
    return decode(load(stream, name), name, index)


def load(stream: BinaryIO, name: str) -> Dataset:
    """Return the data set of a DICOM image, its pixels undecoded; see `read_dicom` for what is raised."""
    with damaged(name, "DICOM", private=True, also=DICOM_ERRORS), quiet():
        dataset = parse(stream, name, _ELEMENTS)
        _check_image(dataset, name)
        return dataset


def parse(stream: BinaryIO, name: str, elements: list[str], *, pixels: bool = True) -> Dataset:
    """Return these elements of a DICOM file; without `pixels`, those that stand before its pixel data."""
    size = stream.seek(0, 2)
    stream.seek(0)
    if size > MAX_FILE:
        raise UnsupportedFormatError(f"{name} has more than {MAX_FILE:,} bytes, which are not read: split it first.")
    if pixels and size <= _SMALL:
        stream = io.BytesIO(stream.read())
    return dcmread(undeflated(stream, name), force=True, specific_tags=elements, stop_before_pixels=not pixels)


def decode(dataset: Dataset, name: str, index: int | None) -> Raw:
    """Return frame `index` (None: the middle one) of a data set that `load` returned; no other is decoded."""
    with damaged(name, "DICOM", private=True, also=DICOM_ERRORS), quiet():
        frame = place(index, frames(dataset), what="frame", name=name)
        with damaged(name, "DICOM", private=True, also=DICOM_ERRORS, hint=_hint(dataset)):
            check_frame(dataset, frame, _transfer_syntax(dataset), name)
            stored = pixel_array(dataset, index=frame)
        pixels, window = _pixels(stored, dataset, frame)
        return Raw(pixels, "DICOM", _spacing(dataset, frame), notes_of(dataset), window)


def frames(dataset: Dataset) -> int:
    """Return how many frames the file says it has."""
    return max(1, int(dataset.get("NumberOfFrames") or 1))


def _check_image(dataset: Dataset, name: str) -> None:
    """Raise unless `dataset` holds an image that can be decoded here."""
    if not any(keyword in dataset for keyword in _PIXEL_DATA):
        raise DamagedFileError(
            f"{name} is a DICOM file without pixel data: it was cut off, or is a report or an index, not an image."
        )
    check_size(int(dataset.Rows), int(dataset.Columns), name)
    syntax = _transfer_syntax(dataset)
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise UnsupportedFormatError(
            f"{name} is compressed as {_syntax_name(syntax)}, for which no decoder is installed: "
            f"{_DECODERS}, or export the series uncompressed."
        )


def _transfer_syntax(dataset: Dataset) -> UID:
    """Return the transfer syntax; where the file does not say, set it to the encoding that pydicom found."""
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return UID(dataset.file_meta.TransferSyntaxUID)


def _syntax_name(syntax: UID) -> str:
    # A UID that the standard does not list is whatever stands in the file.
    return f"{syntax.name} ({syntax})" if syntax.is_transfer_syntax and not syntax.is_private else "an unknown syntax"


def _hint(dataset: Dataset) -> str:
    """Return what may help where decoding fails."""
    syntax = _transfer_syntax(dataset)
    if not syntax.is_encapsulated:
        return ""
    return f"Or its variant of {_syntax_name(syntax)} needs another decoder: {_DECODERS}."


def _pixels(stored: NDArray[Any], dataset: Dataset, frame: int) -> tuple[Pixels, tuple[float, float] | None]:
    """Return the grey values of a decoded frame, (rows, columns) or (rows, columns, 3), and its window."""
    photometric = dataset.get("PhotometricInterpretation", "")
    if photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    if stored.ndim == 3:
        return grey(stored), None  # a window is one of grey values
    window = window_of(dataset, frame)
    values = apply_rescale(stored, group_of(dataset, frame, "PixelValueTransformationSequence"))
    valid = ~_padding(stored, dataset)
    if not valid.any():
        return as_float32(values), None  # blank, as the check that follows will say
    if photometric == "MONOCHROME1":
        # Last, so that it inverts what is seen. In float64: the sum of two 16-bit extremes overflows.
        values = values.astype(np.float64)
        ends = float(values[valid].max() + values[valid].min())
        values = ends - values
        window = (ends - window[1], ends - window[0]) if window else None
    return as_float32(np.where(valid, values, values[valid].min())), window


def _padding(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_]:
    """Return where `stored` is padding: outside the reconstructed circle, or cut away."""
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, bool)
    last = dataset.get("PixelPaddingRangeLimit")
    ends = [_as_stored(end, stored.dtype) for end in (first, first if last is None else last)]
    padding: NDArray[np.bool_] = (stored >= min(ends)) & (stored <= max(ends))
    return padding


def _as_stored(value: Any, dtype: np.dtype[Any]) -> int:
    """Return a padding value as the pixels hold it: some writers put -2000 down unsigned, as 63536."""
    number = int(value)
    if dtype.kind == "i" and number > np.iinfo(dtype).max:
        number -= 2 ** (8 * dtype.itemsize)
    return number


def _spacing(dataset: Dataset, frame: int) -> tuple[float, float] | None:
    """Return PixelSpacing, millimetres from row to row and from column to column, if it is there and sane."""
    values = numbers(group_of(dataset, frame, "PixelMeasuresSequence"), "PixelSpacing", 2)
    if values is None:
        return None
    row, column = values
    return (row, column) if 0 < row < math.inf and 0 < column < math.inf else None
