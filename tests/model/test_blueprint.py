"""Blueprint: what a network is built from, and that the seed alone decides what is random in it."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mriclassify import NetworkError, OptionError, Preprocessing
from mriclassify._model._blueprint import Blueprint

TINY = Preprocessing(size=32)


class Mine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 6, 5, stride=4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images).mean(dim=(2, 3))  # type: ignore[no-any-return]


def small(**changes: object) -> Blueprint:
    options: dict[str, object] = {"pretrained": None, "preprocessing": TINY}
    return Blueprint.of("small_cnn", **(options | changes))  # type: ignore[arg-type]


def test_the_seed_alone_decides_what_is_random() -> None:
    torch.manual_seed(1)
    first = small().build(classes=3, seed=7).state_dict()
    torch.manual_seed(2)
    second = small().build(classes=3, seed=7).state_dict()
    other = small().build(classes=3, seed=8).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_building_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    small().build(classes=3, seed=7)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_name_brings_the_size_that_suits_it() -> None:
    assert Blueprint.of("resnet18", pretrained=None, preprocessing=None).preprocessing.size == 160
    assert Blueprint.of("vit_b_16", pretrained=None, preprocessing=None).preprocessing.size == 224
    assert small().preprocessing is TINY


def test_a_module_starts_as_it_is_and_sees_as_many_channels_as_it_takes() -> None:
    module = Mine()
    blueprint = Blueprint.of(module, pretrained="imagenet", preprocessing=TINY)
    assert (blueprint.name, blueprint.pretrained) == ("custom:Mine", None)
    weights = module.layer.weight.clone()
    network = blueprint.build(classes=2, seed=0)
    assert network.backbone is module
    assert network.channels == 3
    assert torch.equal(module.layer.weight, weights)
    assert network.eval()(torch.zeros(2, 1, 32, 32)).logits.shape == (2, 2)


def test_small_cnn_needs_no_pretrained_weights() -> None:
    assert small(pretrained="imagenet").pretrained is None


@pytest.mark.parametrize("wrong", ["resnet19", "", None, nn.Linear, 5])
def test_what_is_no_backbone_is_refused_at_once(wrong: object) -> None:
    with pytest.raises(OptionError, match="no backbone is named"):
        Blueprint.of(wrong, pretrained=None, preprocessing=None)  # type: ignore[arg-type]


def test_a_missing_file_of_weights_is_said_when_the_network_is_built(tmp_path: Path) -> None:
    blueprint = Blueprint.of("resnet18", pretrained=tmp_path / "absent.safetensors", preprocessing=TINY)
    with pytest.raises(NetworkError, match=r"absent\.safetensors"):
        blueprint.build(classes=2, seed=0)
