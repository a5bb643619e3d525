"""CSV tables become records and records tables; what is wrong is named with its line."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mriclassify._data._dataset import Dataset
from mriclassify._data._record import Record
from mriclassify._errors import DatasetError, MissingFileError, OutputError, TableError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the slices 1.png ... 4.png, and an outline."""
    for name in ("1.png", "2.png", "3.png", "4.png", "mask.png"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, text: str | bytes) -> Path:
    table = folder / "slices.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return table


def test_all_columns_are_read(folder: Path) -> None:
    table = write(
        folder,
        "path,label,group,split,mask,source,extra\n1.png,glioma,p1,Training,mask.png,mine,9\n2.png,no,p2,val,,,\n",
    )
    assert list(Dataset.from_csv(table)) == [
        Record(folder / "1.png", "glioma", "p1", "train", folder / "mask.png", "mine"),
        Record(folder / "2.png", "notumor", "p2", "validation"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_header_case_order_spaces_line_ends_and_byte_order_mark_do_not_matter(folder: Path, encoding: str) -> None:
    table = write(folder, "Label , PATH\r\n Glioma,1.png\r\n\r\nno tumour,2.png\r\n".encode(encoding))
    assert Dataset.from_csv(table).labels == ["glioma", "notumor"]


def test_spellings_of_one_class_are_fine_in_a_table(folder: Path) -> None:
    table = write(folder, "path,label\n1.png,normal\n2.png,No Tumor\n3.png,healthy\n")
    assert Dataset.from_csv(table).counts() == {"notumor": 3}


def test_paths_start_at_the_table_or_at_root(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    table = write(tmp_path_factory.mktemp("elsewhere"), "path,label\n1.png,glioma\n")
    assert Dataset.from_csv(table, root=folder)[0].path == folder / "1.png"
    with pytest.raises(TableError, match="root="):
        Dataset.from_csv(table)


def test_a_group_function_stands_in_for_the_column(folder: Path) -> None:
    table = write(folder, "path,label,group\n1.png,glioma,a\n2.png,glioma,\n")
    assert Dataset.from_csv(table, group=lambda path: path.stem).groups == ["1", "2"]


def test_an_empty_group_column_means_unknown(folder: Path) -> None:
    assert Dataset.from_csv(write(folder, "path,label,group\n1.png,glioma,\n")).groups == [None]


def test_other_classes_are_taken_when_named(folder: Path) -> None:
    table = write(folder, "path,label\n1.png,edema\n2.png,cyst\n")
    assert Dataset.from_csv(table, classes=["edema", "cyst"]).labels == ["edema", "cyst"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column path, label; found nothing"),
        ("file,label\n1.png,glioma\n", "line 1: no column path; found 'file', 'label'"),
        ("path;label\n1.png;glioma\n", "comma-separated"),
        ("path,label,Label\n1.png,glioma,no\n", "line 1: the column label is there twice"),
        ("path,label\n", "no rows"),
        ("path,label\n1.png,glioma\n2.png, \n", "line 3: blank label"),
        ("path,label\n ,glioma\n", "line 2: blank path"),
        ("path,label\n1.png,glioma\n2.png,edema\n", "line 3: unknown class names: 'edema'"),
        ("path,label\n1.png,glioma\n2.png\n", "line 3: 1 cells, but the header has 2"),
        ("path,label\n1.png,glioma,x\n", "line 2: 3 cells"),
        (
            "path,label\n1.png,glioma\n\n./1.png,no\n",
            "line 4: ./1.png is 'notumor' here, but 'glioma' on line 2",
        ),
        ("path,label\n1.png,glioma\n1.png,glioma\n", "line 3: 1.png is on line 2 already"),
        ("path,label,split\n1.png,glioma,fold 3\n", "line 2: split must be train, validation, test or blank"),
        ("path,label,group\n1.png,glioma,a\n2.png,no,\n", r"blank group on 1 of 2 lines \(3\)"),
        (
            "path,label\nx.png,glioma\n1.png,no\ny.png,no\n",
            r"missing files \(2\): line 2: .*x.png, line 4: .*y.png",
        ),
        ("path,label,mask\n1.png,glioma,gone.png\n", r"missing files \(1\): line 2: .*gone.png"),
        ('path,label\n1.png,"glioma\n', "line 2: not CSV"),
        ('path,label\n1.png,"gli"oma\n', "line 2: not CSV"),
        (b"path,label\n\xff\xfe.png,glioma\n", "not UTF-8"),
        ("path,label\n1.png,glioma\n".encode("utf-16"), "not UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8"),
        (b"path,label\n\0,glioma\n", "line 2: not a CSV file"),
        (f"path,label\n{'x' * 5000}.png,glioma\n", r"missing files \(1\)"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(folder: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(TableError, match=message) as caught:
        Dataset.from_csv(write(folder, text))
    assert str(folder / "slices.csv") in str(caught.value)


def test_many_missing_files_are_counted_and_the_first_listed(folder: Path) -> None:
    rows = "".join(f"gone{i}.png,glioma\n" for i in range(50))
    with pytest.raises(TableError, match=r"missing files \(50\): .*gone0.*gone2.* and 47 more"):
        Dataset.from_csv(write(folder, "path,label\n" + rows))


def test_a_missing_table_is_a_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such table"):
        Dataset.from_csv(tmp_path / "none.csv")


def test_a_folder_is_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="can't be read"):
        Dataset.from_csv(tmp_path)


def test_a_line_break_within_a_cell_does_not_shift_line_numbers(folder: Path) -> None:
    table = write(folder, 'path,label,source\n1.png,glioma,"two\nlines"\n2.png,,x\n')
    with pytest.raises(TableError, match="line 4: blank label"):
        Dataset.from_csv(table)


texts = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).map(str.strip).filter(bool)
)
names = st.sampled_from(["1.png", "sub/ü 2.png", 'quo"te.png', "com,ma.png", " space.png ", "line\nbreak.png"])


@st.composite
def record_rows(draw: st.DrawFn) -> list[tuple[str, str, str | None, str | None, str | None, str | None]]:
    grouped = draw(st.booleans())
    return [
        (
            name,
            draw(texts),
            draw(texts) if grouped else None,
            draw(st.sampled_from([None, "train", "validation", "test"])),
            draw(st.none() | names),
            draw(st.none() | texts),
        )
        for name in draw(st.lists(names, min_size=1, unique=True))
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record_rows(), st.sampled_from(["", "lists", "sub"]))
def test_a_table_gives_back_what_was_saved(
    tmp_path: Path, rows: list[tuple[str, str, str | None, str | None, str | None, str | None]], where: str
) -> None:
    (tmp_path / "sub").mkdir(exist_ok=True)
    for name in ("1.png", "sub/ü 2.png", 'quo"te.png', "com,ma.png", " space.png ", "line\nbreak.png"):
        (tmp_path / name).touch()
    data = Dataset(
        Record(tmp_path / path, label, group, split, tmp_path / mask if mask else None, source)
        for path, label, group, split, mask, source in rows
    )
    table = tmp_path / where / "table.csv"
    data.to_csv(table)
    assert Dataset.from_csv(table, classes=data.classes) == data


def test_a_saved_table_moves_with_its_folder(folder: Path) -> None:
    Dataset([Record(folder / "1.png", "glioma")]).to_csv(folder / "t.csv")
    moved = folder.rename(folder.with_name(folder.name + "_moved"))
    assert Dataset.from_csv(moved / "t.csv")[0].path == moved / "1.png"


def test_saving_replaces_the_table_and_leaves_nothing_else(folder: Path) -> None:
    before = set(folder.iterdir())
    for label in ("glioma", "notumor"):
        Dataset([Record(folder / "1.png", label)]).to_csv(folder / "t.csv")
    assert Dataset.from_csv(folder / "t.csv").labels == ["notumor"]
    assert set(folder.iterdir()) == before | {folder / "t.csv"}


def test_a_table_that_cannot_be_written_is_an_output_error(folder: Path) -> None:
    data = Dataset([Record(folder / "1.png", "glioma")])
    for target in (folder / "1.png" / "t.csv", folder):
        with pytest.raises(OutputError, match=r"can't be written|is a folder"):
            data.to_csv(target)


def test_a_name_that_is_not_text_leaves_the_old_table(folder: Path) -> None:
    table = write(folder, "old")
    with pytest.raises(OutputError, match="UTF-8"):
        Dataset([Record(folder / "\udcff.png", "glioma")]).to_csv(table)
    assert table.read_text() == "old"


def test_groups_for_some_only_are_refused_when_saving_already(folder: Path) -> None:
    data = Dataset([Record(folder / "1.png", "glioma", "p"), Record(folder / "2.png", "glioma")])
    with pytest.raises(DatasetError, match=r"1 of 2 records have no group, such as .*2\.png"):
        data.to_csv(folder / "t.csv")


def test_files_that_could_not_be_read_have_no_group_in_a_table_of_recognized_slices(folder: Path) -> None:
    rows = [
        Record(folder / "1.png", "glioma", "near:1", group_source="near-duplicates"),
        Record(folder / "2.png", "no"),
    ]
    Dataset(rows).to_csv(folder / "t.csv")
    assert list(Dataset.from_csv(folder / "t.csv", classes=["glioma", "no"])) == rows
    with pytest.raises(DatasetError, match="no group"):
        Dataset([Record(folder / "1.png", "glioma", "p1"), rows[1]]).to_csv(folder / "t.csv")
