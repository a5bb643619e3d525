"""Memory: decoded slices are kept from the first epoch on, as far as they fit: decoding costs most of an epoch."""

from collections.abc import Callable
from threading import Lock

import numpy as np

from mriclassify._data._synthesis import Sample

GIB = 2**30


class Memory:
    """Samples by number, until `limit` GiB are full; what does not fit is decoded again each time.

    Images are kept in half precision, a quarter of a grey level of 8-bit pictures, and lesions in 255 steps. Every
    sample is rounded so, kept or not: what training sees does not depend on the limit, or on where a run was
    resumed.

    Args:
        limit: in GiB, 0 and above.
    """

    def __init__(self, limit: float) -> None:
        self._left = int(limit * GIB)
        self._lock = Lock()
        self._kept: dict[int, tuple[np.ndarray, int, np.ndarray | None]] = {}

    def of(self, sample: Callable[[int], Sample]) -> Callable[[int], Sample]:
        """Return `sample`, but for what is remembered already; always with the same slices behind it."""

        def remembered(index: int) -> Sample:
            packed = self._kept.get(index)
            if packed is None:
                packed = _packed(sample(index))
                self._keep(index, packed)
            return _unpacked(packed)

        return remembered

    def _keep(self, index: int, packed: tuple[np.ndarray, int, np.ndarray | None]) -> None:
        image, _, lesion = packed
        size = image.nbytes + (0 if lesion is None else lesion.nbytes)
        # A slice may be decoded by two threads at once, as itself and as a donor.
        with self._lock:
            if index not in self._kept and size <= self._left:
                self._left -= size
                self._kept[index] = packed


def _packed(sample: Sample) -> tuple[np.ndarray, int, np.ndarray | None]:
    lesion = None if sample.lesion is None else np.rint(sample.lesion * 255).astype(np.uint8)
    return sample.image.astype(np.float16), sample.target, lesion


def _unpacked(packed: tuple[np.ndarray, int, np.ndarray | None]) -> Sample:
    image, target, lesion = packed
    return Sample(
        image.astype(np.float32), target, None if lesion is None else lesion.astype(np.float32) / np.float32(255)
    )
