"""Backbones: by name or by hand, one channel in, features out, pretrained strictly or not at all."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from mriclassify import Classifier, DownloadError, NetworkError, OfflineError, OptionError, list_backbones
from mriclassify._model import _backbones as room
from mriclassify._model._backbones import build_backbone, feature_count, load_pretrained, natural_size, stem_channels
from mriclassify._model._parameters import load_strictly

FAMILIES = [
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "mnasnet0_5"),
    *("mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1"),
    *("swin_t", "small_cnn", "maxvit_t"),
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_names_are_sorted_and_known() -> None:
    names = list_backbones()
    assert list(names) == sorted(set(names))
    assert {"small_cnn", "mobilenet_v2", "resnet101", "vgg16"} <= set(names)
    assert len(names) > 60


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_makes_features_of_one_channel(name: str) -> None:
    size = natural_size(name)
    backbone = build_backbone(name, size=size).eval()
    assert stem_channels(backbone) == 1
    assert feature_count(backbone, channels=1, size=size) > 8


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"no backbone is named 'resnet19'.*resnet18"):
        Classifier("resnet19")


def test_a_fixed_size_is_said() -> None:
    assert natural_size("vit_b_16") == 224
    with pytest.raises(OptionError, match="224"):
        build_backbone("maxvit_t", size=160)


def test_a_summed_stem_sees_grey_as_three_channels_saw_it() -> None:
    torch.manual_seed(0)
    original = models.resnet18(weights=None)
    original.fc = nn.Identity()
    state = {key: value.clone() for key, value in original.state_dict().items()}
    ours = build_backbone("resnet18", size=64)
    with torch.no_grad():
        ours.load_state_dict(state | {"conv1.weight": state["conv1.weight"].sum(dim=1, keepdim=True)})
        grey = torch.rand(3, 1, 64, 64)
        torch.testing.assert_close(ours.eval()(grey), original.eval()(grey.expand(-1, 3, -1, -1)), atol=1e-4, rtol=1e-4)


def saved_resnet(path: Path, **changes: torch.Tensor) -> dict[str, torch.Tensor]:
    state = models.resnet18(weights=None).state_dict() | changes
    save_file(state, path)
    return state  # type: ignore[no-any-return]


def test_a_file_fills_the_backbone_and_its_head_is_ignored(tmp_path: Path) -> None:
    state = saved_resnet(tmp_path / "resnet.safetensors")
    backbone = build_backbone("resnet18", size=64)
    load_pretrained(backbone, "resnet18", source=tmp_path / "resnet.safetensors")
    torch.testing.assert_close(backbone.state_dict()["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])
    torch.testing.assert_close(backbone.state_dict()["conv1.weight"][:, 0], state["conv1.weight"].sum(dim=1))


def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    backbone = build_backbone("resnet18", size=64)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    state = models.resnet18(weights=None).state_dict()
    save_file({key: value for key, value in state.items() if key != "bn1.weight"}, tmp_path / "missing.safetensors")
    with pytest.raises(NetworkError, match=r"1 parameters are missing \(bn1.weight\)"):
        load_pretrained(backbone, "resnet18", source=tmp_path / "missing.safetensors")
    saved_resnet(tmp_path / "shape.safetensors", **{"bn1.weight": torch.ones(65)})
    with pytest.raises(NetworkError, match=r"another shape \(bn1.weight\)"):
        load_pretrained(backbone, "resnet18", source=tmp_path / "shape.safetensors")
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key])


def headless(original: nn.Module) -> nn.Module:
    room._drop_head(original)
    return original


@pytest.mark.parametrize("name", ["alexnet", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1", "mnasnet0_5"])
def test_a_filled_backbone_makes_the_features_of_torchvisions_network(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = models.get_model(name, weights=None)
    save_file(original.state_dict(), tmp_path / "original.safetensors")
    ours = build_backbone(name, size=64)
    load_pretrained(ours, name, source=tmp_path / "original.safetensors")
    grey = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        expected = headless(original).eval()(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(ours.eval()(grey), expected, atol=1e-4, rtol=1e-4)


def test_a_deeper_network_of_the_family_is_not_taken_for_a_shallower_one(tmp_path: Path) -> None:
    block = models.resnet.BasicBlock
    save_file(models.ResNet(block, [1, 2, 1, 1]).state_dict(), tmp_path / "deep.safetensors")
    shallow = headless(models.ResNet(block, [1, 1, 1, 1]))
    with pytest.raises(NetworkError, match=r"12 parameters are of another network \(layer2\.1"):
        load_pretrained(shallow, "shallow", source=tmp_path / "deep.safetensors")


def old(key: str) -> str:
    """What torchvision's published files of DenseNet and ViT call a parameter."""
    key = re.sub(r"(denselayer\d\.(?:norm|conv))([12]\.)", r"\1.\2", key)
    return key.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2.")


def tiny_densenet() -> nn.Module:
    return models.DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8)  # type: ignore[no-any-return]


def tiny_vit() -> nn.Module:
    return models.VisionTransformer(image_size=32, patch_size=16, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16)  # type: ignore[no-any-return]


@pytest.mark.parametrize("make", [tiny_densenet, tiny_vit])
def test_the_names_in_torchvisions_older_files_are_understood(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    state = {old(key): value for key, value in make().state_dict().items() if not key.endswith("num_batches_tracked")}
    assert state.keys() - make().state_dict().keys()
    save_file(state, tmp_path / "old.safetensors")
    backbone = headless(make())
    load_pretrained(backbone, "tiny", source=tmp_path / "old.safetensors")
    for key, value in backbone.state_dict().items():
        assert key.endswith("num_batches_tracked") or torch.equal(value, state[old(key)]), key


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no tensors here")
    for name in ("absent.safetensors", "text.safetensors"):
        with pytest.raises(NetworkError, match=name):
            load_pretrained(build_backbone("resnet18", size=64), "resnet18", source=tmp_path / name)


def point_to(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    class Weights:
        DEFAULT = SimpleNamespace(
            url=url, get_state_dict=lambda **options: torch.hub.load_state_dict_from_url(url, **options)
        )

    monkeypatch.setattr(models, "get_model_weights", lambda _: Weights)


def published(folder: Path) -> str:
    """Write ResNet-18's parameters as torchvision publishes them, and return the file's name with its hash."""
    torch.save(models.resnet18(weights=None).state_dict(), folder / "raw.pth")
    digest = hashlib.sha256((folder / "raw.pth").read_bytes()).hexdigest()
    return (folder / "raw.pth").rename(folder / f"resnet18-{digest[:8]}.pth").name


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for proxy in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(proxy, "127.0.0.1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("MRICLASSIFY_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    (tmp_path / "server").mkdir()
    return tmp_path


def test_imagenet_weights_are_downloaded_once_into_torch_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = published(home / "server")
    with served(home / "server") as address:
        point_to(monkeypatch, f"{address}/{name}")
        load_pretrained(build_backbone("resnet18", size=64), "resnet18", source="imagenet")
    assert (home / "torch" / "hub" / "checkpoints" / name).is_file()
    # The server is gone, and offline is set: the second time needs neither.
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    load_pretrained(build_backbone("resnet18", size=64), "resnet18", source="imagenet")


def test_imagenet_weights_with_another_hash_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "server" / published(home / "server")).rename(home / "server" / "resnet18-00000000.pth")
    with served(home / "server") as address:
        point_to(monkeypatch, f"{address}/resnet18-00000000.pth")
        with pytest.raises(DownloadError, match="by hand"):
            load_pretrained(build_backbone("resnet18", size=64), "resnet18", source="imagenet")
    assert not list((home / "torch").rglob("*.pth"))


def test_a_server_that_is_gone_is_a_download_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_to(monkeypatch, "http://127.0.0.1:9/resnet18-00000000.pth")
    with pytest.raises(DownloadError, match="pretrained=None"):
        load_pretrained(build_backbone("resnet18", size=64), "resnet18", source="imagenet")


def test_offline_is_obeyed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    with pytest.raises(OfflineError, match="MRICLASSIFY_OFFLINE"):
        load_pretrained(build_backbone("resnet18", size=64), "resnet18", source="imagenet")


@pytest.mark.parametrize("content", [b"", b"not found", b"PK\x03\x04 cut off"])
def test_a_broken_file_laid_by_hand_is_a_download_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    point_to(monkeypatch, "http://127.0.0.1:9/resnet18-00000000.pth")
    folder = home / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet18-00000000.pth").write_bytes(content)
    with pytest.raises(DownloadError, match="by hand"):
        load_pretrained(build_backbone("resnet18", size=64), "resnet18", source="imagenet")


def test_a_pickle_in_place_of_imagenet_weights_runs_no_code(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return (exec, (f"open({str(home / 'sprung')!r}, 'w')",))

    point_to(monkeypatch, "http://127.0.0.1:9/resnet18-00000000.pth")
    folder = home / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"conv1.weight": Trap()}, folder / "resnet18-00000000.pth")
    with pytest.raises(DownloadError):
        load_pretrained(build_backbone("resnet18", size=64), "resnet18", source="imagenet")
    assert not (home / "sprung").exists()


def test_packages_register_backbones(monkeypatch: pytest.MonkeyPatch) -> None:
    point = SimpleNamespace(name="mine", load=lambda: lambda: nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()))
    broken = SimpleNamespace(name="broken", load=lambda: lambda: "no module")
    monkeypatch.setattr(room, "entry_points", lambda group: [point, broken])
    assert {"mine", "broken"} <= set(list_backbones())
    assert feature_count(build_backbone("mine", size=64), channels=1, size=64) == 4
    with pytest.raises(NetworkError, match=r"'broken' must return a torch\.nn\.Module"):
        build_backbone("broken", size=64)


@pytest.mark.parametrize("module", [nn.Conv2d(1, 4, 3), nn.Linear(3, 4), nn.Flatten(0)])
def test_a_module_that_makes_no_features_is_refused(module: nn.Module) -> None:
    with pytest.raises(NetworkError, match=type(module).__name__):
        feature_count(module, channels=1, size=32)


class Answers(nn.Module):
    def __init__(self, *, shape: tuple[int, ...] = (4,), dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.shape, self.dtype = shape, dtype

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[-1] == 32, "32 pixels only"
        return torch.zeros(len(images), *self.shape, dtype=self.dtype)


@pytest.mark.parametrize("wrong", [{"shape": (0,)}, {"shape": ()}, {"shape": (2, 2)}, {"dtype": torch.int64}])
def test_features_that_no_head_can_read_are_refused(wrong: dict[str, Any]) -> None:
    assert feature_count(Answers(), channels=1, size=32) == 4
    with pytest.raises(NetworkError, match="must return features"):
        feature_count(Answers(**wrong), channels=1, size=32)


def test_an_assertion_in_a_module_is_said_in_our_words() -> None:
    # As torchvision's transformers check the size of images.
    with pytest.raises(NetworkError, match=r"\(2, 1, 64, 64\): 32 pixels only"):
        feature_count(Answers(), channels=1, size=64)


def test_strict_loading_carries_the_versions_and_misses_nothing() -> None:
    backbone = build_backbone("mnasnet0_5", size=64)  # refuses a state dict without versions
    tensors = {key: torch.zeros_like(value) for key, value in backbone.state_dict().items()}
    load_strictly(backbone, tensors)
    assert all((value == 0).all() for value in backbone.state_dict().values())
    for wrong in (dict(list(tensors.items())[1:]), tensors | {"extra": torch.ones(1)}):
        with pytest.raises(RuntimeError, match="state_dict"):
            load_strictly(backbone, wrong)


def test_asking_for_the_features_leaves_the_mode_alone() -> None:
    backbone = build_backbone("small_cnn", size=32).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    feature_count(backbone, channels=1, size=32)
    assert backbone.training
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
