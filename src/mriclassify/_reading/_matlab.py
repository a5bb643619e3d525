"""MATLAB v7.3 files (HDF5) with a struct `cjdata`, as the figshare set publishes its slices.

    label        1 meningioma, 2 glioma, 3 pituitary
    PID          the patient, as UTF-16 codes
    image        the slice, mostly int16
    tumorBorder  points around the tumour, not read here
    tumorMask    as large as the image, 1 in the tumour

MATLAB stores columns first: what h5py returns is the transpose of the picture.

HDF5 can point to other files and unfold to any size. So nothing is followed but hard links, nothing is read that is
stored elsewhere, and pieces are decompressed here, against the size that they must have, not by the HDF5 library.

References: figshare 1512427, README; HDF5 File Format Specification 3.0, IV.A.2.
"""

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mriclassify._errors import DamagedFileError, MissingExtraError, UnsupportedFormatError
from mriclassify._reading._arrays import read_array
from mriclassify._reading._checks import MAX_PIXELS, check_size, place
from mriclassify._reading._foreign import damaged
from mriclassify._reading._raw import Raw
from mriclassify._reading._sniffing import HEAD_SIZE, refuse_unknown, sniff
from mriclassify._reading._sources import Source, head_of, name_of, opened

LABELS = (1, 2, 3)
"""Meningioma, glioma, pituitary."""

FOLDS = (1, 2, 3, 4, 5)

MAX_PIECES = 4096
"""Pieces that an array may be stored in; to find one, HDF5 may look at all."""

MAX_CODES = 64
"""Characters of a patient's id."""

MAX_FOLDS = 1_000_000
"""Slices that a file of folds may tell of."""

_DEFLATE = 1  # HDF5's number of this filter
_DEFLATE_RATIO = 1032  # no deflated byte becomes more
_NUMBERS = "biuf"


class MissingReaderError(UnsupportedFormatError, MissingExtraError):
    """h5py is not installed. A ReadError too, so that one such file does not end a run over many."""


def read_matlab(stream: BinaryIO, name: str, index: int | None) -> Raw:
    """Return the picture (height, width) in a file that is open at its first byte; it has one, so `index` is 0.

    Raises:
        MissingReaderError: h5py is not installed.
        UnsupportedFormatError: It holds no picture of this kind, too large a one, or points to other files.
        DamagedFileError: It is cut off or broken.
        OptionError: There is no such slice.
    """
    with _opened_hdf5(stream, name) as file:
        values = _array(file, ("cjdata", "image"), name)
    place(index, 1, what="slice", name=name)
    return Raw(read_array(values, name), "MATLAB")


def matlab_mask(source: Source) -> NDArray[np.bool_]:
    """Return where the tumour is, (height, width), as large as the picture.

    Raises:
        ReadError: As `read_slice`; or the mask is missing, or of another size than the picture.
    """
    with _opened_source(source) as (file, name):
        shape = _dataset(file, ("cjdata", "image"), name).shape[::-1]
        values = _array(file, ("cjdata", "tumorMask"), name)
    if values.shape != shape:
        raise DamagedFileError(f"{name}: cjdata.tumorMask has the shape {values.shape}, and the image {shape}.")
    mask: NDArray[np.bool_] = values != 0
    return mask


def matlab_facts(source: Source) -> tuple[int, str]:
    """Return the label (1 meningioma, 2 glioma, 3 pituitary) and the patient's id.

    Raises:
        ReadError: As `read_slice`; or the label is another, or the id no text.
    """
    with _opened_source(source) as (file, name):
        label = _whole_numbers(file, ("cjdata", "label"), name, most=1, allowed=LABELS)
        codes = _array(file, ("cjdata", "PID"), name, most=MAX_CODES).ravel()
    if codes.dtype.kind != "u" or not codes.size or not ((codes > 0x20) & (codes < 0x7F)).all():
        raise DamagedFileError(f"{name}: cjdata.PID is not the id of a patient, in printable ASCII.")
    return int(label[0]), "".join(map(chr, codes.tolist()))


def matlab_folds(source: Source) -> NDArray[np.int64]:
    """Return the fold of each slice, (n,) of 1 to 5, from the set's file `cvind.mat`.

    Raises:
        ReadError: As `read_slice`; or it holds no `cvind`, or other numbers.
    """
    with _opened_source(source) as (file, name):
        return _whole_numbers(file, ("cvind",), name, most=MAX_FOLDS, allowed=FOLDS)


@contextmanager
def _opened_source(source: Source) -> Iterator[tuple[Any, str]]:
    """Yield h5py's file of a source, once it is certain that it is MATLAB's, and what messages call it."""
    name = name_of(source)
    with opened(source, name) as stream:
        head = head_of(stream, HEAD_SIZE, name)
        if sniff(head) != "MATLAB":
            if sniff(head) is None:
                refuse_unknown(head, name)
            raise UnsupportedFormatError(f"{name} is {sniff(head)}: expected a MATLAB file, v7.3.")
        with _opened_hdf5(stream, name) as file:
            yield file, name


@contextmanager
def _opened_hdf5(stream: BinaryIO, name: str) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        raise MissingReaderError(
            f'{name} is a MATLAB file, which needs h5py: pip install "mriclassify[datasets]"'
        ) from error
    with damaged(name, "MATLAB", private=True), h5py.File(stream, "r") as file:
        yield file


def _dataset(file: Any, path: tuple[str, ...], name: str) -> Any:
    """Return h5py's dataset at `path`, of which nothing was read yet, and which lies in this very file.

    Raises:
        UnsupportedFormatError: There is none, it is elsewhere, or no matrix of numbers.
    """
    import h5py

    found, title = file, ".".join(path)
    for part in path:
        # Asked for by its class first: to open a soft or external link would be to follow it.
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise UnsupportedFormatError(
                f"{name} is a MATLAB file without {title}: expected one of the figshare set (its struct is cjdata)."
            )
        found = found[part]
    if not isinstance(found, h5py.Dataset):
        raise UnsupportedFormatError(f"{name}: {title} is no matrix of numbers.")
    plan = found.id.get_create_plist()
    # Before the shape is asked for: that of a virtual dataset may be looked up in other files.
    if plan.get_layout() == h5py.h5d.VIRTUAL or plan.get_external_count():
        raise UnsupportedFormatError(f"{name}: {title} is stored in another file, which is not read.")
    if len(found.shape or ()) != 2 or not _is_plain(found):
        raise UnsupportedFormatError(f"{name}: {title} is no matrix of numbers.")
    return found


def _is_plain(dataset: Any) -> bool:
    """Whether values are numbers that are stored just as numpy has them in memory."""
    import h5py

    dtype, stored = dataset.dtype, dataset.id.get_type()
    return dtype.kind in _NUMBERS and dtype.itemsize <= 8 and h5py.h5t.py_create(dtype, logical=True) == stored


def _array(file: Any, path: tuple[str, ...], name: str, *, most: int = MAX_PIXELS) -> NDArray[Any]:
    """Return the matrix at `path` as MATLAB shows it, (rows, columns), C-contiguous.

    Raises:
        UnsupportedFormatError: It is missing, too large, or stored in a way that MATLAB does not use.
        DamagedFileError: It is empty, cut off or broken.
    """
    dataset, title = _dataset(file, path, name), ".".join(path)
    width, height = dataset.shape
    check_size(height, width, name)
    if not 0 < height * width <= most:
        raise DamagedFileError(f"{name}: {title} has {height * width:,} values: expected 1 to {most:,}.")
    in_pieces = dataset.chunks is not None
    if dataset.id.get_storage_size() * (_DEFLATE_RATIO if in_pieces else 1) < dataset.nbytes:
        raise DamagedFileError(f"{name} is cut off or broken: {title} has fewer values than it claims.")
    return np.ascontiguousarray((_joined(dataset, name, title) if in_pieces else dataset[()]).T)


def _joined(dataset: Any, name: str, title: str) -> NDArray[Any]:
    """Return the values of a dataset that is stored in pieces, each compressed or not."""
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(k)[0] for k in range(plan.get_nfilters())]
    piece = dataset.chunks
    starts = [range(0, length, step) for length, step in zip(dataset.shape, piece, strict=True)]
    if filters not in ([], [_DEFLATE]) or math.prod(piece) > MAX_PIXELS or math.prod(map(len, starts)) > MAX_PIECES:
        raise UnsupportedFormatError(
            f"{name}: {title} is not stored as MATLAB does: load it there, and save it again with -v7.3."
        )
    values = np.empty(dataset.shape, dataset.dtype)
    for corner in product(*starts):
        content = _piece(dataset, corner, math.prod(piece) * dataset.dtype.itemsize, packed=bool(filters))
        if content is None:
            raise DamagedFileError(f"{name}: {title} is cut off or broken: copy or download the file again.")
        target = values[tuple(slice(start, start + step) for start, step in zip(corner, piece, strict=True))]
        # Pieces at the far edges are stored whole.
        target[:] = np.frombuffer(content, dataset.dtype).reshape(piece)[: target.shape[0], : target.shape[1]]
    return values


def _piece(dataset: Any, corner: tuple[int, ...], size: int, *, packed: bool) -> bytes | None:
    """Return the `size` bytes of the piece at `corner`; None if it has not as many."""
    claimed = dataset.id.get_chunk_info_by_coord(corner).size
    # What can't be compressed grows by less than this (zlib's compressBound).
    if not 0 < claimed <= size + size // 1000 + 64:
        return None
    skipped, content = dataset.id.read_direct_chunk(corner)
    if packed and not skipped:
        inflater = zlib.decompressobj()
        content = inflater.decompress(content, size)
        # A decompressor that may return no more has not seen the end of what just fits.
        if not inflater.eof and inflater.decompress(inflater.unconsumed_tail, 1):
            return None
    return bytes(content) if len(content) == size else None


def _whole_numbers(
    file: Any, path: tuple[str, ...], name: str, *, most: int, allowed: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return the numbers at `path`, (n,), each one of `allowed`."""
    values = _array(file, path, name, most=most).ravel()
    if not np.isin(values, allowed).all():
        title = ".".join(path)
        raise DamagedFileError(f"{name}: {title} has other values than {', '.join(map(str, allowed))}.")
    numbers: NDArray[np.int64] = values.astype(np.int64)
    return numbers
