"""Train a network and an augmentation of your own, save the model, and load it again.

python examples/own_backbone.py
"""

import tempfile
from pathlib import Path

import torch
from phantoms import patient_of, write_phantoms
from torch import nn

from mriclassify import Classifier, Dataset, Preprocessing, TrainingOptions


class TwoScales(nn.Module):
    """Fine and coarse convolutions side by side: images (batch, 1, size, size) to features (batch, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = _branch(stride=2)
        self.coarse = _branch(stride=4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.fine(images), self.coarse(images)], dim=1)


def _branch(*, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 32, kernel_size=2 * stride + 1, stride=stride, padding=stride),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Conv2d(32, 32, kernel_size=4),
        nn.Flatten(),
    )


def dim(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Make each image up to a third darker; drawn from the generator, so that a run can be repeated."""
    factors = 1 - torch.rand(len(images), 1, 1, 1, generator=generator) / 3
    return images * factors.to(images)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        write_phantoms(Path(scratch, "data"))
        data = Dataset.from_folder(Path(scratch, "data"), group=patient_of)
        train, test = data.split((0.7, 0.3), seed=0)
        clf = Classifier(TwoScales(), preprocessing=Preprocessing(size=64))
        clf.fit(train, options=TrainingOptions(epochs=6, batch_size=8, learning_rate=5e-3, augmentation=dim))
        print(clf.evaluate(test))
        file = Path(scratch, "two-scales.safetensors")
        clf.save(file)
        # The file holds the weights, not the code: the module is passed again.
        again = Classifier.from_pretrained(file, backbone=TwoScales())
        print(again, again.predict(test[0].path).to_json(), sep="\n")


if __name__ == "__main__":
    main()
