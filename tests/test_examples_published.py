"""The scripts about published numbers, and the benchmark of leakage, run on small sets that leak as public ones do."""

import importlib
import json
import re
import runpy
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from mriclassify import Dataset, Record

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES, BENCHMARKS = ROOT / "examples", ROOT / "benchmarks"
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
PATIENTS, SIDE = 7, 64


def texture(rng: np.random.Generator) -> np.ndarray:
    """A head with folds of its own, so that no two patients look alike: (SIDE, SIDE)."""
    coarse = Image.fromarray(rng.uniform(0, 200, (9, 9)).astype(np.uint8))
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    head = (rows / 0.48) ** 2 + (columns / 0.48) ** 2 < 1
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) * head


def write_set(root: Path, *, seed: int) -> Path:
    """Write Training/ and Testing/ with class folders; each patient has two slices in Training/ and one in Testing/."""
    rng = np.random.default_rng(seed)
    for k, label in enumerate(CLASSES):
        for patient in range(PATIENTS):
            pixels = texture(rng)
            pixels[8 * k + 16 : 8 * k + 24, 24:40] = 255
            for number, part in enumerate(("Training", "Training", "Testing")):
                folder = root / part / label
                folder.mkdir(parents=True, exist_ok=True)
                noisy = (pixels + rng.normal(0, 3, pixels.shape)).clip(0, 255).astype(np.uint8)
                Image.fromarray(noisy).save(folder / f"p{k}{patient}_{number}.png")
    return root


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("sets") / "first", seed=0)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, leaky: Path) -> Path:
    """Another set, into which the first one's test images were taken."""
    root = write_set(tmp_path_factory.mktemp("sets") / "second", seed=1)
    for label in CLASSES:
        for path in (leaky / "Testing" / label).iterdir():
            shutil.copy(path, root / "Training" / label / f"taken_{path.name}")
    return root


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    monkeypatch.setenv("MRICLASSIFY_PROGRESS", "0")
    monkeypatch.setenv("MRICLASSIFY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def run(name: str, *arguments: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments), "--epochs", "1", "--size", "32"])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out


SMALL = ("--backbone", "small_cnn", "--pretrained", "none")


@pytest.mark.parametrize("name", ["plain_cnn_nickparvar", "resnet101_sartaj", "vgg16_nickparvar"])
def test_a_script_prints_figures_with_patients_apart_and_keeps_its_model(
    name: str, leaky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(f"{name}.py", leaky, *SMALL, "--out", tmp_path / "out", monkeypatch=monkeypatch, capsys=capsys)
    assert "No test slice, no near-duplicate of one, and no test patient was in training." in said
    assert re.search(r"^accuracy +(0\.\d{4}|–) +[01]\.\d{4}", said, re.MULTILINE)
    assert (tmp_path / "out" / "report" / "report.json").exists()
    assert len(list((tmp_path / "out").glob("*.safetensors"))) == 1


def test_vgg16_stands_beside_all_six_published_figures(
    leaky: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run("vgg16_nickparvar.py", leaky, *SMALL, monkeypatch=monkeypatch, capsys=capsys)
    rows = re.findall(r"^(\w+) +(\d\.\d{4}) +\d\.\d{4}", said, re.MULTILINE)
    published = {"accuracy": 0.9657, "precision": 0.9642, "recall": 0.9629, "macro_f1": 0.9633, "jaccard": 0.9653}
    assert {name: float(value) for name, value in rows} == published | {"loss": 0.1160}


def test_the_bangladesh_script_leaves_slices_without_tumour_out(
    leaky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    said = run("bangladesh_three_classes.py", leaky, "--out", out, monkeypatch=monkeypatch, capsys=capsys)
    assert json.loads((out / "report" / "report.json").read_text())["classes"] == ["glioma", "meningioma", "pituitary"]
    assert any((out / "data").iterdir())
    assert "written to" in said


def test_a_set_that_holds_the_test_set_is_trained_on_without_it(
    leaky: Path, other: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run("rm1000_to_sartaj.py", other, leaky, *SMALL, monkeypatch=monkeypatch, capsys=capsys)
    left_out = re.search(r"^(\d+) of (\d+) training slices", said, re.MULTILINE)
    assert left_out
    assert int(left_out[1]) >= 4 * PATIENTS
    assert len(re.findall("^validation macro-F1", said, re.MULTILINE)) == 4
    assert "LEAK" not in said


def test_limit_takes_slices_of_each_class_and_part(monkeypatch: pytest.MonkeyPatch) -> None:
    published = importlib.import_module("published")
    data = Dataset(
        Record(Path(f"{part}/{label}/{n}.png"), label, split=part)
        for part in ("train", "test")
        for label in CLASSES
        for n in range(20)
    )
    some = published.some(data, 40)
    assert len(some) == 40
    assert set(some.counts().values()) == {10}
    assert {record.split for record in some} == {"train", "test"}
    assert published.some(data, None) == data


@pytest.fixture
def leakage(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("leakage")


def test_cuts_have_the_same_sizes_and_leak_as_they_say(leakage: ModuleType, leaky: Path) -> None:
    data = Dataset.from_folder(leaky, group=lambda path: path.stem.split("_")[0])
    cuts = leakage.cut_alike(data, seed=0)
    assert len({tuple(len(part) for part in parts) for parts in cuts.values()}) == 1
    seen = {}
    for cut, (train, validation, test) in cuts.items():
        paths = [record.path for part in (train, validation, test) for record in part]
        assert len(set(paths)) == len(paths)
        seen[cut] = {*train.groups, *validation.groups} & set(test.groups)
    assert not seen["patient"]
    assert seen["slice"]
    assert seen["published"]


def test_the_benchmark_keeps_what_is_finished_and_refuses_another_plan(
    leakage: ModuleType,
    leaky: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "sartaj").symlink_to(leaky)
    arguments = ["leakage.py", "--data", str(tmp_path / "sets"), "--run", "run", "--only", "sartaj/small_cnn"]
    quick = ["--size", "32", "--precision", "fp32"]
    monkeypatch.setattr(sys, "argv", [*arguments, *quick, "--epochs", "1"])
    assert leakage.main() == 0
    table = capsys.readouterr().out
    assert [line.split(" | ")[2] for line in table.splitlines()[2:5]] == ["published", "by slice", "by patient"]

    monkeypatch.setattr(leakage, "run", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(sys, "argv", [*arguments, *quick, "--epochs", "1", "--json"])
    assert leakage.main() == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["cuts"]["patient"]["seen"] == 0
    assert found["cuts"]["slice"]["seen"] > 0
    assert set(found["differences"]) == {"published", "slice"}

    monkeypatch.setattr(sys, "argv", [*arguments, *quick, "--epochs", "2"])
    with pytest.raises(SystemExit, match="another folder"):
        leakage.main()


def test_a_difference_is_that_of_the_accuracies_and_surer_with_more_groups(leakage: ModuleType) -> None:
    def outcome(right: int, groups: int) -> dict[str, object]:
        correct = [n % 100 < right for n in range(400)]
        return {"correct": correct, "groups": [str(n % groups) for n in range(400)], "accuracy": right / 100}

    few, many = (leakage.difference(outcome(90, n), outcome(70, n)) for n in (20, 400))
    assert few[0] == many[0] == pytest.approx(0.2)
    assert many[1] < 0.2 < many[2]
    same = leakage.difference(outcome(80, 400), outcome(80, 400))
    assert same[0] == 0
    assert same[1] < 0 < same[2]
