"""What the recipes share: their command line, their slices, and the run."""

import argparse
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from heads import head_records
from slices import training_records, with_masks

from mriclassify import Classifier, Dataset, Preprocessing, TrainingOptions
from mriclassify._model._bundle import Bundle
from mriclassify._training._souping import souped


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What one network is trained with.

    Args:
        backbone: a name in `list_backbones()`.
        size: of the images, pixels.
        options: of the training.
        cooling: of a shorter one after it, at a lower rate and with slices that are changed less.
        coolings: how often that is done, from the same start with the next seed; the mean of their weights is taken.
    """

    backbone: str
    size: int
    options: TrainingOptions
    cooling: TrainingOptions
    coolings: int = 1


def parser_of(description: str | None, recipe: Recipe, *, run: Path) -> argparse.ArgumentParser:
    """Return the command line of a recipe; `run` is the usual folder."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", type=Path, help=f"default: weights/{recipe.backbone}.safetensors beside the data")
    parser.add_argument("--heads", type=Path, required=True, help="folder of whole heads, as fetch_heads.py makes it")
    parser.add_argument("--run", type=Path, default=run)
    return parser


def parts_of(options: argparse.Namespace) -> tuple[Dataset, Dataset]:
    """Return the training and the validation slices of folds 1-4."""
    known = Dataset(with_masks(training_records(options.data), options.data, options.run / "masks"))
    part, validation = known.split((7 / 8, 1 / 8), seed=0)
    # Not before: heads that are split by chance would validate, and calibrate, one time in eight.
    volumes = sorted(options.heads.glob("*.nii.gz"))
    if not volumes:
        raise SystemExit(
            f"no whole heads (*.nii.gz) in {options.heads}: python training/fetch_heads.py {options.heads}"
        )
    part = Dataset([*part, *head_records(volumes, options.run / "heads")])
    logging.info("training on %s", part)
    logging.info("validating on %s", validation)
    return part, validation


def trained(recipe: Recipe, options: argparse.Namespace, part: Dataset, validation: Dataset) -> Bundle:
    """Return the model of a recipe; a run that was killed goes on in the folder of the run."""
    pretrained = options.weights or options.data.parent / "weights" / f"{recipe.backbone}.safetensors"
    first = options.run / "first" / "model.safetensors"
    if not first.exists():
        clf = Classifier(recipe.backbone, pretrained=pretrained, preprocessing=Preprocessing(size=recipe.size))
        clf.fit(part, validation=validation, options=recipe.options, resume=first.parent)
        clf.save(first, half=True)
    cooled = []
    for number in range(recipe.coolings):
        cooling = replace(recipe.cooling, seed=recipe.cooling.seed + number)
        # From the file, so that it is the same whether the run was killed in between or not.
        clf = Classifier.from_pretrained(first)
        clf.fit(part, validation=validation, options=cooling, resume=options.run / f"cooling-{number}")
        cooled.append(clf.bundle)
    if len(cooled) == 1:
        return cooled[0]
    return souped(cooled, part, validation, augment=recipe.cooling.augmentation, seed=recipe.cooling.seed)


def log_to_screen() -> None:
    """Show what training logs."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
