"""Nothing that is fed to the reading room breaks it; `benchmarks/fuzz.py` says how that is tried, and tries more."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mriclassify import UnreadableFileError
from mriclassify._reading import read_study

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"
KINDS = {"JPEG", "PNG", "TIFF", "DICOM", "NIfTI", "MATLAB", "ZIP"}

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs the repository's benchmarks")


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    specification = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_mutated_files_become_answers_or_errors_of_ours(tmp_path: Path) -> None:
    source = SCRIPT.parents[1] / "src"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--count", "1500", "--seed", "1", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(source)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.findall(r"^(\w+): (\w+) +([\d,]+)$", done.stdout, re.MULTILINE)
    assert sum(int(count.replace(",", "")) for *_, count in counts) == 1500
    for kind in KINDS:
        outcomes = {outcome for found, outcome, _ in counts if found == kind}
        assert outcomes & {"Slice", "Study"}, f"all mutants of {kind} were refused, so that little was tried"
        assert "DamagedFileError" in outcomes, f"no mutant of {kind} was damaged"


def test_whole_files_can_be_read(fuzz: ModuleType) -> None:
    files = fuzz.whole_files(fuzz.np.random.default_rng(0))
    assert set(files) == KINDS
    for kind, whole in files.items():
        for number, content in enumerate(whole):
            assert fuzz.outcome(6, content) == "Study", f"{kind} {number}"
            if kind != "ZIP":
                assert fuzz.outcome(0, content) == "Slice", f"{kind} {number}"


def test_an_input_is_the_same_whoever_makes_it(fuzz: ModuleType) -> None:
    first = list(fuzz.inputs(3, 0, 30))
    assert first[20:] == list(fuzz.inputs(3, 20, 10))
    assert first != list(fuzz.inputs(4, 0, 30))
    assert len({content for _, _, content in first}) == 30


@pytest.mark.parametrize("error", [ValueError("foreign"), MemoryError(), UnreadableFileError("too little memory")])
def test_what_is_no_error_of_ours_is_a_failure(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(fuzz, "read_slice", fail)
    tally = fuzz.read_block(0, 0, 5, tmp_path / "progress")
    assert [failure["number"] for failure in tally.failures] == [0, 1, 2, 3, 4]
    assert type(error).__name__ in tally.failures[0]["why"]


def test_what_takes_too_long_is_a_failure(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 0.0)
    tally = fuzz.read_block(0, 0, 3, tmp_path / "progress")
    assert len(tally.failures) == 3
    assert "took" in tally.failures[0]["why"]


def test_a_process_that_dies_or_hangs_costs_one_input(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import os, sys, time\n"
        "seed, start, count = map(int, sys.argv[2:5])\n"
        "for number in range(start, start + count):\n"
        "    open(sys.argv[5], 'w').write(str(number))\n"
        "    if number == 4: os._exit(9)\n"
        "    if number == 7: time.sleep(60)\n"
        'print(\'{"outcomes": {"read": %d}}\' % count)\n'
    )
    monkeypatch.setattr(fuzz, "__file__", str(broken))
    monkeypatch.setattr(fuzz, "SECONDS", 0.3)
    tally = fuzz.watched(0, 0, 10, tmp_path)
    assert [failure["number"] for failure in tally.failures] == [4, 7]
    assert ["died" in failure["why"] or "hung" in failure["why"] for failure in tally.failures] == [True, True]
    assert tally.outcomes["read"] == 8


@pytest.mark.parametrize("far", ["1e308", "-1e308", "1e38"])
def test_slices_beyond_the_world_have_no_position(fuzz: ModuleType, tmp_path: Path, far: str) -> None:
    pixels = fuzz.slice_of(fuzz.np.random.default_rng(0), 32)
    for number, z in enumerate(("0", far, "5", far)):
        (tmp_path / f"{number}.dcm").write_bytes(fuzz.dicom(pixels, number=number, ImagePositionPatient=["0", far, z]))
    study = read_study(tmp_path)
    assert [place.position for place in study.places] == [None] * 4
    assert "positions are not stated" in study.notes[0]


@pytest.mark.parametrize("far", [1e20, -1e35, 1e38])
def test_a_volume_beyond_the_world_counts_its_slices(fuzz: ModuleType, far: float) -> None:
    volume = fuzz.np.zeros((20, 20, 3), fuzz.np.int16)
    content = bytes(fuzz.nib.Nifti1Image(volume, fuzz.np.diag([far, far, far, 1.0])).to_bytes())
    assert [place.position for place in read_study(content).places] == [0.0, 1.0, 2.0]
