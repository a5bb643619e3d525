"""Train the accurate weights: a second network, of another making, that answers together with the default's.

    python training/train_default.py --data ../shared/data --heads heads --run runs/default
    python training/train_accurate.py --data ../shared/data --heads heads --run runs/accurate \\
        --beside runs/default/model.safetensors

Data, fold 0 and validation are as in `train_default.py`. Both networks see each slice and its mirror image, and the
mean of the four answers is calibrated anew. A run that was killed goes on.
"""

import logging
from dataclasses import replace
from pathlib import Path

import train_default
from recipe import Stage, log_to_screen, parser_of, parts_of, trained

from mriclassify import Classifier, TrainingOptions
from mriclassify._training._ensembling import ensembled
from mriclassify._weights._checkpoint import save_bundle


def otherwise(options: TrainingOptions, **changes: float) -> TrainingOptions:
    """Return the options of a network that errs elsewhere: the less two err together, the better is their mean."""
    augmentation = replace(options.augmentation, artefact=0.0)
    return replace(options, augmentation=augmentation, keep="best", seed=0, **changes)


RECIPE = replace(
    train_default.RECIPE,
    size=192,
    stages=(
        Stage(otherwise(train_default.OPTIONS, epochs=10)),
        Stage(otherwise(train_default.COOLING, epochs=3, learning_rate=1.5e-4), times=2),
    ),
)


def main() -> None:
    """Train the second network, put both together, and save."""
    parser = parser_of(__doc__, RECIPE, run=Path("runs/accurate"))
    parser.add_argument("--beside", type=Path, default=Path("runs/default/model.safetensors"))
    options = parser.parse_args()
    log_to_screen()
    part, validation = parts_of(options)
    second = trained(RECIPE, options, part, validation)
    first = Classifier.from_pretrained(options.beside)
    augment = train_default.OPTIONS.augmentation
    together = ensembled([first.bundle, second], part, validation, augment=augment)
    save_bundle(together.with_changes(name="accurate"), options.run / "model.safetensors", half=True)
    logging.info("saved %s", options.run / "model.safetensors")


if __name__ == "__main__":
    main()
