"""Backbones: networks that turn images into features, by name or by hand.

A backbone is any `torch.nn.Module` whose `forward(images)` returns features (batch, d). Names are those of
torchvision's classification models, `small_cnn`, "timm/" and the name of a model of timm's, and what
installed packages register in the entry-point group `mriclassify.backbones` (name -> callable that returns such a
module).
"""

import logging
import os
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torchvision import models

from mriclassify._environment import offline
from mriclassify._errors import DownloadError, NetworkError, OfflineError, OptionError
from mriclassify._model._parameters import load_strictly
from mriclassify._model._small_cnn import SmallCNN
from mriclassify._model._timm import (
    PREFIX,
    build_timm,
    check_timm,
    is_published,
    published_state,
    timm_heads,
    timm_normalisation,
    timm_size,
)

log = logging.getLogger("mriclassify")

IMAGENET = "imagenet"
IMAGENET_MEAN = 0.449
IMAGENET_STD = 0.226
"""Means over the three channels of ImageNet's (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225)."""
DEFAULT_SIZE = 160
NATIVE_SIZE = 224
NATIVE_SIZE_ONLY = ("vit_", "maxvit_")
"""Torchvision's models of these families have the image's size built into their weights."""
WITHOUT_AUXILIARY_HEADS = ("googlenet", "inception_v3")

HEADS = ("fc.", "classifier.", "head.", "heads.", "aux1.", "aux2.", "AuxLogits.")
"""What torchvision calls the heads, also auxiliary ones, which a backbone has lost."""
COUNTER = "num_batches_tracked"
"""How often batch normalisation was trained: of no effect here, and missing from torchvision's older files."""
OLD_NAMES = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)"), r"\1\2"),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)
"""Names in torchvision's files of DenseNet and ViT, and what its modules call them since."""


def list_backbones() -> tuple[str, ...]:
    """Return the names that `Classifier(name)` knows, sorted.

    Those of timm are not among them: `timm.list_models()` has its 1,300, and each is known here as "timm/" and its
    name.
    """
    return tuple(sorted({*_torchvision_names(), *_registered(), "small_cnn"}))


def check_backbone(name: object) -> None:
    """Raise unless there is a backbone of that name.

    Raises:
        OptionError: there is none.
    """
    if isinstance(name, str) and name.startswith(PREFIX):
        check_timm(name)
    elif name not in (names := list_backbones()):
        raise OptionError(f"no backbone is named {name!r}; there are: {', '.join(names)}; and timm/<model>")


def has_imagenet(name: str) -> bool:
    """Whether torchvision, or timm for its own, publishes ImageNet weights for the backbone `name`."""
    return is_published(name) if name.startswith(PREFIX) else name in _torchvision_names()


def natural_size(name: str) -> int:
    """Return the image side, in pixels, that suits a backbone where the caller does not choose."""
    if name.startswith(PREFIX):
        return timm_size(name) or DEFAULT_SIZE
    return NATIVE_SIZE if name.startswith(NATIVE_SIZE_ONLY) else DEFAULT_SIZE


def normalisation(name: str) -> tuple[float, float]:
    """Return the mean and the standard deviation, on a scale of 0..1, that the weights of a backbone are made for."""
    return timm_normalisation(name) if name.startswith(PREFIX) else (IMAGENET_MEAN, IMAGENET_STD)


def build_backbone(name: str, *, size: int) -> nn.Module:
    """Return the backbone `name` with random weights, for images of `size` pixels and `stem_channels` channels.

    A three-channel stem of torchvision gets one channel, so that grey slices are not computed three times; in timm's,
    where that changes nothing.

    Raises:
        OptionError: no such name, or a size that this family does not take.
    """
    check_backbone(name)
    if name == "small_cnn":
        return SmallCNN()
    if name.startswith(PREFIX):
        return _unfolded(build_timm(name, size=size), name)
    if name in (registered := _registered()):
        return _module(registered[name].load()(), name)
    if name.startswith(NATIVE_SIZE_ONLY) and size != NATIVE_SIZE:
        raise OptionError(
            f"{name} takes images of {NATIVE_SIZE} pixels only, not {size}: pass Preprocessing(size={NATIVE_SIZE})"
        )
    auxiliary = {"aux_logits": False, "init_weights": True} if name in WITHOUT_AUXILIARY_HEADS else {}
    backbone: nn.Module = models.get_model(name, weights=None, **auxiliary)
    _drop_head(backbone)
    _sum_stem(backbone)
    return backbone


def load_pretrained(backbone: nn.Module, name: str, *, source: str | os.PathLike[str], size: int | None = None) -> None:
    """Fill `backbone` with pretrained weights, strictly.

    Args:
        backbone: what `build_backbone(name)` returned.
        name: its name.
        source: "imagenet" (torchvision's own, downloaded once into `TORCH_HOME`; timm's own, into `HF_HOME`), or a
            safetensors file with the backbone's parameters; a head in it, by any name that torchvision or timm gives
            heads, is ignored.
        size: of the images, as it was built for; by default its natural one. Weights of timm's that know a place in
            the image are fitted to it.

    Raises:
        DownloadError: the server can't be reached (OfflineError: it must not be asked).
        NetworkError: the file does not hold this backbone's parameters.
    """
    heads = (*HEADS, *(timm_heads(name) if name.startswith(PREFIX) else ()))
    if source != IMAGENET:
        state, origin = _file_state(Path(source)), str(source)
    elif name.startswith(PREFIX):
        state, origin = published_state(name, size=size or natural_size(name)), "timm's weights"
    else:
        state, origin = _imagenet_state(name), "torchvision's ImageNet weights"
    expected = backbone.state_dict()
    state = {_today(key): value for key, value in state.items()}
    state = {key: _as_stem(value, expected[key]) if key in expected else value for key, value in state.items()}
    problems = {
        "are missing": [key for key in expected if key not in state and not key.endswith(COUNTER)],
        "have another shape": [key for key in expected if key in state and state[key].shape != expected[key].shape],
        # A deeper network of the same family has all that a shallower one asks for, and more.
        "are of another network": [key for key in state if key not in expected and not key.startswith(heads)],
    }
    if any(problems.values()):
        counts = (f"{len(keys)} parameters {what} ({', '.join(keys[:3])})" for what, keys in problems.items() if keys)
        raise NetworkError(f"{origin} do not fit the backbone {name}: {'; '.join(counts)}")
    load_strictly(backbone, {key: state.get(key, value) for key, value in expected.items()})


def feature_count(backbone: nn.Module, *, channels: int, size: int) -> int:
    """Return d of the features (batch, d) that `backbone` makes, by asking it once with a blank image.

    Raises:
        NetworkError: it fails on images (2, channels, size, size), or returns something else than (2, d).
    """
    training = backbone.training
    first = next(backbone.parameters(), torch.empty(0))
    try:
        with torch.inference_mode():
            features = backbone.eval()(torch.zeros(2, channels, size, size, device=first.device))
    # AssertionError: torchvision's own checks of shapes are assertions.
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise NetworkError(
            f"{type(backbone).__name__} fails on images of shape (2, {channels}, {size}, {size}): {error}"
        ) from error
    finally:
        backbone.train(training)
    if not _are_features(features, count=2):
        found = type(features).__name__
        if isinstance(features, torch.Tensor):
            found = f"{tuple(features.shape)} of {str(features.dtype).removeprefix('torch.')}"
        raise NetworkError(
            f"a backbone must return features (batch, d) of floating point, "
            f"but {type(backbone).__name__} returned {found} for 2 images"
        )
    return int(features.shape[1])


def stem_channels(backbone: nn.Module) -> int:
    """Return how many channels the first convolution of `backbone` takes: 1 where there is none."""
    stem = _stem(backbone)
    return stem[1].in_channels if stem else 1


def _torchvision_names() -> list[str]:
    return list(models.list_models(module=models))


def _registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="mriclassify.backbones")}


def _unfolded(backbone: nn.Module, name: str) -> nn.Module:
    """Return `backbone`, unless its first convolution sees the image in another form, as in a few of timm's."""
    if stem_channels(backbone) not in (1, 3):
        raise OptionError(f"{name} folds the image before its first layer, which is not supported: take another model")
    return backbone


def _module(value: object, name: str) -> nn.Module:
    if not isinstance(value, nn.Module):
        raise NetworkError(f"the entry point {name!r} must return a torch.nn.Module, not {type(value).__name__}")
    return value


def _drop_head(backbone: nn.Module) -> None:
    """Replace the last layer, which names ImageNet's 1,000 classes, by nothing."""
    heads = [
        (path, layer)
        for path, layer in backbone.named_modules()
        if (isinstance(layer, nn.Linear) and layer.out_features == 1000)
        or (isinstance(layer, nn.Conv2d) and layer.out_channels == 1000 and layer.kernel_size == (1, 1))
    ]
    path, _ = heads[-1]
    backbone.set_submodule(path, nn.Identity())


def _stem(backbone: nn.Module) -> tuple[str, nn.Conv2d] | None:
    for path, layer in backbone.named_modules():
        if isinstance(layer, nn.Conv2d):
            return path, layer
    return None


def _sum_stem(backbone: nn.Module) -> None:
    """Give the first convolution one input channel: summed weights see grey as the three saw grey, grey, grey."""
    found = _stem(backbone)
    if found is None or found[1].in_channels != 3:
        return
    path, old = found
    new = nn.Conv2d(
        1,
        old.out_channels,
        kernel_size=old.kernel_size,  # type: ignore[arg-type]
        stride=old.stride,  # type: ignore[arg-type]
        padding=old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    with torch.no_grad():
        new.weight.copy_(old.weight.sum(dim=1, keepdim=True))
        if old.bias is not None and new.bias is not None:
            new.bias.copy_(old.bias)
    backbone.set_submodule(path, new)


def _are_features(value: object, *, count: int) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.ndim == 2
        and value.shape[0] == count
        and value.shape[1] > 0
        and value.is_floating_point()
    )


def _today(key: str) -> str:
    """Return what torchvision's module calls a parameter that its file may give an older name."""
    for old, new in OLD_NAMES:
        key = old.sub(new, key)
    return key


def _as_stem(value: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    one_channel = torch.Size([*value.shape[:1], 1, *value.shape[2:]])
    if value.ndim == 4 and value.shape[1] == 3 and expected.shape == one_channel:
        return value.float().sum(dim=1, keepdim=True)
    return value


def _imagenet_state(name: str) -> Mapping[str, torch.Tensor]:
    try:
        weights = models.get_model_weights(name).DEFAULT
    except ValueError as error:
        raise OptionError(
            f"torchvision has no ImageNet weights for {name!r}: pass pretrained=None or a file"
        ) from error
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    by_hand = f"Or fetch {weights.url} by hand, put it at {file}; or train from scratch with pretrained=None."
    if not file.exists() and offline():
        raise OfflineError(
            f"the ImageNet weights of {name} are not in {file.parent}, and MRICLASSIFY_OFFLINE is set. {by_hand}"
        )
    if not file.exists():
        log.info("downloading the ImageNet weights of %s from %s", name, weights.url)
    try:
        # check_hash: the first eight digits of the sha256 are part of torchvision's file names.
        # weights_only: tensors are read, no code is run.
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")  # type: ignore[no-any-return]
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        # The last two: the file was there already, laid by hand, and is empty or something else.
        raise DownloadError(f"the ImageNet weights of {name} could not be fetched ({error}). {by_hand}") from error


def _file_state(path: Path) -> Mapping[str, torch.Tensor]:
    try:
        state: dict[str, torch.Tensor] = load_file(path)
        return state
    except FileNotFoundError as error:
        raise NetworkError(f"no file of pretrained weights lies at {path}") from error
    except (OSError, SafetensorError) as error:
        raise NetworkError(f"{path} is not a safetensors file that can be read: {error}") from error
