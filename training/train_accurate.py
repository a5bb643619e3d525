"""Train the accurate weights: a second network, finer and begun otherwise, that answers together with the default's.

    python training/train_default.py --data ../shared/data --head ch2.nii.gz --run runs/default
    python training/train_accurate.py --data ../shared/data --head ch2.nii.gz --run runs/accurate \\
        --beside runs/default/model.safetensors

Data, fold 0 and validation are as in `train_default.py`. Both networks see each slice and its mirror image, and the
mean of the four answers is calibrated anew. A run that was killed goes on.
"""

from dataclasses import replace
from pathlib import Path

import train_default
from recipe import main

RECIPE = replace(
    train_default.RECIPE,
    size=224,
    options=replace(train_default.RECIPE.options, epochs=10, seed=1),
)

if __name__ == "__main__":
    main(__doc__, RECIPE, run=Path("runs/accurate"))
