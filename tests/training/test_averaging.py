"""Averaging: the mean of the weights over the steps, as its formula says, and what training does with it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mriclassify import Classifier, Dataset, Epoch
from mriclassify._training import _loop
from mriclassify._training._averaging import average_into, copied, decay_at

Fit = Callable[..., Classifier]
State = dict[str, torch.Tensor]


def network() -> nn.Module:
    """A layer, and another with running statistics and a counter."""
    generator = torch.Generator().manual_seed(0)
    made = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))
    change(made, generator)
    return made


def change(module: nn.Module, generator: torch.Generator) -> None:
    for value in module.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator))
        else:
            value.add_(1)


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.998])
def test_the_mean_is_what_its_formula_says(decay: float) -> None:
    module, generator = network(), torch.Generator().manual_seed(1)
    mean, seen = copied(module), [copied(module)]
    for step in range(40):
        change(module, generator)
        seen.append(copied(module))
        average_into(mean, module, decay=decay_at(step, decay))
    kept = [min(decay, (1 + step) / (10 + step)) for step in range(40)]
    # How much each of the weights counts in the end: what came in with it, times all that was kept since.
    shares = [np.prod(kept)] + [(1 - kept[step]) * np.prod(kept[step + 1 :]) for step in range(40)]
    assert sum(shares) == pytest.approx(1)
    for name, value in mean.items():
        if value.is_floating_point():
            expected = sum(share * state[name].double() for share, state in zip(shares, seen, strict=True))
            torch.testing.assert_close(value.double(), torch.as_tensor(expected), atol=1e-5, rtol=1e-5)
            assert value.dtype == torch.float32


def test_counters_are_copied() -> None:
    module = network()
    mean = copied(module)
    module[1].num_batches_tracked.fill_(7)
    average_into(mean, module, decay=0.9)
    assert mean["1.num_batches_tracked"] == 7
    assert mean["1.num_batches_tracked"].dtype == torch.int64


def test_the_mean_of_what_does_not_change_is_exactly_that() -> None:
    module = network()
    mean = copied(module)
    for step in range(30):
        average_into(mean, module, decay=decay_at(step, 0.998))
    assert all(torch.equal(value, mean[name]) for name, value in module.state_dict().items())


def test_early_steps_are_forgotten_faster() -> None:
    decays = [decay_at(step, 0.998) for step in range(20_000)]
    assert decays[0] == pytest.approx(0.1)
    assert decays[9] == pytest.approx(10 / 19)
    assert decays == sorted(decays)
    assert decays[-1] == 0.998
    assert max(decay_at(step, 0.05) for step in range(100)) == 0.05


def test_a_copy_is_of_its_own_and_laid_out_alike() -> None:
    module = network().to(memory_format=torch.channels_last)
    copy = copied(module)
    before = {name: value.clone() for name, value in copy.items()}
    change(module, torch.Generator().manual_seed(2))
    assert all(torch.equal(copy[name], before[name]) for name in before)
    assert not torch.equal(copy["0.weight"], module.state_dict()["0.weight"])
    assert not any(value.requires_grad for value in copy.values())
    assert copy["0.weight"].stride() == module[0].weight.stride()


def weights(clf: Classifier) -> State:
    return {name: value.clone() for name, value in clf.bundle.network.state_dict().items()}


def differing(a: State, b: State) -> list[str]:
    assert a.keys() == b.keys()
    return [name for name in a if not torch.equal(a[name], b[name])]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[State]:
    """The state of the network before the first step and after each."""
    seen: list[State] = []
    real = _loop._Run._step

    def watched(run: Any, batch: Any, rate: float) -> float:
        seen.extend([copied(run.network)] if not seen else [])
        loss = real(run, batch, rate)
        seen.append(copied(run.network))
        return loss

    monkeypatch.setattr(_loop._Run, "_step", watched)
    return seen


def test_training_keeps_the_mean_of_the_steps(fit: Fit, steps: list[State]) -> None:
    clf = fit(epochs=1, averaging=0.7)
    mean = {name: value.double() for name, value in steps[0].items()}
    for step, state in enumerate(steps[1:]):
        for name, value in state.items():
            decay = decay_at(step, 0.7)
            mean[name] = decay * mean[name] + (1 - decay) * value if value.is_floating_point() else value.double()
    assert len(steps) == 5
    kept = weights(clf)
    for name, value in kept.items():
        torch.testing.assert_close(value.double(), mean[name], atol=1e-5, rtol=1e-5)
    assert "head.weight" in differing(kept, steps[-1])


def test_the_steps_do_not_depend_on_the_mean(fit: Fit, steps: list[State]) -> None:
    fit(epochs=2, averaging=0.9)
    averaged = steps.copy()
    steps.clear()
    plain = fit(epochs=2, averaging=0)
    assert len(averaged) == len(steps) == 9
    assert [number for number in range(9) if differing(averaged[number], steps[number])] == []
    assert plain.history is not None
    best = plain.history.best.epoch
    assert differing(weights(plain), steps[4 * best]) == []


def test_what_is_validated_is_the_mean(fit: Fit, parts: tuple[Dataset, Dataset]) -> None:
    heard: list[Epoch] = []
    averaged = fit(epochs=2, averaging=0.9, on_epoch=heard.append)
    plain = fit(epochs=2)
    assert averaged.history is not None and plain.history is not None
    assert [e.train_loss for e in averaged.history] == [e.train_loss for e in plain.history]
    assert [e.validation_loss for e in averaged.history] != [e.validation_loss for e in plain.history]
    report = averaged.evaluate(parts[1], bootstrap=0)
    assert report.accuracy == pytest.approx(averaged.history.best.validation_accuracy)
    logits = torch.as_tensor(np.log(report.probabilities) * averaged.bundle.temperature.value)
    loss = float(nn.functional.cross_entropy(logits, torch.as_tensor(report.targets.copy())))
    assert loss == pytest.approx(averaged.history.best.validation_loss, rel=1e-4)


def test_averaging_over_long_stays_near_the_beginning(fit: Fit) -> None:
    start, short, long = (weights(fit(epochs=1, **options)) for options in ({"learning_rate": 0}, {}, {"averaging": 1}))
    name = "head.weight"
    assert 0 < float((long[name] - start[name]).norm()) < float((short[name] - start[name]).norm())


def test_a_frozen_backbone_is_its_own_mean(fit: Fit) -> None:
    first = fit(epochs=1, learning_rate=0, freeze_backbone=True)
    later = fit(epochs=2, averaging=0.9, freeze_backbone=True)
    assert all(name.startswith("head.") for name in differing(weights(first), weights(later)))
