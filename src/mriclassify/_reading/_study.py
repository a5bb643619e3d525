"""Study: the slices of a series, in order, each read when it is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from mriclassify._errors import OptionError
from mriclassify._reading._checks import whole
from mriclassify._reading._raw import Raw
from mriclassify._reading._slice import Slice, as_slice


@dataclass(frozen=True, slots=True)
class Place:
    """Where one slice of a study lies.

    Attributes:
        index: Its number in the whole series, from 0: from the patient's left, back or feet, where positions
            are known; else in the order of the files, frames or pages.
        position: Millimetres along the normal of the slices (to the right, front or top), or None.
        name: A file's path below its folder, "member 3", "frame 3", "slice 3": never text of a header.
    """

    index: int
    position: float | None
    name: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A file of the folder or archive that could not be read.

    Attributes:
        name: Its path below the folder, or "member 3".
        reason: The message of the error.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """The slices of one series, in order. It holds no name, id, date or text of a patient, and no open file.

    Attributes:
        kind: "DICOM", "NIfTI", "pictures" (a folder of them), the kind of a picture with its pages, "array".
        places: One for each slice; `read` takes the same numbers.
        notes: Short sentences on why an answer should be distrusted: missing slices, files that were left out.
        failures: Files that could not be read; slices that turn out to be broken are raised by `read`.
        series: The number of the series that was taken, from 0, and
        n_series: how many there are.
    """

    kind: str
    places: tuple[Place, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    series: int = 0
    n_series: int = 1
    _raw: Callable[[int], Raw] = field(repr=False, kw_only=True)
    _name: str = field(repr=False, kw_only=True)

    def __len__(self) -> int:
        return len(self.places)

    def read(self, number: int) -> Slice:
        """Read a slice, 0 <= number < len(study); it is decoded anew with each call.

        Raises:
            ReadError: It is broken, or no slice (blank, not finite, too small); the study's others may do.
            OptionError: There is no such slice.
        """
        if not 0 <= number < len(self.places):
            raise OptionError(f"slice {number} is out of range 0..{len(self.places) - 1}.")
        place = self.places[number]
        return as_slice(self._raw(place.index), f"{place.name} of {self._name}")


def picked(study: Study, indices: Sequence[int]) -> Study:
    """Return the study with these slices only, in this order."""
    try:
        numbers = [whole(index, "indices") for index in indices]
    except TypeError as error:
        raise OptionError(f"indices must be whole numbers, got {indices!r}.") from error
    if not numbers:
        raise OptionError("indices is empty: expected at least one slice, or None for all.")
    count = len(study)
    for number in numbers:
        if not 0 <= number < count:
            raise OptionError(
                f"index {number} is out of range 0..{count - 1}: there are {count} slice{'' if count == 1 else 's'}."
            )
    return replace(study, places=tuple(study.places[number] for number in numbers))
