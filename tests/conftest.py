"""What tests share: where the real data lies, and small slices made on the spot."""

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mriclassify import Classifier, Dataset


# Before torch is imported: networks this small are slower on two threads than on one, and much slower where other
# programs want the same cores. Processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real data beside the repository; tests that use it are skipped where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data in ../shared/data")
    return folder


@pytest.fixture(scope="module")
def training_script() -> Iterator[Callable[[str], ModuleType]]:
    """Import a script of `training/` by its name; tests that use it are skipped where there is no repository."""
    folder = Path(__file__).resolve().parents[1] / "training"
    if not folder.is_dir():
        pytest.skip("needs the repository's scripts")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module


def make_phantom(label: str = "notumor", *, seed: int = 0, size: int = 96) -> NDArray[np.uint8]:
    """A head-like ellipse with a bright blob whose place depends on the class: learnable in seconds."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:size, 0:size] / size - 0.5
    jitter = rng.uniform(-0.03, 0.03, 2)
    head = ((rows / 0.45) ** 2 + (columns / 0.36) ** 2 < 1) * 90.0
    places = {"glioma": (-0.2, -0.12), "meningioma": (0.2, 0.15), "pituitary": (0.02, 0.0)}
    if label in places:
        row, column = places[label]
        blob = (rows - row - jitter[0]) ** 2 + (columns - column - jitter[1]) ** 2 < 0.09**2
        head = np.where(blob, 230.0, head)
    return np.clip(head + rng.normal(0, 6, head.shape) * (head > 0), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of small PNG slices, named `p<patient>_<k>.png`: 4 classes, 6 patients each, 2 slices."""
    from PIL import Image

    root = tmp_path_factory.mktemp("phantoms")
    for number, label in enumerate(("glioma", "meningioma", "notumor", "pituitary")):
        (root / label).mkdir()
        for patient in range(6):
            for k in range(2):
                seed = number * 1000 + patient * 10 + k
                Image.fromarray(make_phantom(label, seed=seed)).save(root / label / f"p{number}{patient}_{k}.png")
    return root


@pytest.fixture(scope="session")
def phantoms(phantom_folder: Path) -> "Dataset":
    """The slices of `phantom_folder`, with their patients."""
    from mriclassify import Dataset

    return Dataset.from_folder(phantom_folder, group=lambda path: path.stem.split("_")[0])


@pytest.fixture(scope="session")
def parts(phantoms: "Dataset") -> "tuple[Dataset, ...]":
    """(train, test) of the phantoms, patients apart; test holds about a third."""
    return phantoms.split((2 / 3, 1 / 3), seed=0)


@pytest.fixture(scope="session")
def fitted(parts: "tuple[Dataset, ...]") -> "Classifier":
    """A small network that has learnt the phantoms of `parts[0]`; do not fit it again.

    It rejects nothing: a phantom without a tumour is one even grey, so that it looks like a document's white ground.
    """
    from mriclassify import Classifier, Preprocessing, Thresholds, TrainingOptions

    options = TrainingOptions(epochs=8, batch_size=8, learning_rate=3e-3, precision="fp32", augmentation=None)
    train, validation = parts[0].split((0.75, 0.25), seed=0)
    clf = Classifier("small_cnn", preprocessing=Preprocessing(size=64), device="cpu")
    clf.fit(train, validation=validation, options=options)
    clf.thresholds = Thresholds(appearance=None)
    return clf
