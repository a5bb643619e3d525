"""Information: what to paste into a bug report."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mriclassify._download import without_password
from mriclassify._errors import DeviceError
from mriclassify._model._device import available_devices, choose_device
from mriclassify._threads import worker_count
from mriclassify._version import __version__
from mriclassify._weights._cache import cache_folder
from mriclassify._weights._managing import place
from mriclassify._weights._registry import list_weights

LIBRARIES = (
    *("torch", "torchvision", "accelerate", "numpy", "pillow", "scikit-learn", "safetensors"),
    *("pydicom", "nibabel", "pooch", "matplotlib"),
)
VARIABLES = ("HOME", "OFFLINE", "MIRROR", "DEVICE", "PROGRESS")


def information() -> dict[str, Any]:
    """Return versions, devices, cache, weights and settings; names to values that JSON knows."""
    return {
        "mriclassify": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: _version(name) for name in LIBRARIES},
        "devices": list(available_devices()),
        "chosen device": _chosen_device(),
        "cores": worker_count(),
        "cache": str(cache_folder()),
        "weights": {record.name: place(record) for record in list_weights()},
        "environment": {
            name: _shown(os.environ[name])
            for name in (f"MRICLASSIFY_{variable}" for variable in VARIABLES)
            if name in os.environ
        },
    }


def _shown(value: str) -> str:
    """Return a setting as it may be pasted where everybody reads it: mirrors without `user:password@`."""
    try:
        return " ".join(without_password(part) if "@" in part else part for part in value.split(" "))
    except ValueError:
        return "no valid URL"


def _chosen_device() -> str:
    try:
        return str(choose_device())
    except DeviceError as error:
        return str(error)  # which is what the bug report may be about


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
