"""A recipe's stages: what each starts with, whose mean it ends with, and who teaches it. Nothing is trained here."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from mriclassify import Classifier, TrainingOptions

ONCE, TWICE = TrainingOptions(epochs=1), TrainingOptions(epochs=2)


@dataclass
class Training:
    """A classifier that notes what is asked of it; its "weights" are a text that says where they come from."""

    bundle: str
    log: list[dict[str, Any]] = field(default_factory=list)

    def fit(self, part: Any, *, validation: Any, options: TrainingOptions, teacher: Any, resume: Path) -> None:
        self.log.append({"start": self.bundle, "epochs": options.epochs, "teacher": teacher, "resume": resume})
        self.bundle = f"{self.bundle}>{options.epochs}"


@pytest.fixture
def log() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def recipe(
    training_script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, log: list[dict[str, Any]]
) -> ModuleType:
    """The module with a classifier that trains nothing."""
    module = training_script("recipe")

    class Fake:
        def __new__(cls, backbone: str, **settings: Any) -> Any:
            return Training(backbone, log)

        @staticmethod
        def from_pretrained(file: Path) -> Training:
            return Training(file.read_text(), log)

    def save(bundle: str, file: Path, *, half: bool) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(bundle)

    monkeypatch.setattr(module, "Classifier", Fake)
    monkeypatch.setattr(module, "save_bundle", save)
    monkeypatch.setattr(module, "souped", lambda models, *_, **__: f"({'+'.join(models)})")
    return module


def options(folder: Path) -> argparse.Namespace:
    return argparse.Namespace(run=folder, weights=folder / "imagenet", data=folder)


def test_a_stage_starts_with_the_one_before_it_and_means_may_have_earlier_ones_in_them(
    recipe: ModuleType, tmp_path: Path, log: list[dict[str, Any]]
) -> None:
    stages = (recipe.Stage((ONCE,)), recipe.Stage((TWICE, ONCE)), recipe.Stage((TWICE,), also=(1, 2)))
    made = recipe.trained(recipe.Recipe(backbone="net", size=32, stages=stages), options(tmp_path), None, None)
    second = "(net>1>2+net>1>1)"
    assert made == f"(net>1+{second}+{second}>2)"
    assert [call["resume"].relative_to(tmp_path).as_posix() for call in log] == [
        "stage-1/training-0",
        "stage-2/training-0",
        "stage-2/training-1",
        "stage-3/training-0",
    ]
    assert all(call["teacher"] is None for call in log)


def test_a_stage_may_start_with_an_earlier_one_and_be_taught(
    recipe: ModuleType, tmp_path: Path, log: list[dict[str, Any]]
) -> None:
    stages = (recipe.Stage((ONCE,)), recipe.Stage((TWICE,)), recipe.Stage((TWICE,), start=1, taught=True))
    asked = recipe.Recipe(backbone="net", size=32, stages=stages)
    assert recipe.trained(asked, options(tmp_path), None, None, teacher="wise") == "net>1>2"
    assert [(call["start"], call["teacher"]) for call in log] == [("net", None), ("net>1", None), ("net>1", "wise")]


@pytest.mark.parametrize(("backbone", "file"), [("net", "net.safetensors"), ("timm/net", "net.safetensors")])
def test_imagenet_weights_lie_beside_the_data_unless_they_are_said_to_lie_elsewhere(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, backbone: str, file: str
) -> None:
    asked: list[Path] = []

    def build(name: str, *, pretrained: Path, preprocessing: Any) -> Training:
        asked.append(pretrained)
        return Training(name)

    build.from_pretrained = recipe.Classifier.from_pretrained  # type: ignore[attr-defined]
    monkeypatch.setattr(recipe, "Classifier", build)
    for run, given in (("one", None), ("two", tmp_path / "mine")):
        line = argparse.Namespace(run=tmp_path / run, weights=given, data=tmp_path / "data")
        recipe.trained(recipe.Recipe(backbone=backbone, size=32, stages=(recipe.Stage((ONCE,)),)), line, None, None)
    assert asked == [tmp_path / "weights" / file, tmp_path / "mine"]


def test_a_stage_may_go_on_at_another_size(
    recipe: ModuleType, tmp_path: Path, log: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_size(size: int, file: Path, sized: Path) -> Path:
        sized.parent.mkdir(parents=True, exist_ok=True)
        sized.write_text(f"{file.read_text()}@{size}")
        return sized

    monkeypatch.setattr(recipe, "_of_size", of_size)
    asked = recipe.Recipe(backbone="net", size=32, stages=(recipe.Stage((ONCE,)), recipe.Stage((TWICE,), size=48)))
    assert recipe.trained(asked, options(tmp_path), None, None) == "net>1@48>2"


def test_weights_of_another_size_are_the_same_weights(
    training_script: Callable[[str], ModuleType], fitted: Classifier, tmp_path: Path
) -> None:
    module = training_script("recipe")
    fitted.save(tmp_path / "before.safetensors", half=True)
    file = module._of_size(48, tmp_path / "before.safetensors", tmp_path / "run" / "start.safetensors")
    before, after = (Classifier.from_pretrained(each).bundle for each in (tmp_path / "before.safetensors", file))
    assert before.preprocessing.size != 48
    assert after.preprocessing == replace(before.preprocessing, size=48)
    assert all(torch.equal(after.network.state_dict()[key], v) for key, v in before.network.state_dict().items())


def test_stages_that_are_done_are_not_done_again(recipe: ModuleType, tmp_path: Path, log: list[dict[str, Any]]) -> None:
    first = recipe.Recipe(backbone="net", size=32, stages=(recipe.Stage((ONCE,)), recipe.Stage((TWICE,))))
    recipe.trained(first, options(tmp_path), None, None)
    longer = recipe.Recipe(backbone="net", size=32, stages=(*first.stages, recipe.Stage((ONCE,), taught=True)))
    del log[:]
    assert recipe.trained(longer, options(tmp_path), None, None, teacher="wise") == "net>1>2>1"
    assert [call["start"] for call in log] == ["net>1>2"]


def test_the_shipped_recipes_start_with_and_mean_stages_that_are_before_them(
    training_script: Callable[[str], ModuleType],
) -> None:
    default, accurate = training_script("train_default"), training_script("train_accurate")
    assert default.RECIPE.stages[: len(default.UNTAUGHT.stages)] == default.UNTAUGHT.stages
    # Those that the first teacher is made of.
    assert accurate.LARGER_AND_FINER.stages[: len(accurate.LARGER.stages)] == accurate.LARGER.stages
    assert accurate.STUDENT_AGAIN.stages[: len(accurate.STUDENT.stages)] == accurate.STUDENT.stages
    assert not any(stage.taught for each in (default.UNTAUGHT, accurate.LARGER) for stage in each.stages)
    for each in (*default.RECIPES, *accurate.RECIPES):
        for number, stage in enumerate(each.stages, 1):
            assert all(1 <= also < number for also in stage.also)
            assert stage.start is None or 1 <= stage.start < number
            assert len(stage.trainings) > 0
