"""A long run goes on: of many files every tenth is broken, and each has its answer or its error at its place.

`benchmarks/keeps_going.py` does the same with 10,000 files, and measures memory.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from mriclassify import Classifier

WAYS = Path(__file__).parents[1] / "benchmarks" / "_breaking.py"
COUNT = 240

pytestmark = pytest.mark.skipif(not WAYS.exists(), reason="needs the repository's benchmarks")


@pytest.fixture(scope="module")
def breaking() -> ModuleType:
    specification = importlib.util.spec_from_file_location("breaking", WAYS)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def good(phantom_folder: Path) -> list[Path]:
    return sorted(phantom_folder.rglob("*.png"))


@pytest.fixture(scope="module")
def files(breaking: ModuleType, good: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """COUNT paths, of which those whose number ends in 7 are broken, in each of the twelve ways twice."""
    paths: list[Path] = breaking.fill(tmp_path_factory.mktemp("many"), good, COUNT)
    return paths


def test_there_are_twelve_ways(breaking: ModuleType) -> None:
    assert len(set(breaking.WAYS)) == 12
    assert {breaking.way_of(number) for number in range(COUNT)} == set(breaking.WAYS)
    assert sum(map(breaking.is_broken, range(COUNT))) == COUNT / 10


@pytest.mark.parametrize("batch_size", [7, 32])
def test_answers_and_errors_stand_in_their_places(
    fitted: Classifier, breaking: ModuleType, good: list[Path], files: list[Path], batch_size: int
) -> None:
    expected = list(fitted.predict_many(good))
    answers = list(fitted.predict_many(files, batch_size=batch_size))
    assert [answer.source for answer in answers] == [str(path) for path in files]
    for number, answer in enumerate(answers):
        if breaking.is_broken(number):
            way = breaking.way_of(number).__name__
            assert (answer.status, answer.label, answer.confidence) == ("error", None, None), way
            assert str(files[number]) in answer.reasons[0], way
        else:
            alone = expected[number % len(good)]
            assert (answer.status, answer.label) == (alone.status, alone.label)
            assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-4)


def test_each_way_has_a_reason_of_its_own(fitted: Classifier, breaking: ModuleType, files: list[Path]) -> None:
    broken = [path for number, path in enumerate(files) if breaking.is_broken(number)][: len(breaking.WAYS)]
    reasons = [answer.reasons[0].replace(answer.source, "it") for answer in fitted.predict_many(broken)]
    # That there is no file is said of a link to nowhere as of nothing at all.
    assert len(set(reasons)) == len(breaking.WAYS) - 1, "\n".join(reasons)
