"""Information: what to paste into a bug report."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mriclassify._data._loading import worker_count
from mriclassify._model._device import available_devices, choose_device
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
        "chosen device": str(choose_device()),
        "cores": worker_count(),
        "cache": str(cache_folder()),
        "weights": {record.name: place(record) for record in list_weights()},
        "environment": {
            name: os.environ[name]
            for name in (f"MRICLASSIFY_{variable}" for variable in VARIABLES)
            if name in os.environ
        },
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
