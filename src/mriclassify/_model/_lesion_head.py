"""The lesion head: where in the slice is a lesion, read from the maps of the backbone's last stages."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

WIDTH = 64
PRIOR = 0.02
"""Part of a slice that a lesion covers, roughly: the map starts there, so that the first steps are not spent on it."""


class LesionHead(nn.Module):
    """A light top-down decoder (feature pyramid, Lin et al. 2017): maps of several stages become one.

    Args:
        channels: of the maps, finest first.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, WIDTH, kernel_size=1, bias=False) for count in channels)
        self.norms = nn.ModuleList(nn.BatchNorm2d(WIDTH) for _ in channels)
        self.smooth = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
        )
        self.score = nn.Conv2d(WIDTH, 1, kernel_size=1)
        nn.init.constant_(self.score.bias, float(torch.logit(torch.tensor(PRIOR))))  # type: ignore[arg-type]

    def forward(self, maps: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the lesion's logits (batch, h, w) and the map (batch, WIDTH, h, w) they were read from.

        Args:
            maps: (batch, channels, h, w) each, finest first; the result has the finest one's size.
        """
        levels = zip(maps, self.lateral, self.norms, strict=True)
        *finer, coarsest = [norm(lateral(found)) for found, lateral, norm in levels]
        state = functional.relu(coarsest)
        for here in reversed(finer):
            above = functional.interpolate(state, size=here.shape[-2:], mode="bilinear", align_corners=False)
            state = functional.relu(here + above)
        state = self.smooth(state)
        return self.score(state).squeeze(1), state


def looked_at(lesions: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """Return what lies where the map says lesion: (batch, WIDTH + 2).

    The mean of `state` weighted by the lesion's probability, the highest logit, and how much there is of it.

    Args:
        lesions: logits (batch, h, w).
        state: (batch, WIDTH, h, w).
    """
    weight = lesions.float().sigmoid().flatten(1)  # (batch, h * w)
    total = weight.sum(dim=1, keepdim=True)
    mean = torch.einsum("bn,bcn->bc", weight, state.float().flatten(2)) / (total + 1)
    highest = lesions.float().flatten(1).amax(dim=1, keepdim=True) / 10
    share = (total / weight.shape[1]).clamp(min=1e-4).log() / 10
    return torch.cat([mean, highest, share], dim=1)
