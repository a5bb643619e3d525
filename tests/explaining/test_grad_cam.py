"""Grad-CAM: it agrees with its formula, for every family of networks, and leaves nothing behind."""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import VisionTransformer

from mriclassify import NetworkError, OptionError
from mriclassify._explaining._grad_cam import grad_cam
from mriclassify._model._backbones import build_backbone, stem_channels
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._inference import infer, ready
from mriclassify._model._network import Network

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _same_weights_whatever_ran_before() -> None:
    """Of some random weights no class has any evidence, and then there is no map to look at."""
    torch.manual_seed(1)


def network(backbone: nn.Module, *, size: int = 64, lesions: bool = False, seed: int = 0) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Network(backbone, classes=4, channels=stem_channels(backbone), size=size, lesions=lesions).train()
        # Statistics of batch normalisation that are none of a new network.
        made(torch.rand(8, 1, size, size))
    return ready(made, CPU)


def small(*, size: int = 64, lesions: bool = False, seed: int = 0) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network(build_backbone("small_cnn", size=size), size=size, lesions=lesions, seed=seed)


def image(size: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(seed))


def strongest(model: Network | Ensemble, seen: torch.Tensor) -> np.ndarray:
    """The map of the class that has most of one: untrained networks have classes that nothing speaks for."""
    return max((grad_cam(model, seen, target=k).values for k in range(4)), key=lambda values: float(values.mean()))


@pytest.mark.parametrize("target", range(4))
def test_where_the_class_is_read_from_the_mean_it_is_the_class_activation_map(target: int) -> None:
    # Zhou et al. 2016: there the weights are the head's own.
    model, seen = small(), image()
    with torch.inference_mode():
        maps = model.backbone.get_submodule("blocks")((seen - model.mean) / model.std)
        evidence = torch.einsum("c,bchw->bhw", model.head.weight[target], maps).relu()[:, None]
        expected = functional.interpolate(evidence, size=(64, 64), mode="bilinear", align_corners=False)[0, 0]
    found = grad_cam(model, seen, target=target)
    assert found.layer == "blocks"
    np.testing.assert_allclose(found.values, (expected / expected.max().clamp(min=1e-30)).numpy(), atol=1e-5)


@pytest.mark.parametrize("layer", ["blocks.0", "blocks.1.1", "blocks.2.2", "blocks.3.0"])
def test_a_named_layer_agrees_with_gradients_by_hand(layer: str) -> None:
    model, seen = small(), image()
    by_hand = copy.deepcopy(model)
    for module in by_hand.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # what follows a layer must not change what it made
    kept: list[torch.Tensor] = []
    by_hand.backbone.get_submodule(layer).register_forward_hook(lambda module, inputs, output: kept.append(output))
    (gradient,) = torch.autograd.grad(by_hand(seen).logits[0, 2], kept)
    evidence = (gradient.mean(dim=(2, 3), keepdim=True) * kept[0].detach()).sum(dim=1, keepdim=True).relu()
    expected = functional.interpolate(evidence, size=(64, 64), mode="bilinear", align_corners=False)[0, 0]
    found = grad_cam(model, seen, target=2, layer=layer)
    assert found.layer == layer
    np.testing.assert_allclose(found.values, (expected / expected.max()).numpy(), atol=1e-4)


@pytest.mark.parametrize("lesions", [False, True])
def test_nothing_is_left_behind(lesions: bool) -> None:
    model, seen = small(lesions=lesions), image()
    before, hooks = infer(model, seen), sum(len(module._forward_hooks) for module in model.modules())
    grad_cam(model, seen, target=0)
    after = infer(model, seen)
    assert torch.equal(after.logits, before.logits)
    assert sum(len(module._forward_hooks) for module in model.modules()) == hooks
    assert not any(module.training for module in model.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not seen.requires_grad


def test_maps_of_a_network_that_looks_for_lesions_also_count_what_the_lesion_map_does() -> None:
    model, seen = small(lesions=True), image()
    with_lesions = grad_cam(model, seen, target=1).values
    model.head.weight.data[:, 256:] = 0  # what is beside the backbone's features
    assert not np.allclose(grad_cam(model, seen, target=1).values, with_lesions, atol=1e-3)


@pytest.mark.parametrize("lesions", [False, True])
def test_looking_changes_no_answer_while_it_looks(lesions: bool) -> None:
    # The stem's output is changed in place by the next module, and the taps of the lesion head hold such outputs too.
    model, seen = network(build_backbone("densenet121", size=96), size=96, lesions=lesions), image(96)
    during: list[torch.Tensor] = []
    handle = model.register_forward_hook(lambda module, inputs, outputs: during.append(outputs.logits.detach()))
    expected = infer(model, seen).logits
    grad_cam(model, seen, target=0)
    handle.remove()
    torch.testing.assert_close(during[-1], expected)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_switched_off_gradients_and_frozen_weights_do_not_matter(context: Callable[[], torch.no_grad]) -> None:
    model, seen = small(), image()
    expected = strongest(model, seen)
    model.requires_grad_(False)
    with context():
        np.testing.assert_array_equal(strongest(model, seen), expected)
    assert expected.max() == 1


@pytest.mark.parametrize(
    ("name", "size", "layer"),
    [
        ("resnet18", 96, "layer4"),
        ("mobilenet_v3_small", 96, "features"),
        ("squeezenet1_1", 64, "classifier.2"),
        ("shufflenet_v2_x0_5", 96, "conv5"),
        ("swin_t", 96, "permute"),
    ],
)
def test_each_family_has_a_layer_of_its_own_accord(name: str, size: int, layer: str) -> None:
    model = network(build_backbone(name, size=size), size=size)
    assert grad_cam(model, image(size), target=0).layer == layer
    values = strongest(model, image(size))
    assert values.shape == (size, size)
    assert values.dtype == np.float32
    assert values.min() >= 0
    assert values.max() == 1


def test_a_transformer_that_reads_the_class_from_one_token_has_a_map() -> None:
    backbone = VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32)
    backbone.heads = nn.Identity()  # type: ignore[assignment]
    model = network(backbone, size=32)
    assert strongest(model, image(32)).max() == 1
    # The last block's tokens but the first are never read: its outputs can't explain anything.
    assert grad_cam(model, image(32), target=0).layer == "encoder.layers.encoder_layer_1.ln_1"
    assert grad_cam(model, image(32), target=0, layer="encoder.layers.encoder_layer_1").values.max() == 0


def test_a_class_that_nothing_speaks_for_has_a_map_of_zeros() -> None:
    model = small()
    model.head.weight.data[3] = -1  # the maps are never negative
    assert (grad_cam(model, image(), target=3).values == 0).all()
    model.head.weight.data[3] = 1
    assert grad_cam(model, image(), target=3).values.max() == 1


def test_scaling_a_class_changes_no_map() -> None:
    model = small()
    before = grad_cam(model, image(), target=0).values
    model.head.weight.data[0] *= 1e-4
    np.testing.assert_allclose(grad_cam(model, image(), target=0).values, before, atol=1e-5)


def test_an_ensembles_map_is_mirrored_with_the_image() -> None:
    model, seen = ready(Ensemble([small(seed=1), small(seed=2, size=96)], [64, 96]), CPU), image()
    here, there = strongest(model, seen), strongest(model, seen.flip(-1))
    np.testing.assert_allclose(there[:, ::-1], here, atol=1e-4)
    assert here.shape == (64, 64)
    assert here.max() == 1


def test_an_ensembles_map_is_the_mean_of_its_members() -> None:
    alone, seen = small(seed=1), image()
    twice = ready(Ensemble([copy.deepcopy(alone), copy.deepcopy(alone)], [64, 64]), CPU)
    views = [grad_cam(alone, view, target=1).values for view in (seen, seen.flip(-1))]
    once = ready(Ensemble([alone], [64]), CPU)
    np.testing.assert_allclose(grad_cam(twice, seen, target=1).values, grad_cam(once, seen, target=1).values, atol=1e-6)
    # Between its two views; each was scaled on its own, hence no equality.
    both = (views[0] + views[1][:, ::-1]) / 2
    assert np.corrcoef(grad_cam(once, seen, target=1).values.ravel(), both.ravel())[0, 1] > 0.95


def test_several_threads_may_ask_one_network() -> None:
    model, images = small(lesions=True), [image(seed=seed) for seed in range(8)]
    expected = [grad_cam(model, seen, target=0).values for seen in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seen: grad_cam(model, seen, target=0).values, images * 3))
    for here, there in zip(found, expected * 3, strict=True):
        np.testing.assert_allclose(here, there, atol=1e-6)


@pytest.mark.parametrize("layer", ["features.14", "", "blocks.9", "Blocks"])
def test_a_layer_that_does_not_exist_is_refused_with_those_that_do(layer: str) -> None:
    with pytest.raises(OptionError, match=r"no layer '.*those that do: .*blocks\.0.*blocks"):
        grad_cam(small(), image(), target=0, layer=layer)


def test_a_long_list_of_layers_is_cut_to_the_outermost() -> None:
    model = network(build_backbone("resnet18", size=64))
    with pytest.raises(OptionError, match="layer4") as raised:
        grad_cam(model, image(), target=0, layer="layer5")
    assert len(str(raised.value)) < 1200
    assert "within these" in str(raised.value)


class Flat(nn.Module):
    """Makes no map on its way: all pixels at once."""

    def __init__(self, size: int = 64) -> None:
        super().__init__()
        self.layer = nn.Linear(size * size, 6)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        return self.layer(seen.flatten(1))  # type: ignore[no-any-return]


class Deep(nn.Module):
    """Its last map has two rows; the pool after it one."""

    def __init__(self, *, cut: bool = False) -> None:
        super().__init__()
        self.conv, self.pool, self.cut = nn.Conv2d(1, 5, kernel_size=32, stride=32), nn.AdaptiveAvgPool2d(1), cut

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        maps = self.conv(seen)
        return self.pool(maps.detach() if self.cut else maps).flatten(1)  # type: ignore[no-any-return]


def test_a_network_without_maps_says_so() -> None:
    with pytest.raises(NetworkError, match="Flat makes no maps"):
        grad_cam(network(Flat()), image(), target=0)
    with pytest.raises(OptionError, match="the layer 'layer' makes no maps in Flat; those that do: none"):
        grad_cam(network(Flat()), image(), target=0, layer="layer")


def test_maps_that_are_too_coarse_must_be_asked_for() -> None:
    model = network(Deep())
    with pytest.raises(NetworkError, match=r"layer=\.\.\., of conv"):
        grad_cam(model, image(), target=0)
    with pytest.raises(OptionError, match="'pool' makes no maps"):
        grad_cam(model, image(), target=0, layer="pool")
    assert grad_cam(model, image(), target=0, layer="conv").values.shape == (64, 64)


def test_a_backbone_that_stops_gradients_below_its_maps_has_a_map_of_zeros_or_an_error() -> None:
    model = network(Deep(cut=True))
    model.head.requires_grad_(True)
    assert grad_cam(model, image(), target=0, layer="conv").values.max() == 0


class Frozen(nn.Module):
    """As one writes a feature extractor that must not be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = build_backbone("small_cnn", size=64)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.inner(seen)  # type: ignore[no-any-return]


def test_a_backbone_without_gradients_says_so() -> None:
    with pytest.raises(NetworkError, match="no gradient of the answer reaches a map of Frozen"):
        grad_cam(network(Frozen()), image(), target=0)
