"""Integrated gradients: the amounts of all pixels add up to what the slice adds to the logit."""

import pytest
import torch

pytest.importorskip("captum")

from mriclassify._explaining._integrated_gradients import attributions
from mriclassify._model._backbones import build_backbone
from mriclassify._model._inference import infer, ready
from mriclassify._model._network import Network


@pytest.fixture
def network() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Network(build_backbone("small_cnn", size=64), classes=4, channels=1, size=64).train()
        made(torch.rand(8, 1, 64, 64))
    return ready(made, torch.device("cpu"))


@pytest.mark.parametrize("target", [0, 3])
def test_the_sum_is_the_difference_to_black(network: Network, target: int) -> None:
    seen = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    found = attributions(network, seen, target=target, steps=200)
    assert found.shape == seen.shape
    difference = infer(network, seen).logits - infer(network, torch.zeros_like(seen)).logits
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), difference[:, target], rtol=0.02, atol=0.005)
    assert difference[:, target].abs().min() > 0.01


def test_black_pixels_add_nothing(network: Network) -> None:
    seen = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    seen[..., :20, :] = 0
    assert (attributions(network, seen, target=0)[..., :20, :] == 0).all()
