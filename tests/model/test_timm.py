"""Backbones of timm: built for grey slices, filled strictly, and no name of theirs reaches beyond timm's registry."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import load_file, save, save_file

from mriclassify import (
    Classifier,
    Dataset,
    DownloadError,
    NetworkError,
    OfflineError,
    OptionError,
    Preprocessing,
    TrainingOptions,
    list_backbones,
)
from mriclassify._model._backbones import (
    build_backbone,
    feature_count,
    has_imagenet,
    load_pretrained,
    natural_size,
    normalisation,
    stem_channels,
)

TINY = "timm/test_resnet"
MODELS = ["test_resnet", "test_vit", "test_efficientnet", "test_convnext", "test_nfnet", "test_mambaout", "resnetv2_18"]


@pytest.mark.parametrize("model", MODELS)
def test_models_make_features_of_grey_images(model: str) -> None:
    name = f"timm/{model}"
    size = natural_size(name)
    backbone = build_backbone(name, size=size)
    # A sum of weights that are standardised is no substitute for three of them.
    channels = 3 if model == "test_nfnet" else 1
    assert stem_channels(backbone) == channels
    assert feature_count(backbone, channels=channels, size=size) > 8


def original(model: str, *, seed: int = 0, **options: Any) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return timm.create_model(model, pretrained=False, **options).eval()  # type: ignore[no-any-return]


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_a_file_with_timms_names_gives_the_features_of_timms_network(model: str, half: bool, tmp_path: Path) -> None:
    whole, name = original(model), f"timm/{model}"
    state = {
        key: value.half() if half and value.is_floating_point() else value for key, value in whole.state_dict().items()
    }
    save_file(state, tmp_path / "weights.safetensors")
    backbone = build_backbone(name, size=natural_size(name))
    load_pretrained(backbone, name, source=tmp_path / "weights.safetensors")
    grey = torch.rand(2, 1, natural_size(name), natural_size(name))
    whole.reset_classifier(0)
    tolerance = {"atol": 2e-2, "rtol": 2e-2} if half else {"atol": 1e-4, "rtol": 1e-4}
    with torch.inference_mode():
        features = backbone.eval()(grey.expand(-1, stem_channels(backbone), -1, -1))
        torch.testing.assert_close(features, whole(grey.expand(-1, 3, -1, -1)), **tolerance)


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    save_file(original("test_efficientnet").state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(NetworkError, match=r"other\.safetensors do not fit the backbone timm/test_resnet"):
        load_pretrained(build_backbone(TINY, size=64), TINY, source=tmp_path / "other.safetensors")
    state = dict(original("test_resnet").state_dict())
    del state["bn1.weight"]
    save_file(state, tmp_path / "short.safetensors")
    with pytest.raises(NetworkError, match=r"1 parameters are missing \(bn1\.weight\)"):
        load_pretrained(build_backbone(TINY, size=64), TINY, source=tmp_path / "short.safetensors")


def test_the_names_of_timm_are_not_listed() -> None:
    assert not [name for name in list_backbones() if name.startswith("timm/")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm/resnetv2_110", r"no model 'resnetv2_110'; similar are: .*timm/resnetv2_101\b"),
        ("timm/" + "x" * 40, r"see timm\.list_models\(\)"),
        ("timm/", r"no model ''"),
        ("timm/hf-hub:timm/test_resnet", "no model 'hf-hub:timm/test_resnet'"),
        ("timm/local-dir:/etc", "no model 'local-dir:/etc'"),
        ("timm/test_resnet.nope", r"no weights 'test_resnet\.nope'; there are: timm/test_resnet\.r160_in1k"),
        ("timm/tresnet_m", "folds the image"),
    ],
)
def test_an_unknown_name_is_refused_with_similar_ones(name: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        build_backbone(name, size=64)


def test_sizes_are_those_that_the_weights_are_made_for() -> None:
    assert natural_size("timm/test_resnet") == 160
    assert natural_size("timm/vit_tiny_patch16_224") == 224
    assert natural_size("timm/vit_tiny_patch16_384") == 384
    vit = build_backbone("timm/vit_tiny_patch16_224", size=96)
    assert feature_count(vit, channels=1, size=96) == 192
    with pytest.raises(NetworkError, match="224"):
        feature_count(vit, channels=1, size=224)
    with pytest.raises(OptionError, match=r"for images of 100 pixels: pass Preprocessing\(size=224\)"):
        build_backbone("timm/xcit_nano_12_p16_224", size=100)


def test_each_model_has_its_normalisation() -> None:
    assert normalisation("timm/resnetv2_101") == (0.5, 0.5)
    assert normalisation("timm/resnet50") == pytest.approx((0.449, 0.226))
    assert normalisation("resnet50") == (0.449, 0.226)
    assert has_imagenet("timm/resnetv2_101.a1h_in1k")


# The whole path


@pytest.fixture(scope="module")
def trained(parts: "tuple[Dataset, ...]") -> Classifier:
    options = TrainingOptions(epochs=1, batch_size=8, precision="fp32", augmentation=None)
    clf = Classifier(TINY, pretrained=None, preprocessing=Preprocessing(size=64), device="cpu")
    return clf.fit(parts[0], validation=parts[1], options=options)


def test_it_is_trained_saved_and_loaded(trained: Classifier, parts: "tuple[Dataset, ...]", tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    trained.save(path)
    again = Classifier.from_pretrained(path, device="cpu")
    assert again.bundle.backbone == TINY
    assert (float(again.bundle.network.mean), float(again.bundle.network.std)) == (0.5, 0.5)
    source = parts[1].records[0].path
    assert again.predict(source).probabilities == trained.predict(source).probabilities


# Published weights


class Hub(BaseHTTPRequestHandler):
    """As much of the Hugging Face hub as a download needs: one file, at one address."""

    path_of_file = "/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"
    content = b""
    asked = 0

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        self.answer(self.content)

    def answer(self, body: bytes) -> None:
        type(self).asked += 1
        found = self.path == self.path_of_file
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(self.content) if found else 0))
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if found:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub of our own with the weights of TINY, and an empty cache."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    for variable in ("MRICLASSIFY_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    served = type("Served", (Hub,), {"content": save(original("test_resnet", seed=5).state_dict())})
    server = ThreadingHTTPServer(("127.0.0.1", 0), served)
    Thread(target=server.serve_forever, daemon=True).start()
    constants = huggingface_hub.constants
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace("https://huggingface.co", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def test_published_weights_are_downloaded_once(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = build_backbone(TINY, size=64)
    load_pretrained(backbone, TINY, source="imagenet", size=64)
    expected = original("test_resnet", seed=5).state_dict()
    torch.testing.assert_close(backbone.state_dict()["layer4.0.conv1.weight"], expected["layer4.0.conv1.weight"])
    torch.testing.assert_close(
        backbone.state_dict()["conv1.0.weight"][:, 0], expected["conv1.0.weight"].sum(dim=1), atol=1e-5, rtol=1e-5
    )
    # The second time nobody is asked, whether that is allowed or not.
    asked = hub.asked
    for offline in ("0", "1"):
        monkeypatch.setenv("MRICLASSIFY_OFFLINE", offline)
        load_pretrained(build_backbone(TINY, size=64), TINY, source="imagenet")
    assert hub.asked == asked > 0


def test_offline_nobody_is_asked(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"test_resnet\.r160_in1k/resolve/main/model\.safetensors by hand"):
        load_pretrained(build_backbone(TINY, size=64), TINY, source="imagenet")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "/nowhere")
    with pytest.raises(OfflineError, match=r"gcvit_xxtiny.*by hand, put it into /nowhere/checkpoints"):
        load_pretrained(torch.nn.Identity(), "timm/gcvit_xxtiny", source="imagenet")
    assert hub.asked == 0


def test_a_hub_without_the_file_is_a_download_error(hub: type[Hub], tmp_path: Path) -> None:
    hub.path_of_file = "/elsewhere"
    with pytest.raises(DownloadError, match="pretrained=FILE"):
        load_pretrained(build_backbone(TINY, size=64), TINY, source="imagenet")
    assert hub.asked


@pytest.mark.parametrize("content", [b"<html>not found</html>", b"", "another"])
def test_a_file_that_is_something_else_is_a_download_error(hub: type[Hub], content: Any) -> None:
    hub.content = save(original("test_efficientnet").state_dict()) if content == "another" else content
    backbone = build_backbone(TINY, size=64)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with pytest.raises(DownloadError, match=r"weights of timm/test_resnet could not be fetched"):
        load_pretrained(backbone, TINY, source="imagenet")
    assert hub.asked
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def test_a_model_without_published_weights_is_said() -> None:
    name = next(f"timm/{model}" for model in timm.list_models("resnet*") if not has_imagenet(f"timm/{model}"))
    with pytest.raises(OptionError, match="has no weights"):
        load_pretrained(torch.nn.Identity(), name, source="imagenet")


def test_positions_are_fitted_to_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = original("test_vit", seed=5)
    monkeypatch.setattr("mriclassify._model._timm._fetched", lambda _: whole.state_dict())
    backbone = build_backbone("timm/test_vit", size=96)
    load_pretrained(backbone, "timm/test_vit", source="imagenet", size=96)
    assert backbone.state_dict()["pos_embed"].shape[1] < whole.state_dict()["pos_embed"].shape[1]
    torch.testing.assert_close(
        backbone.state_dict()["blocks.0.attn.qkv.weight"], whole.state_dict()["blocks.0.attn.qkv.weight"]
    )


@pytest.mark.shared
def test_the_real_weights_of_efficientnet_lite_are_taken(shared: Path) -> None:
    file = shared.parent / "weights" / "tf_efficientnet_lite0.safetensors"
    name = "timm/tf_efficientnet_lite0"
    backbone = build_backbone(name, size=160)
    load_pretrained(backbone, name, source=file)
    state = load_file(file)
    torch.testing.assert_close(
        backbone.state_dict()["conv_stem.weight"], state["conv_stem.weight"].float().sum(1, True)
    )
    assert feature_count(backbone, channels=1, size=160) == 1280
    assert normalisation(name) == (0.5, 0.5)
