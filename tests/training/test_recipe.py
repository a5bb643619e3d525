"""A recipe: stages that follow one another, each from the mean of the one before, and go on where they were killed."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from mriclassify import Augmentation, Bundle, Classifier, Dataset, Synthesis, TrainingOptions
from mriclassify._model._backbones import build_backbone

OPTIONS = TrainingOptions(epochs=1, batch_size=8, precision="fp32", seed=3, warmup=0)


@pytest.fixture(scope="module")
def recipes(training_script: Callable[[str], ModuleType]) -> ModuleType:
    return training_script("recipe")


@pytest.fixture
def start(tmp_path: Path) -> Path:
    file = tmp_path / "start.safetensors"
    save_file(build_backbone("small_cnn", size=32).state_dict(), file)
    return file


def weights(bundle: Bundle) -> dict[str, torch.Tensor]:
    return {name: value for name, value in bundle.network.state_dict().items() if value.is_floating_point()}


def test_stages_follow_one_another_and_a_finished_one_is_not_done_again(
    recipes: ModuleType,
    parts: tuple[Dataset, Dataset],
    start: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = recipes.Recipe(
        backbone="small_cnn",
        size=32,
        stages=(recipes.Stage((OPTIONS,)), recipes.Stage((OPTIONS, replace(OPTIONS, seed=4)))),
    )
    asked: list[tuple[int, str]] = []
    fit = Classifier.fit

    def noted(clf: Classifier, data: Dataset, **given: object) -> Classifier:
        resume, training = given["resume"], given["options"]
        assert isinstance(resume, Path) and isinstance(training, TrainingOptions)
        asked.append((training.seed, resume.relative_to(tmp_path / "run").as_posix()))
        return fit(clf, data, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "fit", noted)
    line = Namespace(data=tmp_path, weights=start, run=tmp_path / "run")
    made = recipes.trained(recipe, line, *parts)
    assert asked == [(3, "stage-1/training-0"), (3, "stage-2/training-0"), (4, "stage-2/training-1")]
    first = Classifier.from_pretrained(tmp_path / "run" / "stage-1" / "model.safetensors", device="cpu").bundle
    assert any(not torch.equal(value, weights(made)[name]) for name, value in weights(first).items())

    # Killed after its first stage, it does the second one again from the same start.
    (tmp_path / "run" / "stage-2" / "model.safetensors").unlink()
    del asked[:]
    again = recipes.trained(recipe, line, *parts)
    assert [folder for _, folder in asked] == ["stage-2/training-0", "stage-2/training-1"]
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(made).items())
    del asked[:]
    recipes.trained(recipe, line, *parts)
    assert not asked


def test_a_stage_may_have_weights_of_earlier_ones_in_its_mean(
    recipes: ModuleType, parts: tuple[Dataset, Dataset], start: Path, tmp_path: Path
) -> None:
    made: dict[tuple[int, ...], list[Bundle]] = {}
    for also in ((), (1,)):
        between = recipes.Stage((replace(OPTIONS, seed=4),))
        stages = (recipes.Stage((OPTIONS,)), between, recipes.Stage((OPTIONS,), also=also))
        line = Namespace(data=tmp_path, weights=start, run=tmp_path / str(len(also)))
        recipe = recipes.Recipe(backbone="small_cnn", size=32, stages=stages)
        last = recipes.trained(recipe, line, *parts)
        first = Classifier.from_pretrained(line.run / "stage-1" / "model.safetensors", device="cpu").bundle
        made[also] = [first, last]
    before, after = (weights(bundle) for bundle in made[()])
    both = weights(made[1,][1])
    assert all(torch.equal(value, weights(made[1,][0])[name]) for name, value in before.items())
    # In half precision, as it was saved.
    for name, value in both.items():
        torch.testing.assert_close(value, (before[name] + after[name]) / 2, rtol=2e-3, atol=2e-3)
    assert any(not torch.equal(value, after[name]) for name, value in both.items())


def test_a_recipe_without_stages_makes_no_weights(
    recipes: ModuleType, parts: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    line = Namespace(data=tmp_path, weights=None, run=tmp_path)
    with pytest.raises(ValueError, match="needs a stage"):
        recipes.trained(recipes.Recipe(backbone="small_cnn", size=32, stages=()), line, *parts)


@pytest.mark.parametrize("strip", [0.0, 0.3])
def test_a_mean_is_calibrated_as_the_first_training_changes_slices_and_knows_of_brains_alone(
    recipes: ModuleType,
    parts: tuple[Dataset, Dataset],
    fitted: Classifier,
    monkeypatch: pytest.MonkeyPatch,
    *,
    strip: float,
) -> None:
    asked: list[dict[str, object]] = []

    def souped(models: list[Bundle], *_: object, **given: object) -> Bundle:
        asked.append(given)
        return models[0]

    monkeypatch.setattr(recipes, "souped", souped)
    weaker = replace(OPTIONS, augmentation=Augmentation(gamma=0.1), seed=9)
    stage = recipes.Stage((weaker, replace(weaker, synthesis=Synthesis(strip=strip))))
    recipe = recipes.Recipe(backbone="small_cnn", size=32, stages=(recipes.Stage((OPTIONS,)), stage))
    recipes._mean([fitted.bundle] * 2, recipe, stage, *parts)
    assert asked == [{"augment": OPTIONS.augmentation, "seed": OPTIONS.seed, "strips": strip > 0}]
