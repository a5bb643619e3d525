"""Functional groups: where an enhanced multi-frame DICOM object keeps what differs from frame to frame.

Reference: DICOM PS3.3 C.7.6.16.
"""

import math

from pydicom.dataset import Dataset


def group_of(dataset: Dataset, frame: int, keyword: str) -> Dataset:
    """Return the item of `keyword` for `frame`, its own before the shared one; `dataset` itself if there is none.

    Single-frame objects hold the same elements at the top, so that callers need not tell the two apart.
    """
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for group in (*per_frame[frame : frame + 1], *shared[:1]):
        if group.get(keyword):
            item: Dataset = group[keyword].value[0]
            return item
    return dataset


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return the `count` finite numbers of an element, or None where it is missing or holds anything else."""
    values = dataset.get(keyword)
    try:
        converted = tuple(float(value) for value in values or ())
    except (TypeError, ValueError):
        return None
    return converted if len(converted) == count and all(map(math.isfinite, converted)) else None
