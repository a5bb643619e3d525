"""Network, inference and calibration: raw numbers, the same whichever way they are asked for."""

import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mriclassify import DeviceError, OptionError
from mriclassify._model import _inference
from mriclassify._model._calibration import RANGE, Temperature
from mriclassify._model._device import Precision, autocast, available_devices, choose_device
from mriclassify._model._inference import infer, ready
from mriclassify._model._network import Network, Outputs
from mriclassify._model._small_cnn import SmallCNN

CPU = torch.device("cpu")


def network(backbone: nn.Module | None = None, *, channels: int = 1) -> Network:
    torch.manual_seed(0)
    return ready(Network(backbone or SmallCNN(), classes=3, channels=channels, size=32), CPU)


def images(count: int = 5) -> torch.Tensor:
    return torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(2))


def test_logits_and_features_have_their_shapes_and_are_no_probabilities() -> None:
    outputs = infer(network(), images())
    assert outputs.logits.shape == (5, 3)
    assert outputs.features.shape == (5, 256)
    assert not torch.allclose(outputs.logits.sum(dim=1), torch.ones(5))


def test_a_batch_is_its_images_one_by_one() -> None:
    together = infer(network(), images()).logits
    alone = torch.cat([infer(network(), image[None]).logits for image in images()])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_inference_changes_nothing_and_keeps_no_gradients() -> None:
    model = network()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = infer(model, images()), infer(model, images())
    assert torch.equal(first.logits, second.logits)
    assert not first.logits.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_normalisation_travels_with_the_weights() -> None:
    assert {"mean", "std"} <= network().state_dict().keys()


def test_three_channels_see_the_same_slice_without_a_copy() -> None:
    strides = []

    class Spy(nn.Module):
        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            assert seen.shape[1] == 3
            strides.append(seen.stride(1))
            return seen.mean(dim=(2, 3))

    outputs = infer(network(Spy(), channels=3), images())
    assert torch.equal(outputs.features[:, 0], outputs.features[:, 2])
    assert strides[-1] == 0


def test_a_batch_too_large_for_the_memory_is_halved(caplog: pytest.LogCaptureFixture) -> None:
    class Narrow(nn.Module):
        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            if len(seen) > 2:
                raise torch.OutOfMemoryError("out of memory")
            return seen.mean(dim=(2, 3))

    model = network(Narrow())
    expected = torch.cat([infer(model, image[None]).logits for image in images(7)])
    torch.testing.assert_close(infer(model, images(7)).logits, expected)
    assert "does not fit into the memory" in caplog.text


@pytest.mark.parametrize(("precision", "expected_counts"), [("fp32", [3, 3, 1]), ("bf16", [6, 1])])
def test_a_cpu_is_given_a_few_images_at_a_time_and_the_answers_keep_their_order(
    monkeypatch: pytest.MonkeyPatch, precision: Precision, expected_counts: list[int]
) -> None:
    counts: list[int] = []

    class Counting(nn.Module):
        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            counts.append(len(seen))
            return seen.mean(dim=(2, 3))

    model = network(Counting())
    monkeypatch.setattr(_inference, "CACHED", 3 * 32**2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    expected = torch.cat([infer(model, image[None], precision=precision).features for image in images(7)])
    counts.clear()
    torch.testing.assert_close(infer(model, images(7), precision=precision).features, expected)
    assert counts == expected_counts


def test_an_image_too_large_for_the_memory_is_an_error() -> None:
    class Hopeless(nn.Module):
        tiny = True

        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            if self.tiny:
                return seen.mean(dim=(2, 3))
            raise torch.OutOfMemoryError("out of memory")

    model = network(backbone := Hopeless())
    backbone.tiny = False
    with pytest.raises(torch.OutOfMemoryError):
        infer(model, images(4))


def test_halving_lets_go_of_what_filled_the_memory() -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    class Greedy(nn.Module):
        most = 10

        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            assert all(activations() is None for activations in held)
            activations = seen * 2
            held.append(weakref.ref(activations))
            if len(seen) > self.most:
                raise torch.OutOfMemoryError("out of memory")
            return activations.mean(dim=(2, 3))

    model = network(backbone := Greedy())
    backbone.most = 1
    assert infer(model, images(6)).logits.shape == (6, 3)
    assert len(held) > 6


def test_half_precision_is_close() -> None:
    exact, half = infer(network(), images()), infer(network(), images(), precision="bf16")
    torch.testing.assert_close(exact.logits, half.logits, atol=0.05, rtol=0.05)
    assert half.logits.dtype == torch.float32


def test_devices_are_listed_and_others_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_devices()[-1] == "cpu"
    assert choose_device("cpu") == CPU
    with pytest.raises(DeviceError, match=r"'tpu' does not exist here: choose auto or one of .*cpu"):
        choose_device("tpu")
    monkeypatch.setenv("MRICLASSIFY_DEVICE", "cpu")
    assert choose_device("auto") == CPU
    monkeypatch.setenv("MRICLASSIFY_DEVICE", "abacus")
    with pytest.raises(DeviceError, match="abacus"):
        choose_device()
    assert choose_device("cpu") == CPU  # an argument wins over the environment
    monkeypatch.setenv("MRICLASSIFY_DEVICE", "")
    assert choose_device() == torch.device(available_devices()[0])  # empty is unset, as elsewhere


def test_autocast_is_off_in_full_precision() -> None:
    with autocast(CPU, "fp32"):
        assert not torch.is_autocast_enabled("cpu")
    with autocast(CPU, "bf16"):
        assert torch.is_autocast_enabled("cpu")


def test_temperature_changes_confidence_and_no_answer() -> None:
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 3
    hot, cold = Temperature(4.0)(logits), Temperature(0.25)(logits)
    np.testing.assert_allclose(hot.sum(axis=1), 1)
    assert (hot.argmax(axis=1) == cold.argmax(axis=1)).all()
    assert (hot.max(axis=1) < cold.max(axis=1)).all()


def sampled(strength: float, count: int = 400) -> tuple[torch.Tensor, np.ndarray]:
    """Logits whose softmax is right, times `strength`."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(count, 4, generator=generator) * 2
    targets = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    return logits * strength, targets.numpy()


@pytest.mark.parametrize("strength", [0.5, 1.0, 3.0])
def test_fitting_finds_by_how_much_logits_are_too_sure(strength: float) -> None:
    assert Temperature.fit(*sampled(strength)).value == pytest.approx(strength, rel=0.2)


def test_fitting_finds_the_smallest_cross_entropy() -> None:
    logits, targets = sampled(2.0)
    soft = (functional.one_hot(torch.as_tensor(targets), 4).double() * len(targets) + 0.25) / (len(targets) + 1)

    def loss(value: float) -> float:
        return float(functional.cross_entropy(logits.double() / value, soft))

    best = Temperature.fit(logits, targets).value
    assert all(loss(best) <= loss(value) + 1e-9 for value in np.geomspace(*RANGE, 200))


def test_fitting_does_not_mind_the_order_of_classes() -> None:
    logits, targets = sampled(2.0)
    order = [2, 0, 3, 1]
    permuted = Temperature.fit(logits[:, order], np.argsort(order)[targets])
    assert permuted.value == pytest.approx(Temperature.fit(logits, targets).value)


def test_a_perfect_small_validation_part_makes_nobody_certain() -> None:
    targets = np.arange(8) % 4
    logits = functional.one_hot(torch.as_tensor(targets), 4).float()
    assert Temperature.fit(logits, targets)(logits).max() < 0.99


def test_a_temperature_out_of_range_is_refused() -> None:
    for value in (0.0, -1.0, 100.0, float("nan")):
        with pytest.raises(OptionError, match="temperature"):
            Temperature(value)


def test_outputs_are_logits_and_features_and_lesions_where_there_is_a_map() -> None:
    assert Outputs._fields == ("logits", "features", "lesions")


def test_temperatures_can_be_fitted_on_what_inference_gives() -> None:
    # Tensors made in inference mode refuse to take part in a gradient.
    assert Temperature.fit(infer(network(), images(6)).logits, np.arange(6) % 3).value > 0
