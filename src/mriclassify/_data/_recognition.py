"""Recognition: slices of known origin get their patient and label, all others the cluster of those that look alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mriclassify._data._record import NEAR_DUPLICATES, PROVENANCE, Record
from mriclassify._labels import CLASSES
from mriclassify._likeness._hashing import NEAR_RADIUS, Hashes, orientations
from mriclassify._likeness._known import known_slice
from mriclassify._likeness._looks import Looks
from mriclassify._likeness._near import clusters


def recognize(records: Sequence[Record], looks: Looks, *, correct_labels: bool) -> list[Record]:
    """Fill in what is known of each slice by its looks; what the records say of groups already stays.

    Args:
        records: of one dataset.
        looks: what was seen of each, in the same order.
        correct_labels: whether a known slice gets the label of the figshare table, where both that and the one it
            has are among the four classes.

    Returns:
        The records in their order. Those that can't be read stay as they are.
    """
    known = [
        _known(record, image, correct_labels=correct_labels) if image else record
        for record, image in zip(records, looks.known.tolist(), strict=True)
    ]
    return with_clusters(known, looks)


def with_clusters(records: Sequence[Record], looks: Looks) -> list[Record]:
    """Give each readable record without a group the cluster of near-duplicates that it belongs to.

    A cluster with a slice whose group is known takes that group: of several the first, since a known patient is
    never joined to another on grounds of looks.
    """
    records = list(records)
    bare = [i for i, record in enumerate(records) if record.group is None and looks.errors[i] is None]
    if not bare:
        return records
    readable = np.flatnonzero(looks.readable)
    cluster_of = np.full(len(records), -1, dtype=np.int64)
    cluster_of[readable] = clusters(looks.hashes[readable], radius=NEAR_RADIUS)
    named: dict[int, str] = {}
    for i in readable.tolist():
        group = records[i].group
        if group is not None:
            named.setdefault(int(cluster_of[i]), group)
    names = _names(looks.hashes[bare], cluster_of[bare])
    for i in bare:
        cluster = int(cluster_of[i])
        records[i] = replace(records[i], group=named.get(cluster) or names[cluster], group_source=NEAR_DUPLICATES)
    return records


def without_clusters(records: Sequence[Record]) -> list[Record]:
    """Forget the clusters of near-duplicates, which are those of one dataset and not of a larger one."""
    return [
        replace(record, group=None, group_source=None) if record.group_source == NEAR_DUPLICATES else record
        for record in records
    ]


def _known(record: Record, image: int, *, correct_labels: bool) -> Record:
    found = known_slice(image)
    if record.group is None:
        record = replace(record, group=f"figshare:{found.patient}", group_source=PROVENANCE)
    if not correct_labels or record.label_source is not None or record.label not in CLASSES:
        return record
    source = f"figshare {image}"
    if record.label != found.label:
        source += f", corrected from {record.label}"
    return replace(record, label=found.label, label_source=source)


def _names(hashes: Hashes, cluster_of: NDArray[np.int64]) -> dict[int, str]:
    """Cluster -> a name that the same slices get in any dataset, whichever way round they lie there."""
    # The least of the eight orientations' first words, and of the cluster's slices.
    least = orientations(hashes)[:, :, 0].min(axis=0)
    first: dict[int, int] = {}
    for cluster, word in zip(cluster_of.tolist(), least.tolist(), strict=True):
        first[cluster] = min(word, first.get(cluster, word))
    words = Counter(first.values())
    # Two clusters whose least words are the same are rare, and must not become one group.
    return {
        cluster: f"near:{word:016x}" + (f"-{cluster}" if words[word] > 1 else "") for cluster, word in first.items()
    }
