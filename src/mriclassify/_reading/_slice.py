"""Slice, and the way from any source to it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from mriclassify._reading._arrays import read_array, read_tensor
from mriclassify._reading._checks import check_axis, check_pixels, place
from mriclassify._reading._grey import chroma
from mriclassify._reading._pictures import colour_of, read_image, read_picture
from mriclassify._reading._raw import Raw
from mriclassify._reading._sniffing import HEAD_SIZE, refuse_unknown, sniff
from mriclassify._reading._sources import Source, head_of, is_path, is_tensor, is_url, name_of, opened
from mriclassify._reading._urls import check_allowed, fetch_bytes
from mriclassify._shapes import Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One slice. It holds no name, id, date or text of a patient.

    Attributes:
        pixels: (height, width) float32, C-contiguous, in the file's own units; finite, at least 16 on each
            side and not all the same.
        kind: "JPEG", "PNG", "TIFF", "BMP", "GIF", "WebP", "JPEG 2000", "PNM", "DICOM", "NIfTI", "MATLAB"; "array"
            if it was in memory already (arrays, tensors, PIL images).
        spacing: millimetres from row to row and from column to column, or None where it is not known.
        notes: Short sentences on why an answer on this slice should be distrusted; mostly none.
        window: The values of `pixels` that the file asks to be shown black and white (the first VOI window of a
            DICOM file), low < high; None where it does not.
        colour: Mean chroma of a colour picture or array, 0..1; 0 for grey ones, tensors, DICOM and NIfTI.
    """

    pixels: Pixels = field(repr=False)
    kind: str
    spacing: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    window: tuple[float, float] | None = None
    colour: float = field(default=0.0, repr=False)


def read_slice(source: Source, *, axis: int = 2, index: int | None = None, allow_url: bool = False) -> Slice:
    """Read one slice from a file, bytes, a stream, a PIL image, an array or a tensor.

    The content decides what a file is, not its suffix. Colour becomes grey by ITU-R 601 luma, alpha is
    composited over black, EXIF rotation is applied, and no value is clipped or rescaled: 16-bit pictures keep
    their range (16-bit *colour* loses its lower eight bits). DICOM gives modality values with MONOCHROME1
    inverted. NIfTI gives scaled values, oriented as radiologists view them: axial slices with the front at the
    top, coronal and sagittal ones with the head at the top; the patient's right is at the left, and in sagittal
    slices the front is. Of MATLAB files, those of the figshare set give their picture (cjdata.image).

    Args:
        source: A path, the bytes of a file, a binary stream (read from its start), a PIL image (its
            current page), an array (height, width) or (height, width, 1, 3 or 4) in RGB order, or a
            tensor of these shapes or (1, 3 or 4, height, width).
        axis: For NIfTI volumes: 0 cuts sagittal, 1 coronal, 2 axial slices, however the file is stored.
        index: Which slice, frame or page, from 0; None is the middle one. NIfTI slices count from the
            patient's left, back or feet.
        allow_url: Whether to fetch a source that begins with http:// or https://: at most 200 MB, in 30 s.

    Raises:
        MissingFileError: There is no such file.
        UnreadableFileError: The system refused to open or read it, or it is not a regular file.
        UnsupportedFormatError: It is of no kind that is read, too large, or no decoder for it is installed.
        DamagedFileError: It is empty, cut off or broken.
        PixelError: The pixels can't be a slice: blank, not finite, too small, or an array of another shape.
        ReadError: It is a folder (see `read_study`). The base class of all the above.
        OptionError: `axis` or `index` is out of range.

    Example:
        >>> import numpy as np
        >>> read_slice(np.eye(64)).pixels.shape
        (64, 64)
    """
    check_axis(axis)
    name = name_of(source)
    return as_slice(_read(source, name, axis, index, allow_url), name)


def as_slice(raw: Raw, name: str) -> Slice:
    """Return what a reader decoded as a Slice, or raise PixelError if it can't be one."""
    check_pixels(raw.pixels, name)
    return Slice(raw.pixels, raw.kind, raw.spacing, raw.notes, raw.window, raw.colour)


def _read(source: Source, name: str, axis: int, index: int | None, allow_url: bool) -> Raw:
    if isinstance(source, np.ndarray | Image.Image) or is_tensor(source):
        place(index, 1, what="page" if isinstance(source, Image.Image) else "slice", name=name)
        return read_memory(source, name)
    if is_url(source):
        check_allowed(name, allow_url=allow_url)
        source = fetch_bytes(source)
    with opened(source, name) as stream:
        return read_stream(stream, name, Path(source) if is_path(source) else None, axis=axis, index=index)


def read_memory(source: object, name: str) -> Raw:
    """Return the pixels of an array, a tensor or a PIL image."""
    if isinstance(source, Image.Image):
        return Raw(read_image(source, name), "array", colour=colour_of(source))
    if is_tensor(source):
        return Raw(read_tensor(source, name), "array")
    values = np.asarray(source)
    return Raw(read_array(values, name), "array", colour=chroma(values))


def read_stream(stream: BinaryIO, name: str, path: Path | None, *, axis: int = 2, index: int | None = None) -> Raw:
    """Return the pixels of a file that is open at its first byte; `path` is where it lies, if it does."""
    head = head_of(stream, HEAD_SIZE, name)
    kind = sniff(head)
    if kind is None:
        refuse_unknown(head, name)
    if kind == "DICOM":
        # Most sources are pictures, and pydicom, nibabel and h5py take up to a third of a second each to import.
        from mriclassify._reading._dicom import read_dicom

        return read_dicom(stream, name, index)
    if kind == "NIfTI":
        from mriclassify._reading._nifti import read_nifti

        return read_nifti(stream, name, path, axis=axis, index=index)
    if kind == "MATLAB":
        from mriclassify._reading._matlab import read_matlab

        return read_matlab(stream, name, index)
    return read_picture(stream, kind, name, index)
