"""Masks: the outline of a lesion, from its file into the frame that its slice is cut with."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mriclassify._data._preprocessing import Frame
from mriclassify._errors import DatasetError
from mriclassify._reading._slice import read_stream
from mriclassify._reading._sniffing import HEAD_SIZE, sniff
from mriclassify._reading._sources import head_of, name_of, opened
from mriclassify._shapes import Pixels

MOST_LABELS = 16
"""Whole numbers up to this one are labels (of enhancing tumour, oedema, and so on), and all but 0 are lesion. Other
values are shades: a JPEG's, a probability's."""

GREY = (0.1, 0.9)
"""Between these parts of its largest value a mask has few pixels: those of a border that was resized or compressed."""

MOST_GREY = 0.2
"""Part of all pixels that may lie between; more is the picture itself, or a map of probabilities far from sure."""


def read_mask(path: str | os.PathLike[str]) -> NDArray[np.bool_]:
    """Read where the lesion is: (height, width), True in the lesion.

    Any picture, DICOM or NIfTI slice is read as `read_slice` reads it. Lesion is what has more than half of the
    largest value; of labels (whole numbers up to 16) all but 0. MATLAB files of the figshare set give their
    `cjdata.tumorMask`. A mask may be empty: a slice without a lesion.

    Raises:
        ReadError: the file is missing, of no known kind, or broken.
        DatasetError: it is no mask: it has values below 0 or not finite, or shades all over, as a scan has.
    """
    name = name_of(path)
    # Not read_slice: to that, an empty mask is a blank slice, which is an error.
    with opened(path, name) as stream:
        if sniff(head_of(stream, HEAD_SIZE, name)) != "MATLAB":
            return _lesion(read_stream(stream, name, Path(path)).pixels, name)
    # Most masks are pictures, and h5py takes a while to import.
    from mriclassify._reading._matlab import matlab_mask

    return matlab_mask(path)


def check_mask(
    mask: NDArray[np.bool_],
    path: str | os.PathLike[str],
    *,
    shape: tuple[int, int],
    slice_path: str | os.PathLike[str],
) -> None:
    """Raise DatasetError unless the mask at `path` is as large as its slice, which has this shape."""
    if mask.shape != shape:
        (height, width), (rows, columns) = mask.shape, shape
        raise DatasetError(
            f"{os.fspath(path)}: the mask is {width}x{height} pixels, and its slice {os.fspath(slice_path)} is "
            f"{columns}x{rows}: expected the same size. Give the mask that was drawn on this very file, or resize it."
        )


def frame_mask(mask: NDArray[np.bool_], frame: Frame, size: int) -> NDArray[np.float32]:
    """Return which part of each pixel of the preprocessed image is lesion: (size, size), 0..1.

    Args:
        mask: (height, width), as large as the slice.
        frame: the slice's own, from `Preprocessing.frame`.
        size: of the preprocessed image.
    """
    return frame.cut(mask.astype(np.float32), size)


def _lesion(values: Pixels, name: str) -> NDArray[np.bool_]:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and np.isfinite(high)):
        raise DatasetError(
            f"{name} is no mask: it has values from {low:g} to {high:g}. Expected 0 outside the lesion, and one value "
            "above 0, or labels, in it."
        )
    if high <= MOST_LABELS and (values == np.rint(values)).all():
        return values > 0
    lesion: NDArray[np.bool_] = values > high / 2
    grey = float(((values > GREY[0] * high) & (values < GREY[1] * high)).mean())
    if grey > MOST_GREY:
        raise DatasetError(
            f"{name} is no mask: {grey:.0%} of its pixels are neither black nor white. Expected 0 outside the lesion "
            "and one value in it; is it the scan itself? Make a mask of probabilities by a threshold of your own."
        )
    return lesion
