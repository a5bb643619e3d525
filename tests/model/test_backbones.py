"""Backbones: by name or by hand, one channel in, features out, pretrained strictly or not at all."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from mriclassify import Classifier, DownloadError, NetworkError, OfflineError, OptionError, list_backbones
from mriclassify._model import _backbones as room
from mriclassify._model._backbones import build_backbone, feature_count, load_pretrained, natural_size, stem_channels

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
    return state


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

    monkeypatch.setattr(room.models, "get_model_weights", lambda _: Weights)


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


def test_asking_for_the_features_leaves_the_mode_alone() -> None:
    backbone = build_backbone("small_cnn", size=32).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    feature_count(backbone, channels=1, size=32)
    assert backbone.training
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
