"""Folding: a network that is asked says what the one says that was trained, and follows its changes."""

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from mriclassify import Bundle, Preprocessing
from mriclassify._model import _bundle
from mriclassify._model._backbones import build_backbone, stem_channels
from mriclassify._model._device import Precision
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._folding import folded
from mriclassify._model._inference import infer, ready
from mriclassify._model._network import Network, Outputs

SIZE = 64
IMAGES = torch.rand(3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def network(backbone: nn.Module | str = "mobilenet_v2", *, seed: int = 0, lesions: bool = True) -> Network:
    """A network whose batch normalisation has statistics of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = build_backbone(backbone, size=SIZE) if isinstance(backbone, str) else backbone
        made = Network(body, classes=4, channels=stem_channels(body), size=SIZE, lesions=lesions)
        made.train()
        for _ in range(3):
            made(torch.rand(8, 1, SIZE, SIZE))
    return ready(made, torch.device("cpu"))


def normalisations(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def assert_same(a: Outputs, b: Outputs) -> None:
    for one, other in zip(a, b, strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "small_cnn"])
def test_the_outputs_are_the_same_without_normalisation(backbone: str) -> None:
    model = network(backbone)
    before = infer(model, IMAGES)
    made = folded(model)
    assert made is not model
    # The lesion head has three that do not stand in a row with their convolutions.
    assert normalisations(made) == 3 < normalisations(model)
    assert_same(infer(made, IMAGES), before)
    # Of another network they are others.
    assert not torch.allclose(infer(network(backbone, seed=1), IMAGES).logits, before.logits, atol=1e-2)


@pytest.mark.parametrize(
    "backbone",
    ["timm/tf_efficientnet_lite0", "timm/efficientnet_b0", "timm/mobilenetv2_100", "timm/mobilenetv3_small_050"],
)
def test_blocks_of_timm_are_folded_with_their_activations_left(backbone: str) -> None:
    model = network(backbone)
    assert normalisations(model) > 30
    made = folded(model)
    left = [each for each in made.backbone.modules() if isinstance(each, nn.BatchNorm2d)]
    assert 0 < len(left) < 6
    assert all(each._forward_hooks for each in left), "the lesion head listens to them"
    assert_same(infer(made, IMAGES), infer(model, IMAGES))


def test_the_network_itself_stays_as_it_was() -> None:
    model = network()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    before = infer(model, IMAGES)
    folded(model)
    assert list(model.state_dict()) == list(weights)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(infer(model, IMAGES), before, strict=True))
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_an_ensemble_is_folded_whole() -> None:
    both = ready(Ensemble([network(), network(seed=1)], [SIZE, SIZE]), torch.device("cpu"))
    made = folded(both)
    assert normalisations(made) == 2 * 3
    assert_same(infer(made, IMAGES), infer(both, IMAGES))


def test_an_ensemble_that_is_told_to_leave_mirror_images_out_does() -> None:
    model = ready(Ensemble([network()], [SIZE]), torch.device("cpu"))
    assert folded(model).mirrored
    model.mirrored = False
    made = folded(model)
    assert not made.mirrored
    assert_same(infer(made, IMAGES), infer(model, IMAGES))


def test_it_is_made_once() -> None:
    model = network()
    first = folded(model)
    infer(first, IMAGES)
    assert folded(model) is first
    assert folded(model, "bf16") is folded(model, "bf16") is not first
    first = folded(model)
    with ThreadPoolExecutor(4) as pool:
        assert all(made is first for made in pool.map(lambda _: folded(model), range(8)))


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "timm/tf_efficientnet_lite0"])
def test_weights_that_are_kept_in_half_precision_are_those_that_autocast_makes(backbone: str) -> None:
    model = network(backbone)
    exact = folded(model)
    before = infer(exact, IMAGES, precision="bf16")
    halved = folded(model, "bf16")
    kept = [each.weight.dtype for each in halved.modules() if isinstance(each, nn.Conv2d)]
    assert kept.count(torch.bfloat16) > 0.8 * len(kept)
    assert {parameter.dtype for parameter in (*exact.parameters(), *model.parameters())} == {torch.float32}
    after = infer(halved, IMAGES, precision="bf16")
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


class Exact(nn.Module):
    """A module that computes in fp32, whatever it is asked in."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            found: torch.Tensor = self.body(images.float()).mean(dim=(2, 3))
        return found


def test_a_module_that_leaves_autocast_finds_its_weights_as_they_were() -> None:
    model = network(Exact(), lesions=False)
    made = folded(model, "bf16")
    assert made is not model
    torch.testing.assert_close(infer(made, IMAGES, precision="bf16").features, infer(model, IMAGES).features)


def shifted(model: Network) -> None:
    with torch.no_grad():
        [module for module in model.backbone.modules() if isinstance(module, nn.BatchNorm2d)][-1].bias.add_(2)


def loaded(model: Network) -> None:
    model.load_state_dict(network(seed=5).state_dict())


def replaced(model: Network) -> None:
    model.head.weight = nn.Parameter(2 * model.head.weight)


def moved(model: Network) -> None:
    """What `.to` does with a parameter: it gets other memory."""
    model.head.weight.data = 2 * model.head.weight.data


def turned(model: Network) -> None:
    """A module without parameters is put in another's place."""
    blocks = [module for module in model.backbone.modules() if isinstance(module, nn.ReLU6)]
    rows = [module for module in model.backbone.modules() if isinstance(module, nn.Sequential)]
    (row,) = [row for row in rows if any(child is blocks[-1] for child in row.children())]
    row[[child is blocks[-1] for child in row.children()].index(True)] = nn.Tanh()


@pytest.mark.parametrize("change", [shifted, loaded, replaced, moved, turned])
def test_what_changes_in_the_network_changes_in_what_was_folded(change: Callable[[Network], None]) -> None:
    model = network()
    before = infer(folded(model), IMAGES)
    change(model)
    after = infer(folded(model), IMAGES)
    assert not torch.allclose(after.logits, before.logits, atol=1e-3)
    assert_same(after, infer(model, IMAGES))


def test_hooks_are_called_whether_they_came_before_or_after() -> None:
    heard: list[str] = []
    model = network()
    place = next(module for module in model.modules() if isinstance(module, nn.ReLU6))
    early = place.register_forward_hook(lambda *_: heard.append("early"))
    infer(folded(model), IMAGES)
    place.register_forward_hook(lambda *_: heard.append("late"))
    infer(folded(model), IMAGES)
    assert heard == ["early", "early", "late"]
    early.remove()
    place.register_forward_hook(lambda *_: heard.append("last"))
    infer(folded(model), IMAGES)
    assert heard == ["early", "early", "late", "late", "last"]


def test_a_convolution_that_is_listened_to_is_not_folded() -> None:
    model = network()
    convolution = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    outputs: list[torch.Tensor] = []
    convolution.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    infer(model, IMAGES)
    infer(folded(model), IMAGES)
    half = len(outputs) // 2
    torch.testing.assert_close(torch.cat(outputs[:half]), torch.cat(outputs[half:]))


class Backwards(nn.Sequential):
    """Not what its name says: it calls its modules from the last to the first."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        for module in reversed(list(self.children())):
            input = module(input)
        return input


class Pooled(nn.Module):
    """Features that are the means of the maps of what is given."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.body(images).mean(dim=(2, 3))
        return found


def shared() -> nn.Module:
    once = nn.Conv2d(3, 3, 3)
    return nn.Sequential(once, nn.BatchNorm2d(3), nn.Tanh(), once)


def weighted() -> nn.Module:
    convolution = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 3))
    return nn.Sequential(convolution, nn.BatchNorm2d(3))


def activated_twice() -> nn.Module:
    """The second use of a module is the one in between."""
    activation = nn.Tanh()
    return nn.Sequential(activation, nn.Conv2d(3, 3, 3), activation, nn.BatchNorm2d(3))


def nothing() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 3, 3), nn.Tanh(), nn.BatchNorm2d(3))


def untracked() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False))


@pytest.mark.parametrize(
    "body",
    [lambda: Backwards(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3)), shared, weighted, nothing, activated_twice, untracked],
)
def test_what_can_not_be_folded_is_asked_as_it_is(body: Callable[[], nn.Module]) -> None:
    model = network(Pooled(body()), lesions=False)
    assert folded(model) is model
    assert folded(model) is model


def test_backwards_conv_and_normalisation_stay_apart() -> None:
    model = network(Pooled(Backwards(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))), lesions=False)
    assert folded(model) is model


@pytest.mark.parametrize("backbone", ["mobilenet_v2", nothing])
def test_a_network_that_is_let_go_is_gone(backbone: str | Callable[[], nn.Module]) -> None:
    model = network(backbone if isinstance(backbone, str) else Pooled(backbone()), lesions=isinstance(backbone, str))
    made = folded(model)
    infer(made, IMAGES)
    watched = weakref.ref(model)
    del model, made
    gc.collect()
    assert watched() is None


def test_weights_made_in_inference_mode_can_be_folded() -> None:
    with torch.inference_mode():
        model = network(lesions=False)
    assert torch.equal(infer(folded(model), IMAGES).logits.isfinite(), torch.ones(3, 4, dtype=torch.bool))


@pytest.mark.parametrize(("precision", "folds"), [("fp32", True), ("bf16", True), ("fp16", False)])
def test_answers_come_from_the_folded_network_where_its_numbers_have_room(
    monkeypatch: pytest.MonkeyPatch, precision: Precision, folds: bool
) -> None:
    asked: list[nn.Module] = []
    monkeypatch.setattr(_bundle, "folded", lambda model, *asked_in: asked.append(model) or folded(model, *asked_in))
    model = network(lesions=False)
    bundle = Bundle(
        name="net",
        backbone="mobilenet_v2",
        classes=("a", "b", "c", "d"),
        network=model,
        preprocessing=Preprocessing(size=SIZE),
        precision=precision,
    )
    exact = infer(model, IMAGES).logits
    torch.testing.assert_close(bundle.ask(IMAGES).logits, exact, rtol=0.1, atol=0.1)
    assert asked == ([model] if folds else [])
