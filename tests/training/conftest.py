"""A training small enough to be done many times."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mriclassify import Bundle, Classifier, Dataset, Epoch, Preprocessing, TrainingOptions
from mriclassify._model._provenance import Provenance

Fit: TypeAlias = Callable[..., Classifier]
Scaled: TypeAlias = Callable[..., Bundle]


@pytest.fixture(scope="session")
def scaled() -> Scaled:
    """Make another model of one: all its parameters times a factor, trained on slices of its own."""

    def make(bundle: Bundle, factor: float, **changes: Any) -> Bundle:
        network = copy.deepcopy(bundle.network)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(factor)
        provenance = Provenance(slices=np.array([1, 2], np.uint64), groups=("known",))
        return bundle.with_changes(network=network, provenance=provenance, **changes)

    return make


@pytest.fixture(scope="module")
def masked(parts: tuple[Dataset, Dataset], tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """`parts`, with a mask of the bright blob of each tumour; those of "notumor" have none."""
    folder = tmp_path_factory.mktemp("masks")

    def outlined(path: Path) -> Path | None:
        if path.parent.name == "notumor":
            return None
        pixels = np.asarray(Image.open(path))
        file = folder / f"{path.parent.name}_{path.stem}.png"
        Image.fromarray((pixels > 160).astype(np.uint8) * np.uint8(255)).save(file)
        return file

    return parts[0].with_masks(outlined), parts[1].with_masks(outlined)


@pytest.fixture
def fit(parts: tuple[Dataset, Dataset]) -> Fit:
    """Train a new classifier on the phantoms; keywords are those of `TrainingOptions`, `fit` and `Classifier`."""

    def run(
        *,
        data: Dataset = parts[0],
        validation: Dataset = parts[1],
        backbone: str | nn.Module = "small_cnn",
        before: Classifier | None = None,
        size: int = 32,
        teacher: Classifier | None = None,
        resume: Path | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
        **options: Any,
    ) -> Classifier:
        clf = before or Classifier(backbone, preprocessing=Preprocessing(size=size), device="cpu")
        settings = TrainingOptions(
            **{"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "precision": "fp32"} | options
        )
        return clf.fit(data, validation=validation, options=settings, teacher=teacher, resume=resume, on_epoch=on_epoch)

    return run
