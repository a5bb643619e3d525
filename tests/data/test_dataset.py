"""The table of records: counted, cut, joined, split, and never changed."""

import csv
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from mriclassify._data._dataset import Dataset
from mriclassify._data._record import Record
from mriclassify._errors import DatasetError, LeakageError, OptionError, SplitError, TableError

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


def make_dataset(*, n_groups: int = 10, n_slices: int = 3, grouped: bool = True, folder: str = "/data") -> Dataset:
    return Dataset(
        Record(Path(f"{folder}/{label}/{g}_{k}.png"), label, f"{label}{g}" if grouped else None)
        for label in CLASSES
        for g in range(n_groups)
        for k in range(n_slices)
    )


def test_a_record_makes_its_paths_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = Record(Path("a/../b.png"), "glioma", mask=Path("m.png"))
    assert (record.path, record.mask) == (tmp_path / "b.png", tmp_path / "m.png")
    assert Record("b.png", "glioma").path == tmp_path / "b.png"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": ""}, "label is blank"),
        ({"label": " glioma"}, "spaces"),
        ({"label": 3}, r"label must be text, not 3 \(int\)"),
        ({"label": "glioma", "group": 17}, "group must be text"),
        ({"label": "glioma", "group": ""}, "group is blank"),
        ({"label": "glioma", "split": "fold 1"}, "split must be train, validation or test"),
    ],
)
def test_a_record_refuses_what_a_table_could_not_hold(fields: dict[str, str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        Record(Path("/a.png"), **fields)  # type: ignore[arg-type]


def test_records_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        make_dataset()[0].label = "other"  # type: ignore[misc]


def test_columns_and_counts() -> None:
    data = make_dataset(n_groups=2, n_slices=3)
    assert data.classes == CLASSES
    assert data.counts() == dict.fromkeys(CLASSES, 6)
    assert (len(data), len(data.labels), len(set(data.groups))) == (24, 24, 8)
    assert data.records == tuple(data)


def test_repr_is_one_line_that_says_what_there_is() -> None:
    data = make_dataset(n_groups=2)[:9]
    assert repr(data) == "Dataset(9 slices, 3 groups: glioma 6, meningioma 3)"
    assert repr(make_dataset(grouped=False)[:1]) == "Dataset(1 slice: glioma 1)"
    assert repr(make_dataset()[:1] + make_dataset(grouped=False, folder="/b")[:2]) == (
        "Dataset(3 slices, 1 group, 2 slices without: glioma 3)"
    )
    assert repr(Dataset([])) == "Dataset(0 slices)"


def test_it_is_a_sequence() -> None:
    data = make_dataset()
    assert data[-1] == data.records[-1]
    assert data[np.int64(3)] == data.records[3]
    assert isinstance(data[2:5], Dataset)
    assert list(data[2:5]) == list(data)[2:5]
    assert data[3] in data
    with pytest.raises(IndexError):
        data[len(data)]


def test_equality_is_that_of_the_records() -> None:
    assert make_dataset() == make_dataset()
    assert make_dataset() != make_dataset(grouped=False)
    assert make_dataset() != list(make_dataset())


def test_it_survives_pickling() -> None:
    part = make_dataset().split()[0]
    copy = pickle.loads(pickle.dumps(part))
    assert (copy, copy.split_by) == (part, "group")


def test_joining_keeps_order_and_undoes_cutting() -> None:
    data = make_dataset()
    assert data[:7] + data[7:] == data


def test_a_path_is_there_only_once() -> None:
    data = make_dataset()
    with pytest.raises(DatasetError, match=r"1 path listed more than once, such as .*0_0\.png"):
        Dataset([*data, data[0]])
    with pytest.raises(DatasetError, match="more than once"):
        data.subset([0, 0])


def test_only_datasets_are_joined() -> None:
    with pytest.raises(TypeError):
        make_dataset() + 1  # type: ignore[operator]


def test_subset_and_filter_agree() -> None:
    data = make_dataset()
    wanted = [i for i, label in enumerate(data.labels) if label == "glioma"]
    assert data.subset(np.array(wanted)) == data.filter(lambda record: record.label == "glioma")
    assert list(data.subset([5, -1])) == [data[5], data[-1]]


@pytest.mark.parametrize("indices", [[True, False], np.array([True]), [1.0], [120], [-121], ["1"]])
def test_subset_refuses_what_is_no_position(indices: Sequence[int]) -> None:
    with pytest.raises(OptionError, match=r"indices|index"):
        make_dataset().subset(indices)


def test_groups_are_filled_in_by_function_or_mapping() -> None:
    data = make_dataset(grouped=False)
    by_function = data.with_groups(lambda path: path.parent.name + path.stem[0])
    by_mapping = data.with_groups({str(record.path): str(record.group) for record in by_function})
    assert by_function == by_mapping == make_dataset()
    assert data.groups == [None] * len(data)


def test_groups_that_are_not_given_stay() -> None:
    data = make_dataset()[:2]
    assert data.with_groups({data[0].path: "new"}).groups == ["new", "glioma0"]
    assert data.with_groups(lambda path: None) == data


def test_a_mapping_of_other_paths_is_refused() -> None:
    with pytest.raises(DatasetError, match="none of the mapping's 1 paths"):
        make_dataset().with_groups({"/elsewhere.png": "a"})


def test_split_keeps_patients_apart_and_says_so() -> None:
    data = make_dataset()
    parts = data.split((0.6, 0.2, 0.2))
    assert [len(part) for part in parts] == [72, 24, 24]
    assert sum(parts[1:], parts[0]).filter(lambda record: True).counts() == data.counts()
    for i, part in enumerate(parts):
        assert part.split_by == "group"
        for other in parts[i + 1 :]:
            assert not set(part.groups) & set(other.groups)


def test_split_by_slice_has_to_be_asked_for() -> None:
    data = make_dataset(grouped=False)
    with pytest.raises(SplitError, match=r"no record has a group.*group=.*by='slice'.*overstated"):
        data.split()
    with pytest.raises(SplitError, match="no record has a group"):
        data.folds(3)
    train, test = data.split((0.75, 0.25), by="slice")
    assert (len(train), len(test), train.split_by) == (92, 28, "slice")


def test_groups_for_some_only_are_counted() -> None:
    data = make_dataset() + make_dataset(n_groups=1, grouped=False, folder="/bare")
    with pytest.raises(SplitError, match=r"12 of 132 records have no group, such as .*bare.*glioma.*0_0\.png"):
        data.split()


def test_how_a_part_was_cut_stays_with_it() -> None:
    data = make_dataset()
    train, test = data.split((0.5, 0.5))
    assert data.split_by is None
    assert {part.split_by for part in (train[:3], train.subset([0]), train.filter(bool), train + test)} == {"group"}
    assert (train + make_dataset(folder="/other")).split_by is None
    assert train.with_groups(lambda path: "x").split_by is None
    assert train.split((0.5, 0.5), by="slice", allow_leakage=True)[0].split_by == "slice"


@pytest.mark.parametrize("by", ["group", "slice"])
def test_folds_test_every_slice_once(by: str) -> None:
    data = make_dataset()
    folds = list(data.folds(5, by=by, allow_leakage=by == "slice"))  # type: ignore[arg-type]
    assert len(folds) == 5
    assert sorted(str(record.path) for _, test in folds for record in test) == sorted(str(r.path) for r in data)
    for train, test in folds:
        assert len(train) + len(test) == len(data)
        assert not set(train) & set(test)
        assert (train.split_by, test.split_by) == (by, by)
        assert test.classes == train.classes == data.classes
        if by == "group":
            assert not set(train.groups) & set(test.groups)


@pytest.mark.parametrize("n_folds", [-1, 0, 1, 41, 1000])
def test_impossible_numbers_of_folds_are_refused_at_once(n_folds: int) -> None:
    with pytest.raises(SplitError, match="n_folds must be from 2 to 40, the number of groups"):
        make_dataset().folds(n_folds)


def test_more_folds_than_a_class_has_groups_are_refused() -> None:
    with pytest.raises(SplitError, match="class 'glioma' has 10 groups, but 11"):
        make_dataset().folds(11)


@pytest.mark.parametrize(
    "options",
    [
        {"fractions": (1.0,)},
        {"fractions": ()},
        {"fractions": (0.5, 0.6)},
        {"fractions": (1.2, -0.2)},
        {"fractions": (1.0, 0.0)},
        {"fractions": (float("nan"), 0.5)},
        {"fractions": ("0.5", "0.5")},
        {"fractions": 0.8},
        {"by": "patient"},
        {"seed": -1},
        {"seed": 2**32},
        {"seed": None},
        {"seed": 0.5},
    ],
)
def test_split_refuses_options_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        make_dataset().split(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"n_folds": 2.5}, {"n_folds": True}, {"by": "x"}, {"seed": -1}])
def test_folds_refuse_options_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        make_dataset().folds(**{"n_folds": 3, **options})  # type: ignore[arg-type]


def test_fractions_may_be_off_by_rounding() -> None:
    assert len(make_dataset().split((1 / 3, 1 / 3, 1 / 3 + 1e-9))) == 3


def test_an_empty_dataset_is_not_split() -> None:
    for split in (Dataset([]).split, lambda: Dataset([]).split(by="slice"), lambda: Dataset([]).folds(2)):
        with pytest.raises(SplitError, match="empty"):
            split()


def test_the_published_split_is_given_back() -> None:
    rows = [("a", "train"), ("b", "test"), ("c", "validation")]
    data = Dataset(Record(Path(f"/{name}.png"), "glioma", split=split) for name, split in rows)
    train, test = data.published_split()
    assert [record.path.stem for record in train] == ["a", "c"]
    assert [record.path.stem for record in test] == ["b"]
    assert (train.split_by, test.split_by) == ("published", "published")
    with pytest.raises(SplitError, match="published test part is empty"):
        train.published_split()
    with pytest.raises(SplitError, match="published train part is empty"):
        test.published_split()
    with pytest.raises(SplitError, match=r"1 of 4 records are in no published part, such as .*d\.png"):
        (data + Dataset([Record(Path("/d.png"), "glioma")])).published_split()


def leaking() -> Dataset:
    """Two patients, of whom b is on both sides of the published split."""
    rows = [("a1", "train"), ("a2", "train"), ("b1", "train"), ("b2", "test"), ("c1", "test")]
    return Dataset(Record(Path(f"/{name}.png"), "glioma", name[0], split) for name, split in rows)


def test_a_published_split_that_leaks_is_refused_with_figures() -> None:
    with pytest.raises(LeakageError, match=r"1 of 2 test slices \(50\.0%\) share a patient .*allow_leakage=True"):
        leaking().published_split()


def test_a_leak_that_is_let_through_stays_with_the_parts() -> None:
    train, test = leaking().published_split(allow_leakage=True)
    assert (len(train), len(test)) == (3, 2)
    for part in (train, test, test[:1], test.filter(bool), test.with_groups(lambda path: "x"), test + make_dataset()):
        assert part.allowed_leak is not None
        assert part.allowed_leak.startswith("1 of 2 test slices")
    assert leaking().allowed_leak is None


def test_slice_wise_parts_that_share_patients_are_refused() -> None:
    data = make_dataset()
    with pytest.raises(LeakageError, match="share a patient"):
        data.split(by="slice")
    with pytest.raises(LeakageError, match="share a patient"):
        data.folds(5, by="slice")
    assert {part.split_by for part in data.split(by="slice", allow_leakage=True)} == {"slice"}


def test_grouped_parts_leak_nothing() -> None:
    assert {part.allowed_leak for part in make_dataset().split(allow_leakage=True)} == {None}


def test_training_leaves_out_the_groups_of_the_test_set() -> None:
    train, test = leaking()[:3], leaking()[3:]
    assert [record.path.stem for record in train.without_groups_of(test)] == ["a1", "a2"]
    assert train.without_groups_of(make_dataset()) == train
    assert train.without_groups_of(train) == Dataset([])


def test_each_source_is_held_out_once() -> None:
    rows = [("a", "x"), ("b", "x"), ("b", "y"), ("c", "y"), ("d", "z")]
    data = Dataset(Record(Path(f"/{k}.png"), "glioma", group, source=source) for k, (group, source) in enumerate(rows))
    found = [
        (source, [record.group for record in train], [record.group for record in test])
        for source, train, test in data.leave_one_source_out()
    ]
    # Patient b is in x and in y: no part of b is trained on while the other is tested on.
    assert found == [("x", ["c", "d"], ["a", "b"]), ("y", ["a", "d"], ["b", "c"]), ("z", ["a", "b", "b", "c"], ["d"])]
    assert {part.split_by for _, *parts in data.leave_one_source_out() for part in parts} == {"source"}


def test_sources_must_be_known_and_several() -> None:
    with pytest.raises(SplitError, match=r"120 of 120 records name no source"):
        make_dataset().leave_one_source_out()
    with pytest.raises(SplitError, match="one source only, here"):
        Dataset([Record(Path("/a.png"), "glioma", source="here")]).leave_one_source_out()


@pytest.mark.parametrize("three", [True, False])
def test_a_split_is_given_back_by_its_table(tmp_path: Path, *, three: bool) -> None:
    data = make_dataset(folder=str(tmp_path))
    for record in data:
        record.path.parent.mkdir(exist_ok=True)
        record.path.touch()
    parts = data.split((0.6, 0.2, 0.2)) if three else data.split((0.7, 0.3))
    Dataset.write_split(tmp_path / "split.csv", train=parts[0], test=parts[-1], validation=parts[1] if three else None)
    assert data.read_split(tmp_path / "split.csv") == parts
    assert {part.split_by for part in data.read_split(tmp_path / "split.csv")} == {"table"}
    with pytest.raises(TableError, match=r"\d+ slices of the table are not in the dataset, such as"):
        parts[0].read_split(tmp_path / "split.csv")
    with pytest.raises(DatasetError, match="more than once"):
        Dataset.write_split(tmp_path / "split.csv", train=parts[0], test=parts[0])


def test_a_table_that_leaks_or_names_no_test_part_is_refused(tmp_path: Path) -> None:
    data = make_dataset(n_groups=1, n_slices=2, folder=str(tmp_path))
    for record in data:
        record.path.parent.mkdir(exist_ok=True)
        record.path.touch()
    Dataset.write_split(tmp_path / "split.csv", train=data[::2], test=data[1::2])
    with pytest.raises(LeakageError, match="4 of 4 test slices"):
        data.read_split(tmp_path / "split.csv")
    assert len(data.read_split(tmp_path / "split.csv", allow_leakage=True)) == 2
    Dataset.write_split(tmp_path / "split.csv", train=data, test=Dataset([]))
    with pytest.raises(TableError, match="no line says test"):
        data.read_split(tmp_path / "split.csv")


def test_an_empty_dataset_is_not_audited() -> None:
    with pytest.raises(DatasetError, match="nothing to audit"):
        Dataset([]).audit()


def test_a_dataset_needs_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys; from mriclassify._data._dataset import Dataset; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'PIL')))"
    )
    path = {"PYTHONPATH": str(Path(sys.modules["mriclassify"].__path__[0]).parent)}
    assert subprocess.run([sys.executable, "-c", code], env=path, check=False).returncode == 0


@pytest.mark.shared
def test_real_patients_are_shared_out_as_asked(shared: Path) -> None:
    data = Dataset.from_csv(shared / "folds.csv", recognize=False)
    assert repr(data) == ("Dataset(4928 slices, 875 groups: glioma 1426, meningioma 855, notumor 1702, pituitary 945)")
    parts = data.split((0.7, 0.1, 0.2), seed=0)
    for part, fraction in zip(parts, (0.7, 0.1, 0.2), strict=True):
        for label, count in part.counts().items():
            assert count / data.counts()[label] == pytest.approx(fraction, abs=0.005)
    assert sum(len(set(part.groups)) for part in parts) == 875


@pytest.mark.shared
def test_folds_are_those_of_the_benchmark(shared: Path) -> None:
    with (shared / "folds.csv").open() as file:
        fold_of = {shared / row["path"]: row["fold"] for row in csv.DictReader(file)}
    for k, (_, test) in enumerate(Dataset.from_csv(shared / "folds.csv", recognize=False).folds(5, seed=0)):
        assert {fold_of[record.path] for record in test} == {str(k)}
