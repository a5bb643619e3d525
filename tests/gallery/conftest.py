"""A classifier that answers at once, with maps, for what can be read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mriclassify import Thresholds
from mriclassify._explaining import Explanation
from mriclassify._model._prediction import Prediction, Status
from mriclassify._reading import name_of, read_slice


@dataclass
class Answering:
    """Says of each file what `status` says, by the file's stem; else "ok"."""

    status: dict[str, Status] = field(default_factory=dict)
    has_lesions: bool = True
    classes: tuple[str, ...] = ("glioma", "notumor")
    thresholds: Thresholds = field(default_factory=Thresholds)
    device: str = "cpu"
    bundle: Any = field(default_factory=lambda: SimpleNamespace(name="fake-v1"))
    asked: list[str] = field(default_factory=list)

    def explain(self, source: Any, *, axis: int, index: int | None, allow_url: bool) -> Explanation:
        self.asked.append(name_of(source))
        pixels = read_slice(source, axis=axis, index=index).pixels
        status = self.status.get(Path(source).stem, "ok")
        chance = round(0.5 + 0.4 * float(np.tanh(pixels.std() / 100)), 6)
        answer = Prediction(
            source=name_of(source),
            label="glioma",
            confidence=chance,
            probabilities={"glioma": chance, "notumor": 1 - chance},
            status=status,
            reasons=() if status == "ok" else ("It is <odd>.", "It is small."),
            model="fake-v1",
            device="cpu",
        )
        heat = np.linspace(0, 1, pixels.size, dtype=np.float32).reshape(pixels.shape)
        return Explanation(
            source=answer.source,
            prediction=answer,
            label="glioma",
            method="Grad-CAM",
            layer="last",
            heat_map=heat,
            lesion_map=heat if self.has_lesions else None,
            pixels=pixels.astype(np.uint8),
            image=pixels,
        )


@pytest.fixture
def answering() -> type[Answering]:
    return Answering


@pytest.fixture
def scans(tmp_path: Path) -> Callable[..., list[Path]]:
    """Makes small pictures of these names, each of its own content."""

    def make(*names: str, shape: tuple[int, int] = (32, 24)) -> list[Path]:
        folder = tmp_path / "scans"
        folder.mkdir(exist_ok=True)
        rng = np.random.default_rng(0)
        for name in names:
            Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(folder / name)
        return [folder / name for name in names]

    return make
