"""The audit: what is planted in a set of slices is found, said with what to do, and kept."""

import builtins
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mriclassify._data._audit import Audit, _auditing, _shortcut, make_audit, suspects
from mriclassify._data._audit._findings import Suspect
from mriclassify._data._dataset import Dataset
from mriclassify._data._record import Record
from mriclassify._errors import ClassMismatchError, MissingExtraError, OptionError, OutputError, SplitError
from mriclassify._likeness._known import KnownSlice
from mriclassify._likeness._looks import ROW, Looks
from mriclassify._likeness._measures import MEASURES
from mriclassify._shapes import Probabilities

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


def make_looks(data: Sequence[Record], *, seed: int = 0, errors: dict[int, str] | None = None) -> Looks:
    """Looks of slices that have nothing in common; those in `errors` can't be read."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(len(data), ROW)
    rows["fingerprint"] = np.arange(1, len(data) + 1)
    rows["hash"] = rng.integers(0, 2**64, (len(data), 4), dtype=np.uint64)
    rows["height"], rows["width"], rows["file_size"] = 200, 160, rng.integers(5000, 9000, len(data))
    rows["measures"] = rng.uniform(0, 1, (len(data), len(MEASURES)))
    errors = errors or {}
    for k in errors:
        rows[k] = np.zeros((), ROW)
    return Looks(tuple(record.path for record in data), tuple(errors.get(k) for k in range(len(data))), rows)


def make_data(n: int = 12, **fields: Callable[[int], str | None]) -> Dataset:
    """n slices of four classes in turn; `fields` give the other fields of each record from its number."""
    return Dataset(
        Record(
            Path(f"/data/{CLASSES[k % 4]}/{k:03d}.png"), CLASSES[k % 4], **{name: f(k) for name, f in fields.items()}
        )
        for k in range(n)
    )


def copy(looks: Looks, source: int, target: int) -> None:
    """Make a slice the very pixels of another."""
    looks.rows["fingerprint"][target] = looks.rows["fingerprint"][source]
    looks.rows["hash"][target] = looks.rows["hash"][source]


def resemble(looks: Looks, source: int, target: int) -> None:
    """Make a slice a near-duplicate of another: three bits differ."""
    looks.rows["hash"][target] = looks.rows["hash"][source] ^ np.array([1, 0, 2, 4], dtype=np.uint64)


def kinds(audit: Audit) -> list[str]:
    return [finding.kind for finding in audit.findings]


def names(paths: Sequence[Path]) -> list[str]:
    return [path.stem for path in paths]


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shortcut, "TREES", 5)
    monkeypatch.setattr(_shortcut, "N_FOLDS", 3)
    monkeypatch.setattr(_shortcut, "RESAMPLES", 200)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A figshare table in which slice 10p + k is of patient p, and odd patients have a meningioma, even a glioma."""

    def known_slice(image: int) -> KnownSlice:
        patient = image // 10
        return KnownSlice(image, f"patient {patient}", CLASSES[patient % 2])

    monkeypatch.setattr(_auditing, "known_slice", known_slice)


def test_a_clean_set_has_no_problem() -> None:
    data = make_data(group=str, source=lambda k: "a" if k < 5 else "b")
    audit = make_audit(data, make_looks(data))
    assert audit.problems == ()
    assert audit.counts == dict.fromkeys(CLASSES, 3)
    assert audit.sources == {"a": 5, "b": 7}
    assert (audit.n, audit.n_groups, audit.ungrouped, audit.splits) == (12, 12, 0, {})
    assert "No problem was found" in str(audit)
    assert repr(audit) == "Audit(12 slices, 0 problems)"


def test_a_file_that_cannot_be_read_is_listed_and_left_out_of_all_else() -> None:
    data = make_data(group=str)
    # Rows of unreadable files are all zero: they must not pass for copies of each other.
    audit = make_audit(data, make_looks(data, errors={3: "003.png is cut off.", 7: "007.png is no image."}))
    assert audit.unreadable == ((data[3].path, "003.png is cut off."), (data[7].path, "007.png is no image."))
    assert audit.exact_duplicates.slices == audit.near_duplicates.slices == 0
    assert audit.sizes["pituitary"].n == 1 and audit.counts["pituitary"] == 3
    assert kinds(audit) == ["unreadable"]
    assert "2 files can't be read" in audit.problems[0] and "cut off" in audit.problems[0]


def test_a_set_of_which_nothing_can_be_read_is_audited_all_the_same() -> None:
    data = make_data(4)
    audit = make_audit(data, make_looks(data, errors=dict.fromkeys(range(4), "gone")))
    assert len(audit.unreadable) == 4
    assert audit.sizes == audit.intensity == {}
    assert "4 files can't be read" in str(audit)


def test_copies_and_near_duplicates_are_told_apart() -> None:
    data = make_data(24, group=lambda k: "patient")
    looks = make_looks(data)
    copy(looks, 0, 4), copy(looks, 0, 8)
    copy(looks, 1, 5), resemble(looks, 1, 9)
    resemble(looks, 2, 6)
    audit = make_audit(data, looks)
    assert [names(paths) for paths in audit.exact_duplicates.clusters] == [["000", "004", "008"], ["001", "005"]]
    assert [names(paths) for paths in audit.near_duplicates.clusters] == [["001", "005", "009"], ["002", "006"]]
    assert (audit.exact_duplicates.slices, audit.exact_duplicates.surplus) == (5, 3)
    assert audit.near_duplicates.largest == 3
    assert kinds(audit) == ["duplicates"]
    assert audit.problems[0].startswith("5 slices are 2 pictures pixel for pixel: 3 slices too many")


def test_what_published_parts_share_is_counted() -> None:
    part = ["train", "train", "train", "train", "validation", "validation", "test", "test", "test", "test"]
    # Test: 6 shares a patient, 7 has the pixels of a training slice, 8 resembles one, 9 shares nothing.
    groups = ["a", "b", "c", "d", "e", "a", "a", "f", "g", "h"]
    data = make_data(10, split=lambda k: part[k], group=lambda k: groups[k])
    looks = make_looks(data)
    copy(looks, 3, 7), resemble(looks, 2, 8)
    audit = make_audit(data, looks)
    test, tuned, validation = audit.leaks
    assert (test.part, test.other, test.n, test.slices) == ("test", "train", 4, 3)
    assert (test.by_group, test.near, test.copies, test.groups) == (1, 2, 1, 1)
    assert test.share == 0.75
    assert (tuned.part, tuned.other, tuned.slices) == ("test", "validation", 1)
    assert (validation.part, validation.other, validation.slices, validation.n) == ("validation", "train", 1, 2)
    assert audit.splits["test"] == {"glioma": 1, "meningioma": 1, "notumor": 1, "pituitary": 1}
    assert audit.findings[0].kind == "leak"
    assert audit.problems[0].startswith("LEAK: 3 of 4 test slices (75.0 %) share a patient or near-duplicates")
    assert "1 has the very pixels of one" in audit.problems[0]


def test_parts_that_share_nothing_do_not_leak() -> None:
    data = make_data(8, split=lambda k: "train" if k < 4 else "test", group=str)
    assert make_audit(data, make_looks(data)).leaks == ()


def test_slices_without_a_group_leak_by_their_looks() -> None:
    data = make_data(8, split=lambda k: "train" if k < 4 else "test")
    looks = make_looks(data)
    resemble(looks, 0, 4)
    (leak,) = make_audit(data, looks).leaks
    assert (leak.slices, leak.by_group, leak.copies) == (1, 1, 0)
    assert "groups" in kinds(make_audit(data, looks))


def test_one_slice_under_two_given_groups_is_found() -> None:
    data = make_data(group=lambda k: f"patient {k}")
    looks = make_looks(data)
    resemble(looks, 0, 4)
    (found,) = make_audit(data, looks).two_groups
    assert names(found.paths) == ["000", "004"]
    assert found.groups == ("patient 0", "patient 4")
    assert "under two patients" in make_audit(data, looks).problems[0]


def test_groups_that_were_found_and_not_given_are_no_contradiction() -> None:
    data = make_data(group=lambda k: f"near:{k}", group_source=lambda k: "near-duplicates")
    looks = make_looks(data)
    resemble(looks, 0, 4)
    assert make_audit(data, looks).two_groups == ()


@pytest.mark.usefixtures("table")
def test_a_known_slice_under_two_given_groups_is_found_whatever_its_hash() -> None:
    data = make_data(group=lambda k: f"patient {k}")
    looks = make_looks(data)
    looks.rows["known"][[0, 4]], looks.rows["known"][8] = 20, 21  # 8 is another slice of the same patient
    audit = make_audit(data, looks)
    (found,) = audit.two_groups
    assert (names(found.paths), found.image) == (["000", "004"], 20)
    assert audit.known.divided_patients == 1
    assert "1 patient of figshare lies in several" in " ".join(audit.problems)


@pytest.mark.usefixtures("table")
def test_known_slices_are_counted_and_their_labels_compared() -> None:
    data = Dataset(
        [
            Record(Path("/a.png"), "glioma", group="x", label_source="figshare 20"),
            Record(Path("/b.png"), "glioma", group="x", label_source="figshare 21, corrected from pituitary"),
            Record(Path("/c.png"), "pituitary", group="x"),
            Record(Path("/d.png"), "tumour", group="x"),
            Record(Path("/e.png"), "notumor", group="x"),
        ]
    )
    looks = make_looks(data)
    looks.rows["known"][:4] = [20, 21, 30, 31]
    looks.rows["altered"][2] = True
    audit = make_audit(data, looks)
    known = audit.known
    assert (known.slices, known.images, known.patients, known.altered) == (4, 4, 2, 1)
    assert [(label.path.name, label.given, label.figshare, label.corrected) for label in known.labels] == [
        ("b.png", "pituitary", "glioma", True),
        ("c.png", "pituitary", "meningioma", False),
    ]
    assert (known.corrected, known.disagreeing) == (1, 1)
    # Only the label that is still wrong is a problem.
    assert [finding.sentence for finding in audit.findings if finding.kind == "known labels"] == [
        "1 label differs from the figshare set that the slices are from, such as c.png: pituitary, there meningioma."
    ]


def test_copies_with_different_labels_contradict_each_other() -> None:
    data = make_data(16, group=lambda k: "patient")
    looks = make_looks(data)
    copy(looks, 0, 1), resemble(looks, 2, 3), copy(looks, 4, 8)
    resemble(looks, 0, 5)  # in one cluster with 0 and 1, but of a label that the copies are already at odds about
    exact, near = make_audit(data, looks).label_conflicts
    assert (exact.exact, names(exact.paths), exact.labels) == (True, ["000", "001"], ("glioma", "meningioma"))
    assert (near.exact, names(near.paths), near.labels) == (False, ["002", "003"], ("notumor", "pituitary"))
    assert kinds(make_audit(data, looks))[:2] == ["conflict", "conflict"]


@pytest.mark.usefixtures("table")
def test_alike_slices_whose_labels_the_table_confirms_do_not_contradict_each_other() -> None:
    data = make_data(8, group=lambda k: "patient")
    looks = make_looks(data)
    resemble(looks, 0, 1)
    assert len(make_audit(data, looks).label_conflicts) == 1
    looks.rows["known"][[0, 1]] = [20, 30]  # glioma of one patient, meningioma of another
    assert make_audit(data, looks).label_conflicts == ()


@pytest.mark.parametrize(("n_rare", "uneven"), [(3, True), (4, False)])
def test_uneven_classes_are_a_problem_beyond_three_to_one(n_rare: int, uneven: bool) -> None:
    records = [
        Record(Path(f"/{k}.png"), "notumor" if k < n_rare else "glioma", group=str(k)) for k in range(n_rare + 12)
    ]
    audit = make_audit(Dataset(records), make_looks(records))
    assert ("balance" in kinds(audit)) == uneven
    assert audit.balance.ratio == 12 / n_rare
    assert (audit.balance.largest, audit.balance.smallest) == ("glioma", "notumor")
    assert sum(audit.balance.shares.values()) == pytest.approx(1)


def test_one_class_is_a_problem() -> None:
    records = [Record(Path(f"/{k}.png"), "glioma", group=str(k)) for k in range(3)]
    assert kinds(make_audit(Dataset(records), make_looks(records))) == ["balance"]


def test_sizes_and_grey_values_are_those_of_each_class() -> None:
    data = make_data(group=str)
    looks = make_looks(data)
    looks.rows["height"][[0, 4]], looks.rows["width"][0], looks.rows["file_size"][[0, 4, 8]] = 300, 400, [1, 2, 9]
    looks.rows["measures"][[0, 4, 8], MEASURES.index("intensity_mean")] = [0.1, 0.2, 0.6]
    audit = make_audit(data, looks)
    sizes = audit.sizes["glioma"]
    assert (sizes.height, sizes.width, sizes.different) == ((200, 300, 300), (160, 160, 400), 3)
    assert sizes.file_size == (1, 2, 9)
    assert audit.sizes["notumor"].commonest == (200, 160)
    assert audit.sizes["notumor"].commonest_share == 1
    assert audit.intensity["glioma"].mean == pytest.approx(0.3)
    assert len(audit.intensity["glioma"].histogram) == 16
    assert set(audit.intensity["glioma"].percentiles) == {1, 25, 50, 75, 99}


def test_a_small_set_says_why_there_is_no_shortcut_test() -> None:
    data = make_data(group=str)
    audit = make_audit(data, make_looks(data))
    assert audit.shortcut is None
    assert audit.shortcut_missing is not None and "glioma has 3 in 3" in audit.shortcut_missing
    assert audit.shortcut_missing in " ".join(str(audit).split())


def test_a_shortcut_is_a_problem_in_words() -> None:
    data = make_data(160, group=str)
    looks = make_looks(data)
    looks.rows["width"][2::4], looks.rows["height"][2::4] = 200, 160  # slices without tumour lie on their side
    audit = make_audit(data, looks)
    assert audit.shortcut is not None and audit.shortcut.tells
    assert audit.shortcut.one_vs_rest["notumor"].balanced_accuracy > 0.95
    assert audit.problems[0].startswith("SHORTCUT: From borders, corners,")
    assert "25 % by chance" in audit.problems[0]
    assert "from dimensions alone" in audit.problems[0]


def test_looks_of_other_slices_are_refused() -> None:
    data = make_data()
    with pytest.raises(OptionError, match="looks"):
        make_audit(data, make_looks(data[:5]))
    with pytest.raises(OptionError, match="1 or more"):
        make_audit(Dataset([]), make_looks([]))


def test_the_text_is_narrow_short_and_says_what_to_do() -> None:
    audit = spoilt()
    lines = str(audit).splitlines()
    assert len(lines) <= 45
    assert max(len(line) for line in lines) <= 100
    assert sum("Do: " in line for line in lines) == len(audit.findings) >= 6
    assert str(audit).isascii()


def spoilt() -> Audit:
    """An audit that has found most of what can be found."""
    data = make_data(40, split=lambda k: "train" if k < 20 else "test", group=lambda k: f"p{k // 2}")
    looks = make_looks(data, errors={39: "039.png is empty (0 bytes)."})
    copy(looks, 0, 1), copy(looks, 4, 24), resemble(looks, 2, 3), resemble(looks, 5, 29)
    doubted = Suspect(path=data[6].path, given="notumor", suggested="glioma", confidence=0.9, quality=0.05)
    return make_audit(data, looks, suspects=[doubted])


def test_the_dictionary_is_ready_for_json_and_holds_every_finding() -> None:
    audit = spoilt()
    read = json.loads(audit.to_json())
    assert read == json.loads(json.dumps(audit.to_dict(), allow_nan=False))
    fields = {name for name in Audit.__dataclass_fields__ if not name.startswith("_")}
    assert set(read) == fields | {"problems"}
    assert [problem["sentence"] for problem in read["problems"]] == list(audit.problems)
    assert read["exact_duplicates"]["surplus"] == 2
    assert read["leaks"][0]["share"] == audit.leaks[0].share
    assert read["unreadable"] == [[str(audit.unreadable[0][0]), "039.png is empty (0 bytes)."]]
    assert read["suspects"][0]["suggested"] == "glioma"


def test_saving_writes_three_whole_files(tmp_path: Path) -> None:
    audit = spoilt()
    files = audit.save(tmp_path / "new" / "audit")
    assert sorted(file.name for file in files) == ["audit.html", "audit.json", "audit.txt"]
    assert sorted(path.name for path in (tmp_path / "new" / "audit").iterdir()) == sorted(file.name for file in files)
    assert (tmp_path / "new" / "audit" / "audit.txt").read_text(encoding="utf-8") == f"{audit}\n"
    assert json.loads((tmp_path / "new" / "audit" / "audit.json").read_text(encoding="utf-8")) == audit.to_dict()
    assert "<html" in (tmp_path / "new" / "audit" / "audit.html").read_text(encoding="utf-8")


def test_saving_over_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OutputError, match="taken"):
        spoilt().save(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


class Teacher:
    """Answers by the number in a file's name, with columns in an order of its own; it must be fitted first."""

    made = 0

    def __init__(self, classes: tuple[str, ...] = tuple(reversed(CLASSES))) -> None:
        Teacher.made += 1
        self.classes, self.trained = classes, set[Path]()

    def fit(self, train: Dataset) -> None:
        self.trained = {record.path for record in train}

    def predict_proba(self, sources: Sequence[Path]) -> Probabilities:
        assert self.trained and not self.trained & set(sources), "asked about what it was trained on"
        truth = [self.classes.index(CLASSES[int(path.stem) % 4]) for path in sources]
        return np.where(np.arange(4) == np.array(truth)[:, None], 0.91, 0.03)


def test_wrong_labels_are_suspected_by_a_model_that_has_not_seen_them() -> None:
    wrong = {6: "glioma", 13: "pituitary"}
    data = Dataset(
        Record(record.path, wrong.get(k, record.label), group=f"p{k % 20}") for k, record in enumerate(make_data(80))
    )
    before = Teacher.made
    found = suspects(data, Teacher, n_folds=4)
    assert Teacher.made - before == 4
    assert {(one.path.stem, one.given, one.suggested) for one in found} == {
        ("006", "glioma", "notumor"),
        ("013", "pituitary", "meningioma"),
    }
    assert found[0].confidence == pytest.approx(0.91) and found[0].quality == pytest.approx(0.03)
    audit = make_audit(data, make_looks(data), suspects=found)
    assert audit.suspects == found
    assert any(problem.startswith("2 labels are doubted") for problem in audit.problems)


def test_right_labels_are_not_suspected() -> None:
    data = make_data(80, group=lambda k: f"p{k % 20}")
    assert suspects(data, Teacher, n_folds=4) == ()
    assert make_audit(data, make_looks(data), suspects=()).suspects == ()


def test_suspects_need_groups_and_a_model_of_the_same_classes() -> None:
    with pytest.raises(SplitError, match="group"):
        suspects(make_data(40), Teacher)
    with pytest.raises(ClassMismatchError, match="lesion"):
        suspects(make_data(40, group=str), lambda: Teacher(("lesion", *CLASSES[1:])))


def test_without_cleanlab_nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("cleanlab"):
            raise ImportError(name)
        return importing(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    before = Teacher.made
    with pytest.raises(MissingExtraError, match=r'pip install "mriclassify\[audit\]"'):
        suspects(make_data(40, group=str), Teacher)
    assert Teacher.made == before
