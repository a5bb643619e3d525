"""DICOM becomes pixels: stored values -> modality values -> MONOCHROME1 inverted; no window.

Only the elements listed here are parsed, so that a patient's name, ids and dates never get into an object of
ours; and pydicom's messages, which may quote values, are not passed on.

References: DICOM PS3.3 C.7.6.3 (image pixel), C.11.1 (modality LUT), C.7.5.1.1.2 (pixel padding).
"""

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
from mriclassify._reading._foreign import damaged, quiet
from mriclassify._reading._grey import as_float32, grey
from mriclassify._reading._raw import Raw
from mriclassify._shapes import Pixels

_PIXEL_DATA = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

_ELEMENTS = [
    "Modality",
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

_ERRORS = (InvalidDicomError, BytesLengthException)

_DECODERS = "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"


def read_dicom(stream: BinaryIO, name: str, index: int | None) -> Raw:
    """Read frame `index` (None: the middle one) of a DICOM file.

    Raises:
        UnsupportedFormatError: No decoder for its compression is installed.
        DamagedFileError: It is cut off or broken, or holds no pixel data.
        OptionError: There is no such frame.
    """
    with damaged(name, "DICOM", private=True, also=_ERRORS), quiet():
        dataset = dcmread(stream, force=True, specific_tags=_ELEMENTS)
        _check_image(dataset, name)
        frame = place(index, _frames(dataset), what="frame", name=name)
        with damaged(name, "DICOM", private=True, also=_ERRORS, hint=_hint(dataset)):
            stored = pixel_array(dataset, index=frame)
        return Raw(
            pixels=_pixels(stored, dataset, frame),
            kind="DICOM",
            spacing=_spacing(dataset, frame),
            notes=_notes(dataset),
        )


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


def _frames(dataset: Dataset) -> int:
    return max(1, int(dataset.get("NumberOfFrames") or 1))


def _pixels(stored: NDArray[Any], dataset: Dataset, frame: int) -> Pixels:
    """Return the grey values of a decoded frame, (rows, columns) or (rows, columns, 3)."""
    photometric = dataset.get("PhotometricInterpretation", "")
    if photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    if stored.ndim == 3:
        return grey(stored)
    values = apply_rescale(stored, _rescaling(dataset, frame))
    valid = ~_padding(stored, dataset)
    if not valid.any():
        return as_float32(values)  # blank, as the check that follows will say
    if photometric == "MONOCHROME1":
        # Last, so that it inverts what is seen. In float64: the sum of two 16-bit extremes overflows.
        values = values.astype(np.float64)
        values = values[valid].max() + values[valid].min() - values
    return as_float32(np.where(valid, values, values[valid].min()))


def _rescaling(dataset: Dataset, frame: int) -> Dataset:
    """Return the data set that holds the modality LUT or rescale slope of `frame`, if any does."""
    item: Dataset = _functional_group(dataset, frame, "PixelValueTransformationSequence") or dataset
    return item


def _functional_group(dataset: Dataset, frame: int, keyword: str) -> Dataset | None:
    """Return the item of `keyword` for `frame` in an enhanced multi-frame object, or None."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for group in (*per_frame[frame : frame + 1], *shared[:1]):
        if group.get(keyword):
            item: Dataset = group[keyword].value[0]
            return item
    return None


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
    item = _functional_group(dataset, frame, "PixelMeasuresSequence") or dataset
    values = item.get("PixelSpacing") or ()
    try:
        row, column = (float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return (row, column) if 0 < row < math.inf and 0 < column < math.inf else None


def _notes(dataset: Dataset) -> tuple[str, ...]:
    """Return what speaks against an answer; of the file's words, only a two-letter modality is repeated."""
    notes = []
    modality = str(dataset.get("Modality") or "")
    if not modality:
        notes.append("Modality is not stated, so it may not be MR.")
    elif modality != "MR":
        known = len(modality) == 2 and modality.isascii() and modality.isalpha() and modality.isupper()
        notes.append(f"Modality is {modality}, not MR." if known else "Modality is not MR.")
    if dataset.get("SamplesPerPixel", 1) != 1 or dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        notes.append("It is a colour picture, not the scanner's own values.")
    if dataset.get("BurnedInAnnotation") == "YES":
        notes.append("Text is burnt into the picture.")
    return tuple(notes)
