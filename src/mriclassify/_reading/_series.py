"""DICOM files become series: their headers say which slices belong together, and in which order.

Series are told apart by their UID, which goes no further than this module: outside they have numbers. One UID
may cover slices in several directions (localizers do); each direction is a series of its own here.

References: DICOM PS3.3 C.7.3.1 (series), C.7.6.2 (image plane), C.7.6.16.2 (its functional groups).
"""

from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.uid import UID

from mriclassify._errors import DamagedFileError, ReadError, TooMuchError, UnsupportedFormatError
from mriclassify._reading._dicom import DICOM_ERRORS, frames, parse
from mriclassify._reading._foreign import damaged, quiet
from mriclassify._reading._geometry import FARTHEST, Vector, along, gaps, normal_of, parallel
from mriclassify._reading._groups import group_of, numbers
from mriclassify._reading._shelf import Shelf
from mriclassify._reading._sniffing import HEAD_SIZE, is_zip, sniff
from mriclassify._reading._sources import head_of
from mriclassify._reading._suspicion import is_mr

_ELEMENTS = [
    "SOPClassUID",
    "Modality",
    "SeriesInstanceUID",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "NumberOfFrames",
    "Rows",
]

_GAPS_TOLD = 3


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """One slice: which frame of which file it is, and what its header says of its place.

    Attributes:
        file: The file's number on its shelf.
        frame: From 0; None in a file that holds only one.
        is_mr: Whether the file says that it is MR.
        instance: The number within its series, if it has one.
        normal: The unit normal of the slice, and
        position: where it lies along that, in millimetres; None where the header does not say.
    """

    file: int
    frame: int | None
    is_mr: bool
    instance: int | None
    normal: Vector | None = field(repr=False)
    position: float | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What lies on a shelf.

    Attributes:
        series: The slices of each series, in order.
        failures: (label, reason) of files that could not be read.
        others: How many files are pictures or volumes of another kind than DICOM.
        without_pixels: How many DICOM files are reports or indices.
    """

    series: tuple[tuple[Spot, ...], ...]
    failures: tuple[tuple[str, str], ...]
    others: int
    without_pixels: int


def inventory(shelf: Shelf, *, most: int) -> Inventory:
    """Read the headers of all DICOM files on a shelf; bad files are listed, not raised.

    Raises:
        TooMuchError: They have more than `most` slices, or more bytes than the shelf allows.
    """
    by_uid: dict[str, list[Spot]] = {}
    failures: list[tuple[str, str]] = []
    others = without_pixels = total = 0
    for number in range(shelf.count):
        try:
            found = _survey(shelf, number, most)
        except TooMuchError:
            raise
        except ReadError as error:
            failures.append((shelf.label(number), str(error)))
            continue
        if found is None or isinstance(found, str):
            others += found is not None
            continue
        uid, spots = found
        without_pixels += not spots
        total += len(spots)
        if total > most:
            raise TooMuchError(f"{shelf.title} has more than the {most:,} slices that are read: pass one series of it.")
        by_uid.setdefault(uid, []).extend(spots)
    series = tuple(one for spots in by_uid.values() if spots for one in _directions(spots))
    return Inventory(series, tuple(failures), others, without_pixels)


def notes_on_order(series: tuple[Spot, ...]) -> tuple[str, ...]:
    """Return what is missing or unclear in a series, as short sentences."""
    positions = [spot.position for spot in series if spot.position is not None]
    if len(positions) < len(series):
        if len(series) == 1:
            return ()
        return (
            "Slice positions are not stated, so that the order is that of the files' own numbers, and missing "
            "slices can't be told.",
        )
    found = gaps(positions)
    notes = [
        f"{count} {'slice is' if count == 1 else 'slices are'} missing between {below:.1f} and {above:.1f} mm."
        for count, below, above in found[:_GAPS_TOLD]
    ]
    if rest := sum(count for count, _, _ in found[_GAPS_TOLD:]):
        notes.append(f"{rest} more {'slice is' if rest == 1 else 'slices are'} missing elsewhere.")
    if len({round(position, 3) for position in positions}) < len(positions):
        notes.append("Several slices lie at the same position: the series may mix contrasts or time points.")
    return tuple(notes)


def _survey(shelf: Shelf, number: int, most: int) -> tuple[str, list[Spot]] | str | None:
    """Return the series' UID and the slices of a DICOM file; of any other, its kind if it has one."""
    name = shelf.name(number)
    with shelf.opened(number) as stream:
        head = head_of(stream, HEAD_SIZE, name)
        kind = sniff(head)
        if is_zip(head):
            raise UnsupportedFormatError(f"{name} is an archive of its own: unpack it first.")
        if kind is None and shelf.claims(number):
            raise DamagedFileError(f"{name} is not an image of a known kind.")
        if kind != "DICOM":
            return kind
        # pydicom decodes an element when it is first asked for: what is broken in one shows in here.
        with damaged(name, "DICOM", private=True, also=DICOM_ERRORS), quiet():
            header = parse(stream, name, _ELEMENTS, pixels=False)
            count = frames(header) if "Rows" in header else 0
            if not count and _is_image(header):
                raise DamagedFileError(f"{name} is a DICOM image that was cut off before its pixels: copy it again.")
            if count > most:
                raise DamagedFileError(f"{name} claims {count:,} frames, more than the {most:,} that are read.")
            spots = [_spot(header, number, frame, alone=count == 1) for frame in range(count)]
            return str(header.get("SeriesInstanceUID") or ""), spots


def _is_image(header: Dataset) -> bool:
    """Whether a file says that it holds an image, and no report or index (PS3.4 B.5)."""
    meta = getattr(header, "file_meta", Dataset())
    return "Image Storage" in UID(str(header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")).name


def _spot(header: Dataset, number: int, frame: int, *, alone: bool) -> Spot:
    normal = normal_of(numbers(group_of(header, frame, "PlaneOrientationSequence"), "ImageOrientationPatient", 6))
    corner = numbers(group_of(header, frame, "PlanePositionSequence"), "ImagePositionPatient", 3)
    return Spot(
        file=number,
        frame=None if alone else frame,
        is_mr=is_mr(header),
        instance=_instance(header),
        normal=normal,
        position=None if normal is None or corner is None or not _is_near(corner) else along(normal, corner),
    )


def _is_near(corner: tuple[float, ...]) -> bool:
    return max(map(abs, corner)) < FARTHEST


def _instance(header: Dataset) -> int | None:
    try:
        return int(header.get("InstanceNumber"))
    except (TypeError, ValueError):
        return None


def _directions(spots: list[Spot]) -> list[tuple[Spot, ...]]:
    """Return the slices of one UID by direction, each in order."""
    groups: list[tuple[Vector, list[Spot]]] = []
    for spot in spots:
        if spot.normal is None or spot.position is None:
            return [tuple(sorted(spots, key=_number))]  # the numbers are all that can be relied on
        for normal, group in groups:
            if parallel(normal, spot.normal):
                group.append(spot)
                break
        else:
            groups.append((spot.normal, [spot]))
    return [
        tuple(sorted(group, key=lambda spot: (round(spot.position or 0.0, 3), _number(spot)))) for _, group in groups
    ]


def _number(spot: Spot) -> tuple[bool, int, int, int]:
    """Return what sorts by the number in the series, then by the file's place on the shelf, which is natural."""
    return spot.instance is None, spot.instance or 0, spot.file, spot.frame or 0
