"""No text of a DICOM file gets out: not in an answer, a report, a table, a log line, an error or what is printed.

Unique words stand in every element that may hold text. Names of files are the user's own, and may appear.
"""

import base64
import io
import logging
import re
import shutil
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.datadict import DicomDictionary, dictionary_VM, dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage

from mriclassify import Classifier, MriClassifyError
from mriclassify import Dataset as Slices
from mriclassify._cli import main

WORD = "Zqxwvkj"
"""Begins every planted word; nothing that is compressed or encoded will hold it by chance."""

DATE, TIME, UID = "19410213", "113344.5566", "1.2.826.99887766"
PLANTED = (WORD, WORD.upper(), DATE, "1941-02-13", TIME, "99887766")

_TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
_VALUES = {"DA": DATE, "TM": TIME, "DT": DATE + TIME, "UI": UID, "AS": "077Y"}

_NEEDED = {"SOPClassUID", "Modality", "ImageType", "PhotometricInterpretation", "VOILUTFunction"}
"""Elements without which nothing is read, or which change what is seen: the last but one by a word of theirs."""


def words() -> dict[str, str]:
    """Return keyword to text for every element of the standard's dictionary that may hold text, but for a few."""
    found = {}
    for tag, entry in DicomDictionary.items():
        keyword, kind = entry[4], dictionary_VR(tag)
        if tag >> 16 < 8 or tag >> 16 >= 0x5000 or not keyword or keyword in _NEEDED or "CharacterSet" in keyword:
            continue
        if kind in _VALUES:
            found[keyword] = _VALUES[kind]
        elif kind in _TEXT and dictionary_VM(tag) in ("1", "1-n"):
            found[keyword] = f"{WORD}^{len(found)}" if kind == "PN" else f"{WORD.upper()}{len(found)}"
    return found


def text_of(path: Path) -> str:
    """Return what a file holds; what stands encoded in a page is decoded."""
    content = path.read_bytes()
    inside = [base64.b64decode(found) for found in re.findall(rb"data:[a-z/+]+;base64,([A-Za-z0-9+/=]+)", content)]
    return b"\n".join([content, *inside]).decode("latin-1")


WORDS = words()


def dicom(pixels: NDArray[np.uint8], number: int, *, syntax: str = ExplicitVRLittleEndian, **elements: Any) -> bytes:
    """A slice that says what it can of its patient."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    for keyword, text in WORDS.items():
        setattr(dataset, keyword, text)
    item = Dataset()
    item.PatientName, item.CodeMeaning, item.PatientBirthDate = f"{WORD}^in a sequence", f"{WORD} meaning", DATE
    dataset.RequestAttributesSequence = Sequence([item])
    block = dataset.private_block(0x0029, f"{WORD} creator", create=True)
    block.add_new(1, "LO", f"{WORD} private")
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = f"{UID}.{number}"
    dataset.file_meta.SourceApplicationEntityTitle = f"{WORD}title"
    dataset.preamble = f"{WORD} preamble".encode().ljust(128, b"\0")
    dataset.Modality, dataset.ImageType = "MR", ["ORIGINAL", "PRIMARY"]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.ImagePositionPatient = ["0", "0", str(5 * number)]
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OB" if syntax == ExplicitVRLittleEndian else "OW"
    stream = io.BytesIO()
    dcmwrite(stream, dataset)
    return stream.getvalue()


@pytest.fixture(scope="module")
def folder(phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of DICOM files, most good, some broken."""
    root = tmp_path_factory.mktemp("private")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of texts that are no valid code or address
        for label in ("glioma", "notumor"):
            (root / label).mkdir()
            for number, path in enumerate(sorted((phantom_folder / label).iterdir())[:5]):
                with Image.open(path) as picture:
                    content = dicom(np.asarray(picture), number)
                (root / label / f"{number}.dcm").write_bytes(content)
        for name, broken in broken_files(np.asarray(Image.open(path))).items():
            (root / "notumor" / f"{name}.dcm").write_bytes(broken)
    return root


def broken_files(pixels: NDArray[np.uint8]) -> dict[str, bytes]:
    whole = dicom(pixels, 5)
    start = whole.index(b"\xe0\x7f\x10\0")
    rng = np.random.default_rng(0)
    flipped = bytearray(whole)
    for place in rng.integers(132, start, 12):
        flipped[place] = rng.integers(256)
    return {
        "cut-in-the-header": whole[: start // 2],
        "cut-in-the-pixels": whole[: start + 200],
        "no-pixels": whole[:start],
        "flipped": bytes(flipped),
        "not-mr": dicom(pixels, 6, Modality="CT"),
        "modality-is-a-name": dicom(pixels, 7, Modality=WORD.upper()),
        "colour-is-a-name": dicom(pixels, 8, PhotometricInterpretation=WORD.upper()),
        "kind-is-a-name": dicom(pixels, 8, ImageType=[WORD.upper(), "SCREEN" + WORD.upper()]),
        "implicit": dicom(pixels, 9, syntax=ImplicitVRLittleEndian),
        "unknown-syntax": whole.replace(b"1.2.840.10008.1.2.1\0", f"{WORD}.0123456789.12345".encode()[:20]),
        "blank": dicom(np.zeros_like(pixels), 10),
    }


def leaks(said: str) -> list[str]:
    return [word for word in PLANTED if word in said]


def heard(
    do: Callable[[], object], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str] | None = None
) -> str:
    """Everything that anybody gets to see of doing something."""
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        try:
            said = str(do())
        except MriClassifyError as error:
            said = "".join(traceback.format_exception(error))
    printed = "".join(capsys.readouterr()) if capsys else ""
    return "\n".join([said, printed, caplog.text, *(str(warning.message) for warning in raised)])


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


@pytest.fixture(scope="module")
def weights(fitted: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    fitted.save(path)
    return path


def test_the_files_say_what_they_can(folder: Path) -> None:
    assert len(WORDS) > 1500
    content = (folder / "glioma" / "0.dcm").read_bytes()
    assert all(word.encode() in content for word in (WORD, WORD.upper(), DATE, TIME, UID))
    assert content.count(WORD.upper().encode()) > 500
    assert leaks(repr(dcmread(io.BytesIO(content)))) != []


def test_answers_for_slices(fitted: Classifier, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Any] = []

    def ask() -> str:
        answers.extend(fitted.predict_many(folder))
        return "\n".join([*map(repr, answers), *map(str, answers), *(answer.to_json() for answer in answers)])

    assert leaks(heard(ask, caplog)) == []
    assert len(answers) == len(files_of(folder))
    assert {answer.status for answer in answers} >= {"ok", "error"}
    assert any("Modality is CT" in reason for answer in answers for reason in answer.reasons)


def test_errors_with_all_that_they_were_raised_from(
    fitted: Classifier, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = [heard(lambda path=path: fitted.predict(path), caplog) for path in files_of(folder)]  # type: ignore[misc]
    assert sum("Traceback" in one for one in said) >= 6
    assert leaks("\n".join(said)) == []


def test_answers_for_series(fitted: Classifier, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = tmp_path / "series.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for number, path in enumerate(files_of(folder)):
            # Exporters name members after patients: those are no file names of the user's.
            file.write(path, f"{WORD}^Jane/{WORD} study/{number}.dcm")

    def ask(source: Any) -> str:
        answer = fitted.predict_study(source)
        if len(answer.slices) > 1:
            answer.save_strip(tmp_path / "strip.png")
        return "\n".join([repr(answer), repr(answer.slices), str(answer), answer.to_json()])

    for source in (folder, archive, folder / "glioma" / "0.dcm"):
        said = heard(lambda source=source: ask(source), caplog)  # type: ignore[misc]
        assert "resting_on" in said
        assert "Traceback" not in said
        assert leaks(said) == []
    assert leaks(text_of(tmp_path / "strip.png")) == []
    for path in files_of(folder):
        assert leaks(heard(lambda path=path: ask(path), caplog)) == []  # type: ignore[misc]


def test_a_report_and_all_its_files(
    fitted: Classifier, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def measure() -> str:
        data = Slices.from_folder(folder)
        data.to_csv(tmp_path / "slices.csv")
        report = fitted.evaluate(data, bootstrap=20)
        report.save(tmp_path / "report")
        return "\n".join([repr(data), repr(report), str(report), str(report.to_dict())])

    said = heard(measure, caplog)
    assert "Traceback" not in said
    assert leaks(said) == []
    written = files_of(tmp_path)
    assert len(written) > 3
    assert [path.name for path in written if leaks(text_of(path))] == []


@pytest.mark.parametrize("output", [[], ["--json"], ["--csv", "answers.csv"], ["--study"], ["--study", "--json"]])
def test_the_command_line(
    output: list[str],
    weights: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["predict", str(folder), "--weights", str(weights), "--device", "cpu", "--verbose", *output]
    said = heard(lambda: main(command), caplog, capsys)
    assert leaks(said) == []
    if "--csv" in output:
        table = (tmp_path / "answers.csv").read_text()
        assert len(table.splitlines()) == len(files_of(folder)) + 1
        assert leaks(table) == []
    else:
        assert f"{folder}" in said
        assert "uncertain" in said


def test_the_command_line_measures(
    weights: Path,
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--weights", str(weights), "--device", "cpu", "--out", str(tmp_path / "report")]
    said = heard(lambda: main(["evaluate", str(folder), *options]), caplog, capsys)
    assert "accuracy" in said
    assert leaks(said) == []
    assert [path for path in files_of(tmp_path) if leaks(text_of(path))] == []


def test_a_model_that_was_trained_on_them(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    from mriclassify import Preprocessing, TrainingOptions

    for label in ("glioma", "notumor"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(5):
            shutil.copy(folder / label / f"{number}.dcm", tmp_path / "data" / label)
    options = TrainingOptions(epochs=1, batch_size=4, precision="fp32")

    def train() -> str:
        data = Slices.from_folder(tmp_path / "data")
        clf = Classifier("small_cnn", preprocessing=Preprocessing(size=32), device="cpu")
        clf.fit(data, validation=data, options=options, resume=tmp_path / "run")
        clf.save(tmp_path / "model.safetensors")
        return "\n".join([repr(clf), repr(clf.bundle.provenance), repr(clf.history)])

    said = heard(train, caplog, capsys)
    assert "Traceback" not in said
    assert leaks(said) == []
    written = [path for path in files_of(tmp_path) if path.suffix != ".dcm"]
    assert len(written) > 1
    assert [path.name for path in written if leaks(text_of(path))] == []
