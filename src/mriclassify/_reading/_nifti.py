"""NIfTI becomes pixels: slices along an axis of the patient, however the volume is stored."""

import gzip
import io
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.fileholders import FileHolder
from nibabel.orientations import OrientationError
from nibabel.spatialimages import HeaderDataError, HeaderTypeError, ImageDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from mriclassify._errors import DamagedFileError, PixelError, UnsupportedFormatError
from mriclassify._reading._arrays import read_array
from mriclassify._reading._checks import check_size, place
from mriclassify._reading._foreign import damaged, quiet
from mriclassify._reading._geometry import FARTHEST
from mriclassify._reading._grey import grey
from mriclassify._reading._limits import MAX_UNPACKED
from mriclassify._reading._plane import Plane, Triple
from mriclassify._reading._raw import Raw
from mriclassify._reading._sniffing import GZIP, nifti_flavour
from mriclassify._reading._sources import open_regular
from mriclassify._shapes import Pixels

MAX_VOXELS = 2**30
"""A volume of more voxels than a cube of 1024 is not read."""

_ERRORS = (ImageFileError, OrientationError, HeaderDataError, HeaderTypeError, ImageDataError, WrapStructError)

_HEADER_SIZE = 540

_DEFLATE_RATIO = 1032
"""No byte of gzip becomes more than about this many (zlib's technical notes)."""

_CHUNK = 2**20

_MILLIMETRES = {1: 1000.0, 3: 0.001}
"""By the header's code for metres and for microns; millimetres have another one, and so has what is unknown."""

# By version, and whether header and voxels are in one file.
_IMAGES = {
    (1, True): nibabel.Nifti1Image,
    (2, True): nibabel.Nifti2Image,
    (1, False): nibabel.Nifti1Pair,
    (2, False): nibabel.Nifti2Pair,
}


@dataclass(frozen=True, slots=True)
class Volume:
    """An open volume, cut along an axis of the patient; of a series, its first.

    Attributes:
        name: What messages call it.
        plane: How its slices lie.
        image: nibabel's header and affine.
        voxels: nibabel's proxy of the voxels, which are read when they are sliced.
    """

    name: str
    plane: Plane
    image: Any
    voxels: ArrayProxy

    def cut(self, number: int) -> Raw:
        """Return a slice, counted from the patient's left, back or feet; `number` is in range."""
        with damaged(self.name, "NIfTI", private=True, also=_ERRORS), quiet():
            first_volume = (0,) * (len(self.image.shape) - 3)
            cut = np.asarray(self.voxels[self.plane.slicer(number) + first_volume])
            pixels = _grey_plane(self.plane.upright(cut), self.name)
            return Raw(pixels, "NIfTI", _spacing(self.image, self.plane), _notes(self.image))

    def positions(self) -> tuple[float, ...]:
        """Return where each slice lies along the normal of all, in millimetres, upwards."""
        # An absurd affine overflows inside numpy, whose warnings are not among those that are kept quiet.
        with damaged(self.name, "NIfTI", private=True, also=_ERRORS), quiet(), np.errstate(all="ignore"):
            return self._positions()

    def _positions(self) -> tuple[float, ...]:
        axis = self.plane.stored[self.plane.axis]
        matrix = np.asarray(self.image.affine, np.float64) * _scale(self.image)
        across, down = (matrix[:3, other] for other in range(3) if other != axis)
        normal = np.cross(across, down)
        length = float(np.linalg.norm(normal))
        first, step = (float(normal @ matrix[:3, column]) / (length or math.nan) for column in (3, axis))
        # The second is no truth of NaN either.
        if not (length < math.inf and abs(first) + self.plane.count * abs(step) < FARTHEST):
            return tuple(float(number) for number in range(self.plane.count))
        # The normal points either way: upwards is where the slices' numbers go.
        sign = 1 if (step > 0) == self.plane.forward[self.plane.axis] else -1
        stored = [sign * (first + number * step) for number in range(self.plane.count)]
        return tuple(stored if self.plane.forward[self.plane.axis] else stored[::-1])


def read_nifti(stream: BinaryIO, name: str, path: Path | None, *, axis: int, index: int | None) -> Raw:
    """Read the slice at `index` (None: the middle one) along `axis` of a volume; of a series, its first.

    Only the slice is kept in memory; gzip is decompressed to the end of the volume, to be sure it is whole.

    Args:
        stream: The file at its first byte: .nii, .nii.gz, or the .hdr of a pair.
        name: What messages call it.
        path: Where it lies, to find the .img of a pair beside it.
        axis: 0 sagittal, 1 coronal, 2 axial.
        index: From 0, counted from the patient's left, back or feet.

    Raises:
        UnsupportedFormatError: It is half of a pair without the other, or of an absurd size.
        DamagedFileError: It is cut off or broken.
        OptionError: There is no such slice.
        PixelError: It is no volume, or holds no real numbers.
    """
    with damaged(name, "NIfTI", private=True, also=_ERRORS), quiet(), ExitStack() as stack:
        image = _open(stream, name, path, stack)
        plane = _checked_plane(image, name, axis)
        number = place(index, plane.count, what="slice", name=name)
        raw = Volume(name, plane, image, image.dataobj).cut(number)
        _check_whole(image, name)
        return raw


def load_volume(stream: BinaryIO, name: str, path: Path | None, *, axis: int, most: int) -> Volume:
    """Read a whole volume into memory, once; see `read_nifti` for the arguments and for what else is raised.

    Raises:
        UnsupportedFormatError: It has more than `most` bytes.
    """
    with damaged(name, "NIfTI", private=True, also=_ERRORS), quiet(), ExitStack() as stack:
        image = _open(stream, name, path, stack)
        plane = _checked_plane(image, name, axis)
        proxy = image.dataobj
        content = io.BytesIO()
        for piece in _first_volume(image, name, most):
            content.write(piece)
        form = (image.shape, proxy.dtype, 0, proxy.slope, proxy.inter)
        return Volume(name, plane, image, ArrayProxy(content, form))


def _checked_plane(image: Any, name: str, axis: int) -> Plane:
    """Return how slices along `axis` are cut, once it is certain that they can be; nothing was allocated yet."""
    plane = _plane(image, _spatial_shape(image, name), axis)
    check_size(*plane.size, name)
    _check_length(image, name)
    return plane


def _first_volume(image: Any, name: str, most: int) -> Iterator[bytes]:
    """Yield the voxels of the first volume, a piece at a time."""
    voxels = image.file_map["image"].fileobj
    end, start = _end(image, image.shape[:3]), int(image.dataobj.offset)
    if end > most:
        raise UnsupportedFormatError(f"{name} has {end:,} bytes, more than the {most:,} that are read: crop it first.")
    voxels.seek(start)
    missing = end - start
    while missing > 0:
        piece = voxels.read(min(missing, _CHUNK))
        if not piece:
            raise DamagedFileError(f"{name} is cut off: {missing:,} bytes of its volume are missing.")
        missing -= len(piece)
        yield piece
    voxels.read(1)  # where a gzip ends here, this compares its checksum


def _open(stream: BinaryIO, name: str, path: Path | None, stack: ExitStack) -> Any:
    """Return the nibabel image of `stream`, its voxels unread; `stack` closes a second file."""
    header = _decompressed(stream)
    flavour = nifti_flavour(header.read(_HEADER_SIZE))
    header.seek(0)
    if flavour is None:
        raise DamagedFileError(f"{name} has no whole NIfTI header: copy or export it again.")
    voxels = header if flavour[1] else _decompressed(stack.enter_context(_open_voxels(path, name)))
    holders = {"header": FileHolder(fileobj=header), "image": FileHolder(fileobj=voxels)}
    return _IMAGES[flavour].from_file_map(holders)


def _decompressed(stream: BinaryIO) -> BinaryIO:
    """Return a stream that is at its start, looking through gzip."""
    packed = stream.read(len(GZIP)) == GZIP
    stream.seek(0)
    return cast("BinaryIO", gzip.GzipFile(fileobj=stream)) if packed else stream


def _open_voxels(path: Path | None, name: str) -> BinaryIO:
    """Open the .img or .img.gz that belongs to the .hdr at `path`."""
    if path is None:
        raise UnsupportedFormatError(f"{name} is the header of a NIfTI pair: pass the path of the .hdr file.")
    stem = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    for suffix in (".img", ".IMG", ".img.gz"):
        voxels = stem.with_suffix(suffix)
        if voxels.exists():
            return open_regular(voxels, str(voxels))
    raise UnsupportedFormatError(
        f"{name} is the header of a NIfTI pair: expected {stem.stem}.img beside it, and there is none."
    )


def _spatial_shape(image: Any, name: str) -> Triple:
    """Return the sizes of the first volume."""
    shape = image.shape
    if len(shape) < 3:
        raise PixelError(f"{name} has the shape {shape}: expected a volume, with three sizes.")
    if min(shape) < 1:
        raise DamagedFileError(f"{name} claims the shape {shape}: every size must be at least 1.")
    if math.prod(shape[:3]) > MAX_VOXELS:
        raise UnsupportedFormatError(
            f"{name} claims {shape[:3]} voxels, more than the {MAX_VOXELS:,} that are read: crop it first."
        )
    return shape[0], shape[1], shape[2]


def _plane(image: Any, shape: Triple, axis: int) -> Plane:
    """Return how slices along `axis` of the patient are cut."""
    orientation = nibabel.io_orientation(image.affine)  # per stored axis: the patient's, and 1 or -1
    if not np.isfinite(orientation).all():
        raise ValueError("the affine leaves an axis without a direction")
    first, second, third = (int(stored) for stored in np.argsort(orientation[:, 0]))
    stored = (first, second, third)
    right, front, top = (bool(orientation[k, 1] > 0) for k in stored)
    return Plane(axis, shape, stored, (right, front, top))


def _check_length(image: Any, name: str) -> None:
    """Raise if the file can't hold what its header claims, or too much of it; before anything is allocated."""
    voxels = image.file_map["image"].fileobj
    packed = isinstance(voxels, gzip.GzipFile)
    file = voxels.fileobj if packed else voxels
    here = file.tell()
    length = file.seek(0, 2) * (_DEFLATE_RATIO if packed else 1)
    file.seek(here)
    claimed = _end(image, image.shape)
    if claimed > length:
        raise DamagedFileError(
            f"{name} is cut off or broken: the header claims {claimed:,} bytes, and has at most {length:,}."
        )
    if packed and _end(image, image.shape[:3]) > MAX_UNPACKED:
        raise UnsupportedFormatError(
            f"{name} claims more than the {MAX_UNPACKED:,} bytes that a compressed volume may have: "
            "decompress it first."
        )


def _check_whole(image: Any, name: str) -> None:
    """Raise if gzip ends or breaks before the first volume does: that can't be known before."""
    voxels = image.file_map["image"].fileobj
    if not isinstance(voxels, gzip.GzipFile):
        return
    end = _end(image, image.shape[:3])
    while (missing := end - voxels.tell()) > 0:
        if not voxels.read(min(missing, _CHUNK)):
            raise DamagedFileError(f"{name} is cut off: {missing:,} bytes of its volume are missing.")
    voxels.read(1)  # where the file ends here, this compares gzip's checksum


def _end(image: Any, shape: tuple[int, ...]) -> int:
    """Return the byte at which voxels of `shape` end."""
    return int(image.dataobj.offset) + math.prod(shape) * int(image.dataobj.dtype.itemsize)


def _grey_plane(plane: NDArray[Any], name: str) -> Pixels:
    """Return the grey values of a slice of numbers, or of RGB voxels."""
    if plane.dtype.names is not None:
        return grey(np.stack([plane[channel] for channel in plane.dtype.names], axis=-1))
    return read_array(plane, name)


def _spacing(image: Any, plane: Plane) -> tuple[float, float] | None:
    """Return millimetres from row to row and from column to column, where the header has them."""
    zooms = image.header.get_zooms()
    row, column = (float(zooms[plane.stored[k]]) * _scale(image) for k in (plane.down, plane.across))
    return (row, column) if 0 < row < math.inf and 0 < column < math.inf else None


def _scale(image: Any) -> float:
    """Return how many millimetres the header's unit of length is."""
    return _MILLIMETRES.get(int(image.header["xyzt_units"]) % 8, 1.0)


def _notes(image: Any) -> tuple[str, ...]:
    if int(image.header["qform_code"]) or int(image.header["sform_code"]):
        return ()
    return ("The header does not say how the volume lies, so left and right may be swapped.",)
