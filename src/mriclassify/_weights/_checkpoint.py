"""Checkpoint: a Bundle in one safetensors file, and back; strict both ways, and never a pickle."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from mriclassify._data._preprocessing import Preprocessing
from mriclassify._errors import CheckpointError, MriClassifyError, OptionError
from mriclassify._model._backbones import build_backbone
from mriclassify._model._bundle import Bundle
from mriclassify._model._calibration import Temperature
from mriclassify._model._consensus import Consensus
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network
from mriclassify._model._parameters import load_strictly
from mriclassify._model._provenance import Provenance
from mriclassify._output import write_tensors
from mriclassify._trust._conformal import Conformal
from mriclassify._trust._familiarity import Familiarity
from mriclassify._trust._risk_coverage import RiskCoverage
from mriclassify._trust._thresholds import Thresholds
from mriclassify._trust._tomography import CtLikeness

SCHEMA = 1
HEADER = "mriclassify"
NETWORK = "network."
SLICES = "provenance.slices"
HASHES = "provenance.hashes"
FAMILIARITY = "familiarity."
CT = "ct."

Tensors = dict[str, torch.Tensor]

KINDS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "backbone": str,
    "channels": int,
    "lesions": bool,
    "members": list,
    "classes": list,
    "preprocessing": dict,
    "consensus": (dict, NoneType),
    "temperature": (int, float),
    "offsets": list,
    "thresholds": dict,
    "conformal": (dict, NoneType),
    "risk_coverage": (dict, NoneType),
    "provenance": dict,
    "metrics": dict,
    "summary": str,
}
MEMBER_KINDS: Mapping[str, type] = {"backbone": str, "channels": int, "size": int}
PROVENANCE_KINDS: Mapping[str, type] = {"groups": list, "split": str, "created": str, "versions": dict}


def save_bundle(bundle: Bundle, path: str | os.PathLike[str], *, half: bool = False) -> None:
    """Write `bundle` to `path`; with `half` in half precision, at half the size.

    Raises:
        OutputError: the file can't be written.
    """
    tensors = {NETWORK + key: _stored(value, half=half) for key, value in bundle.network.state_dict().items()}
    if bundle.familiarity is not None:
        tensors |= {FAMILIARITY + key: value for key, value in bundle.familiarity.tensors().items()}
    if bundle.ct_likeness is not None:
        tensors |= {CT + key: value for key, value in bundle.ct_likeness.tensors().items()}
    # Torch has no unsigned numbers of 64 bits to calculate with.
    tensors[SLICES] = torch.from_numpy(bundle.provenance.slices.view(np.int64).copy())
    if bundle.provenance.hashes is not None:
        tensors[HASHES] = torch.from_numpy(np.ascontiguousarray(bundle.provenance.hashes).view(np.int64))
    write_tensors(path, tensors, metadata={HEADER: json.dumps(_header(bundle), sort_keys=True)})


def load_bundle(path: str | os.PathLike[str], *, backbone: nn.Module | None = None) -> Bundle:
    """Return the bundle in the file at `path`.

    Args:
        path: a file that `save_bundle` wrote.
        backbone: for a model on a module of the user's own: that module, built anew; its weights are overwritten.

    Raises:
        CheckpointError: not such a file, of another schema version, or not whole.
    """
    file = Path(path)
    header, tensors = _read(file)
    header = _completed(header)
    try:
        _check_kinds(header, KINDS)
        kept = {prefix: _taken(tensors, prefix) for prefix in (FAMILIARITY, CT)}
        bundle = _empty_bundle(header, file, kept, backbone=backbone)
        provenance = _provenance(header["provenance"], tensors.pop(SLICES), tensors.pop(HASHES, None))
    except KeyError as error:
        raise CheckpointError(f"{file}: the entry {error} is missing from it. {REMEDY}") from error
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{file}: its header can't be understood ({error}). {REMEDY}") from error
    _fill(bundle.network, {key.removeprefix(NETWORK): value for key, value in tensors.items()}, file)
    return bundle.with_changes(provenance=provenance)


def _completed(header: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the header with what files from before there were lesion heads, rejections and levels do not say."""
    limits = {"uncertain_below": header.get("uncertain_below"), "unfamiliar_above": None, "appearance": None}
    missing: dict[str, Any] = {
        "lesions": False,
        "consensus": None,
        "members": [],
        "offsets": [],
        "thresholds": limits,
        "conformal": None,
        "risk_coverage": None,
    }
    completed = missing | dict(header)
    if isinstance(completed["thresholds"], dict):
        before = {"lesion_above": Thresholds().lesion_above, "ct_above": None}
        completed["thresholds"] = before | completed["thresholds"]
    return completed


REMEDY = "Save or download it again."


def _stored(value: torch.Tensor, *, half: bool) -> torch.Tensor:
    value = value.detach().cpu().contiguous()
    if half and value.is_floating_point() and (small := value.half()).isfinite().all():
        return small
    # Beyond 65,504, where half precision ends, as some variances of batch normalisation are: stored as it is.
    return value.clone()


def _header(bundle: Bundle) -> dict[str, Any]:
    provenance = bundle.provenance
    return {
        "schema": SCHEMA,
        "name": bundle.name,
        "backbone": bundle.backbone,
        "channels": bundle.network.channels,
        "lesions": bundle.network.lesion_head is not None,
        "members": _members(bundle),
        "classes": list(bundle.classes),
        "preprocessing": asdict(bundle.preprocessing),
        "consensus": bundle.consensus.to_dict() if bundle.consensus else None,
        "temperature": bundle.temperature.value,
        "offsets": list(bundle.offsets),
        "thresholds": bundle.thresholds.to_dict(),
        "conformal": bundle.conformal.to_dict() if bundle.conformal else None,
        "risk_coverage": bundle.risk_coverage.to_dict() if bundle.risk_coverage else None,
        "provenance": {
            "groups": list(provenance.groups),
            "split": provenance.split,
            "created": provenance.created,
            "versions": dict(provenance.versions),
        },
        "metrics": dict(bundle.metrics),
        "summary": bundle.summary,
    }


def _read(file: Path) -> tuple[Mapping[str, Any], Tensors]:
    try:
        with safe_open(file, framework="pt") as opened:
            text = (opened.metadata() or {}).get(HEADER)
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise CheckpointError(_refusal(file, error)) from error
    except OSError as error:
        raise CheckpointError(f"{file} can't be read: {error.strerror or error}") from error
    if text is None:
        raise CheckpointError(
            f"{file} is a safetensors file, but not of mriclassify: it has no {HEADER!r} header. "
            "A model is saved by clf.save(); a bare backbone goes into Classifier(name, pretrained=file)."
        )
    try:
        header = json.loads(text)
        schema = header["schema"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(f"{file}: its header is not JSON with a schema version. {REMEDY}") from error
    if schema != SCHEMA:
        raise CheckpointError(
            f"{file} has schema version {schema}; this mriclassify reads {SCHEMA}: "
            "install the version that wrote it, or a newer one"
        )
    return header, tensors


def _refusal(file: Path, error: Exception) -> str:
    with file.open("rb") as opened:
        start = opened.read(2)
    if start == b"PK" or start[:1] == b"\x80":
        return (
            f"{file} is a PyTorch pickle, whatever its name. Pickles can run code and are never loaded; "
            "save its state_dict with safetensors.torch.save_file where you trust it."
        )
    return f"{file} is not a whole safetensors file ({error}): it is of another kind, or cut off. {REMEDY}"


def _check_kinds(values: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]]) -> None:
    for name, kind in kinds.items():
        if not isinstance(values[name], kind):
            raise TypeError(f"{name} can't be a {type(values[name]).__name__}")


def _empty_bundle(
    header: Mapping[str, Any], file: Path, kept: Mapping[str, Tensors], *, backbone: nn.Module | None
) -> Bundle:
    preprocessing = Preprocessing(
        size=header["preprocessing"]["size"],
        window="dicom" if header["preprocessing"]["window"] == "dicom" else tuple(header["preprocessing"]["window"]),
        crop=header["preprocessing"]["crop"],
    )
    name, classes = header["backbone"], tuple(header["classes"])
    if not classes or not all(isinstance(label, str) for label in classes):
        raise TypeError("classes must be names")
    if not all(type(offset) in (int, float) for offset in header["offsets"]):
        raise TypeError("offsets must be numbers")
    if backbone is None and name.startswith("custom:"):
        raise CheckpointError(
            f"{file} was trained with a backbone of the user's own ({name}): "
            f"pass it, from_pretrained({str(file)!r}, backbone=...)"
        )
    try:
        # The random weights that a module begins with are overwritten: the caller's generator is left alone.
        with torch.random.fork_rng(devices=[]):
            network = _empty_network(header, classes=len(classes), size=preprocessing.size, backbone=backbone)
    except MriClassifyError as error:
        raise CheckpointError(f"{file}: its network can't be built: {error}") from error
    return Bundle(
        name=header["name"],
        backbone=name,
        classes=classes,
        network=network,
        preprocessing=preprocessing,
        consensus=Consensus.from_dict(header["consensus"]) if header["consensus"] is not None else None,
        temperature=Temperature(header["temperature"]),
        offsets=tuple(header["offsets"]),
        thresholds=Thresholds.from_dict(header["thresholds"]),
        familiarity=Familiarity.from_tensors(kept[FAMILIARITY]) if kept[FAMILIARITY] else None,
        ct_likeness=CtLikeness.from_tensors(kept[CT]) if kept[CT] else None,
        conformal=Conformal.from_dict(header["conformal"]) if header["conformal"] is not None else None,
        risk_coverage=RiskCoverage.from_dict(header["risk_coverage"]) if header["risk_coverage"] is not None else None,
        metrics=header["metrics"],
        summary=header["summary"],
    )


def _members(bundle: Bundle) -> list[dict[str, Any]]:
    """Return what it takes to build each network of an ensemble; nothing for a single one."""
    if not isinstance(bundle.network, Ensemble):
        return []
    names = bundle.backbone.split("+")
    return [
        {"backbone": name, "channels": member.channels, "size": size}
        for name, member, size in zip(names, bundle.network.members, bundle.network.sizes, strict=True)
    ]


def _empty_network(
    header: Mapping[str, Any], *, classes: int, size: int, backbone: nn.Module | None
) -> Network | Ensemble:
    def network(name: str, channels: int, size: int) -> Network:
        module = backbone if backbone is not None else build_backbone(name, size=size)
        return Network(module, classes=classes, channels=channels, size=size, lesions=header["lesions"])

    members = header["members"]
    if not members:
        return network(header["backbone"], header["channels"], size)
    for member in members:
        _check_kinds(member, MEMBER_KINDS)
        Preprocessing(size=member["size"])  # which knows what sizes there can be
    if "+".join(member["backbone"] for member in members) != header["backbone"]:
        raise ValueError(f"its members are not those of {header['backbone']}")
    if backbone is not None:
        raise OptionError("it holds several networks, none of which can take a backbone of the user's own")
    return Ensemble(
        [network(member["backbone"], member["channels"], member["size"]) for member in members],
        [member["size"] for member in members],
    )


def _taken(tensors: Tensors, prefix: str) -> Tensors:
    """Take the tensors whose names begin with `prefix` out of the others."""
    # Copies: the tensors lie in the mapped file, and die with it if somebody cuts that short.
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name).clone() for name in names}


def _provenance(header: Mapping[str, Any], slices: torch.Tensor, hashes: torch.Tensor | None) -> Provenance:
    _check_kinds(header, PROVENANCE_KINDS)
    if slices.dtype != torch.int64 or slices.ndim != 1:
        raise TypeError(f"{SLICES} can't be {slices.dtype} of shape {tuple(slices.shape)}")
    if hashes is not None and (hashes.dtype != torch.int64 or hashes.shape[1:] != (4,)):
        raise TypeError(f"{HASHES} can't be {hashes.dtype} of shape {tuple(hashes.shape)}")
    return Provenance(
        # Copies: the tensors lie in the mapped file, and die with it if somebody cuts that short.
        slices=slices.numpy().view(np.uint64).copy(),
        hashes=None if hashes is None else hashes.numpy().view(np.uint64).copy(),
        groups=tuple(header["groups"]),
        split=header["split"],
        created=header["created"],
        versions=header["versions"],
    )


def _fill(network: nn.Module, tensors: Tensors, file: Path) -> None:
    expected = network.state_dict()
    for problem, keys in {
        "misses": expected.keys() - tensors.keys(),
        "has, unasked,": tensors.keys() - expected.keys(),
        "has in another shape": {k for k in expected.keys() & tensors.keys() if expected[k].shape != tensors[k].shape},
        "has in another kind of number": {
            k
            for k in expected.keys() & tensors.keys()
            if expected[k].is_floating_point() != tensors[k].is_floating_point()
        },
        "has NaN or infinity in": {k for k, value in tensors.items() if not value.isfinite().all()},
    }.items():
        if keys:
            raise CheckpointError(f"{file} {problem} {len(keys)} of the network's tensors, as {min(keys)}. {REMEDY}")
    load_strictly(network, tensors)
