"""From a dataset and the looks of its slices to an audit. Pure, apart from the shortcut test's fit."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mriclassify._data._audit._findings import (
    Audit,
    Balance,
    Clusters,
    Intensity,
    Known,
    KnownLabel,
    LabelConflict,
    PartLeak,
    Shortcut,
    Sizes,
    Suspect,
    TwoGroups,
)
from mriclassify._data._audit._shortcut import find_shortcut
from mriclassify._data._record import SPLITS, Record
from mriclassify._errors import OptionError, SplitError
from mriclassify._labels import CLASSES
from mriclassify._likeness._hashing import NEAR_RADIUS, SAME_RADIUS
from mriclassify._likeness._known import known_slice
from mriclassify._likeness._looks import Looks
from mriclassify._likeness._measures import MEASURES, PERCENTILES, columns
from mriclassify._likeness._near import clusters

if TYPE_CHECKING:
    from mriclassify._data._dataset import Dataset

CORRECTED = re.compile(r"^figshare \d+, corrected from (?P<given>.+)$")
"""What `Record.label_source` says of a label that was corrected."""

Rows = list[int]
"""Positions in the dataset."""


def make_audit(data: "Dataset", looks: Looks, *, suspects: Sequence[Suspect] | None = None) -> Audit:
    """Return what is found in a dataset, two slices of which may be one, leak or lie.

    Args:
        data: one slice or more.
        looks: what was seen of each slice, in the same order.
        suspects: slices whose labels a model doubts; None if none was asked.

    Raises:
        OptionError: the dataset is empty, or the looks are of other slices.
    """
    if not len(data) or tuple(record.path for record in data) != looks.paths:
        raise OptionError(f"expected the looks of 1 or more slices in their order, got {len(looks)} for {len(data)}")
    readable = np.flatnonzero(looks.readable)
    seen, records = looks.of(looks.paths[i] for i in readable.tolist()), [data[i] for i in readable.tolist()]
    cluster_of = clusters(seen.hashes, radius=NEAR_RADIUS) if len(seen) else np.empty(0, dtype=np.int64)
    near = _members(cluster_of)
    copies = _members(seen.fingerprints)
    groups = [
        record.group if record.group is not None else f"cluster {cluster}"
        for record, cluster in zip(records, cluster_of.tolist(), strict=True)
    ]
    shortcut, missing = _shortcut([record.label for record in records], groups, seen)
    return Audit(
        n=len(data),
        counts=data.counts(),
        splits=_splits(data),
        sources=dict(sorted(Counter(record.source for record in data if record.source is not None).items())),
        n_groups=len({record.group for record in data} - {None}),
        ungrouped=sum(record.group is None for record in records),
        unreadable=tuple(
            (path, error) for path, error in zip(looks.paths, looks.errors, strict=True) if error is not None
        ),
        exact_duplicates=_clusters(copies, records),
        near_duplicates=_clusters((rows for rows in near if len(set(seen.fingerprints[rows].tolist())) > 1), records),
        leaks=_leaks(records, groups, cluster_of, seen.fingerprints),
        two_groups=_two_groups(records, seen),
        known=_known(records, seen),
        label_conflicts=_conflicts(records, seen, copies, near),
        suspects=None if suspects is None else tuple(sorted(suspects, key=lambda suspect: suspect.quality)),
        balance=_balance(data),
        sizes={label: _sizes(seen, rows) for label, rows in _rows_of_classes(records).items()},
        intensity={label: _intensity(seen, rows) for label, rows in _rows_of_classes(records).items()},
        shortcut=shortcut,
        shortcut_missing=missing,
        _data=data,
        _looks=looks,
    )


def _members(numbers: NDArray[np.int64] | NDArray[np.uint64]) -> list[Rows]:
    """The rows of each number that occurs more than once, rows rising."""
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order])) + 1
    return [rows.tolist() for rows in np.split(order, starts) if len(rows) > 1]


def _clusters(members: Iterable[Rows], records: Sequence[Record]) -> Clusters:
    paths = [tuple(sorted(records[i].path for i in rows)) for rows in members]
    return Clusters(clusters=tuple(sorted(paths, key=lambda cluster: (-len(cluster), cluster))))


def _splits(data: "Dataset") -> dict[str, dict[str, int]]:
    parts = {part: data.filter(lambda record, part=part: record.split == part) for part in SPLITS}  # type: ignore[misc]
    return {part: held.counts() for part, held in parts.items() if len(held)}


def _leaks(
    records: Sequence[Record], groups: Sequence[str], cluster_of: NDArray[np.int64], fingerprints: NDArray[np.uint64]
) -> tuple[PartLeak, ...]:
    """What test shares with train and with validation, and validation with train; only what does leak."""
    split = np.array([record.split or "" for record in records])
    _, group_of = np.unique(np.array(groups, dtype=str), return_inverse=True)
    leaks = []
    for part, other in (("test", "train"), ("test", "validation"), ("validation", "train")):
        ours, theirs = split == part, split == other
        by_group = np.isin(group_of[ours], group_of[theirs])
        near = np.isin(cluster_of[ours], cluster_of[theirs])
        copies = np.isin(fingerprints[ours], fingerprints[theirs])
        leaking = by_group | near | copies
        if leaking.any():
            leaks.append(
                PartLeak(
                    part=part,
                    other=other,
                    n=int(ours.sum()),
                    slices=int(leaking.sum()),
                    by_group=int(by_group.sum()),
                    near=int(near.sum()),
                    copies=int(copies.sum()),
                    groups=len(np.unique(group_of[ours][by_group])),
                )
            )
    return tuple(leaks)


def _is_given(record: Record) -> bool:
    """Whether the group is the word of whoever made the dataset, and not found by us."""
    return record.group is not None and record.group_source is None


def _two_groups(records: Sequence[Record], seen: Looks) -> tuple[TwoGroups, ...]:
    """Slices that are one and the same under several given groups."""
    given = [i for i, record in enumerate(records) if _is_given(record)]
    if not given:
        return ()
    alike: defaultdict[tuple[str, int], Rows] = defaultdict(list)
    same = clusters(seen.hashes[given], radius=SAME_RADIUS)
    for i, cluster in zip(given, same.tolist(), strict=True):
        # The table knows its slices better than the hash does: it tells neighbours apart, and knows turned copies.
        image = int(seen.known[i])
        alike["image", image].append(i) if image else alike["cluster", cluster].append(i)
    found = []
    for (kind, number), rows in alike.items():
        if len({records[i].group for i in rows}) > 1:
            rows = sorted(rows, key=lambda i: records[i].path)
            named = [(records[i].path, str(records[i].group)) for i in rows]
            found.append(
                TwoGroups(
                    paths=tuple(path for path, _ in named),
                    groups=tuple(group for _, group in named),
                    image=number if kind == "image" else None,
                )
            )
    return tuple(sorted(found, key=lambda pair: (-len(pair.paths), pair.paths)))


def _known(records: Sequence[Record], seen: Looks) -> Known:
    images = seen.known[seen.known > 0]
    groups_of: defaultdict[str, set[str]] = defaultdict(set)
    labels = []
    for record, image in zip(records, seen.known.tolist(), strict=True):
        if image:
            if _is_given(record):
                groups_of[known_slice(image).patient].add(str(record.group))
            labels.append(_known_label(record, image))
    return Known(
        slices=len(images),
        images=len(np.unique(images)),
        patients=len({known_slice(image).patient for image in np.unique(images).tolist()}),
        altered=int(seen.altered[seen.known > 0].sum()),
        labels=tuple(sorted((label for label in labels if label is not None), key=lambda label: label.path)),
        divided_patients=sum(len(groups) > 1 for groups in groups_of.values()),
    )


def _known_label(record: Record, image: int) -> KnownLabel | None:
    figshare = known_slice(image).label
    corrected = CORRECTED.match(record.label_source or "")
    if corrected:
        return KnownLabel(path=record.path, image=image, given=corrected["given"], figshare=figshare, corrected=True)
    # Labels of another vocabulary ("tumour") can't disagree.
    if record.label in CLASSES and record.label != figshare:
        return KnownLabel(path=record.path, image=image, given=record.label, figshare=figshare, corrected=False)
    return None


def _conflicts(
    records: Sequence[Record], seen: Looks, copies: Sequence[Rows], near: Sequence[Rows]
) -> tuple[LabelConflict, ...]:
    exact = [rows for rows in copies if _differ(records, rows)]
    told = {i for rows in exact for i in rows}
    alike = [[i for i in rows if i not in told] for rows in near]
    other = [rows for rows in alike if _differ(records, rows) and not _verified(records, seen, rows)]
    found = [(True, rows) for rows in exact] + [(False, rows) for rows in other]
    conflicts = [_conflict(records, rows, exact=is_exact) for is_exact, rows in found]
    return tuple(sorted(conflicts, key=lambda conflict: (not conflict.exact, conflict.paths)))


def _differ(records: Sequence[Record], rows: Rows) -> bool:
    return len({records[i].label for i in rows}) > 1


def _verified(records: Sequence[Record], seen: Looks, rows: Rows) -> bool:
    """Whether the figshare table confirms the label of each: then they are alike, but of two patients."""
    images = seen.known[rows].tolist()
    return all(image and known_slice(image).label == records[i].label for i, image in zip(rows, images, strict=True))


def _conflict(records: Sequence[Record], rows: Rows, *, exact: bool) -> LabelConflict:
    rows = sorted(rows, key=lambda i: records[i].path)
    return LabelConflict(
        paths=tuple(records[i].path for i in rows), labels=tuple(records[i].label for i in rows), exact=exact
    )


def _balance(data: "Dataset") -> Balance:
    counts = data.counts()
    largest, smallest = max(counts, key=lambda label: counts[label]), min(counts, key=lambda label: counts[label])
    return Balance(
        shares={label: count / len(data) for label, count in counts.items()},
        largest=largest,
        smallest=smallest,
        ratio=counts[largest] / counts[smallest],
    )


def _rows_of_classes(records: Sequence[Record]) -> dict[str, Rows]:
    rows: defaultdict[str, Rows] = defaultdict(list)
    for i, record in enumerate(records):
        rows[record.label].append(i)
    return dict(sorted(rows.items()))


def _sizes(seen: Looks, rows: Rows) -> Sizes:
    shapes = seen.shapes[rows]
    different, counts = np.unique(shapes, axis=0, return_counts=True)
    commonest = different[counts.argmax()].tolist()
    return Sizes(
        n=len(rows),
        different=len(different),
        commonest=(commonest[0], commonest[1]),
        commonest_share=float(counts.max() / len(rows)),
        height=_spread(shapes[:, 0]),
        width=_spread(shapes[:, 1]),
        file_size=_spread(seen.sizes[rows]),
    )


def _spread(values: NDArray[np.int32] | NDArray[np.int64]) -> tuple[float, float, float]:
    return float(values.min()), float(np.median(values)), float(values.max())


def _intensity(seen: Looks, rows: Rows) -> Intensity:
    means = seen.measures[rows].mean(axis=0, dtype=np.float64)
    figures = dict(zip(MEASURES, means.tolist(), strict=True))
    return Intensity(
        n=len(rows),
        mean=figures["intensity_mean"],
        std=figures["intensity_std"],
        percentiles={percentile: figures[f"intensity_p{percentile:02d}"] for percentile in PERCENTILES},
        histogram=tuple(means[columns("histogram_")].tolist()),
    )


def _shortcut(labels: Sequence[str], groups: Sequence[str], seen: Looks) -> tuple[Shortcut | None, str | None]:
    """The test, or why there is none."""
    try:
        return find_shortcut(labels, groups, seen), None
    except SplitError as error:
        return None, str(error)
