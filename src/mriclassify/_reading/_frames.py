"""Frames: the slices of a DICOM series, each decoded when it is asked for."""

from pydicom.dataset import Dataset

from mriclassify._reading._dicom import decode, load
from mriclassify._reading._raw import Raw
from mriclassify._reading._series import Spot
from mriclassify._reading._shelf import Shelf


class Frames:
    """Decodes slice k of a series. It keeps the last multi-frame file undecoded, since the next one is there too."""

    def __init__(self, shelf: Shelf, spots: tuple[Spot, ...]) -> None:
        """Take the slices in the order of `spots`; nothing is read yet."""
        self._shelf = shelf
        self._spots = spots
        self._last: tuple[int, Dataset] | None = None

    def __call__(self, number: int) -> Raw:
        """Return slice `number`, from 0."""
        spot = self._spots[number]
        return decode(self._dataset(spot), self._shelf.name(spot.file), spot.frame or 0)

    def _dataset(self, spot: Spot) -> Dataset:
        last = self._last  # read once: threads may change it
        if last is not None and last[0] == spot.file:
            return last[1]
        with self._shelf.opened(spot.file) as stream:
            dataset = load(stream, self._shelf.name(spot.file))
        if spot.frame is not None:
            self._last = spot.file, dataset
        return dataset
