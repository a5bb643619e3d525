"""Show the slices of all folds that look most like computed tomography (CT) to the default weights.

    python training/find_ct.py --data ../shared/data --out runs/ct

Writes `likeness.csv`, the most likely first, and sheets of the first of them into the folder `--out`. Which of them are
of CT, somebody has to say by eye: `training/ct.csv` is what an engineer, not a radiologist, took for it.
Folds 1-4 are trained without those; those of fold 0 count as they are labelled.
"""

import argparse
import csv
import sys
from pathlib import Path

from sheets import write_sheets
from slices import folds

from mriclassify import Classifier
from mriclassify._data._record import absolute
from mriclassify._model._outputs import outputs_of

SHOWN = 154
"""Slices on the sheets."""


def main() -> None:
    """Measure all slices, and write the list and the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", default="default", help="a name, or a file of weights")
    parser.add_argument("--out", type=Path, default=Path("runs/ct"))
    options = parser.parse_args()
    bundle = Classifier.from_pretrained(options.weights, device="cpu").bundle
    if bundle.ct_likeness is None:
        sys.exit(f"{bundle.name} does not know CT: take other weights")
    slices = [(fold, record) for fold, records in folds(options.data).items() for record in records]
    scores = bundle.ct_likeness.score(outputs_of(bundle, [record.path for _, record in slices]).features.numpy())
    order = scores.argsort()[::-1]
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "likeness.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "label", "fold", "likeness"])
        for index in order:
            fold, record = slices[index]
            path = record.path.relative_to(absolute(options.data)).as_posix()
            table.writerow([path, record.label, fold, f"{scores[index]:.3f}"])
    first = order[:SHOWN].tolist()
    write_sheets(options.out, [(slices[index][1].path, f"{scores[index]:.2f}") for index in first])


if __name__ == "__main__":
    main()
