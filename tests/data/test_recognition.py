"""What looks tell of slices: patients, right labels, clusters; and what two sets share."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mriclassify._data._dataset import Dataset
from mriclassify._data._leaks import alike, same_slices
from mriclassify._data._recognition import recognize
from mriclassify._data._record import Record
from mriclassify._errors import LeakageError
from mriclassify._likeness._known import known_slice
from mriclassify._likeness._looks import ROW, Looks, look

RNG = np.random.default_rng(0)


def make_looks(count: int, *, known: dict[int, int] | None = None, copies: dict[int, int] | None = None) -> Looks:
    """Slices that look like nothing else, but for those known (row -> figshare image) and copies (row -> row)."""
    rows = np.zeros(count, ROW)
    rows["hash"] = RNG.integers(0, 2**63, (count, 4), dtype=np.uint64)
    rows["fingerprint"] = np.arange(1, count + 1)
    for row, image in (known or {}).items():
        rows["known"][row] = image
    for row, original in (copies or {}).items():
        rows["hash"][row] = rows["hash"][original]
    return Looks(tuple(Path(f"/{i}.png") for i in range(count)), (None,) * count, rows)


def records(count: int, label: str = "glioma", **fields: str) -> list[Record]:
    return [Record(Path(f"/{i}.png"), label, **fields) for i in range(count)]  # type: ignore[arg-type]


def of_another_class(label: str) -> str:
    return "glioma" if label != "glioma" else "meningioma"


def test_known_slices_get_their_patient_and_their_label() -> None:
    truth = known_slice(17)
    given = of_another_class(truth.label)
    (found,) = recognize(records(1, given), make_looks(1, known={0: 17}), correct_labels=True)
    assert (found.label, found.group, found.group_source) == (truth.label, f"figshare:{truth.patient}", "provenance")
    assert found.label_source == f"figshare 17, corrected from {given}"
    (right,) = recognize(records(1, truth.label), make_looks(1, known={0: 17}), correct_labels=True)
    assert (right.label, right.label_source) == (truth.label, "figshare 17")


def test_labels_stay_where_that_is_asked_or_classes_are_other_ones() -> None:
    given = of_another_class(known_slice(17).label)
    (kept,) = recognize(records(1, given), make_looks(1, known={0: 17}), correct_labels=False)
    assert (kept.label, kept.label_source) == (given, None)
    (other,) = recognize(records(1, "lesion"), make_looks(1, known={0: 17}), correct_labels=True)
    assert (other.label, other.label_source) == ("lesion", None)
    assert other.group is not None


def test_recognizing_twice_changes_nothing() -> None:
    looks = make_looks(4, known={0: 17}, copies={3: 2})
    once = recognize(records(4, "notumor"), looks, correct_labels=True)
    assert recognize(once, looks, correct_labels=True) == once


def test_groups_that_were_given_stay() -> None:
    looks = make_looks(3, known={0: 17}, copies={2: 1})
    given = [Record(Path("/0.png"), "glioma", "mine"), Record(Path("/1.png"), "glioma", "p1"), *records(3)[2:]]
    found = recognize(given, looks, correct_labels=True)
    assert [(record.group, record.group_source) for record in found] == [
        ("mine", None),
        ("p1", None),
        ("p1", "near-duplicates"),  # looks like a slice of p1
    ]


def test_others_are_grouped_by_their_looks_under_names_that_do_not_depend_on_the_dataset() -> None:
    looks = make_looks(4, copies={3: 1})
    groups = [record.group for record in recognize(records(4), looks, correct_labels=True)]
    assert groups[1] == groups[3]
    assert len(set(groups)) == 3
    assert all(group is not None and group.startswith("near:") for group in groups)
    backwards = looks.of(reversed(looks.paths))
    again = recognize(records(4)[::-1], backwards, correct_labels=True)
    assert [record.group for record in again] == groups[::-1]


def test_a_file_that_can_not_be_read_stays_as_it_is() -> None:
    looks = make_looks(2)
    broken = Looks(looks.paths, (None, "broken"), looks.rows)
    assert recognize(records(2), broken, correct_labels=True)[1] == records(2)[1]


def test_the_same_slice_is_found_by_table_or_looks() -> None:
    here, there = make_looks(4, known={0: 5, 1: 6}), make_looks(3, known={1: 5})
    there.rows["hash"][2] = here.hashes[3]
    assert same_slices(here, there).tolist() == [True, False, False, True]
    assert alike(here, there).tolist() == [False, False, False, True]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two folders of sets: b holds a mirrored copy of a slice in a, and one of its own."""

    def draw(path: Path, seed: int, *, mirrored: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(seed).integers(0, 255, (6, 6), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)
        (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image).save(path)

    for seed in range(3):
        draw(tmp_path / "a" / "glioma" / f"{seed}.png", seed)
        draw(tmp_path / "a" / "notumor" / f"{seed}.png", 10 + seed)
    draw(tmp_path / "b" / "glioma" / "copy.png", 1, mirrored=True)
    draw(tmp_path / "b" / "glioma" / "new.png", 99)
    return tmp_path


def test_a_folder_is_recognized_when_it_is_read(pictures: Path) -> None:
    data = Dataset.from_folder(pictures / "a")
    assert len(set(data.groups)) == 6
    assert {record.group_source for record in data} == {"near-duplicates"}
    assert Dataset.from_folder(pictures / "a", recognize=False).groups == [None] * 6
    train, test = data.split((0.5, 0.5))
    assert len(train) == len(test) == 3


def test_a_second_look_comes_from_the_cache(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [record.path for record in Dataset.from_folder(pictures / "a")]
    first = look(paths)
    monkeypatch.setattr("mriclassify._likeness._looks.read_slice", None)  # would fail if it were called
    assert np.array_equal(look(paths).rows, first.rows)


def test_joined_sets_hold_each_slice_once(pictures: Path) -> None:
    a, b = Dataset.from_folder(pictures / "a"), Dataset.from_folder(pictures / "b")
    both = a + b
    assert [record.path.name for record in both[6:]] == ["new.png"]
    assert len(a + a) == len(a)
    assert b.without_groups_of(a).records == (b[1],)
    assert b.groups[0] == a.groups[1]


def test_a_copy_on_the_other_side_is_a_leak_even_under_another_group(pictures: Path) -> None:
    a = Dataset.from_folder(pictures / "a", group=lambda path: path.parent.name + path.stem)
    twin = pictures / "a" / "glioma" / "twin.png"
    twin.write_bytes((pictures / "a" / "glioma" / "0.png").read_bytes())
    rows = [*a, Record(twin, "glioma", "another patient")]
    marked = Dataset(Record(r.path, r.label, r.group, "test" if r.path == twin else "train") for r in rows)
    with pytest.raises(LeakageError, match="1 have the very pixels"):
        marked.recognized().published_split()
