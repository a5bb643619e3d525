"""The network: images in, logits and features out; what the numbers mean is decided elsewhere."""

from typing import NamedTuple

import torch
from torch import nn

from mriclassify._errors import NetworkError
from mriclassify._model._backbones import IMAGENET_MEAN, IMAGENET_STD, feature_count
from mriclassify._model._lesion_head import WIDTH, LesionHead, looked_at
from mriclassify._model._stages import find_stages, tap
from mriclassify._shapes import Features, Images, LesionLogits, Logits


class Outputs(NamedTuple):
    """What a network says of a batch: raw numbers, no probabilities."""

    logits: Logits  # (batch, classes)
    features: Features  # (batch, d), what the head reads the class from
    lesions: "LesionLogits | None" = None  # (batch, side, side), of networks that look for lesions


class Network(nn.Module):
    """A backbone and a linear head; with `lesions` also a map of where a lesion is, which the class is read from too.

    Normalisation is the network's first step, so that it travels with the weights into every file and export.

    With `lesions` the head sees three things side by side: the backbone's features; the means of its middle stages,
    textures that the last one has forgotten; and what lies where the lesion map says lesion. What tells one source from
    another lies all over the slice, what tells tumours apart lies in them.

    Args:
        backbone: images (batch, channels, size, size) to features (batch, d).
        classes: number of classes.
        channels: what the backbone takes; one-channel images are shown to three channels without copying.
        size: side of the images in pixels.
        mean: what the backbone's weights expect to be subtracted from images of 0..1, by default ImageNet's.
        std: what they expect to be divided by then.
        lesions: whether to look for lesions.

    Raises:
        NetworkError: the backbone does not make features (batch, d) of such images; or, with `lesions`, no map.
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
        lesions: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.backbone = backbone
        self.lesion_head: LesionHead | None = None
        count = feature_count(backbone, channels=channels, size=size)
        if lesions:
            stages = find_stages(backbone, channels=channels, size=size)
            if not stages:
                raise NetworkError(
                    f"{type(backbone).__name__} makes no map (batch, channels, height, width) on its way, so that it "
                    "can't look for lesions: train without masks, or take another backbone"
                )
            self._taps = tap(backbone, stages)
            self.lesion_head = LesionHead([stage.channels for stage in stages])
            count += sum(stage.channels for stage in stages[1:-1]) + WIDTH + 2
        self.head = nn.Linear(count, classes)
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    @property
    def features(self) -> int:
        """How many the class is read from."""
        return self.head.in_features

    def forward(self, images: Images) -> Outputs:
        """Return the outputs for images (batch, 1, size, size), 0..1.5 as `Preprocessing` makes them."""
        normal = (images - self.mean) / self.std
        features = self.backbone(normal.expand(-1, self.channels, -1, -1))  # (batch, d)
        if self.lesion_head is None:
            return Outputs(self.head(features), features)
        maps = [found.take() for found in self._taps]
        lesions, state = self.lesion_head(maps)
        middle = [found.mean(dim=(2, 3)) for found in maps[1:-1]]
        features = torch.cat([features, *middle, looked_at(lesions, state).to(features.dtype)], dim=1)
        return Outputs(self.head(features), features, lesions)
