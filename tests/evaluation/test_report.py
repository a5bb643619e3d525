import csv
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mriclassify._errors import DatasetError, OptionError, OutputError
from mriclassify._evaluation import Leakage, Report, make_report

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
CLEAN = Leakage(checked=True, slices_seen=0, groups_seen=0, n_slices=80)
LEAKING = Leakage(checked=True, slices_seen=12, groups_seen=3, n_slices=80)
HISTORY = [
    {"epoch": 1, "train_loss": 1.0, "validation_loss": 1.1, "validation_accuracy": 0.5},
    {"epoch": 2, "train_loss": 0.5, "validation_loss": 0.7, "validation_accuracy": 0.7},
]
ALWAYS_WRITTEN = {
    "report.json",
    "report.html",
    "report.md",
    "predictions.csv",
    "confusion_matrix.png",
    "roc.png",
    "reliability.png",
    "risk_coverage.png",
}


def answers(n: int = 80, *, present: Sequence[int] = (0, 1, 2, 3), seed: int = 0) -> dict[str, Any]:
    """Arguments of make_report for a classifier that is right more often than not."""
    rng = np.random.default_rng(seed)
    targets = rng.choice(present, size=n)
    logits = rng.normal(size=(n, 4))
    logits[np.arange(n), targets] += 1.5
    odds = np.exp(logits)
    return {
        "probabilities": odds / odds.sum(axis=1, keepdims=True),
        "targets": targets,
        "classes": CLASSES,
        "groups": [f"p{slice_ // 4}" for slice_ in range(n)],
        "split": "by patient, fold 0 of 5",
        "leakage": CLEAN,
        "model": "demo",
        "names": [f"scan_{slice_}.png" for slice_ in range(n)],
        "bootstrap": 50,
    }


def report_of(**changes: Any) -> Report:
    return make_report(**(answers() | changes))


def test_figures_counts_and_intervals_stand_together() -> None:
    report = report_of()
    assert (report.n, report.n_groups, report.interval_unit) == (80, 20, "group")
    assert report.confusion.sum() == 80
    assert report.accuracy == pytest.approx(np.trace(report.confusion) / 80)
    assert sum(scores.support for scores in report.per_class.values()) == 80
    assert report.intervals["accuracy"].low <= report.accuracy <= report.intervals["accuracy"].high
    assert "recall glioma" in report.intervals


def test_without_groups_the_report_says_that_slices_were_drawn() -> None:
    report = report_of(groups=None)
    assert (report.n_groups, report.interval_unit) == (None, "slice")
    assert "too narrow" in report.to_markdown()
    assert "too narrow" not in report_of().to_markdown()


def test_mistakes_are_the_wrong_ones_most_confident_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    report = report_of(
        probabilities=probabilities,
        targets=np.array([0, 1, 0, 1]),
        classes=("glioma", "notumor"),
        names=["a", "b", "c", "d"],
        groups=None,
    )
    found = [(m.name, m.true, m.predicted, round(m.confidence, 6)) for m in report.mistakes]
    assert found == [("c", "glioma", "notumor", 0.8), ("b", "notumor", "glioma", 0.6)]


def test_the_report_keeps_copies_that_nobody_can_change() -> None:
    given = answers()
    report = make_report(**given)
    given["probabilities"][:] = 0.25
    given["targets"][:] = 0
    assert report.probabilities.max() > 0.5
    assert report.targets.max() == 3
    for array in (report.probabilities, report.targets, report.confusion):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_float32_rounding_is_forgiven_and_rescaled() -> None:
    rough = answers()["probabilities"].astype(np.float32)
    report = report_of(probabilities=rough)
    np.testing.assert_allclose(report.probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert report.loss == pytest.approx(report_of().loss, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"targets": np.zeros(0, int), "probabilities": np.zeros((0, 4))}, DatasetError, "no slice"),
        ({"targets": np.full(80, 4)}, DatasetError, "0..3"),
        ({"targets": np.full(80, -1)}, DatasetError, "0..3"),
        ({"targets": np.zeros(80)}, OptionError, "integer"),
        ({"probabilities": np.full((80, 3), 1 / 3)}, OptionError, "(80, 4)"),
        ({"probabilities": np.full((80, 4), 0.2501)}, OptionError, "sum to 1"),
        ({"probabilities": np.tile([1.5, -0.5, 0, 0], (80, 1))}, OptionError, "0..1"),
        ({"probabilities": np.full((80, 4), np.nan)}, OptionError, "sum to 1"),
        ({"names": ["a.png"]}, OptionError, "names"),
        ({"groups": ["p1"]}, OptionError, "groups"),
        ({"classes": ("a", "a", "b", "c")}, OptionError, "different"),
        ({"classes": ("a",)}, OptionError, "two or more"),
        ({"bootstrap": -1}, OptionError, "bootstrap"),
    ],
)
def test_what_does_not_fit_is_refused_in_our_words(changes: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as raised:
        report_of(**changes)
    assert words in str(raised.value)


def test_the_dictionary_survives_json_and_has_none_for_what_is_undefined() -> None:
    history = [{"epoch": 1, "train_loss": 1.0, "validation_loss": float("nan")}]
    settings = {"size": np.int64(224), "root": Path("data"), "mean": np.array([0.5, 0.25]), "amp": False}
    report = report_of(**answers(present=(0, 1, 2)), history=history, settings=settings)
    text = json.dumps(report.to_dict(), allow_nan=False)
    found = json.loads(text)
    assert found["accuracy"] == report.accuracy
    assert found["auroc"] is None
    assert found["per_class"]["pituitary"]["recall"] is None
    assert found["history"][0]["validation_loss"] is None
    assert found["settings"] == {"size": 224, "root": "data", "mean": [0.5, 0.25], "amp": False}
    assert found["intervals"]["accuracy"]["low"] == report.intervals["accuracy"].low
    assert found["leakage"]["leaks"] is False
    assert found["confusion"] == report.confusion.tolist()
    assert len(found["mistakes"]) == len(report.mistakes)


def test_markdown_begins_with_the_leak_when_there_is_one() -> None:
    page = report_of(leakage=LEAKING).to_markdown()
    assert page.startswith("**LEAK: 12 of 80 test slices")
    assert page.count(LEAKING.sentence) == 1


def test_markdown_without_leak_begins_with_the_title_and_still_says_so() -> None:
    page = report_of().to_markdown()
    assert page.startswith("# Evaluation of demo")
    assert CLEAN.sentence in page
    assert "by patient, fold 0 of 5" in page
    assert "research use only" in page


def test_markdown_tables_keep_their_columns_whatever_the_names() -> None:
    report = report_of(unreadable=[("a|b.png", "cut\noff")], settings={"device": "cpu"})
    page = report.to_markdown()
    assert "| `a\\|b.png` | cut off |" in page
    assert "* device: cpu" in page
    assert "1 file unreadable" in page


def test_text_shows_classes_leak_and_absent_figures_in_a_screenful() -> None:
    report = report_of(**(answers(present=(0, 1, 2)) | {"leakage": LEAKING}))
    lines = str(report).splitlines()
    assert len(lines) < 20
    assert max(map(len, lines)) < 100
    assert lines[0].startswith("LEAK")
    assert lines[-1].split() == ["pituitary", "–", "–", lines[-1].split()[3], "–", "0"]
    assert repr(report).startswith("Report(model='demo', n=80, accuracy=0.")


def test_saving_writes_what_it_promises(tmp_path: Path) -> None:
    report = report_of(history=HISTORY)
    folder = tmp_path / "new" / "report"
    written = report.save(folder)
    expected = ALWAYS_WRITTEN | {"training_curves.png"}
    assert {path.name for path in folder.iterdir()} == expected
    assert {path.name for path in written} == expected
    assert json.loads((folder / "report.json").read_text())["n"] == 80
    page = (folder / "report.md").read_text()
    assert page.startswith(report.to_markdown())
    for picture in folder.glob("*.png"):
        with Image.open(picture) as image:
            image.load()
            assert min(image.size) > 300
            assert len(set(image.convert("L").tobytes())) > 10, f"{picture.name} is blank"
        assert f"({picture.name})" in page


def test_saved_predictions_are_those_of_the_report(tmp_path: Path) -> None:
    report = report_of(names=['a, "b".png', *(f"{k}.png" for k in range(79))])
    report.save(tmp_path)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(report.names)
    found = np.array([[float(row[f"probability_{name}"]) for name in CLASSES] for row in rows])
    np.testing.assert_array_equal(found, report.probabilities)
    assert [row["true"] for row in rows] == [CLASSES[target] for target in report.targets]
    wrong = {row["name"] for row in rows if row["true"] != row["predicted"]}
    assert wrong == {mistake.name for mistake in report.mistakes}


def test_a_second_report_replaces_the_first_and_shows_no_plot_of_it(tmp_path: Path) -> None:
    report_of(history=HISTORY).save(tmp_path)
    second = report_of(**answers(seed=1))
    assert (tmp_path / "training_curves.png") not in second.save(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["accuracy"] == second.accuracy
    assert "training_curves" not in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("case", ["perfect", "one class", "one slice", "constant"])
def test_degenerate_reports_can_be_made_shown_and_saved(case: str, tmp_path: Path) -> None:
    targets = np.array([0, 1, 2, 3] * 3)
    probabilities = {"constant": np.full((12, 4), 0.25)}.get(case, np.eye(4)[targets])
    rows = {"one class": targets == 0, "one slice": np.arange(12) == 1}.get(case, np.full(12, True))
    report = report_of(
        probabilities=probabilities[rows],
        targets=targets[rows],
        groups=None,
        names=["x.png"] * int(rows.sum()),
        history=[{"epoch": 1, "train_loss": 1.0}],
    )
    report.save(tmp_path)
    assert "# Evaluation" in report.to_markdown()
    assert "glioma" in str(report)
    assert {path.name for path in tmp_path.iterdir()} == ALWAYS_WRITTEN | {"training_curves.png"}


def test_a_path_below_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "report"):
        with pytest.raises(OutputError, match="is a file"):
            report_of().save(path)


def test_a_file_that_cannot_be_replaced_is_an_output_error_and_leaves_no_scraps(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OutputError, match=r"report\.json"):
        report_of().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_what_an_earlier_report_left_is_gone_and_what_others_left_stays(tmp_path: Path) -> None:
    report_of(history=HISTORY).save(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    written = report_of(**answers(seed=1)).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written} | {"notes.txt"}
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content"), [("report.html", "<p>mine"), ("report.json", '{"mine": 1}'), ("roc.png", "")]
)
def test_a_file_of_our_name_that_is_of_no_report_is_not_overwritten(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(OutputError, match=f"holds {name}.*Choose another folder"):
        report_of().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == content


def test_a_disk_that_fills_up_leaves_the_earlier_report_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report_of().save(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "roc" in path.name:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"roc\.png can't be written: No space left"):
        report_of(**answers(seed=1)).save(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_written_to_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Root may write anywhere.
    monkeypatch.setattr("mriclassify._evaluation._saving.TemporaryFile", refused)
    with pytest.raises(OutputError, match="can't be written to: Permission denied"):
        report_of().save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_rest_is_saved_and_the_log_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with caplog.at_level(logging.WARNING):
        report_of(history=HISTORY).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.html", "report.md", "predictions.csv"}
    assert "pip install 'mriclassify[plot]'" in caplog.text
    assert "Plots" not in (tmp_path / "report.md").read_text()


def test_saving_opens_no_pyplot_figure_and_keeps_its_settings(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matplotlib
        from matplotlib import pyplot
    before = dict(matplotlib.rcParams)
    report_of().save(tmp_path)
    assert pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


def test_importing_the_room_loads_neither_torch_nor_matplotlib() -> None:
    code = "import sys, mriclassify._evaluation; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]
