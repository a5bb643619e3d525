"""Ensemble: several networks answer together, each about an image and about its mirror image."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from mriclassify._errors import NetworkError
from mriclassify._model._lesion_head import LesionHead
from mriclassify._model._network import Network, Outputs
from mriclassify._shapes import Images


class Ensemble(nn.Module):
    """Networks of the same classes; the answer is the mean of theirs (Lakshminarayanan et al. 2017, arXiv 1612.01474).

    A head is nearly its own mirror image, and left and right say nothing of the class: each network is asked about
    both. Logits and lesion maps are means; features stand side by side, each the mean of the two views.

    Args:
        members: the networks.
        sizes: the side of the images that each was trained on, pixels.

    Attributes:
        mirrored: whether the networks are asked about mirror images too; where not, they take half the time.

    Raises:
        NetworkError: no network, not a size for each, or other numbers of classes; or only some look for lesions.
    """

    def __init__(self, members: Sequence[Network], sizes: Sequence[int]) -> None:
        super().__init__()
        if not members or len(members) != len(sizes):
            raise NetworkError(f"an ensemble needs a size for each network, not {len(sizes)} for {len(members)}")
        if len({member.head.out_features for member in members}) > 1:
            raise NetworkError("an ensemble's networks must have the same classes")
        if len({member.lesion_head is None for member in members}) > 1:
            raise NetworkError("either all networks of an ensemble look for lesions or none")
        self.members = nn.ModuleList(members)
        self.sizes = tuple(sizes)
        self.mirrored = True

    @property
    def first(self) -> Network:
        """The network that stands for all where only one can."""
        first = self.members[0]
        assert isinstance(first, Network)  # for the type checker: ModuleList forgets it
        return first

    @property
    def mean(self) -> torch.Tensor:
        """Where this lies, the networks compute."""
        return self.first.mean

    @property
    def backbone(self) -> nn.Module:
        """Of the first network."""
        return self.first.backbone

    @property
    def channels(self) -> int:
        """What the first network's backbone takes."""
        return self.first.channels

    @property
    def features(self) -> int:
        """Of all networks together."""
        return sum(member.features for member in self.members if isinstance(member, Network))

    @property
    def lesion_head(self) -> LesionHead | None:
        """Of the first network; None where they do not look for lesions."""
        return self.first.lesion_head

    def forward(self, images: Images) -> Outputs:
        """Return the outputs for images (batch, 1, size, size), 0..1.5 as `Preprocessing` makes them."""
        ask = _both_views if self.mirrored else _one_view
        parts = [ask(member, resized(images, size)) for member, size in zip(self.members, self.sizes, strict=True)]
        maps = [part.lesions for part in parts if part.lesions is not None]
        return Outputs(
            torch.stack([part.logits.float() for part in parts]).mean(dim=0),
            torch.cat([part.features.float() for part in parts], dim=1),
            _mean_map(maps) if maps else None,
        )


def resized(images: Images, size: int) -> Images:
    """Return images or maps (batch, channels, side, side) at `size` pixels, bilinear with antialiasing."""
    if images.shape[-1] == size:
        return images
    return functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def _one_view(member: nn.Module, images: Images) -> Outputs:
    outputs: Outputs = member(images)
    return outputs


def _both_views(member: nn.Module, images: Images) -> Outputs:
    here, there = member(images), member(images.flip(-1))
    lesions = None if here.lesions is None else (here.lesions + there.lesions.flip(-1)) / 2
    return Outputs((here.logits + there.logits) / 2, (here.features + there.features) / 2, lesions)


def _mean_map(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the mean of lesion maps (batch, side, side), at the largest one's side."""
    side = max(found.shape[-1] for found in maps)
    return torch.stack([resized(found[:, None].float(), side)[:, 0] for found in maps]).mean(dim=0)
