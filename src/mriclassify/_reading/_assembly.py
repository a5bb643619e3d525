"""A series in any container becomes a Study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from PIL import Image

from mriclassify._errors import (
    DamagedFileError,
    OptionError,
    PixelError,
    ReadError,
    TooMuchError,
    UnsupportedFormatError,
)
from mriclassify._reading._checks import check_axis, whole
from mriclassify._reading._folders import list_scans
from mriclassify._reading._limits import Limits
from mriclassify._reading._pictures import count_pages
from mriclassify._reading._raw import Raw
from mriclassify._reading._shelf import Folder, Shelf, Single
from mriclassify._reading._slice import read_memory, read_stream
from mriclassify._reading._sniffing import HEAD_SIZE, is_zip, refuse_unknown, sniff
from mriclassify._reading._sources import Source, content_of, head_of, is_path, is_tensor, is_url, name_of
from mriclassify._reading._study import Failure, Place, Study, picked
from mriclassify._reading._urls import check_allowed, fetch_bytes
from mriclassify._reading._zip import Archive

if TYPE_CHECKING:
    from mriclassify._reading._series import Spot

    AllSeries: TypeAlias = tuple[tuple[Spot, ...], ...]

_LIMITS = Limits()

_NAMED = 5
"""Failures that a note names; `Study.failures` has all."""


def read_study(
    source: Source,
    *,
    axis: int = 2,
    indices: Sequence[int] | None = None,
    series: int | None = None,
    allow_url: bool = False,
    limits: Limits = _LIMITS,
) -> Study:
    """Find the slices of a series and their order; pixels are read later, by `Study.read`.

    A folder (with its subfolders) or a ZIP is a DICOM series if there is any DICOM file in it: sorted by
    position, else by the files' numbers. A folder of pictures is taken in natural order of their names. A
    compressed volume is decompressed once, into memory.

    Args:
        source: A folder; a ZIP of DICOM files; a DICOM, NIfTI or picture file as path, bytes or stream, with its
            frames, slices or pages; an array or tensor (slices, height, width) or (slices, height, width, 1, 3
            or 4), tensors also (slices, 1, 3 or 4, height, width); or what `read_slice` takes, as one slice.
        axis: For NIfTI volumes: 0 cuts sagittal, 1 coronal, 2 axial slices, however the file is stored.
        indices: The slices to keep, in this order, counted as in `Place.index`; None keeps all.
        series: Which DICOM series to take, from 0 in the order of the files; None takes the one with most MR
            slices, and says so in the notes.
        allow_url: Whether to fetch a source that begins with http:// or https://.
        limits: What is refused as too much.

    Raises:
        ReadError: As `read_slice`; or there is nothing in it that can be read.
        OptionError: `axis`, `series` or one of `indices` is out of range.

    Example:
        >>> import numpy as np
        >>> study = read_study(np.stack([np.eye(64)] * 5))
        >>> len(study), study.read(2).pixels.shape
        (5, (64, 64))
    """
    check_axis(axis)
    name = name_of(source)
    study = _study(source, name, axis, series, allow_url, limits)
    if len(study) > limits.slices:
        raise TooMuchError(f"{name} has {len(study):,} slices, more than the {limits.slices:,} that are read.")
    if series is not None and study.n_series == 1 and series != 0:
        raise OptionError(f"series {series!r} is out of range 0..0: {name} holds one series.")
    return study if indices is None else picked(study, indices)


def _study(source: Source, name: str, axis: int, series: int | None, allow_url: bool, limits: Limits) -> Study:
    if isinstance(source, np.ndarray) or is_tensor(source):
        return _of_array(source, name)
    if isinstance(source, Image.Image):
        return _of_raws("array", ["picture"], lambda _: read_memory(source, name), name)
    if is_url(source):
        check_allowed(name, allow_url=allow_url)
        content = fetch_bytes(source, max_bytes=limits.download_bytes, timeout=limits.seconds)
        return _of_file(Single(content, name), axis, series, limits)
    if is_path(source):
        path = Path(source)
        return (
            _of_folder(path, axis, series, limits) if _is_folder(path) else _of_path(path, name, axis, series, limits)
        )
    return _of_file(Single(content_of(source, name, limits.file_bytes), name), axis, series, limits)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False  # no such path can be: opening it says why


def _of_path(path: Path, name: str, axis: int, series: int | None, limits: Limits) -> Study:
    return _of_file(Single(path, name), axis, series, limits)


def _of_array(array: Any, name: str) -> Study:
    """Return the study of an array or tensor, whose first axis counts slices; (height, width) is one slice."""
    if array.ndim not in (2, 3, 4):
        raise PixelError(f"Expected an array (slices, height, width), got {name}.")
    stack = array if array.ndim > 2 else array[None]
    if not len(stack):
        raise PixelError(f"{name} has no slices.")
    return _of_raws("array", [f"slice {k}" for k in range(len(stack))], lambda k: read_memory(stack[k], name), name)


def _of_file(file: Single, axis: int, series: int | None, limits: Limits) -> Study:
    """Return the study of one file: a ZIP, or the frames, slices or pages of a file."""
    name = file.title
    with file.opened(0) as stream:
        head = head_of(stream, HEAD_SIZE, name)
        kind = sniff(head)
        if kind is None and not is_zip(head):
            refuse_unknown(head, name)
        if kind == "NIfTI":
            return _of_volume(stream, file, axis, limits)
        if kind is not None and kind != "DICOM":
            pages = 1 if kind == "MATLAB" else count_pages(stream, kind, name)
            return _of_raws(kind, [f"page {k}" for k in range(pages)], _Pages(file), name)
    if kind is None:
        archive = Archive(file, limits)
        return _of_dicom(archive, series, limits, refused=archive.refused)
    return _of_dicom(file, series, limits)


def _of_volume(stream: BinaryIO, file: Single, axis: int, limits: Limits) -> Study:
    # nibabel takes a third of a second to import.
    from mriclassify._reading._nifti import load_volume

    path = file.source if isinstance(file.source, Path) else None
    volume = load_volume(stream, file.title, path, axis=axis, most=limits.volume_bytes)
    places = (Place(k, position, f"slice {k}") for k, position in enumerate(volume.positions()))
    return Study("NIfTI", tuple(places), _raw=volume.cut, _name=file.title)


def _of_folder(folder: Path, axis: int, series: int | None, limits: Limits) -> Study:
    """Return the study of a folder: its DICOM files if there are any, else its pictures, else its one volume."""
    paths = list_scans(folder)
    if len(paths) > limits.files:
        raise TooMuchError(
            f"{folder} has {len(paths):,} files, more than the {limits.files:,} that are read: pass one series of it."
        )
    shelf = Folder(folder, tuple(paths))
    kinds, failures = _kinds(shelf)
    if "DICOM" in kinds:
        return _of_dicom(shelf, series, limits)
    if volumes := [path for path, kind in zip(paths, kinds, strict=True) if kind == "NIfTI"]:
        if len(volumes) < len(paths):
            raise UnsupportedFormatError(f"{folder} holds a volume and other files: pass the path of one of them.")
        if len(volumes) > 1:
            raise UnsupportedFormatError(f"{folder} holds {len(volumes)} volumes: pass the path of one of them.")
        return _of_path(volumes[0], str(volumes[0]), axis, series, limits)
    pictures = [number for number, kind in enumerate(kinds) if kind is not None]
    if not pictures:
        raise _nothing(shelf, failures, "picture")
    names = [shelf.label(number) for number in pictures]
    study = _of_raws("pictures", names, _Pictures(shelf, tuple(pictures)), str(folder))
    return replace(study, notes=_notes_on_failures(failures, shelf.count), failures=failures)


def _kinds(shelf: Shelf) -> tuple[list[str | None], tuple[Failure, ...]]:
    """Return the kind of each file on a shelf, and why that of some is None."""
    kinds: list[str | None] = []
    failures = []
    for number in range(shelf.count):
        kind, name = None, shelf.name(number)
        try:
            with shelf.opened(number) as stream:
                head = head_of(stream, HEAD_SIZE, name)
                kind = sniff(head)
                if kind is None:
                    refuse_unknown(head, name)
        except ReadError as error:
            failures.append(Failure(shelf.label(number), str(error)))
        kinds.append(kind)
    return kinds, tuple(failures)


def _of_dicom(shelf: Shelf, series: int | None, limits: Limits, refused: Sequence[tuple[str, str]] = ()) -> Study:
    """Return the study of one series among the DICOM files on a shelf."""
    # pydicom takes a third of a second to import.
    from mriclassify._reading._frames import Frames
    from mriclassify._reading._series import inventory, notes_on_order

    found = inventory(shelf, most=limits.slices)
    failures = tuple(Failure(*failure) for failure in (*refused, *found.failures))
    if not found.series:
        if isinstance(shelf, Single):
            with shelf.opened(0) as stream:
                read_stream(stream, shelf.title, None)  # raises, with the reason
        raise _nothing(shelf, failures, "DICOM image")
    number = _chosen(found.series, series, shelf.title)
    spots = found.series[number]
    notes = [
        *(_note_on_choice(found.series, number) if series is None else ()),
        *_notes_on_failures(failures, shelf.count + len(refused)),
        *notes_on_order(spots),
    ]
    if found.others:
        notes.append(f"{_counted(found.others, 'file')} of another kind than DICOM left out.")
    return Study(
        "DICOM",
        tuple(Place(k, spot.position, _title(shelf, spot)) for k, spot in enumerate(spots)),
        tuple(notes),
        failures,
        number,
        len(found.series),
        _raw=Frames(shelf, spots),
        _name=shelf.title,
    )


def _title(shelf: Shelf, spot: "Spot") -> str:
    label = shelf.label(spot.file)
    return label if spot.frame is None else f"frame {spot.frame} of {label}"


def _chosen(all_series: "AllSeries", series: int | None, title: str) -> int:
    """Return which series to take: `series`, or the first of those with most MR slices, then with most slices."""
    count = len(all_series)
    if series is None:
        return max(range(count), key=lambda k: (sum(spot.is_mr for spot in all_series[k]), len(all_series[k]), -k))
    number = whole(series, "series")
    if not 0 <= number < count:
        raise OptionError(f"series {number} is out of range 0..{count - 1}: {title} holds {count} series.")
    return number


def _note_on_choice(all_series: "AllSeries", number: int) -> tuple[str, ...]:
    if len(all_series) == 1:
        return ()
    count = len(all_series[number])
    return (
        f"There are {len(all_series)} series: number {number}, from 0, was taken, which has the most MR slices "
        f"({count}).",
    )


def _notes_on_failures(failures: Sequence[Failure], count: int) -> tuple[str, ...]:
    if not failures:
        return ()
    names = ", ".join(failure.name for failure in failures[:_NAMED])
    more = f" and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
    return (f"{len(failures)} of {_counted(count, 'file')} could not be read: {names}{more}.",)


def _nothing(shelf: Shelf, failures: Sequence[Failure], what: str) -> ReadError:
    """Return the error that says why there is no study."""
    if failures:
        return DamagedFileError(
            f"{shelf.title} holds no {what} that can be read: {_counted(len(failures), 'file')} failed; the first: "
            f"{failures[0].reason}"
        )
    return UnsupportedFormatError(f"{shelf.title} holds no {what}: expected the slices of a series.")


def _of_raws(kind: str, names: Sequence[str], raw: Callable[[int], Raw], title: str) -> Study:
    """Return a study whose slices have names but no positions."""
    return Study(kind, tuple(Place(k, None, name) for k, name in enumerate(names)), _raw=raw, _name=title)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


@dataclass(frozen=True, slots=True)
class _Pages:
    """Pages of one picture file."""

    file: Single

    def __call__(self, number: int) -> Raw:
        with self.file.opened(0) as stream:
            return read_stream(stream, self.file.title, None, index=number)


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Files of a folder, each one slice."""

    shelf: Folder
    numbers: tuple[int, ...]

    def __call__(self, number: int) -> Raw:
        file = self.numbers[number]
        with self.shelf.opened(file) as stream:
            return read_stream(stream, self.shelf.name(file), None)
