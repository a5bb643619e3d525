"""Occlusion: the fall of the logit under a window is the one that blurring it makes."""

import pytest
import torch

pytest.importorskip("captum")

from torch import nn

from mriclassify._explaining._captum import blurred
from mriclassify._explaining._occlusion import falls
from mriclassify._model._inference import ready
from mriclassify._model._network import Network


class Mean(nn.Module):
    """Two features: the brightness of one window, and 1."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = images[:, 0, 24:32, 24:32].mean(dim=(1, 2))
        return torch.stack([found, torch.ones_like(found)], dim=1)


def test_a_window_of_its_own_has_the_whole_fall() -> None:
    network = ready(Network(Mean(), classes=2, channels=1, size=64, mean=0.0, std=1.0), torch.device("cpu"))
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    seen = torch.zeros(1, 1, 64, 64)
    seen[..., 24:32, 24:32] = 1
    found = falls(network, seen, target=0)[0, 0]
    whole = float((seen - blurred(seen))[..., 24:32, 24:32].mean())
    # Windows of 8 go by 4: a pixel lies under four of them, of which one covers all, two the half, one a quarter.
    assert float(found[25, 25]) < whole
    assert float(found[24:32, 24:32].mean()) > 0.4 * whole
    assert (found[:16].abs().max(), found[40:].abs().max()) == (0, 0)


def test_blurring_keeps_the_mean_and_takes_details() -> None:
    seen = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert float(blurred(seen).mean()) == pytest.approx(float(seen.mean()), abs=0.01)
    assert float(blurred(seen).std()) < 0.2 * float(seen.std())
    assert blurred(torch.ones(1, 1, 9, 9)).numpy() == pytest.approx(1, abs=1e-5)
