"""Train the accurate weights: a large network and a small one, which it helped to teach, answer together.

    python training/train_default.py --data ../shared/data --heads heads --run runs/default
    python training/fetch_backbone.py runs/tf_efficientnet_lite2.safetensors
    python training/train_accurate.py --data ../shared/data --heads heads --run runs/accurate \\
        --default runs/default/untaught.safetensors --lite2 runs/tf_efficientnet_lite2.safetensors

Data, fold 0 and validation are as in `train_default.py`. The networks see each slice and its mirror image, and the
mean of the four answers is calibrated anew. A run that was killed goes on. Those who teach are written beside it:

| file | networks | teaches |
|---|---|---|
| `pair.safetensors` | the default before it was taught, a larger one | the larger one, finer; the default |
| `triple.safetensors` | these and the finer one | a small one |
| `three.safetensors` | the small, the larger and the finer one | the small one once more |

The finer one and the mean of the small one's weights after both trainings answer together.
"""

import argparse
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import train_default
from recipe import Recipe, Stage, log_to_screen, parser_of, parts_of, trained

from mriclassify import Bundle, Classifier
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
ALL_AT_ONCE = replace(
    train_default.OPTIONS,
    epochs=11,
    learning_rate=6e-4,
    teacher_weight=0.7,
    synthesis=replace(
        train_default.OPTIONS.synthesis,
        heal=0.1,
        graft=0.15,
        fade=0.25,
        infiltrate=0.15,
        recast=0.3,
        strip=0.15,
    ),
    seed=8,
)
"""What is hard to tell from labels is said by the teacher, so that nothing has to wait for a later stage."""
STUDENT = Recipe(backbone="timm/tf_efficientnet_lite0", size=224, stages=(Stage((ALL_AT_ONCE,), taught=True),))
"""Of the shipped networks the only one that never met the lesions that are called none, CT, and all copies."""
LONGER = replace(ALL_AT_ONCE, epochs=10, learning_rate=4e-4, seed=9)
STUDENT_AGAIN = replace(STUDENT, stages=(*STUDENT.stages, Stage((LONGER,), also=(1,), taught=True)))
"""After the first training its validation loss was still falling; what it meets is the same, its teacher knows more."""
RECIPES = (LARGER_AND_FINER, STUDENT_AGAIN)
"""Of the networks that answer together."""


def main() -> None:
    """Train the larger network, the finer one and the student of both, put the last two together, and save."""
    parser = parser_of(__doc__, STUDENT, run=Path("runs/accurate"))
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
    for_student = argparse.Namespace(**vars(options) | {"run": options.run / "student"})
    together = partial(ensembled, kept=part, held=validation, augment=train_default.OPTIONS.augmentation, strips=True)

    def teaching(name: str, *networks: Bundle) -> Classifier:
        file = options.run / f"{name}.safetensors"
        if not file.exists():
            save_bundle(together(networks), file, half=True)
        return Classifier.from_pretrained(file)

    first = Classifier.from_pretrained(options.default).bundle
    larger = trained(LARGER, for_larger, part, validation)
    finer = trained(LARGER_AND_FINER, for_larger, part, validation, teacher=teaching("pair", first, larger))
    student = trained(STUDENT, for_student, part, validation, teacher=teaching("triple", first, larger, finer))
    three = teaching("three", student, larger, finer)
    student = trained(STUDENT_AGAIN, for_student, part, validation, teacher=three)
    model = together([student, finer]).with_changes(name="accurate")
    save_bundle(model, options.run / "model.safetensors", half=True)
    logging.info("saved %s", options.run / "model.safetensors")


if __name__ == "__main__":
    main()
