"""Blueprint: what an untrained network is to be built from."""

import logging
import os
from dataclasses import dataclass

import torch
from torch import nn

from mriclassify._data._preprocessing import Preprocessing
from mriclassify._model._backbones import (
    IMAGENET,
    build_backbone,
    check_backbone,
    has_imagenet,
    load_pretrained,
    natural_size,
    normalisation,
    stem_channels,
)
from mriclassify._model._network import Network
from mriclassify._model._stages import find_stages

log = logging.getLogger("mriclassify")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What an untrained network is to be built from.

    Attributes:
        name: of the backbone, or "custom:..." for a module of the user's own.
        module: that module.
        pretrained: "imagenet", a file, or None.
        preprocessing: of the slices.
    """

    name: str
    module: nn.Module | None
    pretrained: str | os.PathLike[str] | None
    preprocessing: Preprocessing

    @classmethod
    def of(
        cls,
        backbone: str | nn.Module,
        *,
        pretrained: str | os.PathLike[str] | None,
        preprocessing: Preprocessing | None,
    ) -> "Blueprint":
        """Return the blueprint for a backbone's name, or a module.

        Raises:
            OptionError: no such name.
        """
        if isinstance(backbone, nn.Module):
            name = f"custom:{type(backbone).__qualname__}"
            return cls(name=name, module=backbone, pretrained=None, preprocessing=preprocessing or Preprocessing())
        check_backbone(backbone)
        return cls(
            name=backbone,
            module=None,
            # Only torchvision's and timm's own have weights that are known here; others start as they are.
            pretrained=None if pretrained == IMAGENET and not has_imagenet(backbone) else pretrained,
            preprocessing=preprocessing or Preprocessing(size=natural_size(backbone)),
        )

    def build(self, *, classes: int, seed: int, lesions: bool = False) -> Network:
        """Return the network, pretrained as asked; what is random depends on `seed` alone.

        Args:
            classes: how many.
            seed: of what is random.
            lesions: whether it looks for lesions; a backbone that makes no maps does not, and the log says so.
        """
        size = self.preprocessing.size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            backbone = self.module if self.module is not None else build_backbone(self.name, size=size)
            if self.pretrained is not None:
                load_pretrained(backbone, self.name, source=self.pretrained, size=size)
            mean, std = normalisation(self.name)
            channels = stem_channels(backbone)
            if lesions and not find_stages(backbone, channels=channels, size=size):
                log.warning("%s makes no maps on its way: it is trained without the lesions' masks", self.name)
                lesions = False
            return Network(backbone, classes=classes, channels=channels, size=size, mean=mean, std=std, lesions=lesions)
