"""Cross-validate by patient: every slice is tested once, by a model that has not seen its patient.

python examples/cross_validate.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from phantoms import patient_of, write_phantoms

from mriclassify import Classifier, Dataset, Preprocessing, TrainingOptions

FOLDS = 3
OPTIONS = TrainingOptions(epochs=10, batch_size=8, learning_rate=3e-3)


def cross_validate(folder: Path) -> None:
    data = Dataset.from_folder(folder, group=patient_of)
    accuracies = []
    for number, (train, test) in enumerate(data.folds(FOLDS, seed=0), start=1):
        clf = Classifier("small_cnn", preprocessing=Preprocessing(size=64)).fit(train, options=OPTIONS)
        report = clf.evaluate(test, bootstrap=0)
        print(f"fold {number}: accuracy {report.accuracy:.3f}. {report.leakage.sentence}")
        accuracies.append(report.accuracy)
    print(f"mean {np.mean(accuracies):.3f}, standard deviation over folds {np.std(accuracies, ddof=1):.3f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch, "data")
        if len(sys.argv) == 1:
            write_phantoms(folder)
        cross_validate(folder)


if __name__ == "__main__":
    main()
