"""Train a network with a lesion head on the folds that the default weights are trained on: towards better ones.

    python training/train_lesions.py --data ../shared/data --run runs/lesions
    python training/publish.py --measure runs/lesions/model.safetensors

The masks of the figshare set show where the tumours of the training slices lie; they are mirrored and resized as the
slices are, into the folder of the run. Tumours are healed and grafted. Fold 0 and validation are as in
`train_default.py`. What came of it is not the default yet: it holds better in other hospitals, and worse on fold 0.
"""

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps
from train_default import arguments, train, training_records

from mriclassify import Augmentation, Dataset, Record, Synthesis, TrainingOptions

SIZE = 160
OPTIONS = TrainingOptions(
    epochs=12,
    batch_size=32,
    learning_rate=5e-4,
    weight_decay=0.02,
    label_smoothing=0.05,
    # Stronger than usual: what differs between scanners must say nothing.
    augmentation=Augmentation(gamma=0.4, contrast=0.35, bias=0.25, noise=0.05, brightness=0.1),
    synthesis=Synthesis(heal=0.3, graft=0.2, sham=0.2),
    # Not "auto": its measurement can fall out differently on a busy machine, and these weights are to be made again.
    precision="bf16",
)


def with_masks(records: Iterable[Record], data: Path, folder: Path) -> list[Record]:
    """Return the records with the masks of the figshare slices among them, made in `folder` to fit the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    with (data / "folds.csv").open(newline="") as file:
        shown = {data / row["path"]: row for row in csv.DictReader(file)}
    return [_with_mask(record, shown[record.path], data, folder) for record in records]


def _with_mask(record: Record, row: dict[str, str], data: Path, folder: Path) -> Record:
    if not row["figshare_image"]:
        return record
    made = folder / f"{record.path.stem}.png"
    with (
        Image.open(data / "figshare" / "masks" / f"{row['figshare_image']}.png") as mask,
        Image.open(record.path) as image,
    ):
        turned = {"same": lambda mask: mask, "mirrored": ImageOps.mirror}[row["orientation"]](mask.convert("L"))
        turned.resize(image.size, Image.Resampling.BILINEAR).point(lambda grey: 255 * (grey > 127)).save(made)
    return replace(record, mask=made)


def main() -> None:
    """Train and save."""
    options = arguments(__doc__, run=Path("runs/lesions"))
    known = Dataset(with_masks(training_records(options.data), options.data, options.run / "masks"))
    train(known, options, size=SIZE, training=OPTIONS)


if __name__ == "__main__":
    main()
