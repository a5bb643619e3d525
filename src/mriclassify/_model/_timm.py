"""Backbones of timm: "timm/<model>", or "timm/<model>.<tag>" for one of several weights.

Only models of timm's own registry are built. Its names that point elsewhere ("hf-hub:...", a folder) are refused,
since the name of a backbone may come from a file that a stranger made.
"""

import logging
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from mriclassify._environment import offline
from mriclassify._errors import DownloadError, MriClassifyError, OfflineError, OptionError

log = logging.getLogger("mriclassify")

PREFIX = "timm/"
WEIGHTS = "model.safetensors"
"""What timm's files are called on the Hugging Face hub, unless a model says otherwise."""

NAMED = 5
"""Similar names that an error gives."""


def check_timm(name: str) -> None:
    """Raise unless `name` is a model that the installed timm has.

    Raises:
        OptionError: no such model, or no such tag of it.
    """
    timm, model = _timm(), name.removeprefix(PREFIX)
    architecture = model.partition(".")[0]
    if not timm.is_model(model):
        found = get_close_matches(architecture, timm.list_models(), n=NAMED)
        similar = f"similar are: {', '.join(PREFIX + each for each in found)}" if found else "see timm.list_models()"
        raise OptionError(f"timm {timm.__version__} has no model {model!r}; {similar}")
    if "." in model and model not in (known := timm.list_pretrained(f"{architecture}.*")):
        raise OptionError(
            f"timm {timm.__version__} has no weights {model!r}; there are: "
            f"{', '.join(PREFIX + each for each in known) or 'none of this model'}"
        )


def build_timm(name: str, *, size: int) -> nn.Module:
    """Return the model with random weights, for images of `size` pixels, without its classifier.

    It takes one channel, so that grey slices are not computed three times; or three, where its first convolution
    standardises its weights, since their sum is then no substitute for three of them.

    Raises:
        OptionError: no such model, or it does not take images of this size.
    """
    check_timm(name)
    try:
        model = _created(name, size, num_classes=0, in_chans=1)
        return _created(name, size, num_classes=0) if _standardises(model) else model
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        side = timm_size(name)
        advice = f": pass Preprocessing(size={side}), as its weights are made for" if side not in (None, size) else ""
        raise OptionError(f"{name} can't be built for images of {size} pixels{advice} ({error})") from error


def timm_size(name: str) -> int | None:
    """Return the side of the images, in pixels, that the weights are made for; None where any suits."""
    configuration = _configuration(name)
    return int(configuration.input_size[-1]) if configuration.fixed_input_size else None


def timm_normalisation(name: str) -> tuple[float, float]:
    """Return mean and standard deviation that the weights are made for, each a mean over three channels."""
    configuration = _configuration(name)
    return fmean(configuration.mean), fmean(configuration.std)


def timm_heads(name: str) -> tuple[str, ...]:
    """Return what the names of the classifier's parameters begin with, which a backbone has lost."""
    found = _configuration(name).classifier or ()
    return tuple(f"{head}." for head in ([found] if isinstance(found, str) else found))


def is_published(name: str) -> bool:
    """Whether timm knows of weights for the model."""
    configuration = _configuration(name)
    return bool(configuration.hf_hub_id or configuration.url)


def published_state(name: str, *, size: int) -> Mapping[str, torch.Tensor]:
    """Return timm's own weights of the model, with its classifier, for three-channel images of `size` pixels.

    They are downloaded once, into the cache of the Hugging Face hub (`HF_HOME`) or of torch (`TORCH_HOME`).

    Raises:
        OptionError: timm knows of none.
        DownloadError: they can't be fetched, or not be read (OfflineError: they must not be fetched).
    """
    if not is_published(name):
        raise OptionError(f"timm has no weights for {name!r}: pass pretrained=None or a file")
    try:
        # timm itself renames what older files call otherwise, fits positions to `size`, and misses nothing.
        overlay = {"state_dict": dict(_fetched(name)), "custom_load": False}
        return _created(name, size, pretrained=True, pretrained_cfg_overlay=overlay).state_dict()
    except MriClassifyError:
        raise
    # What the hub's client raises has changed with its HTTP library, and is not always an OSError.
    except Exception as error:
        raise DownloadError(f"timm's weights of {name} could not be fetched ({error}). {_by_hand(name)}") from error


def _fetched(name: str) -> Mapping[str, torch.Tensor]:
    """Return what is in the published file, downloading it where it is not in a cache."""
    configuration = _configuration(name)
    if not configuration.hf_hub_id:
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(configuration.url).name
        _announce(name, cached=file.exists())
        # weights_only: tensors are read, no code is run. check_hash: by the first digits, which names end with.
        return torch.hub.load_state_dict_from_url(
            configuration.url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    place = {"repo_id": configuration.hf_hub_id, "filename": configuration.hf_hub_filename or WEIGHTS}
    # Asked first: hf_hub_download would ask the server even for what is here.
    cached = try_to_load_from_cache(**place)
    _announce(name, cached=isinstance(cached, str))
    state: Mapping[str, torch.Tensor] = load_file(cached if isinstance(cached, str) else hf_hub_download(**place))
    return state


def _announce(name: str, *, cached: bool) -> None:
    """Say that there will be a download, if there will be.

    Raises:
        OfflineError: there must not be.
    """
    if cached:
        return
    if offline():
        raise OfflineError(
            f"timm's weights of {name} are in no cache, and MRICLASSIFY_OFFLINE is set. {_by_hand(name)}"
        )
    log.info("downloading timm's weights of %s", name)


def _by_hand(name: str) -> str:
    configuration = _configuration(name)
    if not configuration.hf_hub_id:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        return (
            f"Or fetch {configuration.url} by hand, put it into {folder}; or train from scratch with pretrained=None."
        )
    address = (
        f"https://huggingface.co/{configuration.hf_hub_id}/resolve/main/{configuration.hf_hub_filename or WEIGHTS}"
    )
    return f"Or fetch {address} by hand and pass pretrained=FILE; or train from scratch with pretrained=None."


def _created(name: str, size: int, **options: Any) -> nn.Module:
    resized = {} if timm_size(name) in (None, size) else {"img_size": size}
    model: nn.Module = _timm().create_model(name.removeprefix(PREFIX), **resized, **options)
    return model


def _standardises(model: nn.Module) -> bool:
    layers = _timm().layers
    kinds = (layers.StdConv2d, layers.StdConv2dSame, layers.ScaledStdConv2d, layers.ScaledStdConv2dSame)
    stem = next((layer for layer in model.modules() if isinstance(layer, nn.Conv2d)), None)
    return isinstance(stem, kinds)


def _configuration(name: str) -> Any:
    """Return what timm says of the weights: where they are, and which images they are made for."""
    timm = _timm()
    return timm.get_pretrained_cfg(name.removeprefix(PREFIX)) or timm.models.PretrainedCfg()


def _timm() -> Any:
    # Not at the top: it takes a while to import, and most backbones are not of timm's.
    import timm

    return timm
