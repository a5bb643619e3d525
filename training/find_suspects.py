"""List the "notumor" slices that show a tumour to networks which never trained on them.

    python training/find_suspects.py --data ../shared/data --run runs/suspects

The no-tumour class was collected from many sources, and some of its slices show lesions. Each of folds 1-4 is judged by
a small network with a lesion head that was trained on the other three. What is found is written into
`training/suspects.csv`, with the reason. A run that was killed goes on.

Fold 0 trains none of them and is judged by all four: where their mean doubts a label, `training/disputed.csv` says so.
Labels of fold 0 stay as they are; the card says how many of the errors are disputed.

The column `seen` is filled in by hand, and kept when the list is made again: "lesion", "CT", or "nothing" where the
network was wrong. The recipes leave out all but the last kind, since true slices of the skull base without a tumour are
rare and needed. Who looked for the list in the repository was an engineer, not a radiologist.
"""

import argparse
import csv
import logging
from pathlib import Path

import numpy as np
from slices import DISPUTED, SUSPECTS, folds, suspects, with_masks

from mriclassify import Augmentation, Classifier, Dataset, Prediction, Preprocessing, Record, Synthesis, TrainingOptions
from mriclassify._data._record import absolute
from mriclassify._shapes import Probabilities

BACKBONE = "mobilenet_v2"
SIZE = 128
DOUBTED_BELOW = 0.15
"""A "notumor" slice is suspect where a network that has not trained on it gives that label less than this."""

OPTIONS = TrainingOptions(
    epochs=4,
    batch_size=32,
    learning_rate=5e-4,
    label_smoothing=0.05,
    # Crops and healed tumours are what makes networks careful; here they are to suspect.
    augmentation=Augmentation(coarse=0),
    synthesis=Synthesis(heal=0, miss=0, graft=0.2, fade=0, crop=0, sham=0),
    precision="bf16",
)


def main() -> None:
    """Train four networks, and write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", type=Path, help=f"default: weights/{BACKBONE}.safetensors beside the data")
    parser.add_argument("--run", type=Path, default=Path("runs/suspects"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pretrained = options.weights or options.data.parent / "weights" / f"{BACKBONE}.safetensors"
    parts = {fold: records for fold, records in folds(options.data).items() if fold != "0"}
    found: list[Prediction] = []
    tested = [record for record in folds(options.data)["0"] if record.label == "notumor"]
    beliefs = []
    for fold, held in parts.items():
        others = [record for other, records in parts.items() if other != fold for record in records]
        data = Dataset(with_masks(others, options.data, options.run / "masks"))
        clf = Classifier(BACKBONE, pretrained=pretrained, preprocessing=Preprocessing(size=SIZE))
        clf.fit(data, options=OPTIONS, resume=options.run / f"fold{fold}")
        found += judged(clf, held)
        beliefs.append(clf.predict_proba([record.path for record in tested]))
        logging.info("after fold %s: %d suspects", fold, len(found))
    write(found, options.data, SUSPECTS)
    write(disputed(tested, np.mean(beliefs, axis=0), clf.classes), options.data, DISPUTED)


def judged(clf: Classifier, held: list[Record]) -> list[Prediction]:
    """Return the answers about the "notumor" slices among `held` that doubt their label."""
    healthy = [record.path for record in held if record.label == "notumor"]
    answers = clf.predict_many(healthy, on_error="raise")
    return [answer for answer in answers if answer.probabilities["notumor"] < DOUBTED_BELOW]


def disputed(tested: list[Record], beliefs: Probabilities, classes: tuple[str, ...]) -> list[Prediction]:
    """Return the answers about slices whose label is doubted by the mean of all networks."""
    answers = [
        Prediction(
            source=str(record.path),
            label=classes[row.argmax()],
            confidence=float(row.max()),
            probabilities=dict(zip(classes, row.tolist(), strict=True)),
        )
        for record, row in zip(tested, beliefs, strict=True)
    ]
    return [answer for answer in answers if answer.probabilities["notumor"] < DOUBTED_BELOW]


def write(found: list[Prediction], data: Path, listed: Path) -> None:
    """Write a list, the most doubted slice first, with what was seen in those that were listed before."""
    seen = {row["path"]: row["seen"] for row in suspects(listed)} if listed.exists() else {}
    with listed.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["path", "label", "probability", "reason", "seen"])
        for answer in sorted(found, key=lambda answer: answer.probabilities["notumor"]):
            reason = f"out of fold it is called {answer.label} with {answer.confidence:.2f}"
            path = Path(answer.source).relative_to(absolute(data)).as_posix()
            rows.writerow([path, "notumor", f"{answer.probabilities['notumor']:.4f}", reason, seen.get(path, "")])


if __name__ == "__main__":
    main()
