"""The table of records that everything else is given: it holds no pixels and imports no torch."""

import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, SupportsIndex, TypeAlias, TypeVar, overload

import numpy as np

from mriclassify._data._folders import GroupOf, read_folder
from mriclassify._data._record import Record, absolute
from mriclassify._data._splitting import grouped_folds, grouped_split, sliced_folds, sliced_split
from mriclassify._data._tables import parts_of_table, read_table, write_table
from mriclassify._errors import DatasetError, LeakageError, OptionError, SplitError
from mriclassify._labels import Classes
from mriclassify._shapes import Targets

if TYPE_CHECKING:
    from mriclassify._data._audit import Audit
    from mriclassify._data._audit._suspects import MakeClassifier
    from mriclassify._likeness._looks import Looks

log = logging.getLogger("mriclassify")

SplitBy: TypeAlias = Literal["group", "slice", "published", "source", "table"]
"""How a part was cut from the whole."""

MaskOf: TypeAlias = Callable[[Path], str | os.PathLike[str] | None]
"""From the path of a slice to the file of its mask, or None."""

Parts = TypeVar("Parts", bound="tuple[Dataset, ...]")
T = TypeVar("T")


class Dataset(Sequence[Record]):
    """An immutable table of slices: where each lies, its class, and the patient or cluster it belongs to.

    Args:
        records: the rows; every path only once.

    Raises:
        DatasetError: a path is listed twice.

    Example:
        >>> Dataset([Record(Path("a.png"), "glioma", group="patient 1"), Record(Path("b.png"), "notumor")])
        Dataset(2 slices, 1 group, 1 slice without: glioma 1, notumor 1)
    """

    __slots__ = ("_allowed_leak", "_looks", "_records", "_split_by")

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = tuple(records)
        self._split_by: SplitBy | None = None
        self._allowed_leak: str | None = None
        self._looks: Looks | None = None
        _refuse_repeats(self._records)

    @classmethod
    def from_folder(
        cls,
        root: str | os.PathLike[str],
        *,
        group: GroupOf | None = None,
        classes: Classes = None,
        source: str | None = None,
        recognize: bool = True,
        correct_labels: bool = True,
    ) -> "Dataset":
        """Read a folder of class folders, or one with Training/ and Testing/ (or Valid/) above them.

        Images are all files below a class folder with the suffix of an image, DICOM or NIfTI file, or with
        no suffix. Hidden files and other kinds are left out. Each file is looked at once (see `recognized`), and
        what was seen is kept beside the data, so that the next time takes no time.

        Args:
            root: the folder.
            group: from a slice's path to its patient (or None), so that splits can keep patients apart.
            classes: what folder names mean. None knows the names that public sets give the four classes; a
                sequence of labels takes those names as they are; a mapping translates folder -> label.
            source: what to note as the origin of every record.
            recognize: whether to fill in patients, labels and clusters by the looks of the slices, as `recognized`
                does. False opens no file.
            correct_labels: as in `recognized`.

        Raises:
            MissingFileError: there is no such folder.
            ClassMismatchError: a folder's name is unknown, or two mean one class.
            DatasetError: there are no class folders, or one has no images.
        """
        data = cls(read_folder(root, group=group, classes=classes, source=source))
        return data.recognized(correct_labels=correct_labels) if recognize else data

    @classmethod
    def from_csv(
        cls,
        path: str | os.PathLike[str],
        *,
        root: str | os.PathLike[str] | None = None,
        classes: Classes = None,
        group: GroupOf | None = None,
        recognize: bool = True,
        correct_labels: bool = True,
    ) -> "Dataset":
        """Read a CSV file with the columns path and label, and if known the other fields of a `Record`.

        Args:
            path: the table, in UTF-8. The case of its header does not matter; other columns are left out.
            root: where relative paths start, by default the table's own folder.
            classes: what labels mean, as in `from_folder`; several spellings of one class are fine.
            group: from a slice's path to its patient (or None), instead of the column.
            recognize: as in `from_folder`.
            correct_labels: as in `recognized`; a label whose label_source the table names is left alone.

        Raises:
            MissingFileError: there is no such table.
            TableError: a column, label, path or image is missing, or lines contradict each other.
        """
        data = cls(read_table(path, root=root, classes=classes, group=group))
        return data.recognized(correct_labels=correct_labels) if recognize else data

    @classmethod
    def from_catalog(
        cls,
        name: str,
        root: str | os.PathLike[str] | None = None,
        *,
        download: bool = False,
        correct_labels: bool = True,
    ) -> "Dataset":
        """Read one of the public sets that `list_datasets()` names, with its patients as far as they are known.

        Args:
            name: of the set, such as "nickparvar".
            root: the unpacked set, or the folder that holds it; None takes the folder that downloads go to.
            download: whether to fetch the set where it is not there. Sets on Kaggle need the extra `datasets`, and
                some of them a login.
            correct_labels: as in `recognized`.

        Raises:
            OptionError: there is no set of that name.
            MissingFileError: the set is not there, and `download` is False.
            DatasetError: the folder is another set, or holds a part of it only.
            DownloadError: the set can't be fetched (OfflineError: it must not be).
            MissingExtraError: the set needs the extra `datasets`.
        """
        from mriclassify._data._cataloguing import read_catalogued

        return cls(read_catalogued(name, root, download=download)).recognized(correct_labels=correct_labels)

    def recognized(self, *, correct_labels: bool = True) -> "Dataset":
        """Return the same slices with what their looks tell: known patients, right labels, near-duplicates.

        Each slice is compared with the 3,064 slices of figshare 1512427, which most public sets contain under other
        names: resized, recompressed, mirrored, turned or stretched. A known slice gets its patient as group
        ("figshare:<patient>") and the label that figshare gives it (`label_source` says so). Every other slice
        gets the cluster of its near-duplicates ("near:<number>"), mirrored copies included. A group that a record
        has already stays. Files that can't be read stay as they are: `audit` lists them.

        Clusters keep copies of a slice together. They do not know a patient's other slices: give patients where
        you know them.

        Args:
            correct_labels: False leaves the labels as they are.
        """
        from mriclassify._data._recognition import recognize

        looks = self._seen()
        part = self._part(recognize(self._records, looks, correct_labels=correct_labels))
        part._looks = looks
        return part

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Save as CSV, paths relative to its folder; `from_csv(path, classes=data.classes)` gives it back.

        Raises:
            OutputError: the file can't be written.
            DatasetError: some records have a group and others none.
        """
        write_table(path, self._records)

    @property
    def records(self) -> tuple[Record, ...]:
        """The rows."""
        return self._records

    @property
    def labels(self) -> list[str]:
        """The class of each slice."""
        return [record.label for record in self._records]

    @property
    def groups(self) -> list[str | None]:
        """The patient or cluster of each slice, None where it is unknown."""
        return [record.group for record in self._records]

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted(set(self.labels)))

    @property
    def split_by(self) -> SplitBy | None:
        """How this part was cut from the whole by `split`, `folds` or `published_split`; else None."""
        return self._split_by

    @property
    def allowed_leak(self) -> str | None:
        """What this part of a split shares with the others, where `allow_leakage=True` let it through; else None."""
        return self._allowed_leak

    def counts(self) -> dict[str, int]:
        """The number of slices of each class, classes sorted."""
        counts = Counter(self.labels)
        return {label: counts[label] for label in self.classes}

    def subset(self, indices: Iterable[int]) -> "Dataset":
        """The slices at these positions, in their order.

        Raises:
            OptionError: a position is not a whole number, or outside the dataset.
            DatasetError: a position is given twice.
        """
        return self._part([self._records[index] for index in _positions(indices, len(self))])

    def filter(self, predicate: Callable[[Record], bool]) -> "Dataset":
        """The slices whose record the predicate accepts."""
        return self._part(record for record in self._records if predicate(record))

    def with_groups(self, groups: GroupOf | Mapping[Path, str] | Mapping[str, str]) -> "Dataset":
        """The same slices with their patients or clusters filled in.

        Args:
            groups: from a slice's path to its group, as a function or a mapping. A slice for which there is
                none (None, or not in the mapping) keeps the group it has.

        Raises:
            DatasetError: the mapping has none of the dataset's paths.
        """
        group_of = self._mapped(groups) if isinstance(groups, Mapping) else groups
        records = (replace(record, group=group_of(record.path) or record.group) for record in self._records)
        # A part that was cut by other groups can't be said to keep these apart.
        return self._part(records, split_by=None if self._split_by == "group" else self._split_by)

    def with_masks(self, masks: "MaskOf | Mapping[Path, Path] | Mapping[str, str]") -> "Dataset":
        """The same slices with the outlines of their lesions filled in.

        Args:
            masks: from a slice's path to the file of its mask, as a function or a mapping. A slice for which there is
                none (None, or not in the mapping) keeps what it has.

        Raises:
            DatasetError: the mapping has none of the dataset's paths; or files of masks are missing.
        """
        mask_of: MaskOf = self._mapped(masks) if isinstance(masks, Mapping) else masks
        found = [mask_of(record.path) for record in self._records]
        made = self._part(
            replace(record, mask=Path(mask) if mask else record.mask)
            for record, mask in zip(self._records, found, strict=True)
        )
        gaps = [record.mask for record in made if record.mask is not None and not record.mask.is_file()]
        if gaps:
            raise DatasetError(
                f"{_number(len(gaps), 'mask')} of {len(self)} slices missing, such as {gaps[0]}. Give None for slices "
                "without one: of those in the class notumor it is known that there is no lesion."
            )
        return made

    def published_split(self, *, allow_leakage: bool = False) -> "tuple[Dataset, Dataset]":
        """The split that the set was published with: (train, test); a published validation part is in train.

        Published splits of the public sets leak: the same patients, and even the same images, are on both
        sides. Use them to compare with others' numbers, and `split` for numbers to believe; or test on the published
        test part after `train.without_groups_of(test)`.

        Args:
            allow_leakage: whether to go on where the parts share patients or near-duplicates. Every report made on
                them then says so in its first line.

        Raises:
            SplitError: a record has no part, or the train or test part is empty.
            LeakageError: the parts share patients or near-duplicates, and `allow_leakage` is False.
        """
        bare = [record for record in self._records if record.split is None]
        if bare:
            raise SplitError(
                f"{len(bare)} of {len(self)} records are in no published part, such as {bare[0].path}. "
                "Read the set from Training/ and Testing/ folders or a split column, or use split()."
            )
        test = [record for record in self._records if record.split == "test"]
        train = [record for record in self._records if record.split != "test"]
        if not train or not test:
            raise SplitError(f"the published {'test' if train else 'train'} part is empty. Use split() instead.")
        parts = (self._part(train, split_by="published"), self._part(test, split_by="published"))
        return _checked(parts, allow_leakage=allow_leakage)

    def split(
        self,
        fractions: Sequence[float] = (0.7, 0.1, 0.2),
        *,
        by: Literal["group", "slice"] = "group",
        seed: int = 0,
        allow_leakage: bool = False,
    ) -> "tuple[Dataset, ...]":
        """Cut into parts that hold the classes in the proportions of the whole, as closely as groups allow.

        Args:
            fractions: the share of each part; two or more, positive, summing to 1.
            by: "group" keeps the slices of a patient or cluster together. "slice" does not: a model then
                meets its training patients again in the test part, and accuracy is overstated.
            seed: the same seed gives the same parts.
            allow_leakage: whether to go on where a split by slice is known to leak. Every report made on its parts
                then says so in its first line.

        Returns:
            The parts, each in the order of the whole.

        Raises:
            OptionError: an argument is out of its range.
            SplitError: groups are missing, or too few to put each class into each part.
            LeakageError: the parts share patients or near-duplicates, and `allow_leakage` is False.
        """
        _check_fractions(fractions)
        _check_seed(seed)
        self._check_by(by)
        if by == "group":
            parts = grouped_split(self.labels, self._known_groups(), fractions, seed=seed)
        else:
            parts = sliced_split(self.labels, fractions, seed=seed)
        cut = tuple(self._part((self._records[i] for i in part), split_by=by) for part in parts)
        return _checked(cut, allow_leakage=allow_leakage)

    def folds(
        self,
        n_folds: int,
        *,
        by: Literal["group", "slice"] = "group",
        seed: int = 0,
        allow_leakage: bool = False,
    ) -> "Iterator[tuple[Dataset, Dataset]]":
        """Cut into folds for cross-validation, by scikit-learn's stratified k-folds.

        Args:
            n_folds: 2 or more.
            by: as in `split`.
            seed: the same seed gives the same folds.
            allow_leakage: as in `split`.

        Returns:
            For each fold (train, test): all other folds, and the fold. Every slice is in one test part.

        Raises:
            OptionError: an argument is out of its range.
            SplitError: groups are missing, or there are fewer of them, in all or of a class, than folds.
            LeakageError: a fold shares patients or near-duplicates with the others, and `allow_leakage` is False.
        """
        _check_seed(seed)
        self._check_by(by)
        self._check_n_folds(n_folds, by)
        if by == "group":
            folds = grouped_folds(self.labels, self._known_groups(), n_folds, seed=seed)
        else:
            folds = sliced_folds(self.labels, n_folds, seed=seed)
        if by == "slice":
            # Refused now and not at the first fold: the caller may be hours away from it.
            _checked(self._train_and_test(folds[0], by), allow_leakage=allow_leakage)
        # Checked and cut before the first fold is asked for; the tables themselves are made one by one.
        return (_checked(self._train_and_test(test, by), allow_leakage=allow_leakage) for test in folds)

    def leave_one_source_out(self) -> "Iterator[tuple[str, Dataset, Dataset]]":
        """Test on each source in turn, and train on the others: how a model does on a hospital it has not seen.

        Returns:
            For each source, sorted: its name, the training part and the test part. Training slices whose patient
            or near-duplicate is in the test part are left out, as in `without_groups_of`.

        Raises:
            SplitError: a record names no source, or all name the same.
        """
        bare = [record for record in self._records if record.source is None]
        if bare:
            raise SplitError(
                f"{len(bare)} of {len(self)} records name no source, such as {bare[0].path}. Give it when reading "
                "(source= in from_folder, a source column in the CSV)."
            )
        sources = sorted({record.source for record in self._records if record.source is not None})
        if len(sources) < 2:
            raise SplitError(f"there is one source only, {', '.join(sources) or 'none'}: join sets of several.")
        return (self._held_out(source) for source in sources)

    def without_groups_of(self, test: "Dataset") -> "Dataset":
        """Return the slices that share nothing with `test`: no file, no patient, no near-duplicate.

        For training on one set and testing on another, since the public sets contain each other.

        Example:
            ```python
            train = rm1000.without_groups_of(sartaj)
            ```
        """
        from mriclassify._data._leaks import alike

        tested = {record.group for record in test if record.group is not None}
        paths = {record.path for record in test}
        near = alike(self._seen(), test._seen())
        return self._part(
            record
            for record, duplicate in zip(self._records, near, strict=True)
            if not duplicate and record.group not in tested and record.path not in paths
        )

    @staticmethod
    def write_split(
        path: str | os.PathLike[str], *, train: "Dataset", test: "Dataset", validation: "Dataset | None" = None
    ) -> None:
        """Save a split as CSV: the columns of `to_csv`, with the part of each slice in the column split.

        Raises:
            OutputError: the file can't be written.
            DatasetError: a slice is in two parts; or some records have a group and others none.
        """
        parts = {"train": train, "validation": validation or Dataset([]), "test": test}
        marked = [replace(record, split=name) for name, part in parts.items() for record in part]
        write_table(path, Dataset(marked).records)

    def read_split(self, path: str | os.PathLike[str], *, allow_leakage: bool = False) -> "tuple[Dataset, ...]":
        """Cut as a CSV file says, that `write_split` or somebody else wrote: columns path, label and split.

        Args:
            path: the table; its paths start at its own folder.
            allow_leakage: as in `published_split`.

        Returns:
            (train, test), or (train, validation, test) where the table names a validation part.

        Raises:
            MissingFileError: there is no such table.
            TableError: the table is not as expected, or a slice of the dataset is missing from it, or the reverse.
            LeakageError: the parts share patients or near-duplicates, and `allow_leakage` is False.
        """
        parts = parts_of_table(path, self._records, classes=self.classes)
        cut = tuple(self._part(part, split_by="table") for part in parts)
        return _checked(cut, allow_leakage=allow_leakage)

    def audit(self, *, classifier: "MakeClassifier | None" = None, n_folds: int = 5) -> "Audit":
        """Look for what spoils training and tests: unreadable files, duplicates, leaks, wrong labels, shortcuts.

        Args:
            classifier: makes an untrained classifier, such as `lambda: Classifier("small_cnn")`. It is trained
                `n_folds` times, and slices whose label its answers doubt are listed (extra `audit`). None leaves
                that out.
            n_folds: for the classifier.

        Raises:
            DatasetError: the dataset is empty.
            MissingExtraError: a classifier is given, and cleanlab is not installed.
        """
        from mriclassify._data._audit import make_audit, suspects

        if not self:
            raise DatasetError("there is nothing to audit: the dataset is empty")
        looks = self._seen()
        readable = self.subset(np.flatnonzero(looks.readable))
        found = None if classifier is None else suspects(readable, classifier, n_folds=n_folds)
        return make_audit(self, looks, suspects=found)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> "Dataset": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "Record | Dataset":
        if isinstance(index, slice):
            return self._part(self._records[index])
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __eq__(self, other: object) -> bool:
        return self._records == other._records if isinstance(other, Dataset) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: "Dataset") -> "Dataset":
        """Return the slices of both. Of slices that both hold, whatever their names, the first set's are kept.

        Clusters of near-duplicates are made anew over both. All files are looked at, unless they were already.
        """
        if not isinstance(other, Dataset):
            return NotImplemented
        return self._joined(other)

    def __repr__(self) -> str:
        counts = ", ".join(f"{label} {count}" for label, count in self.counts().items())
        return f"Dataset({_number(len(self), 'slice')}{self._said_groups()}{': ' if counts else ''}{counts})"

    def _said_groups(self) -> str:
        known = [group for group in self.groups if group is not None]
        if not known:
            return ""
        bare = len(self) - len(known)
        return f", {_number(len(set(known)), 'group')}" + (f", {_number(bare, 'slice')} without" if bare else "")

    def _part(self, records: Iterable[Record], *, split_by: SplitBy | Literal["same"] | None = "same") -> "Dataset":
        part = Dataset(records)
        part._split_by = self._split_by if split_by == "same" else split_by
        part._allowed_leak = self._allowed_leak
        # Parts share the table of what was seen: it is never changed.
        part._looks = self._looks
        return part

    def _seen(self) -> "Looks":
        """What was seen of each slice, in the order of the records; looked at now if it was not before."""
        from mriclassify._likeness._looks import look

        paths = [record.path for record in self._records]
        if self._looks is None or any(path not in self._looks.places for path in paths):
            self._looks = look(paths)
        return self._looks.of(paths)

    def _joined(self, other: "Dataset") -> "Dataset":
        from mriclassify._data._leaks import same_slices
        from mriclassify._data._recognition import with_clusters, without_clusters

        mine, others = self._seen(), other._seen()
        paths = {record.path for record in self._records}
        same = same_slices(others, mine)
        new = [record for record, known in zip(other, same, strict=True) if not known and record.path not in paths]
        if len(new) < len(other):
            log.info("%d of %d slices are in both sets and are kept once", len(other) - len(new), len(other))
        records = (*self._records, *new)
        looks = mine + others
        if any(record.group_source for record in records):
            records = tuple(with_clusters(without_clusters(records), looks.of(record.path for record in records)))
        part = self._part(records, split_by=self._split_by if self._split_by == other._split_by else None)
        part._allowed_leak = self._allowed_leak or other._allowed_leak
        part._looks = looks
        return part

    def _held_out(self, source: str) -> "tuple[str, Dataset, Dataset]":
        test = self._part((record for record in self._records if record.source == source), split_by="source")
        rest = self._part((record for record in self._records if record.source != source), split_by="source")
        return source, rest.without_groups_of(test), test

    def _train_and_test(self, test: Iterable[int], by: Literal["group", "slice"]) -> "tuple[Dataset, Dataset]":
        inside = set(test)
        train = (record for i, record in enumerate(self._records) if i not in inside)
        held_out = (record for i, record in enumerate(self._records) if i in inside)
        return self._part(train, split_by=by), self._part(held_out, split_by=by)

    def _mapped(self, values: Mapping[Path, T] | Mapping[str, T]) -> Callable[[Path], T | None]:
        value_of = {absolute(path): value for path, value in values.items()}
        if not any(record.path in value_of for record in self._records):
            raise DatasetError(
                f"none of the mapping's {len(value_of)} paths is in the dataset. The mapping starts with "
                f"{next(iter(value_of), 'nothing')}, the dataset with "
                f"{next((record.path for record in self._records), 'nothing')}."
            )
        return value_of.get

    def _check_by(self, by: str) -> None:
        if by not in ("group", "slice"):
            raise OptionError(f"by must be 'group' or 'slice', not {by!r}")
        if not self:
            raise SplitError("the dataset is empty: there is nothing to split.")

    def _check_n_folds(self, n_folds: int, by: str) -> None:
        if not isinstance(n_folds, int | np.integer) or isinstance(n_folds, bool):
            raise OptionError(f"n_folds must be a whole number, not {n_folds!r}")
        most = len(set(self._known_groups())) if by == "group" else len(self)
        if not 2 <= n_folds <= most:
            raise SplitError(f"n_folds must be from 2 to {most}, the number of {by}s, not {n_folds}.")

    def _known_groups(self) -> list[str]:
        """The groups, if every record has one."""
        known = [record.group for record in self._records if record.group is not None]
        if not known:
            raise SplitError(
                "no record has a group, but slices of one patient must not lie on both sides of a split. "
                "Give the patients (a group column in the CSV, group= in from_folder, or with_groups()), "
                "or ask for by='slice', knowing that accuracy will then be overstated."
            )
        if len(known) < len(self):
            example = next(record.path for record in self._records if record.group is None)
            raise SplitError(
                f"{len(self) - len(known)} of {len(self)} records have no group, such as {example}. "
                "Complete them with with_groups(), or leave those records out with filter(). "
                "Files that can't be read have none: audit() lists them."
            )
        return known


def targets(data: Dataset, classes: Sequence[str]) -> Targets:
    """Return each record's place among `classes`, (n,)."""
    place = {label: number for number, label in enumerate(classes)}
    return np.array([place[label] for label in data.labels], dtype=np.int64)


def _checked(parts: Parts, *, allow_leakage: bool) -> Parts:
    """Return the parts, of which the last is the test part, if nothing leaks into it or leaking is allowed.

    Raises:
        LeakageError: it leaks, and that is not allowed.
    """
    from mriclassify._data._leaks import find_leak

    for number, test in enumerate(parts[1:], start=1):
        rest = tuple(record for part in parts[:number] for record in part)
        leak = find_leak(rest, test.records, test._looks)
        if leak is None:
            continue
        if not allow_leakage:
            raise LeakageError(
                f"this split leaks: {leak.sentence}. Figures measured on it overstate. Use split(), which keeps "
                "groups apart, or train on train.without_groups_of(test), or pass allow_leakage=True to go on "
                "knowingly: every report then says so in its first line."
            )
        for part in parts:
            part._allowed_leak = leak.sentence
    return parts


def _refuse_repeats(records: Sequence[Record]) -> None:
    paths = Counter(record.path for record in records)
    repeated = [path for path, count in paths.items() if count > 1]
    if repeated:
        raise DatasetError(
            f"{_number(len(repeated), 'path')} listed more than once, such as {repeated[0]}. "
            "A dataset holds each slice once, since copies could lie on both sides of a split."
        )


def _positions(indices: Iterable[int], length: int) -> Iterator[int]:
    for index in indices:
        if isinstance(index, bool | np.bool_) or not isinstance(index, int | np.integer):
            raise OptionError(f"indices must be whole numbers, not {index!r}; for a condition use filter().")
        if not -length <= index < length:
            raise OptionError(f"index {index} is outside the dataset of {length} slices.")
        yield int(index)


def _check_fractions(fractions: Sequence[float]) -> None:
    is_sequence = isinstance(fractions, Sequence | np.ndarray)
    numbers = [part for part in fractions if isinstance(part, int | float | np.number)] if is_sequence else []
    if len(numbers) < 2 or len(numbers) < len(fractions):
        raise OptionError(f"fractions must be two or more numbers, such as (0.8, 0.2), not {fractions!r}")
    if not all(fraction > 0 for fraction in numbers) or not math.isclose(sum(numbers), 1, abs_tol=1e-6):
        raise OptionError(f"fractions must be positive and sum to 1, not {tuple(fractions)}")


def _check_seed(seed: int) -> None:
    # The range is that of scikit-learn's random_state.
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise OptionError(f"seed must be a whole number from 0 to 2**32 - 1, not {seed!r}")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
