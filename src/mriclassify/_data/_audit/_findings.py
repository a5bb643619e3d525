"""What an audit finds: plain values, made by `_auditing`, put into words by `_words` and drawn by `_page`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mriclassify._data._dataset import Dataset
    from mriclassify._likeness._looks import Looks

SHORTCUT_MARGIN = 0.10
"""By how much a small model must beat chance, with the low end of its interval, to be called a shortcut."""

UNEVEN_RATIO = 3.0
"""From this ratio of the largest class to the smallest on, classes are called uneven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem in words.

    Args:
        kind: "unreadable", "leak", "conflict", "shortcut", "two groups", "known labels", "suspects", "duplicates",
            "groups" or "balance".
        sentence: what was found.
        advice: what to do about it.
    """

    kind: str
    sentence: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Slices that belong together, in clusters of two and more.

    Args:
        clusters: the paths of each, the largest cluster first, paths sorted.
    """

    clusters: tuple[tuple[Path, ...], ...]

    @property
    def slices(self) -> int:
        """Slices in all clusters together."""
        return sum(len(paths) for paths in self.clusters)

    @property
    def surplus(self) -> int:
        """Slices that would go if one of each cluster stayed."""
        return self.slices - len(self.clusters)

    @property
    def largest(self) -> int:
        """Slices in the largest cluster; 0 where there is none."""
        return max((len(paths) for paths in self.clusters), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLeak:
    """What one published part shares with another.

    Args:
        part: "test" or "validation".
        other: "train" or "validation", which a model learns from or is chosen by.
        n: slices of `part`.
        slices: those of them that share a group, near-duplicates or pixels with `other`.
        by_group: those whose patient or cluster (the record's group) has slices in `other`.
        near: those with a near-duplicate in `other`, copies included.
        copies: those with the very pixels of a slice of `other`.
        groups: how many groups lie in both parts.
    """

    part: str
    other: str
    n: int
    slices: int
    by_group: int
    near: int
    copies: int
    groups: int

    @property
    def share(self) -> float:
        """The part of `part` that leaks, 0..1."""
        return self.slices / self.n


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoGroups:
    """One slice under several of the groups that whoever made the dataset gave.

    Args:
        paths: its copies, sorted.
        groups: of each path.
        image: the figshare slice that they are, if known.
    """

    paths: tuple[Path, ...]
    groups: tuple[str, ...]
    image: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLabel:
    """A slice of figshare whose label in the dataset was, or is, another one than figshare's.

    Args:
        path: the file.
        image: the number of the figshare slice.
        given: the label that the dataset came with.
        figshare: the label of the figshare table.
        corrected: whether the record now has the label of the table.
    """

    path: Path
    image: int
    given: str
    figshare: str
    corrected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the dataset holds of the 3,064 slices of figshare 1512427.

    Args:
        slices: files that are one of them.
        images: how many different ones they are.
        patients: how many patients those are of.
        altered: files that are turned, scaled or shifted copies.
        labels: slices whose labels differ, or differed, from the table.
        divided_patients: known patients whose slices lie in several of the groups that the dataset was given.
    """

    slices: int
    images: int
    patients: int
    altered: int
    labels: tuple[KnownLabel, ...]
    divided_patients: int

    @property
    def corrected(self) -> int:
        """Labels that were corrected."""
        return sum(label.corrected for label in self.labels)

    @property
    def disagreeing(self) -> int:
        """Labels that still differ from the table."""
        return len(self.labels) - self.corrected


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConflict:
    """Slices that are alike, and labelled as different classes.

    Args:
        paths: of the cluster, sorted.
        labels: of each path.
        exact: whether two of different labels have the very same pixels; else they are near-duplicates.
    """

    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A slice whose label a model doubts that was trained on the other slices.

    Args:
        path: the file.
        given: its label.
        suggested: the label that the model gives it.
        confidence: the model's probability of the suggested label, 0..1.
        quality: the model's probability of the given label, 0..1; the lower, the more suspect.
    """

    path: Path
    given: str
    suggested: str
    confidence: float
    quality: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How evenly the slices are shared out among the classes.

    Args:
        shares: class -> share of all slices, 0..1.
        largest: the class with most slices.
        smallest: the class with fewest.
        ratio: slices of the largest over slices of the smallest, 1 and more.
    """

    shares: Mapping[str, float]
    largest: str
    smallest: str
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Heights and widths of the readable slices of a class, in pixels.

    Args:
        n: readable slices.
        different: how many different sizes there are.
        commonest: the most frequent (height, width).
        commonest_share: the share of slices that have it, 0..1.
        height: (minimum, median, maximum).
        width: (minimum, median, maximum).
        file_size: (minimum, median, maximum) in bytes.
    """

    n: int
    different: int
    commonest: tuple[int, int]
    commonest_share: float
    height: tuple[float, float, float]
    width: tuple[float, float, float]
    file_size: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """Grey values of a class, each slice scaled from 0 (its darkest) to 1 (its brightest), averaged over slices.

    Args:
        n: readable slices.
        mean: mean grey value.
        std: standard deviation within a slice.
        percentiles: percentile (1, 25, 50, 75, 99) -> grey value.
        histogram: share of the pixels in each of 16 bins of equal width from 0 to 1; sums to 1.
    """

    n: int
    mean: float
    std: float
    percentiles: Mapping[int, float]
    histogram: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How well a small model tells classes it was not trained on.

    Args:
        balanced_accuracy: mean recall over the classes, 0..1, each slice answered by a model that has not seen its
            group.
        low: lower end of the 95 % interval, by bootstrap over groups.
        high: its upper end.
        chance: what guessing gives: 1 / classes.
    """

    balanced_accuracy: float
    low: float
    high: float
    chance: float

    @property
    def tells(self) -> bool:
        """Whether this is more than chance by more than `SHORTCUT_MARGIN`, the interval considered."""
        return self.low > self.chance + SHORTCUT_MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """How well the class can be told from what should not matter, without looking at the brain.

    Args:
        classes: those that were to be told.
        left_out: classes with too few slices or groups.
        n: slices.
        n_groups: patients or clusters of near-duplicates.
        n_folds: of the cross-validation, groups kept apart.
        overall: from everything that should not matter together.
        families: from each family alone, best first: "file size", "dimensions", "borders", "corners", "margins" and
            "grey levels".
        one_vs_rest: class -> how well that class is told from all others (chance 0.5), by the overall model.
        intensity: from brightness and contrast of the whole slice alone, which may differ for good reasons and are no
            part of `overall`.
    """

    classes: tuple[str, ...]
    left_out: tuple[str, ...]
    n: int
    n_groups: int
    n_folds: int
    overall: Told
    families: Mapping[str, Told]
    one_vs_rest: Mapping[str, Told]
    intensity: Told

    @property
    def tells(self) -> bool:
        """Whether there is a shortcut: overall, or for one class against the rest."""
        return self.overall.tells or any(told.tells for told in self.one_vs_rest.values())

    @property
    def sentence(self) -> str:
        """The finding in plain words."""
        from mriclassify._data._audit._words import shortcut_sentence

        return shortcut_sentence(self)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Audit:
    """What an audit of a dataset found; made by `Dataset.audit`. `print(audit)` shows it, worst first.

    Args:
        n: slices.
        counts: class -> slices, classes sorted.
        splits: part ("train", "validation", "test") -> class -> slices; empty where no record names its part.
        sources: source -> slices; empty where no record names one.
        n_groups: patients or clusters; 0 where none is known.
        ungrouped: readable slices without a group.
        unreadable: (path, why) of each file that could not be read.
        exact_duplicates: slices with the very same pixels.
        near_duplicates: slices that are alike, mirrored ones included; only clusters that are not all of the same
            pixels.
        leaks: what published parts share, where they share anything.
        two_groups: slices that lie under several of the groups that the dataset was given.
        known: what the dataset holds of figshare's slices.
        label_conflicts: copies and near-duplicates with different labels, copies first.
        suspects: slices whose label a model doubts, the most suspect first; None if no model was asked.
        balance: of the classes.
        sizes: class -> heights, widths and file sizes; a class without readable slices is missing.
        intensity: class -> grey values; likewise.
        shortcut: how well the class is told from what should not matter; None where that can't be said.
        shortcut_missing: why not; None where it can.
    """

    n: int
    counts: Mapping[str, int]
    splits: Mapping[str, Mapping[str, int]]
    sources: Mapping[str, int]
    n_groups: int
    ungrouped: int
    unreadable: tuple[tuple[Path, str], ...]
    exact_duplicates: Clusters
    near_duplicates: Clusters
    leaks: tuple[PartLeak, ...]
    two_groups: tuple[TwoGroups, ...]
    known: Known
    label_conflicts: tuple[LabelConflict, ...]
    suspects: tuple[Suspect, ...] | None
    balance: Balance
    sizes: Mapping[str, Sizes]
    intensity: Mapping[str, Intensity]
    shortcut: Shortcut | None
    shortcut_missing: str | None
    # For the page, which shows slices; neither is part of `to_dict`.
    _data: "Dataset" = field(compare=False)
    _looks: "Looks" = field(compare=False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The problems with what to do about each, worst first; empty for a clean dataset."""
        from mriclassify._data._audit._words import findings

        return findings(self)

    @property
    def problems(self) -> tuple[str, ...]:
        """The problems, a sentence each, worst first; empty for a clean dataset."""
        return tuple(finding.sentence for finding in self.findings)

    def to_dict(self) -> dict[str, object]:
        """Return every finding, ready for JSON; paths are text."""
        from mriclassify._data._audit._saving import as_dict

        return as_dict(self)

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        from mriclassify._data._audit._saving import as_json

        return as_json(self)

    def save(self, folder: str | PathLike[str]) -> tuple[Path, ...]:
        """Write audit.html (one page with pictures, needing no other file), audit.json and audit.txt.

        The page shows slices, and all three name files: mind where patients can be known by either.

        Args:
            folder: made if missing; files of an earlier audit are replaced.

        Returns:
            The files written.

        Raises:
            OutputError: the folder is a file, or can't be written.
        """
        from mriclassify._data._audit._saving import save_audit

        return save_audit(self, Path(folder))

    def __str__(self) -> str:
        from mriclassify._data._audit._words import as_text

        return as_text(self)

    def __repr__(self) -> str:
        found = len(self.findings)
        return f"Audit({self.n} slices, {found} {'problem' if found == 1 else 'problems'})"
