"""Whatever is handed in: an error of ours, of the builtin's kind, that names the file and what to do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mriclassify import (
    Classifier,
    ClassMismatchError,
    DamagedFileError,
    Dataset,
    DatasetError,
    DeviceError,
    MissingFileError,
    MriClassifyError,
    OutputError,
    PixelError,
    Preprocessing,
    ReadError,
    Record,
    SplitError,
    TableError,
    TrainingOptions,
    UnsupportedFormatError,
)


@dataclass(frozen=True)
class Bench:
    """What a case works with: a trained model, real slices, and a folder of its own."""

    clf: Classifier
    data: Dataset
    folder: Path

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def jpeg(self, name: str) -> bytes:
        path = self.folder / f"whole-{name}"
        with Image.open(self.data[0].path) as picture:
            picture.convert("L").save(path, format="JPEG")
        return path.read_bytes()

    def classes(self, *names: str) -> Path:
        for name in names:
            self.file(f"{name}/slice.png", self.data[0].path.read_bytes())
        return self.folder

    def table(self, *lines: str) -> Path:
        return self.file("slices.csv", "\n".join(lines).encode())

    def fit(self, train: Dataset, validation: Dataset | None = None) -> Classifier:
        clf = Classifier("small_cnn", preprocessing=Preprocessing(size=32), device="cpu")
        return clf.fit(train, validation=validation, options=TrainingOptions(epochs=1, precision="fp32"))

    def without(self, label: str) -> Dataset:
        return self.data.filter(lambda record: record.label != label)


@pytest.fixture
def bench(fitted: Classifier, phantoms: Dataset, tmp_path: Path) -> Bench:
    return Bench(fitted, phantoms, tmp_path)


def nan_pixels(bench: Bench) -> object:
    pixels = np.ones((64, 64), np.float32)
    pixels[3, 4] = np.nan
    return bench.clf.predict(pixels)


def nan_file(bench: Bench) -> object:
    path = bench.folder / "nan.tif"
    pixels = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    pixels[3, 4] = np.inf
    Image.fromarray(pixels).save(path)
    return bench.clf.predict(path)


def one_pixel(bench: Bench) -> object:
    path = bench.folder / "small.png"
    Image.new("L", (1, 1), 7).save(path)
    return bench.clf.predict(path)


def cut_off_while_training(bench: Bench) -> object:
    bad = bench.file("cut.jpg", bench.jpeg("a.jpg")[:900])
    return bench.fit(Dataset([*bench.data[:47], Record(bad, "pituitary", group="new")]))


def class_in_one_group(bench: Bench) -> object:
    return bench.data.with_groups(lambda path: "one" if path.parent.name == "glioma" else None).split((0.8, 0.2))


@dataclass(frozen=True)
class Case:
    """What is done, what is raised, as what builtin, and what its message holds."""

    do: Callable[[Bench], object]
    error: type[MriClassifyError]
    builtin: type[Exception]
    says: tuple[str, ...]


CASES = {
    "missing file": Case(
        lambda b: b.clf.predict(b.folder / "gone.png"),
        MissingFileError,
        FileNotFoundError,
        ("gone.png", "check the path"),
    ),
    "missing file below a file": Case(
        lambda b: b.clf.predict(b.file("plain", b"x") / "a.png"), MissingFileError, FileNotFoundError, ("plain/a.png",)
    ),
    "folder without images": Case(
        lambda b: list(b.clf.predict_many(b.file("texts/notes.txt", b"x").parent)),
        ReadError,
        ValueError,
        ("texts", "expected pictures, DICOM or NIfTI"),
    ),
    "folder where a file belongs": Case(
        lambda b: b.clf.predict(b.classes("glioma")), ReadError, ValueError, ("is a folder", "predict_many")
    ),
    "empty file": Case(
        lambda b: b.clf.predict(b.file("empty.png", b"")), DamagedFileError, ValueError, ("empty.png", "again")
    ),
    "text named .jpg": Case(
        lambda b: b.clf.predict(b.file("notes.jpg", b"dear diary")),
        UnsupportedFormatError,
        ValueError,
        ("notes.jpg", "whatever its suffix says", "JPEG, PNG"),
    ),
    "truncated JPEG": Case(
        lambda b: b.clf.predict(b.file("cut.jpg", b.jpeg("a.jpg")[:900])), DamagedFileError, ValueError, ("cut.jpg",)
    ),
    "truncated JPEG while training": Case(cut_off_while_training, DamagedFileError, ValueError, ("cut.jpg",)),
    "unknown class folder": Case(
        lambda b: Dataset.from_folder(b.classes("glioma", "schwannoma")),
        ClassMismatchError,
        ValueError,
        ("'schwannoma'", "classes="),
    ),
    "empty class folder": Case(
        lambda b: Dataset.from_folder(b.file("notumor/readme.md", b"x").parent.parent),
        DatasetError,
        ValueError,
        ("notumor", "Fill or remove the folder"),
    ),
    "class missing from validation": Case(
        lambda b: b.fit(b.data, b.without("notumor")), ClassMismatchError, ValueError, ("training:", "validation:")
    ),
    "class missing from training": Case(
        lambda b: b.fit(b.without("notumor"), b.data), ClassMismatchError, ValueError, ("training:", "validation:")
    ),
    "class that the model does not know": Case(
        lambda b: b.clf.evaluate(Dataset([Record(b.data[0].path, "metastasis")])),
        ClassMismatchError,
        ValueError,
        ("metastasis", "model: glioma"),
    ),
    "two folders that mean one class": Case(
        lambda b: Dataset.from_folder(b.classes("no_tumor", "healthy")),
        ClassMismatchError,
        ValueError,
        ("'no_tumor'", "'healthy'", "Merge or rename"),
    ),
    "empty dataset to split": Case(lambda b: Dataset([]).split(), SplitError, ValueError, ("empty",)),
    "empty dataset to train on": Case(lambda b: b.fit(Dataset([])), DatasetError, ValueError, ("nothing to train on",)),
    "empty published part": Case(
        lambda b: Dataset([Record(b.data[0].path, "glioma", split="train")]).published_split(),
        SplitError,
        ValueError,
        ("test part is empty", "split()"),
    ),
    "one group holding a whole class": Case(
        class_in_one_group, SplitError, ValueError, ("'glioma'", "in one group", "by='slice'")
    ),
    "one group holding a whole class, while training": Case(
        lambda b: b.fit(b.data.with_groups(lambda p: "one" if p.parent.name == "glioma" else None)),
        SplitError,
        ValueError,
        ("'glioma'", "in one group"),
    ),
    "more folds than groups": Case(
        lambda b: b.data.folds(25), SplitError, ValueError, ("from 2 to 24", "groups", "25")
    ),
    "more folds than a class has groups": Case(
        lambda b: b.data.folds(7), SplitError, ValueError, ("6 groups", "7 parts")
    ),
    "patients unknown": Case(
        lambda b: b.fit(Dataset(Record(r.path, r.label) for r in b.data)),
        SplitError,
        ValueError,
        ("no record has a group", "with_groups()", "by='slice'"),
    ),
    "NaN pixels": Case(nan_pixels, PixelError, ValueError, ("1 of 4096 pixels", "replace them")),
    "infinite pixels in a file": Case(nan_file, PixelError, ValueError, ("nan.tif", "1 of 4096 pixels")),
    "blank slice": Case(lambda b: b.clf.predict(np.zeros((64, 64))), PixelError, ValueError, ("blank",)),
    "1x1 image": Case(one_pixel, PixelError, ValueError, ("small.png", "1x1", "at least 16")),
    "volume as an array": Case(
        lambda b: b.clf.predict(np.ones((64, 64, 30))), PixelError, ValueError, ("(64, 64, 30)", "one slice")
    ),
    "nothing at all": Case(lambda b: b.clf.predict(None), UnsupportedFormatError, ValueError, ("NoneType",)),  # type: ignore[arg-type]
    "wrong device": Case(
        lambda b: Classifier("small_cnn", device="cuda:99"), DeviceError, ValueError, ("cuda:99", "cpu")
    ),
    "CSV that is missing": Case(
        lambda b: Dataset.from_csv(b.folder / "gone.csv"), MissingFileError, FileNotFoundError, ("gone.csv",)
    ),
    "CSV with a short line": Case(
        lambda b: Dataset.from_csv(b.table("path,label,group", "a.png,glioma,1", "b.png,glioma")),
        TableError,
        ValueError,
        ("slices.csv, line 3", "2 cells"),
    ),
    "CSV with an unknown label": Case(
        lambda b: Dataset.from_csv(b.table("path,label", "a.png,glioma", "b.png,zebra")),
        TableError,
        ValueError,
        ("slices.csv, line 3", "zebra"),
    ),
    "CSV without a column": Case(
        lambda b: Dataset.from_csv(b.table("file,label", "a.png,glioma")),
        TableError,
        ValueError,
        ("slices.csv, line 1", "no column path"),
    ),
    "CSV that names a missing file": Case(
        lambda b: Dataset.from_csv(b.table("path,label", "gone.png,glioma")),
        TableError,
        ValueError,
        ("line 2", "gone.png", "root="),
    ),
    "CSV that is a picture": Case(lambda b: Dataset.from_csv(b.data[0].path), TableError, ValueError, ("p00_0.png",)),
    # Root may write anywhere, but not below a file.
    "no place for the model": Case(
        lambda b: b.clf.save(b.file("plain", b"x") / "model.safetensors"), OutputError, OSError, ("plain", "can't be")
    ),
    "no place for the table": Case(
        lambda b: b.data.to_csv(b.file("plain", b"x") / "a.csv"), OutputError, OSError, ("a.csv", "another place")
    ),
    "no place for the report": Case(
        lambda b: b.clf.evaluate(b.data[:4], bootstrap=0).save(b.file("plain", b"x") / "report"),
        OutputError,
        OSError,
        ("plain", "choose another path"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_in_our_own_words(bench: Bench, name: str) -> None:
    case = CASES[name]
    with pytest.raises(case.error) as caught:
        case.do(bench)
    assert isinstance(caught.value, case.builtin)
    message = str(caught.value)
    for said in case.says:
        assert said in message, message
    assert "\n" not in message


@pytest.mark.parametrize(
    "name", ["missing file", "empty file", "truncated JPEG", "1x1 image", "infinite pixels in a file"]
)
def test_bad_file_does_not_end_a_long_run(bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paths: list[Path] = []

    def noted(source: Path) -> None:
        paths.append(source)

    monkeypatch.setattr(bench.clf, "predict", noted)
    CASES[name].do(bench)
    good = bench.data[0].path
    before, bad, after = bench.clf.predict_many([good, *paths, good], batch_size=2)
    assert (before.label, after.label) == ("glioma", "glioma")
    assert bad.status == "error"
    assert all(said in bad.reasons[0] for said in CASES[name].says)
