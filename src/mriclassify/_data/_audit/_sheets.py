"""Contact sheets: the slices that a finding is about side by side, with what is known of each below it."""

import io
import os
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mriclassify._data._audit._drawings import percent, plain, said, table
from mriclassify._data._audit._findings import Audit, Clusters, LabelConflict, PartLeak
from mriclassify._errors import ReadError
from mriclassify._likeness._hashing import orientations
from mriclassify._reading import read_slice
from mriclassify._shapes import Pixels
from mriclassify._threads import ordered_map, worker_count

if TYPE_CHECKING:
    from mriclassify._data._dataset import Dataset
    from mriclassify._likeness._looks import Looks

T = TypeVar("T")

CLUSTERS_SHOWN = 12
MEMBERS_SHOWN = 6
PAIRS_SHOWN = 8
SLICES_SHOWN = 24
"""Limits of the sheets: when all are full they hold some five hundred thumbnails, 2 MB of page."""
FILES_LISTED = 100

THUMBNAIL_SIDE = 120
"""Pixels of a thumbnail's longer side."""
JPEG_QUALITY = 80

MEAN_SIDE = 128
MEAN_OF = 200
"""The mean of so many slices of a class hardly changes with more."""
MEAN_OF_ALL = 4000
"""Files read for the mean slices of all classes together, at most."""

PERCENTILES = (1.0, 99.5)
"""What is shown black and white: a few hot pixels must not darken the rest."""

COMPARED = 64
"""Slices of a large cluster among which the two most alike are looked for."""

Bytes = NDArray[np.uint8]
"""(height, width), 0..255."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A slice on a sheet: its file, and what to say of it beside its name, class and part."""

    path: Path
    remark: str = ""


class Sheets:
    """The sections of a page that show slices. A file that can no longer be read gets an empty frame.

    Args:
        audit: what was found.
        data: the dataset that was audited.
        looks: what was seen of it, in the same order.
    """

    def __init__(self, audit: Audit, data: "Dataset", looks: "Looks") -> None:
        self._audit, self._data, self._looks = audit, data, looks
        self._record_of = {record.path: record for record in data}
        self._pictures: dict[Path, str | None] = {}
        self.root = common_root(self._record_of)

    def duplicates(self) -> str:
        """Copies and near-duplicates, the largest clusters first."""
        alike = "that are alike: resized, recompressed, mirrored or turned copies, or neighbouring slices"
        return self._clusters(
            "The same pixels", "with the very same pixels", self._audit.exact_duplicates
        ) + self._clusters("Alike", alike, self._audit.near_duplicates)

    def conflicts(self) -> str:
        """Clusters of slices with different labels."""
        conflicts = self._audit.label_conflicts
        if not conflicts:
            return nothing("None found.")
        text = "<p>Slices that are copies of each other, or alike, and labelled as different classes.</p>"
        return text + _boxes(map(self._conflict, conflicts[:CLUSTERS_SHOWN]), len(conflicts), "cluster")

    def leaks(self) -> str:
        """What published parts share, as pairs."""
        if not self._audit.splits:
            return nothing("No slice names the part (train, validation, test) that it was published in.")
        return "".join(map(self._leak, self._audit.leaks)) or nothing("None found.")

    def two_groups(self) -> str:
        """Slices that lie in several groups."""
        found = self._audit.two_groups
        if not found:
            return nothing("None found.")
        boxes = [
            self._box(
                "" if one.image is None else f"figshare {one.image}",
                [Shot(path, f"group {group}") for path, group in zip(one.paths, one.groups, strict=True)],
            )
            for one in found[:CLUSTERS_SHOWN]
        ]
        text = "<p>Copies of one slice that came as different patients or clusters.</p>"
        return text + _boxes(boxes, len(found), "slice")

    def known(self) -> str:
        """What is known of figshare's slices, and those whose label differs."""
        known = self._audit.known
        if not known.slices:
            return nothing("The dataset holds no slice of figshare 1512427, which most public sets are made of.")
        altered = f", {known.altered:,} of them turned, scaled or shifted" if known.altered else ""
        text = (
            f"<p>{said(known.slices, 'file is a copy', 'files are copies')} of {said(known.images, 'slice')} of "
            f"figshare 1512427{altered}, from {said(known.patients, 'patient')}.</p>"
        )
        shots = [
            Shot(
                one.path,
                f"came as {one.given}; figshare {one.image} is {one.figshare}"
                + (" (corrected)" if one.corrected else ""),
            )
            for one in known.labels[:SLICES_SHOWN]
        ]
        if not shots:
            return text + nothing("Their labels are those of figshare.")
        return f"{text}<h3>Labels that differ</h3>{_shown(len(shots), len(known.labels), 'slice')}{self._row(shots)}"

    def suspects(self) -> str:
        """Slices whose label a model doubts."""
        suspects = self._audit.suspects
        if suspects is None:
            return nothing("Not looked for: no model was asked. Dataset.audit(classifier=...) asks one.")
        if not suspects:
            return nothing("None found.")
        shots = [
            Shot(one.path, f"suggested: {one.suggested}, {one.confidence:.2f} (label: {one.quality:.2f})")
            for one in suspects[:SLICES_SHOWN]
        ]
        return (
            "<p>Slices whose label a model doubts that was trained on other slices, the most suspect first, with the "
            "probabilities of the class it suggests and of the label. It may be the model that is wrong: look before "
            f"you change a label.</p>{_shown(len(shots), len(suspects), 'slice')}{self._row(shots)}"
        )

    def unreadable(self) -> str:
        """The files that could not be read, and why."""
        files = self._audit.unreadable
        if not files:
            return nothing("None: every file could be read.")
        rows = [[self._name(path), self.text(why)] for path, why in files[:FILES_LISTED]]
        return _shown(len(rows), len(files), "file") + table("Files that could not be read", ["File", "Why"], rows)

    def text(self, words: str) -> str:
        """Words as HTML, in which files of the dataset are named from its folder on."""
        # What lies above is long, and may say who works there.
        root = "" if self.root is None else str(self.root)
        return plain(words.replace(f"{root}{os.sep}", "") if len(root) > 1 else words)

    def _clusters(self, title: str, what: str, found: Clusters) -> str:
        if not found.clusters:
            return f"<h3>{title}</h3>{nothing('None found.')}"
        text = (
            f"<p>{said(found.slices, 'slice')} {what}, in {said(len(found.clusters), 'cluster')}; the largest has "
            f"{found.largest:,}.</p>"
        )
        boxes = [
            self._box(said(len(paths), "slice"), [Shot(path) for path in self._mixed(paths)])
            for paths in found.clusters[:CLUSTERS_SHOWN]
        ]
        return f"<h3>{title}</h3>{text}{_boxes(boxes, len(found.clusters), 'cluster')}"

    def _mixed(self, paths: Sequence[Path]) -> list[Path]:
        """The slices of a cluster, one of each class and part before the second of any."""
        kinds: dict[tuple[str, str | None], list[Path]] = defaultdict(list)
        for path in paths:
            kinds[self._record_of[path].label, self._record_of[path].split].append(path)
        return _in_turn(list(kinds.values()))

    def _conflict(self, conflict: LabelConflict) -> str:
        of_label: dict[str, list[Path]] = defaultdict(list)
        for path, label in zip(conflict.paths, conflict.labels, strict=True):
            of_label[label].append(path)
        # First the two that contradict each other most clearly, then the labels in turn.
        first, *others = of_label.values()
        nearest = self._closest(first, [path for paths in others for path in paths])
        paths = dict.fromkeys([*nearest, *_in_turn(list(of_label.values()))])
        kind = "the same pixels" if conflict.exact else "alike"
        return self._box(f"{said(len(conflict.paths), 'slice')}, {kind}", [Shot(path) for path in paths])

    def _leak(self, leak: PartLeak) -> str:
        text = (
            f"<p>{leak.slices:,} of {said(leak.n, f'{leak.part} slice')} ({percent(leak.share, digits=1)}) share a "
            f"patient, a cluster of near-duplicates or their pixels with {leak.other}. Each is counted below for the "
            f"plainest of these, and shown before the slice of {leak.other} that is most like it.</p>"
        )
        kinds = (
            ("the same pixels", leak.copies, self._audit.exact_duplicates.clusters),
            ("alike", leak.near - leak.copies, self._audit.near_duplicates.clusters),
            ("the same patient or cluster", leak.slices - leak.near, self._groups()),
        )
        seen: set[Path] = set()
        for what, n, clusters in kinds:
            sides = self._sides(leak, clusters, seen)
            pairs = [self._closest(here, there) for here, there in _spread(sides, PAIRS_SHOWN)]
            boxes = [self._box("", [Shot(path) for path in pair]) for pair in pairs]
            if boxes:
                title = f"{leak.part.capitalize()} and {leak.other}: {what}"
                text += f"<h3>{title}</h3>{_boxes(boxes, max(n, len(boxes)), f'{leak.part} slice')}"
        return text

    def _sides(
        self, leak: PartLeak, clusters: Iterable[Sequence[Path]], seen: set[Path]
    ) -> list[tuple[list[Path], list[Path]]]:
        """What lies on either side of a leak, for each cluster that lies on both; `seen` grows by the first."""
        sides = []
        for paths in clusters:
            there = [path for path in paths if self._record_of[path].split == leak.other]
            here = [path for path in paths if self._record_of[path].split == leak.part and path not in seen]
            if here and there:
                seen.update(here)
                sides.append((here, there))
        return sides

    def _groups(self) -> list[list[Path]]:
        groups: dict[str, list[Path]] = defaultdict(list)
        for record, readable in zip(self._data, self._looks.readable.tolist(), strict=True):
            if record.group is not None and readable:
                groups[record.group].append(record.path)
        return list(groups.values())

    def _closest(self, here: Sequence[Path], there: Sequence[Path]) -> tuple[Path, Path]:
        """The two slices, one of each side, that look most alike, whichever way round they lie."""
        here, there = here[:COMPARED], there[:COMPARED]
        ours, theirs = self._looks.of(here).hashes, orientations(self._looks.of(there).hashes)
        different = ours[None, :, None] ^ theirs[:, None]  # (8, here, there, 4)
        bits = np.unpackbits(np.ascontiguousarray(different).view(np.uint8), axis=-1).sum(axis=-1, dtype=np.int64)
        i, j = np.unravel_index(bits.min(axis=0).argmin(), bits.shape[1:])
        return here[int(i)], there[int(j)]

    def _box(self, title: str, shots: Sequence[Shot]) -> str:
        """Slices that belong together, in a frame."""
        few = shots[:MEMBERS_SHOWN]
        rest = f", {len(few)} of them shown" if len(few) < len(shots) else ""
        text = f"<p>{plain(title)}{rest}</p>" if title else ""
        return f'<div class="cluster">{text}{self._row(few)}</div>'

    def _row(self, shots: Sequence[Shot]) -> str:
        """Slices side by side, each with its name, class and part below it."""
        self._read(shot.path for shot in shots)
        return f'<ul class="row">{"".join(f"<li>{self._frame(shot)}</li>" for shot in shots)}</ul>'

    def _frame(self, shot: Shot) -> str:
        record, picture = self._record_of[shot.path], self._pictures[shot.path]
        kind = ", ".join(text for text in (record.label, record.split, record.source) if text)
        lines = "".join(f"<small>{plain(line)}</small>" for line in (kind, shot.remark) if line)
        image = (
            f'<img src="{picture}" alt="The slice named below">'
            if picture
            else '<span class="missing">can no longer be read</span>'
        )
        return f'<figure class="frame">{image}<figcaption>{self._name(shot.path)}{lines}</figcaption></figure>'

    def _name(self, path: Path) -> str:
        """The path from the dataset's folder on."""
        name = path.relative_to(self.root).as_posix() if self.root else path.as_posix()
        # Isolated, since a name may hold marks that turn the direction of the text.
        return f"<bdi>{plain(name).replace('/', '/<wbr>')}</bdi>"

    def _read(self, paths: Iterable[Path]) -> None:
        missing = [path for path in dict.fromkeys(paths) if path not in self._pictures]
        self._pictures.update(zip(missing, _each(_thumbnail, missing), strict=True))


def mean_slices(paths_of: Mapping[str, Sequence[Path]]) -> dict[str, tuple[str, int]]:
    """Average the slices of each class, each first made 128 x 128 pixels and stretched to one range of grey.

    Args:
        paths_of: class -> readable files. At most 200 of them are averaged, evenly spread over the sequence.

    Returns:
        class -> the picture as a data: URI, and how many slices it is the mean of; classes with none are missing. The
        brightest pixel of all means is white.
    """
    most = max(1, min(MEAN_OF, MEAN_OF_ALL // max(1, len(paths_of))))
    means: dict[str, NDArray[np.float64]] = {}
    numbers: dict[str, int] = {}
    for label, paths in paths_of.items():
        total, n = np.zeros((MEAN_SIDE, MEAN_SIDE)), 0
        for small in _each(_square, _spread(paths, most)):
            if small is not None:
                total += small
                n += 1
        if n:
            means[label], numbers[label] = total / n, n
    # Means are dull, for heads lie in different places. One factor for all leaves them comparable.
    factor = 255 / max((mean.max() for mean in means.values()), default=1.0)
    return {
        label: (_uri(np.rint(factor * mean).astype(np.uint8), "PNG"), numbers[label]) for label, mean in means.items()
    }


def common_root(paths: Iterable[Path]) -> Path | None:
    """Return the deepest folder that all these files lie in, None where there is none."""
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:  # no file at all, or files on several drives
        return None


def nothing(sentence: str) -> str:
    """Say that a section has nothing to show."""
    return f'<p class="muted">{plain(sentence)}</p>'


def _boxes(boxes: Iterable[str], n: int, noun: str) -> str:
    boxes = list(boxes)
    return f'{_shown(len(boxes), n, noun)}<div class="row">{"".join(boxes)}</div>'


def _shown(shown: int, n: int, noun: str) -> str:
    return f'<p class="muted">{shown:,} of {said(n, noun)} shown.</p>'


def _each(function: Callable[[Path], T], paths: Sequence[Path]) -> Iterable[T]:
    workers = worker_count()
    return ordered_map(function, paths, workers=workers, ahead=4 * workers)


def _spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly spread from the first to the last."""
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).astype(int)]


def _in_turn(rows: Sequence[Sequence[T]]) -> list[T]:
    """The first of each row, then the second of each, and so on."""
    return [row[turn] for turn in range(max(map(len, rows), default=0)) for row in rows if turn < len(row)]


def _thumbnail(path: Path) -> str | None:
    pixels = _pixels(path)
    if pixels is None:
        return None
    scale = THUMBNAIL_SIDE / max(pixels.shape)
    height, width = (max(1, round(scale * side)) for side in pixels.shape)
    return _uri(_stretched(pixels, height, width), "JPEG")


def _square(path: Path) -> Bytes | None:
    pixels = _pixels(path)
    return None if pixels is None else _stretched(pixels, MEAN_SIDE, MEAN_SIDE)


def _pixels(path: Path) -> Pixels | None:
    try:
        return read_slice(path).pixels
    except (ReadError, OSError):  # moved or changed since the audit looked at it
        return None


def _stretched(pixels: Pixels, height: int, width: int) -> Bytes:
    """A slice of any unit as (height, width), its percentiles black and white."""
    small = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX), dtype=np.float64)
    low, high = np.percentile(small, PERCENTILES)
    if high <= low:  # a few bright spots on black: the full range is the only one there is
        low, high = small.min(), small.max()
    # A slice is never all of one value, but what is left of one so small may be.
    scaled = np.clip((small - low) / (high - low), 0, 1) if high > low else np.ones_like(small)
    return np.rint(255 * scaled).astype(np.uint8)


def _uri(image: Bytes, kind: str) -> str:
    buffer = io.BytesIO()
    options = {"quality": JPEG_QUALITY} if kind == "JPEG" else {}
    Image.fromarray(image).save(buffer, kind, optimize=True, **options)
    return f"data:image/{kind.lower()};base64,{b64encode(buffer.getvalue()).decode('ascii')}"
