"""The window that a DICOM file asks to be shown with.

Reference: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.
"""

import math

import numpy as np
from pydicom.dataset import Dataset

from mriclassify._reading._groups import group_of


def window_of(dataset: Dataset, frame: int) -> tuple[float, float] | None:
    """Return the modality values that become black and white in the first window of `frame`.

    None where the file has no window, or one that makes no sense. A table (VOI LUT Sequence) is no window.
    """
    item = group_of(dataset, frame, "FrameVOILUTSequence")
    center, width = _first(item, "WindowCenter"), _first(item, "WindowWidth")
    if center is None or width is None:
        return None
    if str(item.get("VOILUTFunction") or "LINEAR") == "LINEAR":
        # Values at the edges of a window of n integers, which spans n - 1 steps.
        center, width = center - 0.5, width - 1
    low, high = center - width / 2, center + width / 2
    # As float32, since that is what the pixels are: there, a tiny window around a large value is empty.
    return (low, high) if width > 0 and np.float32(low) < np.float32(high) < math.inf else None


def _first(item: Dataset, keyword: str) -> float | None:
    """Return the first number of an element that holds one or several."""
    value = item.get(keyword)
    try:
        number = float(value if isinstance(value, str) or not hasattr(value, "__getitem__") else value[0])
    except (TypeError, ValueError, LookupError):
        return None
    return number if math.isfinite(number) else None
