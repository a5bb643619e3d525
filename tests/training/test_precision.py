import random

import numpy as np
import pytest
import torch
from torch import nn

from mriclassify._model._network import Network
from mriclassify._model._small_cnn import SmallCNN
from mriclassify._training import _precision
from mriclassify._training._precision import choose_precision

CPU = torch.device("cpu")


@pytest.fixture
def network() -> Network:
    backbone = nn.Sequential(SmallCNN(width=4), nn.Dropout(0.5))
    return Network(backbone, classes=3, channels=1, size=32).eval()


@pytest.mark.parametrize("asked", ["fp32", "bf16", "fp16"])
def test_precision_that_is_asked_for_is_taken_unmeasured(
    network: Network, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_precision, "_step_seconds", lambda *_, **__: pytest.fail("measured"))
    assert choose_precision(asked, network=network, size=32, device=CPU) == asked


def test_measuring_chooses_and_changes_nothing(network: Network) -> None:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    assert choose_precision("auto", network=network, size=32, device=CPU) in ("fp32", "bf16")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    assert random.getstate() == python_state
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(("bf16", "chosen"), [(0.5, "bf16"), (2.0, "fp32"), (1.0, "fp32")])
def test_faster_precision_is_chosen_and_fp32_of_equals(
    network: Network, bf16: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_precision, "_step_seconds", lambda *_, **__: {"fp32": 1.0, "bf16": bf16})
    assert choose_precision("auto", network=network, size=32, device=CPU) == chosen


def test_apple_gpu_is_not_trusted_with_half_precision(network: Network) -> None:
    assert choose_precision("auto", network=network, size=32, device=torch.device("mps")) == "fp32"
