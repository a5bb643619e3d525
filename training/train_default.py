"""Train the default weights, which lie in the package.

    python training/fetch_heads.py heads
    python training/train_default.py --data ../shared/data --heads heads
    # then train_accurate.py, which goes on from the result; and with the first teacher that it makes
    python training/train_default.py --data ../shared/data --heads heads --teacher runs/accurate/pair.safetensors

Test is fold 0 of `folds.csv`, of which this script never reads a pixel. Validation is an eighth of folds 1-4, by
patient or near-duplicate cluster; it chooses the temperature and every threshold of the answers. The masks of the
figshare set show where the tumours lie. A run that was killed goes on.
`python training/publish.py` then measures the file and puts it into the package.
"""

import logging
from dataclasses import replace
from pathlib import Path

from heads import LITTLE_BRAIN
from recipe import Recipe, Stage, log_to_screen, parser_of, parts_of, trained

from mriclassify import Augmentation, Classifier, Synthesis, TrainingOptions
from mriclassify._weights._checkpoint import save_bundle

OPTIONS = TrainingOptions(
    epochs=12,
    batch_size=32,
    learning_rate=5e-4,
    weight_decay=0.02,
    label_smoothing=0.05,
    # Synthesis evens the classes out.
    class_weights="none",
    averaging=0.998,
    # The best of so few validation slices would be a matter of luck.
    keep="last",
    # Stronger than usual: what differs between scanners must say nothing.
    augmentation=Augmentation(
        gamma=0.4, contrast=0.3, bias=0.25, noise=0.05, brightness=0.1, coarse=0.3, artefact=0.25
    ),
    synthesis=Synthesis(heal=0.15, miss=0.15, graft=0.2, fade=0.3, crop=0.2, sham=0.1, spared_sources=(LITTLE_BRAIN,)),
    # Not "auto": its measurement can fall out differently on a busy machine, and these are to be made again.
    precision="bf16",
    seed=1,
)
COOLING = replace(
    OPTIONS,
    epochs=5,
    learning_rate=2e-4,
    averaging=0.995,
    augmentation=Augmentation(
        gamma=0.35, contrast=0.25, bias=0.2, noise=0.04, brightness=0.08, coarse=0.2, artefact=0.15
    ),
    synthesis=Synthesis(heal=0.05, miss=0.1, graft=0.1, fade=0.2, crop=0.15, sham=0.05, spared_sources=(LITTLE_BRAIN,)),
)
DIFFUSE = replace(COOLING, synthesis=replace(COOLING.synthesis, infiltrate=0.15))
BRAINS = replace(COOLING, synthesis=replace(DIFFUSE.synthesis, strip=0.3))
"""What the public sets hardly show: gliomas without contrast agent, and brains alone. A network that met them misses
fewer tumours there, and a few more in its own hospitals; the mean of before and after hardly misses more there. Met
from the first epoch on, gliomas without contrast agent cost more."""
SEQUENCES = replace(BRAINS, epochs=8, synthesis=replace(BRAINS.synthesis, strip=0.15, recast=0.4), seed=2)
SETTLING = replace(
    SEQUENCES, epochs=4, learning_rate=1e-4, synthesis=replace(SEQUENCES.synthesis, infiltrate=0.1, recast=0.25), seed=3
)
"""Other sequences. A mean with weights that never met them would forget them again; fewer recast slices and a lower
rate at the end win back most of what they cost on the slices that are as they are."""
TAUGHT = replace(
    SEQUENCES,
    epochs=5,
    learning_rate=1.5e-4,
    teacher_weight=0.6,
    synthesis=replace(SEQUENCES.synthesis, infiltrate=0.15, recast=0.3),
    seed=5,
)
"""The teacher is the larger network of `train_accurate.py`, together with this one as it was until then."""
UNTAUGHT = Recipe(
    backbone="mobilenet_v2",
    size=224,
    stages=(
        Stage((OPTIONS,)),
        Stage((COOLING, replace(COOLING, seed=2))),
        Stage((DIFFUSE, BRAINS), also=(2,)),
        Stage((SEQUENCES,)),
        Stage((SETTLING, replace(SETTLING, seed=4))),
    ),
)


RECIPE = replace(UNTAUGHT, stages=(*UNTAUGHT.stages, Stage((TAUGHT,), also=(5,), start=4, taught=True)))
"""The taught network is, like those of stage 5, one end of what stage 4 began, so that they have a mean."""
RECIPES = (RECIPE,)
"""Of the networks that answer together: it answers alone."""


def main() -> None:
    """Train and save: what teaches nobody yet, or what was taught."""
    parser = parser_of(__doc__, RECIPE, run=Path("runs/default"))
    parser.add_argument(
        "--teacher", type=Path, help="a pair that train_accurate.py made; without it, the untaught network"
    )
    options = parser.parse_args()
    log_to_screen()
    if options.teacher is None:
        recipe, teacher, file = UNTAUGHT, None, options.run / "untaught.safetensors"
    else:
        teacher = Classifier.from_pretrained(options.teacher)
        recipe, file = RECIPE, options.run / "model.safetensors"
    model = trained(recipe, options, *parts_of(options), teacher=teacher)
    save_bundle(model.with_changes(name="default"), file, half=True)
    logging.info("saved %s", file)


if __name__ == "__main__":
    main()
