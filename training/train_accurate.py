"""Train the accurate weights: three networks that answer together, the first is the default before it is taught.

    python training/train_default.py --data ../shared/data --heads heads --run runs/default
    python training/fetch_backbone.py runs/tf_efficientnet_lite2.safetensors
    python training/train_accurate.py --data ../shared/data --heads heads --run runs/accurate \\
        --default runs/default/untaught.safetensors --lite2 runs/tf_efficientnet_lite2.safetensors

Data, fold 0 and validation are as in `train_default.py`. The networks see each slice and its mirror image, and the
mean of the six answers is calibrated anew. A run that was killed goes on. The first two networks together, in
`pair.safetensors`, teach the third, and the default.
"""

import argparse
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import train_default
from recipe import Stage, log_to_screen, parser_of, parts_of, trained

from mriclassify import Classifier
from mriclassify._training._ensembling import ensembled
from mriclassify._weights._checkpoint import save_bundle

SEQUENCES = replace(
    train_default.SEQUENCES,
    epochs=5,
    learning_rate=1.5e-4,
    synthesis=replace(train_default.SEQUENCES.synthesis, infiltrate=0.1, recast=0.3),
)
"""An epoch of the larger network takes long, so that other sequences and settling are one."""
AGAIN = replace(SEQUENCES, epochs=6, synthesis=replace(SEQUENCES.synthesis, infiltrate=0.15), seed=6)
"""The shipped network met its slices without lesions that are called none for the first time here."""
FINER = replace(AGAIN, epochs=7, teacher_weight=0.5, seed=7)
"""At 288 pixels. Its teacher is the network that it goes on from, together with the default of before."""
LARGER = replace(
    train_default.UNTAUGHT,
    backbone="timm/tf_efficientnet_lite2",
    stages=(
        Stage((train_default.OPTIONS,)),
        Stage((train_default.COOLING,)),
        Stage((train_default.DIFFUSE,), also=(2,)),
        Stage((SEQUENCES,)),
        Stage((AGAIN,), also=(4,)),
    ),
)
LARGER_AND_FINER = replace(LARGER, stages=(*LARGER.stages, Stage((FINER,), taught=True, size=288)))
RECIPES = (LARGER, LARGER_AND_FINER)
"""Of the networks that answer together with the first."""


def main() -> None:
    """Train the larger network and the finer one, put all together, and save."""
    parser = parser_of(__doc__, LARGER, run=Path("runs/accurate"))
    parser.add_argument(
        "--default",
        type=Path,
        default=Path("runs/default/untaught.safetensors"),
        help="what train_default.py made without a teacher",
    )
    parser.add_argument(
        "--lite2", type=Path, required=True, help="ImageNet weights of the larger network, as fetch_backbone.py makes"
    )
    options = parser.parse_args()
    log_to_screen()
    part, validation = parts_of(options)
    for_larger = argparse.Namespace(**vars(options) | {"run": options.run / "larger", "weights": options.lite2})
    together = partial(ensembled, kept=part, held=validation, augment=train_default.OPTIONS.augmentation, strips=True)
    networks = [
        Classifier.from_pretrained(options.default).bundle,
        trained(LARGER, for_larger, part, validation),
    ]
    pair = options.run / "pair.safetensors"
    if not pair.exists():
        save_bundle(together(networks), pair, half=True)
    teacher = Classifier.from_pretrained(pair)
    networks.append(trained(LARGER_AND_FINER, for_larger, part, validation, teacher=teacher))
    save_bundle(together(networks).with_changes(name="accurate"), options.run / "model.safetensors", half=True)
    logging.info("saved %s", options.run / "model.safetensors")


if __name__ == "__main__":
    main()
