"""Where the slices along an axis of the patient lie in a stored volume: arithmetic only.

Axes are those of RAS+ space: 0 runs to the patient's right, 1 to the front, 2 to the top. Pictures are
oriented as radiologists view them:

    axis  plane     rows, top to bottom     columns, left to right
    2     axial     anterior to posterior   the patient's right to left
    1     coronal   superior to inferior    the patient's right to left
    0     sagittal  superior to inferior    anterior to posterior
"""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Plane:
    """The slices along `axis` of a volume.

    Attributes:
        axis: 0 sagittal, 1 coronal, 2 axial.
        shape: The volume's sizes as it is stored.
        stored: For each axis of the patient, the stored axis that is closest to it.
        forward: For each axis of the patient, whether the stored one runs the same way.
    """

    axis: int
    shape: Triple
    stored: Triple
    forward: tuple[bool, bool, bool]

    @property
    def across(self) -> int:
        """The axis of the patient that lies along the columns, from its far end to its near one."""
        return 1 if self.axis == 0 else 0

    @property
    def down(self) -> int:
        """The axis of the patient that lies along the rows, from its far end to its near one."""
        return 1 if self.axis == 2 else 2

    @property
    def count(self) -> int:
        """How many slices there are."""
        return self.shape[self.stored[self.axis]]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a slice."""
        return self.shape[self.stored[self.down]], self.shape[self.stored[self.across]]

    def slicer(self, number: int) -> tuple[int | slice, int | slice, int | slice]:
        """Return what cuts slice `number`, counted from the left, back or feet, out of the stored volume."""
        where: list[int | slice] = [slice(None)] * 3
        where[self.stored[self.axis]] = number if self.forward[self.axis] else self.count - 1 - number
        return where[0], where[1], where[2]

    def upright(self, cut: NDArray[Any]) -> NDArray[Any]:
        """Return a stored slice as a view (height, width, ...) that is oriented for the eye."""
        picture = cut.swapaxes(0, 1) if self.stored[self.across] < self.stored[self.down] else cut
        return picture[_reversal(self.forward[self.down]), _reversal(self.forward[self.across])]


def _reversal(forward: bool) -> slice:
    # A picture starts at the front, the top or the right, where an axis that runs forward ends.
    return slice(None, None, -1 if forward else 1)
