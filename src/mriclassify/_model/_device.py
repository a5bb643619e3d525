"""Device and precision: the one place that chooses them."""

import os
from typing import Literal, get_args

import torch

from mriclassify._errors import DeviceError, OptionError

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def available_devices() -> tuple[str, ...]:
    """Return the devices of this machine, the best one first."""
    cuda = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return (*(["cuda"] if cuda else []), *cuda, *mps, "cpu")


def choose_device(name: str = "auto") -> torch.device:
    """Return the device `name`; "auto" takes `MRICLASSIFY_DEVICE`, then CUDA, then MPS, then the CPU.

    Raises:
        DeviceError: no such device here; the message names those that exist.
    """
    if name == "auto":
        name = os.environ.get("MRICLASSIFY_DEVICE") or "auto"
    there = available_devices()
    if name == "auto":
        return torch.device(there[0])
    if name not in there:
        raise DeviceError(f"device {name!r} does not exist here: choose auto or one of {', '.join(there)}")
    return torch.device(name)


def check_precision(precision: Precision) -> Precision:
    """Return `precision` if it is one.

    Raises:
        OptionError: it is none.
    """
    if precision not in PRECISIONS:
        raise OptionError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    return precision


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Return the context in which a network computes in `precision` on `device`."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "fp32")
