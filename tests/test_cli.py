"""The command line: what it prints, writes and returns, and what it does when it is stopped."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from mriclassify import Classifier, MissingFileError, __version__, list_weights
from mriclassify._cli import COMMANDS, main

CLASSES = ["glioma", "meningioma", "notumor", "pituitary"]
COLUMNS = ["source", "label", "confidence", *CLASSES, "status", "reasons", "model", "device"]
SMALL = ["--backbone", "small_cnn", "--size", "64", "--batch-size", "8", "--device", "cpu"]
PATTERN = "(p[0-9]+)_[0-9]"


@pytest.fixture(scope="module")
def model(fitted: Classifier, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "my-model.safetensors"
    fitted.save(path)
    return str(path)


@pytest.fixture
def predict(model: str) -> Callable[..., int]:
    return lambda *arguments: main(["predict", *map(str, arguments), "--weights", model, "--device", "cpu"])


@pytest.fixture
def glioma(phantom_folder: Path) -> Path:
    """A folder of twelve slices."""
    return phantom_folder / "glioma"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said on standard error to arguments that argparse refuses."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


# help


def test_help_shows_examples_and_imports_nothing_heavy() -> None:
    script = f"""
import contextlib, io, sys
from mriclassify._cli import main
for arguments in (["--help"], ["--version"], *([name, "--help"] for name in {[command.name for command in COMMANDS]})):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            main(arguments)
        except SystemExit as end:
            assert end.code == 0, arguments
    if len(arguments) == 2:
        assert f"examples:\\n  mriclassify {{arguments[0]}}" in text.getvalue(), text.getvalue()
    if arguments != ["--version"]:
        assert "research use only" in " ".join(text.getvalue().split()), arguments
heavy = {{"torch", "torchvision", "sklearn", "numpy", "PIL", "matplotlib", "accelerate", "pydicom", "nibabel"}}
print(sorted(heavy & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_every_command_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out
    assert all(f"\n    {command.name} " in listed and command.examples for command in COMMANDS)


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"mriclassify {__version__}\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "required"),
        ("classify", "invalid choice"),
        ("predict", "SCAN"),
        ("predict a.png --json --csv b.csv", "not allowed with"),
        ("predict a.png --axis 3", "invalid choice"),
        ("predict a.png --batch-size 0", "must be a whole number of at least 1, not 0"),
        ("predict a.png --batch-size two", "must be a whole number of at least 1, not two"),
        *((f"predict a.png --shard {text}", "I/N with 1 <= I <= N") for text in ("3/2", "0/2", "1", "a/b", "1/0")),
        ("fit data", "--out"),
        ("fit data --out a --epochs 0", "at least 1"),
        ("weights", "action"),
        ("weights steal", "invalid choice"),
    ],
)
def test_wrong_usage_is_told_on_standard_error_with_status_2(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(line.split(), capsys)
    assert said in error
    assert "usage: mriclassify" in error


# predict


def test_text_is_a_line_for_each_scan(
    predict: Callable[..., int], phantom_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = [phantom_folder / "notumor" / "p20_0.png", phantom_folder / "glioma" / "p00_0.png"]
    assert predict(*scans) == 0
    said = capsys.readouterr()
    for line, scan, label in zip(said.out.splitlines(), scans, ("notumor", "glioma"), strict=True):
        assert line.startswith((f"{scan}: {label} 0.", f"{scan}: {label} 1."))
    assert said.err.startswith("For research use only")


def test_json_is_an_object_a_line_and_nothing_else(
    predict: Callable[..., int], glioma: Path, fitted: Classifier, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(glioma, "--json", "--batch-size", 5) == 0
    said = capsys.readouterr()
    answers = [json.loads(line) for line in said.out.splitlines()]
    assert [answer["source"] for answer in answers] == [str(glioma / f"p0{k // 2}_{k % 2}.png") for k in range(12)]
    assert all(answer["model"] == "my-model" and answer["device"] == "cpu" for answer in answers)
    assert answers[3]["probabilities"] == pytest.approx(fitted.predict(glioma / "p01_1.png").probabilities, abs=1e-4)
    assert said.err == ""


def test_bad_file_among_good_ones_is_recorded_in_its_place_and_status_is_1(
    predict: Callable[..., int], glioma: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    scans = [glioma / "p00_0.png", tmp_path / "broken.jpg", tmp_path / "gone.png", glioma / "p01_0.png"]
    assert predict(*scans, "--json") == 1
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["status"] == "error" for answer in answers] == [False, True, True, False]
    assert "broken.jpg" in answers[1]["reasons"][0]
    assert predict(*scans) == 1
    assert f"{scans[2]}: error · " in capsys.readouterr().out
    assert predict(*scans, "--csv", tmp_path / "answers.csv") == 1
    rows = table(tmp_path / "answers.csv")
    assert [row["status"] == "error" for row in rows] == [False, True, True, False]
    assert rows[1]["label"] == rows[1]["glioma"] == ""


def test_csv_has_a_row_for_each_scan(
    predict: Callable[..., int], glioma: Path, fitted: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("old\n")
    assert predict(glioma, "--csv", file) == 0
    rows = table(file)
    assert list(rows[0]) == COLUMNS
    assert [Path(row["source"]).name for row in rows] == [f"p0{k // 2}_{k % 2}.png" for k in range(12)]
    expected = fitted.predict(rows[0]["source"]).probabilities
    assert {name: float(rows[0][name]) for name in expected} == pytest.approx(expected, abs=1e-4)
    assert capsys.readouterr().out == ""


def test_shards_together_are_the_whole_and_none_is_done_twice(
    predict: Callable[..., int], phantom_folder: Path, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        assert predict(phantom_folder, "--shard", f"{number}/3", "--csv", tmp_path / f"{number}.csv") == 0
    sources = [row["source"] for number in (1, 2, 3) for row in table(tmp_path / f"{number}.csv")]
    assert sorted(sources) == sorted(str(path) for path in phantom_folder.rglob("*.png"))
    assert {len(table(tmp_path / f"{number}.csv")) for number in (1, 2, 3)} == {16}


def test_slice_and_axis_of_a_volume(
    predict: Callable[..., int], fitted: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan, thin = tmp_path / "scan.nii.gz", tmp_path / "thin.nii.gz"
    rng = np.random.default_rng(0)
    nib.save(nib.Nifti1Image(rng.uniform(0, 100, (32, 40, 24)).astype(np.float32), np.eye(4)), scan)
    nib.save(nib.Nifti1Image(rng.uniform(0, 100, (32, 40, 8)).astype(np.float32), np.eye(4)), thin)
    assert predict(scan, "--json", "--slice", 20, "--axis", 1) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["probabilities"] == pytest.approx(fitted.predict(scan, axis=1, index=20).probabilities, abs=1e-4)
    # A volume that has no such slice, and a file that is missing, do not keep the others from their answers.
    assert predict(thin, tmp_path / "gone.nii", scan, "--json", "--slice", 20) == 1
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["status"] == "error" for answer in answers] == [True, True, False]
    assert "0..7" in answers[0]["reasons"][0]
    assert predict(thin, scan, "--slice", 20, "--csv", tmp_path / "answers.csv") == 1
    assert [row["status"] == "error" for row in table(tmp_path / "answers.csv")] == [True, False]


# predict --resume


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The list into which each source goes that a classifier is asked for."""
    asked: list[str] = []
    original = Classifier.predict_many

    def spy(self: Classifier, sources: object, **options: object) -> object:
        listed = list(sources)  # type: ignore[call-overload]
        asked.extend(map(str, listed))
        return original(self, listed, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "predict_many", spy)
    return asked


@pytest.mark.parametrize("extra", [(), ("--slice", "0")])
def test_resume_does_what_is_not_done_yet(
    predict: Callable[..., int],
    glioma: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    extra: tuple[str, ...],
) -> None:
    asked = counting(monkeypatch)
    file = tmp_path / "answers.csv"
    first = sorted(glioma.iterdir())[:5]
    assert predict(*first, "--csv", file, "--resume", *extra) == 0
    half_done = file.read_bytes()
    asked.clear()
    assert predict(glioma, "--csv", file, "--resume", *extra) == 0
    assert len(asked) == 7
    assert file.read_bytes().startswith(half_done)
    whole = file.read_bytes()
    asked.clear()
    assert predict(glioma, "--csv", file, "--resume", *extra) == 0
    assert asked == []
    assert file.read_bytes() == whole
    assert sorted(row["source"] for row in table(file)) == sorted(map(str, glioma.iterdir()))


def test_table_that_was_cut_off_anywhere_is_gone_on_with(
    predict: Callable[..., int], glioma: Path, tmp_path: Path, fitted: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A name that has to be quoted, with a line break and a letter of two bytes, is the hardest to cut well.
    scans = [tmp_path / "a.png", tmp_path / 'b, "ü\r\n.png', tmp_path / "c.png"]
    for scan in scans:
        scan.write_bytes((glioma / "p00_0.png").read_bytes())
    arguments = [*scans, "--csv", tmp_path / "answers.csv", "--batch-size", 1]
    file = tmp_path / "answers.csv"
    monkeypatch.setattr(Classifier, "from_pretrained", lambda *_, **__: fitted)
    assert predict(*arguments) == 0
    whole = file.read_bytes()
    ends = {0, *(end for end in range(len(whole)) if whole[end - 2 : end] == b"\r\n")}
    cuts = {cut for end in ends for cut in range(end - 3, end + 4)} | set(range(0, len(whole), 37)) | {len(whole) - 1}
    for cut in sorted(cut for cut in cuts if 0 <= cut <= len(whole)):
        file.write_bytes(whole[:cut])
        assert predict(*arguments, "--resume") == 0
        assert file.read_bytes() == whole, cut


def test_table_of_something_else_is_not_touched(
    predict: Callable[..., int], glioma: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    row = "a.png,glioma,1.0,1.0,0.0,0.0,0.0,ok,,{},cpu\r\n"
    header = ",".join(COLUMNS) + "\r\n"
    others = {
        "other columns": "source,label,confidence\r\na.png,glioma,1.0\r\n",
        "other weights": header + row.format("another-model"),
        "no table": "dear diary, today",
        "unix lines": (header + row.format("my-model")).replace("\r\n", "\n"),
        "a bad row in the middle": header + "half a row,\r\n" + row.format("my-model"),
        "binary": "\0\0\0\0",
    }
    for name, content in others.items():
        file = tmp_path / f"{name}.csv"
        file.write_bytes(content.encode())
        assert predict(glioma, "--csv", file, "--resume") == 2, name
        assert file.read_bytes() == content.encode(), name
        said = capsys.readouterr()
        assert said.err.startswith("mriclassify: "), name
        assert said.out == "", name


def test_resume_needs_a_table(predict: Callable[..., int], glioma: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(glioma, "--resume") == 2
    assert capsys.readouterr().err == "mriclassify: --resume needs --csv FILE: it goes on where that file ends\n"


def test_error_while_answering_is_not_said_to_be_the_tables(
    predict: Callable[..., int],
    glioma: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object, **__: object) -> object:
        # An OSError too, as that of a table would be.
        raise MissingFileError("There is no file scan.png")
        yield

    monkeypatch.setattr(Classifier, "predict_many", failing)
    assert predict(glioma, "--csv", tmp_path / "answers.csv") == 2
    assert capsys.readouterr().err == "mriclassify: There is no file scan.png\n"


# errors that stop a command


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict {empty}", "There is no scan in folder"),
        ("predict {scan} --slice -1", "index must be"),
        ("predict {scan} --device nonsense", "does not exist here"),
        ("predict {scan} --weights nothing-v1", "no weights are called 'nothing-v1'"),
        ("predict {scan} --weights {scan}", "not a whole safetensors file"),
        ("predict {scan} --csv {file}/answers.csv", "answers.csv can't be written"),
        ("predict {scan} --csv {file}/answers.csv --resume", "answers.csv can't be written"),
        ("predict {scan} --csv {empty}", "can't be written"),
        ("fit {gone} --out {new}", "no such table"),
        ("fit {empty} --out {new}", "no class folders"),
        ("fit {data} --out {new}", "--group-pattern"),
        ("fit {data} --out {new} --group-pattern ([", "is no regular expression"),
        ("fit {data} --out {new} --group-pattern p", "needs a bracket"),
        ("fit {data} --out {new} --group-pattern (zebra)", "finds no patient in"),
        ("fit {data} --out {new} --backbone resnet19 --by slice", "no backbone is named"),
        ("fit {data} --out {new} --by slice --seed -1", "seed"),
        ("fit {data} --out {new} --by slice --learning-rate nan", "learning_rate must lie in"),
        ("evaluate {gone}", "no such table"),
        ("evaluate {data} --weights {gone}.safetensors", "no file of weights lies at"),
        ("evaluate {data} --split test", "--split test: no slice of"),
        ("weights download nothing-v1", "no weights are called"),
        ("weights import", "needs the file"),
        ("weights import {gone}", "there is no file"),
    ],
)
def test_error_is_one_message_on_standard_error_with_status_2(
    line: str, said: str, phantom_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    places = {name: tmp_path / name for name in ("empty", "file", "gone", "new")}
    scan = phantom_folder / "glioma" / "p00_0.png"
    arguments = [word.format(**places, data=phantom_folder, scan=scan) for word in line.split()]
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("mriclassify: ")
    assert said in output.err
    assert "Traceback" not in output.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("out", ["{file}/model.safetensors", "{folder}", "", "/proc/model.safetensors"])
def test_model_that_could_not_be_written_is_refused_before_training(
    out: str,
    phantom_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Classifier, "fit", lambda *_, **__: pytest.fail("trained first"))
    (tmp_path / "file").touch()
    place = out.format(file=tmp_path / "file", folder=tmp_path)
    assert main(["fit", str(phantom_folder), "--out", place, "--by", "slice", "--backbone", "small_cnn"]) == 2
    assert capsys.readouterr().err.startswith("mriclassify: ")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_trial_of_the_place_leaves_an_old_model_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"old")
    assert main(["fit", str(tmp_path / "gone"), "--out", str(tmp_path / "model.safetensors")]) == 2
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("model.safetensors", b"old")]
    assert "gone" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_without_traceback(
    predict: Callable[..., int], glioma: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "predict_many", interrupted)
    assert predict(glioma) == 130
    assert capsys.readouterr().err == "mriclassify: interrupted\n"


# fit, evaluate, weights, info


def test_fit_then_evaluate(phantom_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, run, report = tmp_path / "new" / "model.safetensors", tmp_path / "run", tmp_path / "report"
    more = ["--group-pattern", PATTERN, "--pretrained", "none", "--epochs", "2", "--seed", "1", "--run", str(run)]
    fit = ["fit", str(phantom_folder), "--out", str(out), *SMALL, *more]
    assert main(fit) == 0
    said = capsys.readouterr().out
    assert "validating on Dataset(8 slices, 4 groups" in said
    assert "\nepoch 2: train loss " in said
    assert said.endswith(f"saved {out}\n")
    assert len(table(run / "history.csv")) == 2
    # Again after a crash: what is finished is not done again.
    out.unlink()
    assert main(fit) == 0
    assert "epoch 1:" not in capsys.readouterr().out
    assert [path.name for path in out.parent.iterdir()] == ["model.safetensors"]

    evaluate = ["evaluate", str(phantom_folder), "--weights", str(out), "--group-pattern", PATTERN, "--device", "cpu"]
    assert main([*evaluate, "--json", "--out", str(report)]) == 0
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert found["n"] == 48
    assert found["leakage"]["slices_seen"] == 48
    assert found["leakage"]["groups_seen"] == 24
    assert {path.name for path in report.iterdir()} >= {"report.json", "report.md", "predictions.csv"}
    assert str(report) in output.err
    assert json.loads((report / "report.json").read_text()) == found


def test_fit_with_a_teacher(
    phantom_folder: Path, model: str, fitted: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "student.safetensors"
    more = ["--group-pattern", PATTERN, "--pretrained", "none", "--epochs", "1", "--teacher", model]
    assert main(["fit", str(phantom_folder), "--out", str(out), *SMALL, *more]) == 0
    assert capsys.readouterr().out.endswith(f"saved {out}\n")
    student = Classifier.from_pretrained(out).bundle.provenance
    assert set(fitted.bundle.provenance.groups) <= set(student.groups)
    out.unlink()
    assert main(["fit", str(phantom_folder), "--out", str(out), *SMALL, *more[:-1], "gone"]) == 2
    assert "gone" in capsys.readouterr().err
    assert not out.exists()


def test_group_pattern_counts_for_a_table_too(
    phantom_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{path},{path.parent.name}" for path in sorted(phantom_folder.rglob("*.png"))]
    (tmp_path / "slices.csv").write_text("\n".join(["path,label", *rows]))
    arguments = ["evaluate", str(tmp_path / "slices.csv"), "--weights", model, "--group-pattern", PATTERN, "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["n_groups"] == 24


def test_evaluate_with_a_file_that_cannot_be_read_ends_with_1(
    phantom_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    rows = [f"{phantom_folder}/{label}/p{n}1_0.png,{label}" for n, label in enumerate(("glioma", "meningioma"))]
    (tmp_path / "slices.csv").write_text("\n".join(["path,label", *rows, "bad.png,notumor"]))
    assert main(["evaluate", str(tmp_path / "slices.csv"), "--weights", model, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], len(found["unreadable"])) == (2, 1)


def test_weights_are_listed_and_verified(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [record.name for record in list_weights()] != []
    assert main(["weights", "list", "--json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == [r.name for r in list_weights()]
    assert main(["weights", "verify", "default"]) == 0
    assert "as published" in capsys.readouterr().out
    (tmp_path / "other.safetensors").write_bytes(b"other")
    assert main(["weights", "import", str(tmp_path / "other.safetensors")]) == 2
    assert "none of the published weights" in capsys.readouterr().err


def test_info_is_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["mriclassify"] == __version__
    assert {"python", "system", "torch", "devices", "cache", "weights"} <= facts.keys()
    assert "cpu" in facts["devices"]
    assert main(["info"]) == 0
    assert f"mriclassify: {__version__}\n" in capsys.readouterr().out


# as a program of its own


def start(*arguments: str | Path, **options: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "mriclassify", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such file names")
def test_name_that_is_not_utf_8_does_not_end_a_run(model: str, glioma: Path, tmp_path: Path) -> None:
    scan = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    Path(scan).write_bytes((glioma / "p00_0.png").read_bytes())
    process = start("predict", tmp_path, "--weights", model, "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["source"] == scan
    file = tmp_path / "answers.csv"
    for _ in range(2):
        assert main(["predict", str(tmp_path), "--weights", model, "--csv", str(file), "--resume"]) == 0
    assert file.read_bytes().count(b"caf\xe9.png") == 1


@pytest.mark.skipif(os.name != "posix", reason="pipes of other systems break differently")
def test_reader_that_has_seen_enough_is_no_error_to_shout_about(model: str, phantom_folder: Path) -> None:
    process = start("predict", phantom_folder, phantom_folder, "--weights", model, "--batch-size", "1")
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read().decode()
    process.stderr.close()
    process.wait(60)
    assert "Traceback" not in error
    assert "Error" not in error


@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
def test_ctrl_c_in_the_middle_of_training_keeps_the_epochs_that_are_done(phantom_folder: Path, tmp_path: Path) -> None:
    places = ["--out", tmp_path / "model.safetensors", "--run", tmp_path / "run"]
    process = start(
        *("fit", phantom_folder, *places, *SMALL, "--epochs", "1000", "--by", "slice"),
        # A program that a shell runs in the background ignores SIGINT, and so does all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    limit = time.monotonic() + 60
    while not (tmp_path / "run" / "state.safetensors").exists():
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    try:
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert error.decode().endswith("mriclassify: interrupted\n")
    assert "Traceback" not in error.decode()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["history.csv", "state.safetensors"]
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("more", [[], ["--with-test"]])
def test_fit_leaves_a_published_test_part_out_unless_told(
    phantom_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    rows = ["path,label,group,split"]
    for path in sorted(phantom_folder.rglob("*.png")):
        patient = path.stem.split("_")[0]
        rows.append(f"{path},{path.parent.name},{patient},{'test' if int(patient[-1]) > 3 else 'train'}")
    (tmp_path / "slices.csv").write_text("\n".join(rows))
    out = str(tmp_path / "model.safetensors")
    fit = ["fit", str(tmp_path / "slices.csv"), "--out", out, *SMALL, "--pretrained", "none", "--epochs", "1", *more]
    assert main(fit) == 0
    said = capsys.readouterr().out
    assert ("left out the published test part, 16 slices" in said) == (not more)
    # Some phantoms of other patients look like those of the test part.
    alike = re.search(r"left out (\d+) of the other 32 slices too", said)
    trained = 48 if more else 32 - int(alike[1] if alike else 0)
    evaluate = ["evaluate", str(tmp_path / "slices.csv"), "--weights", out, "--json", "--device", "cpu"]
    assert main(evaluate) == 0
    assert json.loads(capsys.readouterr().out)["leakage"]["slices_seen"] == trained
