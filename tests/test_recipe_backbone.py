"""The ImageNet weights that a recipe fetches: the same network under timm's names, or none."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import timm
import torch
from safetensors.torch import save_file

from mriclassify._model._backbones import build_backbone, load_pretrained

SMALL = "test_efficientnet"


@pytest.fixture(scope="module")
def fetching(training_script: Callable[[str], ModuleType]) -> ModuleType:
    return training_script("fetch_backbone")


@pytest.fixture(scope="module")
def original() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(SMALL, pretrained=False).eval()


def foreign(original: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return its parameters under names of somebody else's."""
    return {
        f"_{number}.num_batches_tracked" if name.endswith("num_batches_tracked") else f"_{number}": value
        for number, (name, value) in enumerate(original.state_dict().items())
    }


def test_renamed_weights_give_the_features_of_the_original(
    fetching: ModuleType, original: torch.nn.Module, tmp_path: Path
) -> None:
    file, name = tmp_path / "weights.safetensors", f"timm/{SMALL}"
    save_file(fetching.renamed(foreign(original), SMALL), file)
    backbone = build_backbone(name, size=96)
    load_pretrained(backbone, name, source=file)
    grey = torch.rand(2, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    original.reset_classifier(0)
    with torch.inference_mode():
        expected, found = original(grey.expand(-1, 3, -1, -1)), backbone.eval()(grey)
    # Half precision keeps three digits.
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0.01 * float(expected.abs().max()))


def test_weights_of_another_network_are_refused(fetching: ModuleType, original: torch.nn.Module) -> None:
    state = foreign(original)
    first = next(iter(state))
    for wrong in (state | {first: state[first][:, :1]}, {k: v for k, v in state.items() if k != first}):
        with pytest.raises(ValueError, match=f"are not the .* of {SMALL}"):
            fetching.renamed(wrong, SMALL)


def test_its_source_is_a_package_on_pypi(fetching: ModuleType) -> None:
    assert fetching.URL.startswith(fetching.FILES)
    assert len(fetching.SHA256) == 64
