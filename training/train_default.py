"""Train the default weights, which lie in the package.

    python training/train_default.py --data ../shared/data --run runs/default

Test is fold 0 of `folds.csv`, of which this script never reads a pixel. Validation is an eighth of folds 1-4, by
patient or near-duplicate cluster; it chooses the epoch and the temperature. A run that was killed goes on.
`python training/publish.py` then measures the file and puts it into the package.
"""

import argparse
import csv
import logging
from pathlib import Path

from mriclassify import Classifier, Dataset, Preprocessing, Record, TrainingOptions

BACKBONE = "mobilenet_v2"
SIZE = 192
OPTIONS = TrainingOptions(
    epochs=16,
    batch_size=32,
    learning_rate=5e-4,
    weight_decay=0.02,
    label_smoothing=0.05,
    # Not "auto": its measurement can fall out differently on a busy machine, and these weights are to be made again.
    precision="bf16",
)


def folds(data: Path) -> dict[str, list[Record]]:
    """Return the records of `folds.csv`, by fold: different slices, labelled, with patient or cluster."""
    records: dict[str, list[Record]] = {}
    with (data / "folds.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            record = Record(path=data / row["path"], label=row["label"], group=row["group"])
            records.setdefault(row["fold"], []).append(record)
    return records


def arguments(description: str | None, *, run: Path) -> argparse.Namespace:
    """Return what the command line asks for; `run` is the usual folder."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", type=Path, help=f"default: weights/{BACKBONE}.safetensors beside the data")
    parser.add_argument("--run", type=Path, default=run)
    return parser.parse_args()


def training_records(data: Path) -> list[Record]:
    """Return the records of folds 1-4."""
    return [record for fold, records in folds(data).items() if fold != "0" for record in records]


def train(known: Dataset, options: argparse.Namespace, *, size: int, training: TrainingOptions) -> None:
    """Train on `known`, but for the eighth that validates, and save the model in the folder of the run."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pretrained = options.weights or options.data.parent / "weights" / f"{BACKBONE}.safetensors"
    part, validation = known.split((7 / 8, 1 / 8), seed=0)
    logging.info("training on %s", part)
    logging.info("validating on %s", validation)
    clf = Classifier(BACKBONE, pretrained=pretrained, preprocessing=Preprocessing(size=size))
    clf.fit(part, validation=validation, options=training, resume=options.run)
    clf.save(options.run / "model.safetensors", half=True)
    logging.info("saved %s", options.run / "model.safetensors")


def main() -> None:
    """Train and save."""
    options = arguments(__doc__, run=Path("runs/default"))
    train(Dataset(training_records(options.data)), options, size=SIZE, training=OPTIONS)


if __name__ == "__main__":
    main()
