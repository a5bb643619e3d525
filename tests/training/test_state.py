import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mriclassify import Epoch, History, OutputError, TrainingError
from mriclassify._output import make_folder, write_tensors
from mriclassify._training._state import (
    STATE_FILE,
    TrainingState,
    load_state,
    optimiser_moments,
    restore_moments,
    save_state,
)

IDENTITY = {"epochs": "4", "seed": "0"}
EPOCH = Epoch(
    epoch=1,
    train_loss=1 / 3,
    validation_loss=0.1,
    validation_accuracy=0.5,
    validation_macro_f1=2 / 7,
    learning_rate=1e-4,
    seconds=0.5,
)


def state(**changes: Any) -> TrainingState:
    values: dict[str, Any] = {
        "identity": IDENTITY,
        "weights": {"a": torch.randn(3, 2), "b/c": torch.tensor(5)},
        "mean": {"a": torch.randn(3, 2), "b/c": torch.tensor(5)},
        "best": {"a": torch.randn(3, 2), "b/c": torch.tensor(4)},
        "moments": {"0.step": torch.tensor(3.0), "0.exp_avg": torch.randn(3, 2)},
        "precision": "fp16",
        "scaler": {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 3},
        "history": History((EPOCH, replace(EPOCH, epoch=2))),
    }
    return TrainingState(**values | changes)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) and a[key].dtype == b[key].dtype for key in a)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    saved = state()
    save_state(saved, tmp_path)
    loaded = load_state(tmp_path, identity=IDENTITY)
    assert loaded is not None
    for part in ("weights", "mean", "best", "moments"):
        assert same(getattr(loaded, part), getattr(saved, part)), part
    assert (loaded.precision, loaded.scaler, loaded.history) == (saved.precision, saved.scaler, saved.history)


def test_weights_that_are_the_best_ones_too_are_kept_twice(tmp_path: Path) -> None:
    weights = {"a": torch.ones(2, 2)}
    save_state(state(weights=weights, best=weights), tmp_path)
    loaded = load_state(tmp_path, identity=IDENTITY)
    assert loaded is not None
    assert same(loaded.weights, loaded.best)


def test_folder_without_a_state_has_none(tmp_path: Path) -> None:
    assert load_state(tmp_path / "new", identity=IDENTITY) is None
    (tmp_path / f".{STATE_FILE}.123.part").write_bytes(b"half")
    (tmp_path / "history.csv").write_text("epoch\n1\n")
    assert load_state(tmp_path, identity=IDENTITY) is None


def test_history_is_written_beside_the_state(tmp_path: Path) -> None:
    save_state(state(), tmp_path)
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", STATE_FILE]


def foreign(file: Path) -> None:
    save_file({"a": torch.zeros(2)}, file)


def half(file: Path) -> None:
    save_state(state(), file.parent)
    file.write_bytes(file.read_bytes()[:-3])


def header(text: str, file: Path) -> None:
    save_file({"weights/a": torch.zeros(2)}, file, metadata={"run": text})


DAMAGE = {
    "empty": lambda file: file.touch(),
    "text": lambda file: file.write_text("epoch,loss\n"),
    "zeros": lambda file: file.write_bytes(b"\0" * 4096),
    "cut off": half,
    "of another program": foreign,
    "no JSON": lambda file: header("{", file),
    "other JSON": lambda file: header("[]", file),
    "no identity": lambda file: header("{}", file),
    "a folder": lambda file: file.mkdir(),
    "other epochs": lambda file: header(
        json.dumps({"identity": IDENTITY, "precision": "fp32", "scaler": {}, "history": [{"epoch": 1}]}), file
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_foreign_or_damaged_state_is_refused_with_its_path_and_what_to_do(tmp_path: Path, damage: str) -> None:
    DAMAGE[damage](tmp_path / STATE_FILE)
    with pytest.raises(TrainingError, match="delete it, or choose another folder") as caught:
        load_state(tmp_path, identity=IDENTITY)
    assert str(tmp_path / STATE_FILE) in str(caught.value)
    assert isinstance(caught.value, RuntimeError)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"epochs": "8", "seed": "0"}, "epochs was 4, now 8"),
        ({"epochs": "4"}, "seed was 0, now None"),
        (IDENTITY | {"backbone": "x"}, "backbone was None, now x"),
    ],
)
def test_another_run_is_refused_and_what_changed_is_named(tmp_path: Path, now: dict[str, str], said: str) -> None:
    save_state(state(), tmp_path)
    with pytest.raises(TrainingError) as caught:
        load_state(tmp_path, identity=now)
    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_folder_that_cannot_be_made_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OutputError, match="file"):
            make_folder(folder, "run")


def test_file_of_tensors_may_be_read_by_those_whom_the_umask_lets(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a.safetensors", {"a": torch.ones(2)}, metadata={"b": "c"})
    (tmp_path / "plain").touch()
    rights = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.safetensors", "plain")]
    assert rights[0] == rights[1]
    assert torch.equal(load_file(tmp_path / "a.safetensors")["a"], torch.ones(2))


@pytest.mark.parametrize("place", ["/proc/a.safetensors", "file/a.safetensors", "folder"])
def test_file_of_tensors_that_cannot_be_written_is_our_error(tmp_path: Path, place: str) -> None:
    # /proc is a folder in which nobody, root included, can make a file.
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=place.rpartition("/")[2]):
        write_tensors(tmp_path / place, {"a": torch.ones(2)}, metadata={})


def test_moments_come_back_where_they_were_and_laid_out_as_the_parameters_are() -> None:
    def trained(network: nn.Module, optimiser: torch.optim.Optimizer, steps: int) -> None:
        generator = torch.Generator().manual_seed(steps)
        for _ in range(steps):
            network(torch.randn(2, 3, 8, 8, generator=generator)).square().mean().backward()
            optimiser.step()
            optimiser.zero_grad()

    torch.manual_seed(0)
    network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters())
    trained(network, optimiser, 3)
    kept = {key: value.clone().contiguous() for key, value in optimiser_moments(optimiser).items()}
    fresh = torch.optim.AdamW(network.parameters())
    restore_moments(fresh, kept)
    assert same(optimiser_moments(fresh), kept)
    assert optimiser_moments(fresh)["0.exp_avg"].is_contiguous(memory_format=torch.channels_last)
