"""`benchmarks/corruptions.py`: what is kept, what is drawn, and that stronger is worse."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mriclassify import OptionError

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NAMES = [
    "bias field",
    "ghosting",
    "motion",
    "spike",
    "Rician noise",
    "blur",
    "low resolution",
    "gamma",
    "contrast inversion",
    "crop",
    "rotation",
    "JPEG",
    "padding",
    "burnt-in text",
    "signal loss",
]

pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="needs the repository's benchmarks")


@pytest.fixture
def corruptions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("corruptions")


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    """A bright ellipse with darker and brighter parts, on black, wider than high."""
    rows, columns = np.mgrid[-1:1:96j, -1:1:128j]
    inside = np.hypot(rows / 0.9, columns / 0.5) < 1
    texture = 0.5 + 0.2 * np.sin(9 * rows) * np.cos(7 * columns) + 0.3 * (np.hypot(rows - 0.2, columns + 0.3) < 0.15)
    return (inside * texture).astype(np.float32)


def test_all_fifteen_are_there(corruptions: ModuleType) -> None:
    assert list(corruptions.CORRUPTIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_shape_type_and_range_are_kept_and_the_image_too(corruptions: ModuleType, head: np.ndarray, name: str) -> None:
    before = head.copy()
    for image in (head, head.T.copy(), np.zeros((64, 64), np.float32), np.ones((65, 64), np.float32)):
        for strength in corruptions.STRENGTHS:
            made = corruptions.CORRUPTIONS[name](image, strength, np.random.default_rng(0))
            assert made.shape == image.shape
            assert made.dtype == np.float32
            assert made.min() >= 0 and made.max() <= 1
    assert (head == before).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_image(corruptions: ModuleType, head: np.ndarray, name: str) -> None:
    first, second = (corruptions.CORRUPTIONS[name](head, 3, np.random.default_rng(5)) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("name", sorted({*NAMES} - {"blur", "low resolution", "contrast inversion", "JPEG"}))
def test_other_seeds_give_other_images(corruptions: ModuleType, head: np.ndarray, name: str) -> None:
    made = {corruptions.CORRUPTIONS[name](head, 3, np.random.default_rng(seed)).tobytes() for seed in range(8)}
    assert len(made) > 1


@pytest.mark.parametrize("name", NAMES)
def test_stronger_is_further_from_the_original(corruptions: ModuleType, head: np.ndarray, name: str) -> None:
    def distance(strength: int) -> float:
        made = [corruptions.CORRUPTIONS[name](head, strength, np.random.default_rng(seed)) for seed in range(4)]
        return float(np.mean([np.abs(image - head).mean() for image in made]))

    distances = [distance(strength) for strength in corruptions.STRENGTHS]
    assert distances[0] > 0
    assert distances == sorted(set(distances))


@pytest.mark.parametrize("strength", [0, 6, -1, 2.5])
@pytest.mark.parametrize("name", NAMES)
def test_another_strength_is_refused(corruptions: ModuleType, head: np.ndarray, name: str, strength: float) -> None:
    with pytest.raises(OptionError, match="one of 1, 2, 3, 4, 5, not"):
        corruptions.CORRUPTIONS[name](head, strength, np.random.default_rng(0))


def test_the_faults_that_training_rehearses_are_among_those_that_there_are(corruptions: ModuleType) -> None:
    assert set(corruptions.CORRUPTIONS) > corruptions.REHEARSED
