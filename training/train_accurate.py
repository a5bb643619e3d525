"""Train the accurate weights: three networks that answer together, of which the first is the default.

    python training/train_default.py --data ../shared/data --heads heads --run runs/default
    python training/fetch_backbone.py runs/tf_efficientnet_lite2.safetensors
    python training/train_accurate.py --data ../shared/data --heads heads --run runs/accurate \\
        --default runs/default/model.safetensors --lite2 runs/tf_efficientnet_lite2.safetensors

Data, fold 0 and validation are as in `train_default.py`. The networks see each slice and its mirror image, and the
mean of the six answers is calibrated anew. A run that was killed goes on.
"""

import argparse
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


COOLING = otherwise(train_default.COOLING, epochs=3, learning_rate=1.5e-4)
COARSER = replace(
    train_default.RECIPE,
    size=192,
    stages=(
        Stage((otherwise(train_default.OPTIONS, epochs=10),)),
        Stage((COOLING, replace(COOLING, seed=1))),
        Stage((train_default.BRAINS,), also=(2,)),
        Stage((replace(train_default.SEQUENCES, epochs=5),)),
        Stage((train_default.SETTLING,)),
    ),
)
LARGER = replace(
    train_default.RECIPE,
    backbone="timm/tf_efficientnet_lite2",
    stages=(
        Stage((train_default.OPTIONS,)),
        Stage((train_default.COOLING,)),
        Stage((train_default.DIFFUSE,), also=(2,)),
    ),
)
RECIPES = (COARSER, LARGER)
"""Of the networks that answer together with the default. The larger one met no other sequences: its training is the
longest, and it is the mean of all three that answers."""


def main() -> None:
    """Train the networks, put all together, and save."""
    parser = parser_of(__doc__, COARSER, run=Path("runs/accurate"))
    parser.add_argument(
        "--default", type=Path, default=Path("runs/default/model.safetensors"), help="what train_default.py made"
    )
    parser.add_argument(
        "--lite2", type=Path, required=True, help="ImageNet weights of the larger network, as fetch_backbone.py makes"
    )
    options = parser.parse_args()
    log_to_screen()
    part, validation = parts_of(options)
    networks = [
        Classifier.from_pretrained(options.default).bundle,
        trained(COARSER, _for(options, "coarser", options.weights), part, validation),
        trained(LARGER, _for(options, "larger", options.lite2), part, validation),
    ]
    together = ensembled(networks, part, validation, augment=train_default.OPTIONS.augmentation, strips=True)
    save_bundle(together.with_changes(name="accurate"), options.run / "model.safetensors", half=True)
    logging.info("saved %s", options.run / "model.safetensors")


def _for(options: argparse.Namespace, name: str, weights: Path | None) -> argparse.Namespace:
    """Return the command line for one of the networks, with a folder of its own."""
    return argparse.Namespace(**vars(options) | {"run": options.run / name, "weights": weights})


if __name__ == "__main__":
    main()
