"""Stages: the maps that a backbone makes on its way are found, whatever its family, and tapped."""

import copy

import pytest
import torch
from torch import nn

from mriclassify._model._backbones import build_backbone, stem_channels
from mriclassify._model._network import Network
from mriclassify._model._small_cnn import SmallCNN
from mriclassify._model._stages import APART, COARSEST, FINEST, SMALLEST, Stage, Tap, as_map, find_stages, tap


def images(size: int, *, channels: int = 1, count: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed))


class Flat(nn.Module):
    """Makes no map on its way: all pixels at once."""

    def __init__(self, size: int = 32) -> None:
        super().__init__()
        self.layer = nn.Linear(size * size, 6)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        return self.layer(seen.flatten(1))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "size", "channels", "sides"),
    [
        ("small_cnn", 64, [128, 256, 256], [16, 8, 4]),
        ("small_cnn", 32, [128, 256], [8, 4]),
        ("resnet18", 96, [64, 128, 256, 512], [24, 12, 6, 3]),
        # The last map of a resolution is the widened one within the next block.
        ("mobilenet_v2", 96, [144, 192, 576, 1280], [24, 12, 6, 3]),
        # Its maps have their channels last.
        ("swin_t", 96, [96, 192, 384, 768], [24, 12, 6, 3]),
    ],
)
def test_the_maps_of_each_family_are_found_and_tapped(
    name: str, size: int, channels: list[int], sides: list[int]
) -> None:
    backbone = build_backbone(name, size=size).eval()
    stem = stem_channels(backbone)
    stages = find_stages(backbone, channels=stem, size=size)
    assert [stage.side for stage in stages] == sides
    assert [stage.channels for stage in stages] == channels

    seen: dict[str, object] = {}
    for stage in stages:
        backbone.get_submodule(stage.path).register_forward_hook(
            lambda module, inputs, output, path=stage.path: seen.update({path: output})
        )
    taps = tap(backbone, stages)
    with torch.inference_mode():
        backbone(images(size, channels=stem, count=3))
    for stage, found in zip(stages, taps, strict=True):
        taken, expected = found.take(), as_map(seen[stage.path])
        assert expected is not None
        assert taken.shape == (3, stage.channels, stage.side, stage.side)
        assert torch.equal(taken, expected)
        assert not found.outputs  # let go of


def test_odd_sizes_have_stages_too() -> None:
    backbone = build_backbone("resnet18", size=75)
    stages = find_stages(backbone, channels=1, size=75)
    assert [stage.side for stage in stages] == [19, 10, 5, 3]


def test_looking_for_stages_leaves_the_backbone_as_it_was() -> None:
    backbone = SmallCNN().train()
    before = copy.deepcopy(backbone.state_dict())
    find_stages(backbone, channels=1, size=64)
    assert all(module.training for module in backbone.modules())
    assert not any(module._forward_hooks for module in backbone.modules())
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def test_hooks_are_gone_after_a_failure() -> None:
    class Broken(SmallCNN):
        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            super().forward(seen)
            raise RuntimeError("no")

    backbone = Broken()
    with pytest.raises(RuntimeError, match="no"):
        find_stages(backbone, channels=1, size=64)
    assert backbone.training
    assert not any(module._forward_hooks for module in backbone.modules())


def test_a_backbone_without_maps_has_no_stages() -> None:
    assert find_stages(Flat(), channels=1, size=32) == ()


def test_neither_too_fine_nor_too_coarse_maps_are_stages() -> None:
    class Fine(nn.Module):
        def __init__(self, stride: int) -> None:
            super().__init__()
            self.layer = nn.Conv2d(1, 6, 3, stride=stride, padding=1)

        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            return self.layer(seen).mean(dim=(2, 3))  # type: ignore[no-any-return]

    def sides(stride: int, size: int) -> list[int]:
        return [stage.side for stage in find_stages(Fine(stride), channels=1, size=size)]

    assert sides(FINEST // 2, 64) == []
    assert sides(FINEST, 64) == [16]
    assert sides(COARSEST, 40 * SMALLEST) == [SMALLEST]
    assert sides(2 * COARSEST, 80 * SMALLEST) == []
    assert sides(32, 64) == []  # two rows and columns


def test_maps_of_nearly_one_resolution_are_one_stage_and_the_later_counts() -> None:
    class Trimmed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 4, 3, stride=4, padding=1)  # 24
            self.second = nn.Conv2d(4, 5, 3)  # 22
            self.third = nn.Conv2d(5, 6, 3, stride=2, padding=1)  # 11

        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            return self.third(self.second(self.first(seen))).mean(dim=(2, 3))  # type: ignore[no-any-return]

    assert APART > 24 / 22
    assert find_stages(Trimmed(), channels=1, size=96) == (Stage("second", 5, 22), Stage("third", 6, 11))


def test_what_is_a_map() -> None:
    first = images(7, channels=5)
    assert as_map(first) is first
    last = torch.rand(2, 7, 7, 5)
    found = as_map(last)
    assert found is not None
    assert torch.equal(found, last.permute(0, 3, 1, 2))
    for no_map in (None, (first,), first.long(), first[0, 0], first.mean(dim=(2, 3)), torch.rand(2, 14, 8)):
        assert as_map(no_map) is None


@pytest.mark.parametrize("extra", [0, 1])
def test_tokens_of_a_vision_transformer_are_a_map(extra: int) -> None:
    grid = images(14, channels=8)
    tokens = torch.cat([torch.full((2, extra, 8), 9.0), grid.flatten(2).transpose(1, 2)], dim=1)
    found = as_map(tokens)
    assert found is not None
    assert torch.equal(found, grid)


def test_a_vision_transformer_has_one_stage() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(1, 8, 8, stride=8)
            self.token = nn.Parameter(torch.zeros(1, 1, 8))
            self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            patches = self.patches(seen).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.token.expand(len(seen), -1, -1), patches], dim=1)
            return self.encoder(tokens)[:, 0]  # type: ignore[no-any-return]

    (stage,) = find_stages(Tokens(), channels=1, size=64)
    assert (stage.channels, stage.side) == (8, 8)
    assert stage.path.startswith("encoder")


def network(backbone: nn.Module | None = None) -> Network:
    return Network(backbone or SmallCNN(width=8), classes=3, channels=1, size=64, lesions=True).eval()


def taps_of(model: nn.Module) -> list[Tap]:
    return [hook for module in model.modules() for hook in module._forward_hooks.values() if isinstance(hook, Tap)]


def test_a_copy_of_a_network_has_taps_of_its_own() -> None:
    mine = network()
    other = copy.deepcopy(mine)
    assert not {id(found) for found in taps_of(mine)} & {id(found) for found in taps_of(other)}
    shown = images(64)
    with torch.inference_mode():
        expected = mine(shown)
        for parameter in other.parameters():
            parameter.mul_(2)
        changed = other(shown)
        assert not torch.equal(changed.lesions, expected.lesions)
        other.backbone(images(64, seed=1))  # fills the copy's taps alone
        assert not any(found.outputs for found in taps_of(mine))
        assert torch.equal(mine(shown).lesions, expected.lesions)


def test_a_second_network_on_a_backbone_takes_the_old_taps_out() -> None:
    backbone = SmallCNN(width=8)
    first = network(backbone)
    old = taps_of(first)
    second = network(backbone)
    assert len(taps_of(second)) == len(old) == 3
    assert not {id(found) for found in old} & {id(found) for found in taps_of(second)}
    with torch.inference_mode():
        assert second(images(64)).lesions is not None
    assert not any(found.outputs for found in taps_of(second))


def test_taps_leave_hooks_of_others_alone() -> None:
    backbone, seen = SmallCNN(width=8), []
    backbone.blocks.register_forward_hook(lambda *_: seen.append(1))
    network(backbone)
    seen.clear()
    backbone(images(64))
    assert seen == [1]


@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d"])
def test_modules_that_are_called_several_times_give_the_map_that_a_tap_keeps(name: str) -> None:
    backbone = build_backbone(name, size=64).eval()
    channels = stem_channels(backbone)
    stages = find_stages(backbone, channels=channels, size=64)
    taps = tap(backbone, stages)
    with torch.inference_mode():
        backbone(torch.zeros(2, channels, 64, 64))
    assert [tuple(found.take().shape[1:3]) for found in taps] == [(stage.channels, stage.side) for stage in stages]
