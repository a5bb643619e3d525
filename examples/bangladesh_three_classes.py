"""Three tumour classes of the Bangladesh set with a network of one's own: exploration, metrics, plots, saved model.

    python examples/bangladesh_three_classes.py [ROOT] [--out bangladesh]

It replaces pipelines on Mendeley mk56jw9rns that plot the classes, train a network written for it, plot metrics and
save the model. They name no figure that could stand beside this one. The set's `brain_tumor` is pituitary, and its
images are turned, shifted and mirrored slices of figshare: those that are known again get their patients. ROOT may be
another set: slices without tumour are left out.
"""

from pathlib import Path

import torch
from published import command_line, read, show
from torch import nn

from mriclassify import Classifier, Preprocessing, TrainingOptions


class ThreeBlocks(nn.Module):
    """Three blocks of two convolutions: images (batch, 1, size, size) to features (batch, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(_block(1, 32), _block(32, 64), _block(64, 128), nn.AdaptiveAvgPool2d(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.blocks(images).flatten(1)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def main() -> None:
    options = command_line(__doc__, epochs=20, size=128).parse_args()
    out = options.out or Path("bangladesh")
    data = read("bangladesh", options.root, limit=options.limit).filter(lambda record: record.label != "notumor")
    print(data)
    data.audit().save(out / "data")
    train, validation, test = data.split((0.7, 0.15, 0.15), seed=0)
    clf = Classifier(ThreeBlocks(), preprocessing=Preprocessing(size=options.size))
    clf.fit(train, validation=validation, options=TrainingOptions(epochs=options.epochs, learning_rate=2e-3))
    report = clf.evaluate(test)
    show(report, published={})
    report.save(out / "report")
    clf.save(out / "three_blocks.safetensors")
    # The file holds the weights, not the code: the module is passed again.
    again = Classifier.from_pretrained(out / "three_blocks.safetensors", backbone=ThreeBlocks())
    print(again.predict(test[0].path), f"\nwritten to {out}")


if __name__ == "__main__":
    main()
