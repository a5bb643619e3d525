"""Precision of training: measured once, where it can't be known."""

import copy
import logging
import math
import time

import torch
from torch.nn import functional

from mriclassify._model._device import Precision, autocast
from mriclassify._model._network import Network
from mriclassify._training._depthwise import depthwise_in_fp32
from mriclassify._training._options import TrainingPrecision

log = logging.getLogger("mriclassify")

BATCH = 16
STEPS = 4


def choose_precision(asked: TrainingPrecision, *, network: Network, size: int, device: torch.device) -> Precision:
    """Return the precision to train in; "auto" is decided here and said in the log.

    On a CPU bf16 is up to three times faster or several times slower, depending on the chip (AMX,
    AVX512-BF16) and on the network (plain or depthwise convolutions): a few steps on a copy tell.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        # Emulated bf16, as on a T4, is slower than fp16.
        chosen: Precision = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        log.info("training in %s on %s", chosen, device)
        return chosen
    if device.type != "cpu":
        log.info("training in fp32: half precision is not reliable on %s", device)
        return "fp32"
    seconds = _step_seconds(network, size=size, device=device)
    chosen = "bf16" if seconds["bf16"] < seconds["fp32"] else "fp32"
    log.info(
        "training in %s: a step of %d images takes %.0f ms in fp32, %.0f ms in bf16 on this CPU",
        chosen,
        BATCH,
        1000 * seconds["fp32"],
        1000 * seconds["bf16"],
    )
    return chosen


def _step_seconds(network: Network, *, size: int, device: torch.device) -> dict[Precision, float]:
    """Return the fastest of a few steps in each precision, taken in turn, so that a busy moment hits both."""
    trial = copy.deepcopy(network).train()
    images = torch.zeros(BATCH, 1, size, size, device=device).contiguous(memory_format=torch.channels_last)
    targets = torch.zeros(BATCH, dtype=torch.long, device=device)
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    fastest = dict.fromkeys(precisions, math.inf)
    # Dropout draws from the global generator: it is put back, so that measuring changes no result.
    with torch.random.fork_rng(devices=[]):
        for precision in STEPS * precisions:
            start = time.perf_counter()
            with depthwise_in_fp32(trial, device=device, precision=precision):
                with autocast(device, precision):
                    logits = trial(images).logits
                functional.cross_entropy(logits.float(), targets).backward()  # type: ignore[no-untyped-call]
            fastest[precision] = min(fastest[precision], time.perf_counter() - start)
    return fastest
