"""The lesion head: where a lesion is, and a class read from there."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from mriclassify import CheckpointError, NetworkError, Preprocessing
from mriclassify._model._backbones import build_backbone
from mriclassify._model._blueprint import Blueprint
from mriclassify._model._bundle import Bundle
from mriclassify._model._inference import infer, ready
from mriclassify._model._lesion_head import PRIOR, WIDTH, LesionHead, looked_at
from mriclassify._model._network import Network
from mriclassify._model._small_cnn import SmallCNN
from mriclassify._weights._checkpoint import HEADER, load_bundle, save_bundle

CPU = torch.device("cpu")
SIZE = 64


def images(count: int = 5) -> torch.Tensor:
    return torch.rand(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(2))


def network(backbone: nn.Module | None = None, *, lesions: bool = True) -> Network:
    torch.manual_seed(0)
    model = Network(backbone or SmallCNN(width=8), classes=3, channels=1, size=SIZE, lesions=lesions)
    with torch.no_grad():
        # Statistics as after training: at first a network in evaluation would see nearly nothing.
        model.train()(images(16))
    return ready(model, CPU)


class Flat(nn.Module):
    """Makes no map on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(SIZE * SIZE, 6)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        return self.layer(seen.flatten(1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("sides", [(36, 17, 8), (16, 8, 4), (5,), (19, 10)])
def test_the_map_is_as_large_as_the_finest_of_the_stages(sides: tuple[int, ...]) -> None:
    channels = [3 + number for number in range(len(sides))]
    maps = [torch.rand(2, count, side, side) for count, side in zip(channels, sides, strict=True)]
    lesions, state = LesionHead(channels)(maps)
    assert lesions.shape == (2, sides[0], sides[0])
    assert state.shape == (2, WIDTH, sides[0], sides[0])


def test_a_map_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        LesionHead([3, 4])([torch.rand(2, 3, 8, 8)])


def test_the_map_begins_near_the_prior() -> None:
    torch.manual_seed(0)
    head = LesionHead([8, 16])
    lesions, _ = head([torch.randn(8, 8, 16, 16), torch.randn(8, 16, 8, 8)])
    share = float(lesions.detach().sigmoid().mean())
    assert PRIOR / 3 < share < 3 * PRIOR


def test_every_stage_has_a_say_in_the_map() -> None:
    torch.manual_seed(0)
    head = LesionHead([4, 5, 6]).eval()
    maps = [torch.rand(1, count, side, side, requires_grad=True) for count, side in ((4, 16), (5, 8), (6, 4))]
    head(maps)[0].sum().backward()
    assert all(found.grad is not None and float(found.grad.abs().sum()) > 0 for found in maps)


def test_what_is_looked_at_is_what_lies_in_the_lesion() -> None:
    state = torch.rand(2, WIDTH, 9, 9, generator=torch.Generator().manual_seed(1))
    lesions = torch.full((2, 9, 9), -30.0)
    lesions[0, 2, 7] = lesions[1, 5, 0] = 30.0
    seen = looked_at(lesions, state)
    assert seen.shape == (2, WIDTH + 2)
    # One pixel weighs as much as the one that is added, so that nothing is made of a hint of a lesion.
    torch.testing.assert_close(seen[0, :WIDTH], state[0, :, 2, 7] / 2)
    torch.testing.assert_close(seen[1, :WIDTH], state[1, :, 5, 0] / 2)
    torch.testing.assert_close(seen[:, WIDTH], torch.full((2,), 3.0))

    lesions[0] = 30.0
    wide = looked_at(lesions, state)[0]
    torch.testing.assert_close(wide[:WIDTH], state[0].mean(dim=(1, 2)) * 81 / 82)
    torch.testing.assert_close(wide[-1], torch.tensor(0.0), atol=1e-5, rtol=0)
    assert wide[-1] > seen[1, -1]  # there is more of it


def test_where_there_is_no_lesion_nothing_is_looked_at() -> None:
    state = torch.rand(1, WIDTH, 9, 9) + 1
    seen = looked_at(torch.full((1, 9, 9), -80.0), state)
    assert seen[0, :WIDTH].abs().max() < 1e-6
    assert seen.isfinite().all()


def test_looked_at_in_half_precision_stays_finite() -> None:
    state = torch.full((1, WIDTH, 64, 64), 100.0, dtype=torch.float16)
    seen = looked_at(torch.full((1, 64, 64), 20.0, dtype=torch.float16), state)
    assert seen.isfinite().all()
    assert 90 < float(seen[0, 0]) < 101


def test_outputs_have_their_shapes() -> None:
    model = network()
    outputs = infer(model, images())
    assert outputs.lesions is not None
    assert outputs.lesions.shape == (5, 16, 16)
    # small_cnn of width 8: features 64, the middle one of the stages 32-64-64, and what is looked at.
    assert outputs.features.shape == (5, 64 + 64 + WIDTH + 2)
    assert model.head.in_features == outputs.features.shape[1]
    assert outputs.logits.shape == (5, 3)
    with torch.inference_mode():
        torch.testing.assert_close(model.head(outputs.features), outputs.logits, atol=1e-5, rtol=1e-5)
    assert outputs.lesions.dtype == torch.float32
    assert not outputs.lesions.requires_grad


def test_a_batch_is_its_images_one_by_one() -> None:
    model = network()
    together = infer(model, images())
    alone = [infer(model, image[None]) for image in images()]
    torch.testing.assert_close(together.logits, torch.cat([one.logits for one in alone]), atol=1e-4, rtol=1e-4)
    maps = [one.lesions for one in alone if one.lesions is not None]
    torch.testing.assert_close(together.lesions, torch.cat(maps), atol=1e-4, rtol=1e-4)
    assert together.lesions is not None
    assert not torch.allclose(together.lesions[0], together.lesions[1])


def test_the_map_halved_for_the_memory_is_the_same() -> None:
    class Narrow(SmallCNN):
        most = 100

        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            if len(seen) > self.most:
                raise torch.OutOfMemoryError("out of memory")
            return super().forward(seen)

    model = network(backbone := Narrow(width=8))
    whole = infer(model, images(7))
    backbone.most = 2
    halved = infer(model, images(7))
    torch.testing.assert_close(halved.lesions, whole.lesions, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(halved.logits, whole.logits, atol=1e-4, rtol=1e-4)


def test_half_precision_is_close() -> None:
    model = network()
    exact, half = infer(model, images()), infer(model, images(), precision="bf16")
    torch.testing.assert_close(exact.lesions, half.lesions, atol=0.3, rtol=0.1)
    assert half.lesions is not None
    assert half.lesions.dtype == torch.float32


def test_the_class_depends_on_where_the_lesion_is_seen() -> None:
    model = network().train()
    outputs = model(images())
    outputs.logits[:, 0].sum().backward()
    assert model.lesion_head is not None
    assert model.lesion_head.score.weight.grad is not None
    assert float(model.lesion_head.score.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize(("name", "size"), [("resnet18", 75), ("mobilenet_v2", 64)])
def test_other_backbones_look_too(name: str, size: int) -> None:
    model = Network(build_backbone(name, size=size), classes=4, channels=1, size=size, lesions=True)
    outputs = infer(ready(model, CPU), torch.rand(2, 1, size, size))
    assert outputs.lesions is not None
    side = -(-size // 4)
    assert outputs.lesions.shape == (2, side, side)
    assert outputs.logits.isfinite().all()


def test_without_lesions_the_network_is_as_it_was() -> None:
    plain = network(lesions=False)
    keys = set(plain.state_dict())
    assert {key for key in keys if not key.startswith("backbone.")} == {"head.weight", "head.bias", "mean", "std"}
    assert plain.head.in_features == 64
    outputs = infer(plain, images())
    assert outputs.lesions is None
    assert outputs.features.shape == (5, 64)
    assert any(key.startswith("lesion_head.") for key in network().state_dict())


def test_a_backbone_without_maps_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"Flat makes no map .* train without masks"):
        Network(Flat(), classes=3, channels=1, size=SIZE, lesions=True)


def test_a_blueprint_without_maps_builds_a_plain_network_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    blueprint = Blueprint.of(Flat(), pretrained=None, preprocessing=Preprocessing(size=SIZE))
    with caplog.at_level("WARNING", logger="mriclassify"):
        model = blueprint.build(classes=3, seed=0, lesions=True)
    assert model.lesion_head is None
    assert "Flat" in caplog.text
    assert "makes no maps" in caplog.text


def test_a_blueprint_looks_only_where_it_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    blueprint = Blueprint.of("small_cnn", pretrained=None, preprocessing=Preprocessing(size=SIZE))
    assert blueprint.build(classes=3, seed=0).lesion_head is None
    first, second = (blueprint.build(classes=3, seed=4, lesions=True).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(key.startswith("lesion_head.") for key in first)
    assert not caplog.text


def saved(path: Path, model: Network) -> Path:
    """Save `model`, on small_cnn, with all that a bundle holds."""
    bundle = Bundle(
        name="mine",
        backbone="small_cnn",
        classes=("glioma", "notumor", "pituitary"),
        network=model,
        preprocessing=Preprocessing(size=SIZE),
    )
    save_bundle(bundle, path)
    return path


def put(file: Path, **changes: object) -> Path:
    """Save `file` again with other entries in its header; None takes one out."""
    with safe_open(file, framework="pt") as opened:
        told = json.loads(opened.metadata()[HEADER]) | changes
    kept = {key: value for key, value in told.items() if value is not None}
    save_file(load_file(file), file, metadata={HEADER: json.dumps(kept)})
    return file


def test_a_network_that_looks_comes_back_from_its_file(tmp_path: Path) -> None:
    model = network(SmallCNN())
    before = infer(model, images())
    loaded = load_bundle(saved(tmp_path / "looking.safetensors", model)).network
    after = infer(ready(loaded, CPU), images())
    assert after.lesions is not None
    for mine, others in zip(before, after, strict=True):
        assert torch.equal(mine, others)


def test_files_from_before_there_was_a_lesion_head_still_load(tmp_path: Path) -> None:
    model = network(SmallCNN(), lesions=False)
    loaded = load_bundle(put(saved(tmp_path / "old.safetensors", model), lesions=None)).network
    assert loaded.lesion_head is None
    state = model.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in loaded.state_dict().items())


def test_a_header_that_says_otherwise_than_its_tensors_is_refused(tmp_path: Path) -> None:
    looking = saved(tmp_path / "looking.safetensors", network(SmallCNN()))
    with pytest.raises(CheckpointError, match=r"has, unasked,.* lesion_head"):
        load_bundle(put(looking, lesions=False))
    for wrong in (1, "yes", []):
        with pytest.raises(CheckpointError, match="lesions can't be"):
            load_bundle(put(looking, lesions=wrong))
    plain = saved(tmp_path / "plain.safetensors", network(SmallCNN(), lesions=False))
    with pytest.raises(CheckpointError, match=r"misses .* of the network's tensors"):
        load_bundle(put(plain, lesions=True))
