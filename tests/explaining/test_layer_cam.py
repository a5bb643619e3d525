"""LayerCAM: each position has its own weight, and all resolutions have a say."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.models import VisionTransformer

from mriclassify._explaining._layer_cam import layer_cam
from mriclassify._model._backbones import build_backbone, stem_channels
from mriclassify._model._inference import ready
from mriclassify._model._network import Network


def network(name: str, size: int = 96) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = build_backbone(name, size=size)
        made = Network(backbone, classes=4, channels=stem_channels(backbone), size=size).train()
        made(torch.rand(8, 1, size, size))
    return ready(made, torch.device("cpu"))


def image(size: int = 96) -> torch.Tensor:
    return torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0))


def test_a_named_layer_agrees_with_gradients_by_hand() -> None:
    model, seen = network("small_cnn"), image()
    expected_of: list[torch.Tensor] = []
    handle = model.backbone.get_submodule("blocks.2").register_forward_hook(
        lambda module, inputs, output: expected_of.append(output)
    )
    score = model(seen).logits[0, 1]
    handle.remove()
    (gradient,) = torch.autograd.grad(score, expected_of)
    evidence = (gradient.relu() * expected_of[0]).sum(dim=1, keepdim=True).relu().detach()
    expected = functional.interpolate(evidence, size=(96, 96), mode="bilinear", align_corners=False)[0, 0]
    found = layer_cam(model, seen, target=1, layer="blocks.2")
    assert found.layer == "blocks.2"
    np.testing.assert_allclose(found.values, (expected / expected.max()).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("resnet18", "layer1, layer2, layer3, layer4"),
        ("mobilenet_v2", "features.4.conv.0, features.7.conv.0, features.14.conv.0, features"),
    ],
)
def test_all_resolutions_are_read(name: str, layers: str) -> None:
    found = layer_cam(network(name), image(), target=0)
    assert found.layer is not None
    read = found.layer.split(", ")
    assert len(read) == 4
    assert read[-1] == layers.split(", ")[-1]
    assert found.values.shape == (96, 96)


def test_a_position_counts_only_where_every_scale_says_so() -> None:
    model, seen = network("resnet18"), image()
    best = max(range(4), key=lambda target: float(layer_cam(model, seen, target=target).values.mean()))
    together = layer_cam(model, seen, target=best)
    assert together.layer is not None
    for layer in together.layer.split(", "):
        alone = layer_cam(model, seen, target=best, layer=layer).values
        if alone.any():
            assert (together.values[alone == 0] < 1e-6).all()


def test_a_transformer_of_one_resolution_has_a_map() -> None:
    backbone = VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32)
    backbone.heads = torch.nn.Identity()  # type: ignore[assignment]
    model = ready(Network(backbone, classes=4, channels=3, size=32), torch.device("cpu"))
    maps = [layer_cam(model, image(32), target=target) for target in range(4)]
    assert max(found.values.max() for found in maps) == 1
    assert {found.layer for found in maps} == {"encoder.layers.encoder_layer_1.ln_1"}
