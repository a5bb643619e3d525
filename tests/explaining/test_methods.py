"""Methods: all find the evidence where it is, leave the network as it was, and follow its weights."""

import importlib
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from mriclassify import MissingExtraError, OptionError
from mriclassify._explaining import DEFAULT_METHOD, METHODS
from mriclassify._explaining._methods import heat_map
from mriclassify._model._backbones import build_backbone
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._inference import infer, ready
from mriclassify._model._network import Network

CPU = torch.device("cpu")
SIZE = 64
IN_CORE = ("layer-cam", "grad-cam", "grad-cam++")


@pytest.fixture(params=[*METHODS])
def method(request: pytest.FixtureRequest) -> str:
    if request.param not in IN_CORE:
        pytest.importorskip("captum")
    return str(request.param)


class Corner(nn.Module):
    """Its two features are how bright the upper left corner is, and the lower right one."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.ReLU())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.maps(images)[:, 0]  # (batch, 8, 8)
        return torch.stack([found[:, 1:3, 1:3].mean(dim=(1, 2)), found[:, 5:7, 5:7].mean(dim=(1, 2))], dim=1)


def corners() -> Network:
    network = Network(Corner(), classes=2, channels=1, size=SIZE, mean=0.0, std=1.0)
    with torch.no_grad():
        network.head.weight.copy_(torch.eye(2))
        network.head.bias.zero_()
    return ready(network, CPU)


def small(*, seed: int = 0, size: int = SIZE, lesions: bool = False) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = build_backbone("small_cnn", size=size)
        made = Network(backbone, classes=4, channels=1, size=size, lesions=lesions).train()
        made(torch.rand(8, 1, size, size))
    return ready(made, CPU)


def image(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def spots() -> torch.Tensor:
    """A dark slice with two bright spots, where `Corner` looks."""
    seen = torch.full((1, 1, SIZE, SIZE), 0.1)
    seen[..., 10:22, 10:22] = seen[..., 42:54, 42:54] = 0.9
    return seen


@pytest.mark.parametrize("target", [0, 1])
def test_the_map_peaks_where_the_class_is_read(method: str, target: int) -> None:
    # All maps of a layer that speaks for both corners have one gradient: Grad-CAM can't tell them apart.
    if method in ("grad-cam", "grad-cam++"):
        pytest.skip("weights whole maps")
    heat = heat_map(corners(), spots(), target=target, method=method).values
    assert heat.shape == (SIZE, SIZE)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() == 1
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    low, high = (8, 24) if target == 0 else (40, 56)
    assert low <= row < high
    assert low <= column < high
    assert heat[low:high, low:high].sum() > 0.8 * heat.sum()


def test_a_class_that_nothing_speaks_for_has_a_map_of_zeros(method: str) -> None:
    network = corners()
    network.head.weight.data.zero_()
    assert (heat_map(network, spots(), target=0, method=method).values == 0).all()


@pytest.mark.parametrize("lesions", [False, True])
def test_nothing_is_left_behind(method: str, lesions: bool) -> None:
    network, seen = small(lesions=lesions), image()
    before, hooks = infer(network, seen), sum(len(module._forward_hooks) for module in network.modules())
    pixels = seen.clone()
    heat_map(network, seen, target=0, method=method)
    assert torch.equal(infer(network, seen).logits, before.logits)
    assert sum(len(module._forward_hooks) for module in network.modules()) == hooks
    assert not any(module.training for module in network.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert torch.equal(seen, pixels)
    assert not seen.requires_grad


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_switched_off_gradients_do_not_matter(method: str, context: Callable[[], torch.no_grad]) -> None:
    network, seen = small(), image()
    expected = heat_map(network, seen, target=2, method=method).values
    with context():
        found = heat_map(network, image(), target=2, method=method).values
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_ensembles_map_is_mirrored_with_the_image(method: str) -> None:
    network, seen = ready(Ensemble([small(seed=1), small(seed=2, size=96)], [64, 96]), CPU), image()
    here, there = (heat_map(network, view, target=0, method=method).values for view in (seen, seen.flip(-1)))
    np.testing.assert_allclose(there[:, ::-1], here, atol=1e-3)
    assert here.shape == (SIZE, SIZE)


def test_other_weights_have_another_map(method: str) -> None:
    maps = [heat_map(small(seed=seed), image(), target=0, method=method).values for seed in (0, 1)]
    assert np.abs(maps[0] - maps[1]).max() > 0.05


def test_scaling_a_class_changes_no_map(method: str) -> None:
    network = small()
    before = heat_map(network, image(), target=0, method=method).values
    network.head.weight.data[0] *= 1e-2
    network.head.bias.data[0] *= 1e-2
    np.testing.assert_allclose(heat_map(network, image(), target=0, method=method).values, before, atol=1e-3)


def test_the_default_needs_no_extra() -> None:
    assert DEFAULT_METHOD in IN_CORE


@pytest.mark.parametrize("name", ["gradcam", "", "Grad-CAM"])
def test_a_method_that_does_not_exist_is_refused_with_those_that_do(name: str) -> None:
    with pytest.raises(OptionError, match=r"no method '.*layer-cam, grad-cam, grad-cam\+\+, integrated-gradients, occ"):
        heat_map(corners(), spots(), target=0, method=name)


@pytest.mark.parametrize("name", ["integrated-gradients", "occlusion"])
def test_a_layer_is_refused_by_methods_that_read_none(name: str) -> None:
    with pytest.raises(OptionError, match=f"{name} reads no layer.*layer-cam, grad-cam"):
        heat_map(corners(), spots(), target=0, method=name, layer="maps")


@pytest.mark.parametrize("name", ["integrated-gradients", "occlusion"])
def test_a_missing_extra_is_named_with_its_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mriclassify\[explain\]'"):
        heat_map(corners(), spots(), target=0, method=name)


def test_methods_in_core_do_without_captum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    importlib.invalidate_caches()
    for name in IN_CORE:
        assert heat_map(corners(), spots(), target=0, method=name).values.max() == 1
