"""What the recipes share: their command line, their slices, and the run."""

import argparse
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from heads import head_records
from slices import thinned, training_records, with_masks, without_listed

from mriclassify import Classifier, Dataset, Preprocessing, TrainingOptions
from mriclassify._model._bundle import Bundle
from mriclassify._training._souping import souped
from mriclassify._weights._checkpoint import save_bundle


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a recipe: trainings from the same start, of whose weights the mean is taken.

    Args:
        trainings: the options of each.
        also: numbers of earlier stages, the first being 1, whose weights are part of that mean: what is learnt anew
            then costs less of what was known (Wortsman et al. 2022, arXiv 2109.01903).
        start: number of the stage that it starts with the weights of; None for the one before.
        taught: whether a teacher's answers are learnt beside labels and masks.
        size: of the images from here on, pixels; None for the size that it starts with.
    """

    trainings: tuple[TrainingOptions, ...]
    also: tuple[int, ...] = ()
    start: int | None = None
    taught: bool = False
    size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What one network is trained with.

    Args:
        backbone: a name in `list_backbones()`.
        size: of the images, pixels; a stage may have another.
        stages: in their order. Means of weights are calibrated to slices as the first training changes them.
    """

    backbone: str
    size: int
    stages: tuple[Stage, ...]

    @property
    def pretrained(self) -> str:
        """Name of the file of ImageNet weights that it begins with."""
        return f"{self.backbone.rpartition('/')[2]}.safetensors"


def parser_of(description: str | None, recipe: Recipe, *, run: Path) -> argparse.ArgumentParser:
    """Return the command line of a recipe; `run` is the usual folder."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", type=Path, help=f"default: weights/{recipe.pretrained} beside the data")
    parser.add_argument("--heads", type=Path, required=True, help="folder of whole heads, as fetch_heads.py makes it")
    parser.add_argument("--run", type=Path, default=run)
    return parser


def parts_of(options: argparse.Namespace) -> tuple[Dataset, Dataset]:
    """Return the training and the validation slices of folds 1-4."""
    known = Dataset(with_masks(training_records(options.data), options.data, options.run / "masks"))
    # After the split, which would be another one without them: the shipped networks' validation slices would train.
    part, validation = (without_listed(each, options.data) for each in known.split((7 / 8, 1 / 8), seed=0))
    part = thinned(part)
    # Not before: heads that are split by chance would validate, and calibrate, one time in eight.
    volumes = sorted(options.heads.glob("*.nii.gz"))
    if not volumes:
        raise SystemExit(
            f"no whole heads (*.nii.gz) in {options.heads}: python training/fetch_heads.py {options.heads}"
        )
    part = [*part, *head_records(volumes, options.run / "heads")]
    parts = Dataset(part), Dataset(validation)
    logging.info("training on %s", parts[0])
    logging.info("validating on %s", parts[1])
    return parts


def trained(
    recipe: Recipe,
    options: argparse.Namespace,
    part: Dataset,
    validation: Dataset,
    *,
    teacher: Classifier | None = None,
) -> Bundle:
    """Return the model of a recipe; a run that was killed goes on in the folder of the run.

    Args:
        recipe: what to train.
        options: of the command line.
        part: the training slices.
        validation: of other patients.
        teacher: of the stages that are taught.
    """
    pretrained = options.weights or options.data.parent / "weights" / recipe.pretrained
    if not recipe.stages:
        raise ValueError("a recipe needs a stage")
    files = [options.run / f"stage-{number}" / "model.safetensors" for number in range(1, len(recipe.stages) + 1)]
    for number, (stage, file) in enumerate(zip(recipe.stages, files, strict=True), 1):
        if file.exists():
            continue
        # From the file, so that it is the same whether the run was killed in between or not.
        start = number - 1 if stage.start is None else stage.start
        before = files[start - 1] if start else None
        if before and stage.size:
            before = _of_size(stage.size, before, file.parent / "start.safetensors")
        models = [Classifier.from_pretrained(files[also - 1]).bundle for also in stage.also]
        for time, asked in enumerate(stage.trainings):
            clf = (
                Classifier.from_pretrained(before)
                if before
                else Classifier(
                    recipe.backbone, pretrained=pretrained, preprocessing=Preprocessing(size=stage.size or recipe.size)
                )
            )
            clf.fit(
                part,
                validation=validation,
                options=asked,
                teacher=teacher if stage.taught else None,
                resume=file.parent / f"training-{time}",
            )
            models.append(clf.bundle)
        save_bundle(_mean(models, recipe, stage, part, validation), file, half=True)
    return Classifier.from_pretrained(files[-1]).bundle


def _of_size(size: int, file: Path, sized: Path) -> Path:
    """Write the weights in a file as those of a network that sees images of `size` pixels, and return where."""
    bundle = Classifier.from_pretrained(file).bundle
    save_bundle(bundle.with_changes(preprocessing=replace(bundle.preprocessing, size=size)), sized, half=True)
    return sized


def _mean(models: list[Bundle], recipe: Recipe, stage: Stage, part: Dataset, validation: Dataset) -> Bundle:
    if len(models) == 1:
        return models[0]
    first = recipe.stages[0].trainings[0]
    strips = any(asked.synthesis is not None and asked.synthesis.strip > 0 for asked in stage.trainings)
    return souped(models, part, validation, augment=first.augmentation, seed=first.seed, strips=strips)


def log_to_screen() -> None:
    """Show what training logs."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
