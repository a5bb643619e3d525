"""A training small enough to be done many times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from torch import nn

from mriclassify import Classifier, Dataset, Epoch, Preprocessing, TrainingOptions

Fit: TypeAlias = Callable[..., Classifier]


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
        resume: Path | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
        **options: Any,
    ) -> Classifier:
        clf = before or Classifier(backbone, preprocessing=Preprocessing(size=size), device="cpu")
        settings = TrainingOptions(
            **{"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "precision": "fp32"} | options
        )
        return clf.fit(data, validation=validation, options=settings, resume=resume, on_epoch=on_epoch)

    return run
