"""The figures of `benchmarks/explain.py`, on maps and masks made by hand."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from mriclassify import Record
from mriclassify._model._backbones import build_backbone
from mriclassify._model._inference import infer, ready
from mriclassify._model._network import Network

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="needs the repository's benchmarks")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def figures(module) -> ModuleType:  # type: ignore[no-untyped-def]
    return module("_explain_figures")


def square() -> np.ndarray:
    mask = np.zeros((10, 10), bool)
    mask[2:6, 2:6] = True
    return mask


def test_the_pointing_game_asks_for_the_peak_alone(figures: ModuleType) -> None:
    heat = np.ones((10, 10))
    heat[3, 3] = 2
    assert figures.peak_inside(heat, square())
    assert not figures.peak_inside(heat[::-1], square())
    assert not figures.peak_inside(np.ones((10, 10)), np.ones((10, 10), bool))  # a flat map points nowhere


def test_energy_is_the_part_of_the_sum(figures: ModuleType) -> None:
    assert figures.energy_inside(np.ones((10, 10)), square()) == pytest.approx(0.16)
    assert figures.energy_inside(square().astype(float), square()) == 1
    assert figures.energy_inside(np.zeros((10, 10)), square()) == 0


def test_overlap_by_hand(figures: ModuleType) -> None:
    heat = np.zeros((10, 10))
    heat[2:6, 4:8] = 0.7  # 16 pixels, of which 8 are in the mask
    assert figures.dice(heat, square(), 0.5) == pytest.approx(0.5)
    assert figures.iou(heat, square(), 0.5) == pytest.approx(8 / 24)
    assert figures.dice(heat, square(), 0.7) == 0
    assert (
        figures.dice(square().astype(float), square(), 0.5) == figures.iou(square().astype(float), square(), 0.5) == 1
    )


def test_the_best_threshold_is_between_the_tumour_and_the_rest(figures: ModuleType) -> None:
    heat = np.where(square(), 0.72, 0.41)
    assert 0.41 <= figures.best_threshold([heat], [square()]) < 0.72


def test_areas_and_orders(figures: ModuleType) -> None:
    assert figures.area_under([1, 1, 1]) == 1
    assert figures.area_under([1, 0.5, 0]) == pytest.approx(0.5)
    assert figures.area_under([1, 0, 0, 0, 0]) == pytest.approx(0.125)
    heat = np.array([[0.1, 0.9], [0.5, 0.5]])
    order = figures.order_of(heat)
    assert order[0] == 1
    assert order[-1] == 0
    assert sorted(order.tolist()) == [0, 1, 2, 3]


def test_two_maps_are_as_like_as_they_are(figures: ModuleType) -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random((32, 32)), rng.random((32, 32))
    assert figures.rank_correlation(one, one**3) == pytest.approx(1)
    assert figures.rank_correlation(one, -one) == pytest.approx(-1)
    assert abs(figures.rank_correlation(one, other)) < 0.1
    assert figures.rank_correlation(one, np.zeros((32, 32))) == 0
    assert figures.likeness(one, one) == pytest.approx(1)
    assert figures.likeness(one, other) < 0.3


class Corner(torch.nn.Module):
    """Its one feature is how bright the middle of the upper left quarter is."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = images[:, 0, 8:24, 8:24].mean(dim=(1, 2))
        return torch.stack([found, torch.ones_like(found)], dim=1)


def test_a_map_of_what_the_answer_rests_on_deletes_fast_and_inserts_fast(module) -> None:  # type: ignore[no-untyped-def]
    network = ready(Network(Corner(), classes=2, channels=1, size=64, mean=0.0, std=1.0), torch.device("cpu"))
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor([[40.0, 0.0], [0.0, 36.0]]))
        network.head.bias.zero_()
    image = np.zeros((64, 64), np.float32)
    image[8:24, 8:24] = 1
    curves = module("_explain_curves").curves
    good = curves(network, image, image, target=0)
    bad = curves(network, image, 1 - image, target=0)
    assert good.deletion < 0.3 < 0.7 < bad.deletion
    assert bad.insertion < 0.3 < 0.7 < good.insertion


def test_shuffled_weights_keep_their_values_and_lose_their_sense(module) -> None:  # type: ignore[no-untyped-def]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(build_backbone("small_cnn", size=64), classes=4, channels=1, size=64).train()
    images = torch.rand(8, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    network(images)
    ready(network, torch.device("cpu"))
    before = infer(network, images).logits
    shuffled = module("_explain_sanity").randomised(network, images)
    for (name, one), other in zip(network.named_parameters(), shuffled.parameters(), strict=True):
        torch.testing.assert_close(one.flatten().sort().values, other.flatten().sort().values, msg=name)
    assert not torch.allclose(infer(shuffled, images).logits, before, atol=0.01)
    assert torch.isfinite(infer(shuffled, images).logits).all()
    assert torch.equal(infer(network, images).logits, before)
    assert not any(part.training for part in shuffled.modules())


def test_a_sample_has_each_patient_before_one_has_two(module) -> None:  # type: ignore[no-untyped-def]
    records = [Record(path=Path(f"/{n}.png"), label="glioma", group=f"p{n % 7 if n < 60 else 0}") for n in range(90)]
    sample = module("_explain_slices").sample
    drawn = sample(records, 14)
    assert sorted(record.group for record in drawn) == sorted(f"p{n}" for n in range(7) for _ in range(2))
    assert sample(records, 14) == drawn
    assert len(sample(records, 500)) == 90
