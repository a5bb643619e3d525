"""The table of records that everything else is given: it reads no pixels and imports no torch."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, SupportsIndex, TypeAlias, overload

import numpy as np

from mriclassify._data._folders import GroupOf, read_folder
from mriclassify._data._record import Record, absolute
from mriclassify._data._splitting import grouped_folds, grouped_split, sliced_folds, sliced_split
from mriclassify._data._tables import read_table, write_table
from mriclassify._errors import DatasetError, OptionError, SplitError
from mriclassify._labels import Classes
from mriclassify._shapes import Targets

SplitBy: TypeAlias = Literal["group", "slice", "published"]
"""How a part was cut from the whole."""


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

    __slots__ = ("_records", "_split_by")

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = tuple(records)
        self._split_by: SplitBy | None = None
        _refuse_repeats(self._records)

    @classmethod
    def from_folder(
        cls,
        root: str | os.PathLike[str],
        *,
        group: GroupOf | None = None,
        classes: Classes = None,
        source: str | None = None,
    ) -> "Dataset":
        """Read a folder of class folders, or one with Training/ and Testing/ (or Valid/) above them.

        Images are all files below a class folder with the suffix of an image, DICOM or NIfTI file, or with
        no suffix. Hidden files and other kinds are left out. No file is opened.

        Args:
            root: the folder.
            group: from a slice's path to its patient (or None), so that splits can keep patients apart.
            classes: what folder names mean. None knows the names that public sets give the four classes; a
                sequence of labels takes those names as they are; a mapping translates folder -> label.
            source: what to note as the origin of every record.

        Raises:
            MissingFileError: there is no such folder.
            ClassMismatchError: a folder's name is unknown, or two mean one class.
            DatasetError: there are no class folders, or one has no images.
        """
        return cls(read_folder(root, group=group, classes=classes, source=source))

    @classmethod
    def from_csv(
        cls,
        path: str | os.PathLike[str],
        *,
        root: str | os.PathLike[str] | None = None,
        classes: Classes = None,
        group: GroupOf | None = None,
    ) -> "Dataset":
        """Read a CSV file with the columns path and label, and if known group, split, mask and source.

        Args:
            path: the table, in UTF-8. The case of its header does not matter; other columns are left out.
            root: where relative paths start, by default the table's own folder.
            classes: what labels mean, as in `from_folder`; several spellings of one class are fine.
            group: from a slice's path to its patient (or None), instead of the column.

        Raises:
            MissingFileError: there is no such table.
            TableError: a column, label, path or image is missing, or lines contradict each other.
        """
        return cls(read_table(path, root=root, classes=classes, group=group))

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
        group_of = self._mapped_groups(groups) if isinstance(groups, Mapping) else groups
        records = (replace(record, group=group_of(record.path) or record.group) for record in self._records)
        # A part that was cut by other groups can't be said to keep these apart.
        return self._part(records, split_by=None if self._split_by == "group" else self._split_by)

    def published_split(self) -> "tuple[Dataset, Dataset]":
        """The split that the set was published with: (train, test); a published validation part is in train.

        Published splits of the public sets leak: the same patients, and even the same images, are on both
        sides. Use them to compare with others' numbers, and `split` for numbers to believe.

        Raises:
            SplitError: a record has no part, or the train or test part is empty.
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
        return self._part(train, split_by="published"), self._part(test, split_by="published")

    def split(
        self,
        fractions: Sequence[float] = (0.7, 0.1, 0.2),
        *,
        by: Literal["group", "slice"] = "group",
        seed: int = 0,
    ) -> "tuple[Dataset, ...]":
        """Cut into parts that hold the classes in the proportions of the whole, as closely as groups allow.

        Args:
            fractions: the share of each part; two or more, positive, summing to 1.
            by: "group" keeps the slices of a patient or cluster together. "slice" does not: a model then
                meets its training patients again in the test part, and accuracy is overstated.
            seed: the same seed gives the same parts.

        Returns:
            The parts, each in the order of the whole.

        Raises:
            OptionError: an argument is out of its range.
            SplitError: groups are missing, or too few to put each class into each part.
        """
        _check_fractions(fractions)
        _check_seed(seed)
        self._check_by(by)
        if by == "group":
            parts = grouped_split(self.labels, self._known_groups(), fractions, seed=seed)
        else:
            parts = sliced_split(self.labels, fractions, seed=seed)
        return tuple(self._part((self._records[i] for i in part), split_by=by) for part in parts)

    def folds(
        self, n_folds: int, *, by: Literal["group", "slice"] = "group", seed: int = 0
    ) -> "Iterator[tuple[Dataset, Dataset]]":
        """Cut into folds for cross-validation, by scikit-learn's stratified k-folds.

        Args:
            n_folds: 2 or more.
            by: as in `split`.
            seed: the same seed gives the same folds.

        Returns:
            For each fold (train, test): all other folds, and the fold. Every slice is in one test part.

        Raises:
            OptionError: an argument is out of its range.
            SplitError: groups are missing, or there are fewer of them, in all or of a class, than folds.
        """
        _check_seed(seed)
        self._check_by(by)
        self._check_n_folds(n_folds, by)
        if by == "group":
            folds = grouped_folds(self.labels, self._known_groups(), n_folds, seed=seed)
        else:
            folds = sliced_folds(self.labels, n_folds, seed=seed)
        # Checked and cut before the first fold is asked for; the tables themselves are made one by one.
        return (self._train_and_test(test, by) for test in folds)

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
        if not isinstance(other, Dataset):
            return NotImplemented
        split_by = self._split_by if self._split_by == other._split_by else None
        return self._part((*self._records, *other._records), split_by=split_by)

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
        return part

    def _train_and_test(self, test: Iterable[int], by: Literal["group", "slice"]) -> "tuple[Dataset, Dataset]":
        inside = set(test)
        train = (record for i, record in enumerate(self._records) if i not in inside)
        held_out = (record for i, record in enumerate(self._records) if i in inside)
        return self._part(train, split_by=by), self._part(held_out, split_by=by)

    def _mapped_groups(self, groups: Mapping[Path, str] | Mapping[str, str]) -> GroupOf:
        group_of = {absolute(path): group for path, group in groups.items()}
        if not any(record.path in group_of for record in self._records):
            raise DatasetError(
                f"none of the mapping's {len(group_of)} paths is in the dataset. The mapping starts with "
                f"{next(iter(group_of), 'nothing')}, the dataset with "
                f"{next((record.path for record in self._records), 'nothing')}."
            )
        return group_of.get

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
                "Complete them with with_groups(), or leave those records out with filter()."
            )
        return known


def targets(data: Dataset, classes: Sequence[str]) -> Targets:
    """Return each record's place among `classes`, (n,)."""
    place = {label: number for number, label in enumerate(classes)}
    return np.array([place[label] for label in data.labels], dtype=np.int64)


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
