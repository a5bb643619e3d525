"""What the recipes share: their command line, and the run."""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

from slices import head_records, training_records, with_masks

from mriclassify import Classifier, Dataset, Preprocessing, TrainingOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What one network is trained with.

    Args:
        backbone: a name in `list_backbones()`.
        size: of the images, pixels.
        options: of the training.
    """

    backbone: str
    size: int
    options: TrainingOptions


def main(description: str | None, recipe: Recipe, *, run: Path) -> None:
    """Train as the command line asks, `run` being the usual folder, and save the model there."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", type=Path, help=f"default: weights/{recipe.backbone}.safetensors beside the data")
    parser.add_argument("--head", type=Path, required=True, help="ch2.nii.gz of Debian's mricron-data")
    parser.add_argument("--run", type=Path, default=run)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pretrained = options.weights or options.data.parent / "weights" / f"{recipe.backbone}.safetensors"
    known = Dataset(with_masks(training_records(options.data), options.data, options.run / "masks"))
    part, validation = known.split((7 / 8, 1 / 8), seed=0)
    # Not before: a head that is split by chance would validate, and calibrate, one time in eight.
    part = Dataset([*part, *head_records(options.head, options.run / "head")])
    logging.info("training on %s", part)
    logging.info("validating on %s", validation)
    clf = Classifier(recipe.backbone, pretrained=pretrained, preprocessing=Preprocessing(size=recipe.size))
    clf.fit(part, validation=validation, options=recipe.options, resume=options.run)
    clf.save(options.run / "model.safetensors", half=True)
    logging.info("saved %s", options.run / "model.safetensors")
