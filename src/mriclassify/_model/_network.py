"""The network: images in, logits and features out; what the numbers mean is decided elsewhere."""

from typing import NamedTuple

import torch
from torch import nn

from mriclassify._model._backbones import IMAGENET_MEAN, IMAGENET_STD, feature_count
from mriclassify._shapes import Features, Images, Logits


class Outputs(NamedTuple):
    """What a network says of a batch: raw numbers, no probabilities."""

    logits: Logits  # (batch, classes)
    features: Features  # (batch, d)


class Network(nn.Module):
    """A backbone and a linear head.

    Normalisation is the network's first step, so that it travels with the weights into every file and export.

    Args:
        backbone: images (batch, channels, size, size) to features (batch, d).
        classes: number of classes.
        channels: what the backbone takes; one-channel images are shown to three channels without copying.
        size: side of the images in pixels.
        mean: what the backbone's weights expect to be subtracted from images of 0..1, by default ImageNet's.
        std: what they expect to be divided by then.

    Raises:
        NetworkError: the backbone does not make features (batch, d) of such images.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        backbone: nn.Module,
        *,
        classes: int,
        channels: int,
        size: int,
        mean: float = IMAGENET_MEAN,
        std: float = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.backbone = backbone
        self.head = nn.Linear(feature_count(backbone, channels=channels, size=size), classes)
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, images: Images) -> Outputs:
        """Return the outputs for images (batch, 1, size, size), 0..1.5 as `Preprocessing` makes them."""
        normal = (images - self.mean) / self.std
        features = self.backbone(normal.expand(-1, self.channels, -1, -1))  # (batch, d)
        return Outputs(self.head(features), features)
