"""Slice, and the way from any source to it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from mriclassify._errors import UnsupportedFormatError
from mriclassify._reading._arrays import read_array, read_tensor
from mriclassify._reading._checks import check_axis, check_pixels, place
from mriclassify._reading._pictures import read_image, read_picture
from mriclassify._reading._raw import Raw
from mriclassify._reading._sniffing import GZIP, HEAD_SIZE, KINDS, sniff
from mriclassify._reading._sources import Source, head_of, is_path, is_tensor, name_of, opened
from mriclassify._shapes import Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One slice. It holds no name, id, date or text of a patient.

    Attributes:
        pixels: (height, width) float32, C-contiguous, in the file's own units; finite, at least 16 on each
            side and not all the same.
        kind: "JPEG", "PNG", "TIFF", "BMP", "GIF", "WebP", "JPEG 2000", "PNM", "DICOM", "NIfTI"; "array" if it
            was in memory already (arrays, tensors, PIL images).
        spacing: millimetres from row to row and from column to column, or None where it is not known.
        notes: Short sentences on why an answer on this slice should be distrusted; mostly none.
    """

    pixels: Pixels = field(repr=False)
    kind: str
    spacing: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


def read_slice(source: Source, *, axis: int = 2, index: int | None = None) -> Slice:
    """Read one slice from a file, bytes, a stream, a PIL image, an array or a tensor.

    The content decides what a file is, not its suffix. Colour becomes grey by ITU-R 601 luma, alpha is
    composited over black, EXIF rotation is applied, and no value is clipped or rescaled: 16-bit pictures keep
    their range. DICOM gives modality values with MONOCHROME1 inverted. NIfTI gives scaled values, oriented as
    radiologists view them: axial slices with the front at the top, coronal and sagittal ones with the head at
    the top; the patient's right is at the left, and in sagittal slices the front is.

    Args:
        source: A path, the bytes of a file, a binary stream (read from its start), a PIL image (its
            current page), an array (height, width) or (height, width, 1, 3 or 4) in RGB order, or a
            tensor of these shapes or (1, 3 or 4, height, width).
        axis: For NIfTI volumes: 0 cuts sagittal, 1 coronal, 2 axial slices, however the file is stored.
        index: Which slice, frame or page, from 0; None is the middle one. NIfTI slices count from the
            patient's left, back or feet.

    Raises:
        MissingFileError: There is no such file.
        UnreadableFileError: The system refused to open or read it, or it is not a regular file.
        UnsupportedFormatError: It is of no kind that is read, too large, or no decoder for it is installed.
        DamagedFileError: It is empty, cut off or broken.
        PixelError: The pixels can't be a slice: blank, not finite, too small, or an array of another shape.
        ReadError: It is a folder. The base class of all the above.
        OptionError: `axis` or `index` is out of range.

    Example:
        >>> import numpy as np
        >>> read_slice(np.eye(64)).pixels.shape
        (64, 64)
    """
    check_axis(axis)
    name = name_of(source)
    raw = _read(source, name, axis, index)
    check_pixels(raw.pixels, name)
    return Slice(raw.pixels, raw.kind, raw.spacing, raw.notes)


def _read(source: Source, name: str, axis: int, index: int | None) -> Raw:
    if isinstance(source, np.ndarray):
        place(index, 1, what="slice", name=name)
        return Raw(read_array(source, name), "array")
    if is_tensor(source):
        place(index, 1, what="slice", name=name)
        return Raw(read_tensor(source, name), "array")
    if isinstance(source, Image.Image):
        place(index, 1, what="page", name=name)
        return Raw(read_image(source, name), "array")
    with opened(source, name) as stream:
        return _read_stream(stream, name, Path(source) if is_path(source) else None, axis, index)


def _read_stream(stream: BinaryIO, name: str, path: Path | None, axis: int, index: int | None) -> Raw:
    head = head_of(stream, HEAD_SIZE, name)
    kind = sniff(head)
    if kind is None:
        what = "gzip, but not of a NIfTI volume" if head.startswith(GZIP) else "not an image of a known kind"
        raise UnsupportedFormatError(f"{name} is {what}, whatever its suffix says: {KINDS} are read.")
    if kind == "DICOM":
        # Most sources are pictures, and pydicom and nibabel take a third of a second each to import.
        from mriclassify._reading._dicom import read_dicom

        return read_dicom(stream, name, index)
    if kind == "NIfTI":
        from mriclassify._reading._nifti import read_nifti

        return read_nifti(stream, name, path, axis=axis, index=index)
    return Raw(read_picture(stream, kind, name, index), kind)
