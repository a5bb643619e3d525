"""Train the accurate weights: the default's network, trained on, and a second one of another making answer together.

    python training/train_default.py --data ../shared/data --heads heads --run runs/default
    python training/train_accurate.py --data ../shared/data --heads heads --run runs/accurate \\
        --beside runs/default/model.safetensors

Data, fold 0 and validation are as in `train_default.py`. Both networks are trained on with doubled heads, and the mean
of what they were and what they became is taken. Both see each slice and its mirror image, and the mean of the four
answers is calibrated anew. A run that was killed goes on.
"""

import logging
from dataclasses import replace
from pathlib import Path

import train_default
from recipe import Stage, log_to_screen, parser_of, parts_of, trained

from mriclassify import TrainingOptions
from mriclassify._training._ensembling import ensembled
from mriclassify._weights._checkpoint import save_bundle


def otherwise(options: TrainingOptions, **changes: float) -> TrainingOptions:
    """Return the options of a network that errs elsewhere: the less two err together, the better is their mean."""
    augmentation = replace(options.augmentation, artefact=0.0)
    return replace(options, augmentation=augmentation, keep="best", seed=0, **changes)


COOLING = train_default.COOLING
ON = Stage(
    replace(COOLING, epochs=6, learning_rate=3e-4, seed=21, synthesis=replace(COOLING.synthesis, heal=0.0, double=0.5)),
    start=1,
)
"""What the default's network is trained on with."""

SECOND = replace(
    train_default.RECIPE,
    size=192,
    stages=(
        Stage(otherwise(train_default.OPTIONS, epochs=10)),
        Stage(otherwise(COOLING, epochs=3, learning_rate=1.5e-4), times=2),
        Stage(
            replace(
                COOLING,
                epochs=5,
                learning_rate=2.5e-4,
                seed=31,
                augmentation=replace(COOLING.augmentation, artefact=0.2),
                synthesis=replace(COOLING.synthesis, heal=0.1, double=0.3, graft=0.2, fade=0.3),
            ),
            # It started with the mean of two, so that each of the three counts once.
            start=2,
        ),
    ),
)
RECIPES = replace(train_default.RECIPE, stages=(*train_default.RECIPE.stages, ON)), SECOND
"""How each of the networks is made."""


def main() -> None:
    """Train the default's network on and the second one, put both together, and save."""
    parser = parser_of(__doc__, SECOND, run=Path("runs/accurate"))
    parser.add_argument("--beside", type=Path, default=Path("runs/default/model.safetensors"))
    options = parser.parse_args()
    log_to_screen()
    part, validation = parts_of(options)
    on = replace(train_default.RECIPE, stages=(ON,))
    first = trained(on, options, part, validation, run=options.run / "first", start=options.beside)
    second = trained(SECOND, options, part, validation, run=options.run / "second")
    augment = train_default.OPTIONS.augmentation
    together = ensembled([first, second], part, validation, augment=augment)
    save_bundle(together.with_changes(name="accurate"), options.run / "model.safetensors", half=True)
    logging.info("saved %s", options.run / "model.safetensors")


if __name__ == "__main__":
    main()
