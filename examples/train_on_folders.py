"""Train on class folders, patients kept apart, and measure on patients that training has not seen.

python examples/train_on_folders.py [FOLDER]

FOLDER holds glioma/, meningioma/, notumor/ and pituitary/, whose files begin with the patient (p07_1.png). Without
it, phantoms are drawn. For scans, write "mobilenet_v2" instead of "small_cnn", and leave the options at their defaults.
"""

import sys
import tempfile
from pathlib import Path

from phantoms import patient_of, write_phantoms

from mriclassify import Classifier, Dataset, Preprocessing, TrainingOptions


def train(folder: Path, out: Path) -> None:
    data = Dataset.from_folder(folder, group=patient_of)
    train_part, validation, test = data.split((0.6, 0.2, 0.2), seed=0)
    print(data)
    clf = Classifier("small_cnn", preprocessing=Preprocessing(size=64))
    clf.fit(
        train_part,
        validation=validation,
        options=TrainingOptions(epochs=12, batch_size=8, learning_rate=3e-3),
        on_epoch=lambda epoch: print(f"epoch {epoch.epoch}: macro-F1 {epoch.validation_macro_f1:.2f}"),
        resume=out / "run",
    )
    clf.save(out / "model.safetensors")
    report = Classifier.from_pretrained(out / "model.safetensors").evaluate(test)
    print(report)
    print("written:", *report.save(out / "report"), sep="\n  ")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        if len(sys.argv) > 1:
            train(Path(sys.argv[1]), Path("trained"))
        else:
            write_phantoms(Path(scratch, "data"))
            train(Path(scratch, "data"), Path(scratch))


if __name__ == "__main__":
    main()
