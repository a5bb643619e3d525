"""mriclassify predict --report: what it prints, writes and refuses."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mriclassify import Classifier
from mriclassify._cli import main

Scans = Callable[..., list[Path]]


@pytest.fixture
def predict(answering: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command, with a classifier that answers at once."""
    monkeypatch.setattr(Classifier, "from_pretrained", lambda *_, **__: answering())
    return lambda *arguments: main(["predict", *map(str, arguments)])


def sources(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row["source"] for row in csv.DictReader(file)]


def test_a_trained_classifier_makes_a_page(
    fitted: Classifier, phantom_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Classifier, "from_pretrained", lambda *_, **__: fitted)
    scans = sorted((phantom_folder / "glioma").iterdir())[:3]
    for more in ([], ["--report", str(tmp_path / "out")]):
        assert main(["predict", *map(str, scans), "--csv", str(tmp_path / f"{len(more)}.csv"), *more]) == 0
    with (tmp_path / "0.csv").open() as one, (tmp_path / "out" / "answers.csv").open() as other:
        expected, found = list(csv.DictReader(one)), list(csv.DictReader(other))
    assert (tmp_path / "2.csv").read_bytes() == (tmp_path / "out" / "answers.csv").read_bytes()
    for row, same in zip(expected, found, strict=True):
        numbers = ["confidence", *fitted.classes]
        assert [float(row[name]) for name in numbers] == pytest.approx(
            [float(same[name]) for name in numbers], abs=1e-4
        )
        assert [row[name] for name in ("source", "label", "status")] == [
            same[name] for name in ("source", "label", "status")
        ]
    assert len(list((tmp_path / "out" / "images").iterdir())) == 6


def test_answers_are_printed_too(
    predict: Callable[..., int], scans: Scans, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [*scans("a.png", "b.png"), tmp_path / "gone.png"]
    assert predict(*paths, "--report", tmp_path / "out", "--json") == 1
    said = capsys.readouterr()
    assert [json.loads(line)["source"] for line in said.out.splitlines()] == [str(path) for path in paths]
    assert said.err == f"report: {tmp_path / 'out' / 'index.html'}\n"
    assert sources(tmp_path / "out" / "answers.csv") == [str(path) for path in paths]


def test_hashed_names_are_in_the_folder_and_the_real_ones_in_the_other_table(
    predict: Callable[..., int], scans: Scans, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = scans("a.png", "b.png")
    assert predict(*paths, "--report", tmp_path / "out", "--anonymize", "--csv", tmp_path / "key.csv") == 0
    assert sources(tmp_path / "key.csv") == [str(path) for path in paths]
    assert all(len(source) == 12 for source in sources(tmp_path / "out" / "answers.csv"))
    assert "burnt into a picture" in capsys.readouterr().err


def test_a_shard_has_a_page_of_its_own(predict: Callable[..., int], scans: Scans, tmp_path: Path) -> None:
    paths = scans("a.png", "b.png", "c.png")
    assert predict(*paths, "--report", tmp_path / "out", "--shard", "1/2") == 0
    assert sources(tmp_path / "out" / "answers.csv") == [str(paths[0]), str(paths[2])]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{scan} --anonymize", "--anonymize needs --report"),
        ("{scan} --report {new} --study", "does not go with --study"),
        ("{scan} --report {new} --resume --csv {table}", "does not go with --resume"),
        ("{scan} --report {new} --csv {new}/mine.csv", "--csv FILE can't lie in --report DIR"),
        ("{scan} --report {scan}", "is a file"),
        ("{scan} --report {home}", "something else than an earlier report"),
        ("{scan} --report {new} --slice -1", "index must be"),
        ("{home} --report {home}/scans", "something else than an earlier report"),
    ],
)
def test_error_is_one_message_and_nothing_is_written(
    predict: Callable[..., int],
    scans: Scans,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str,
    said: str,
) -> None:
    (scan,) = scans("a.png")
    places = {"scan": scan, "home": tmp_path, "new": tmp_path / "new", "table": tmp_path / "table.csv"}
    assert predict(*line.format(**places).split()) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("mriclassify: ")
    assert said in output.err
    assert [path.name for path in tmp_path.rglob("*")] == ["scans", "a.png"]


def test_ctrl_c_while_printing_leaves_nothing(
    predict: Callable[..., int], scans: Scans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    paths = scans("a.png", "b.png")
    monkeypatch.setattr("builtins.print", interrupted)
    with pytest.raises(KeyboardInterrupt):  # main's own message is printed too
        predict(*paths, "--report", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["scans"]
