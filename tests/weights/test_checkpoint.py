"""Checkpoint: what was saved comes back, and nothing else is believed."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from mriclassify import CheckpointError, Classifier, Dataset, OutputError, Preprocessing, TrainingOptions
from mriclassify._weights._checkpoint import HEADER, load_bundle, save_bundle

Header = dict[str, Any]


@pytest.fixture
def saved(fitted: Classifier, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def rewritten(
    file: Path, *, header: Callable[[Header], object] = dict, tensors: Callable[[dict], object] = dict
) -> Path:
    """Save `file` again after `header` and `tensors` have changed what is in it."""
    with safe_open(file, framework="pt") as opened:
        told = json.loads(opened.metadata()[HEADER])
    held = load_file(file)
    header(told)
    tensors(held)
    save_file(held, file, metadata={HEADER: json.dumps(told)})
    return file


def test_everything_comes_back(fitted: Classifier, saved: Path) -> None:
    before, after = fitted.bundle, load_bundle(saved)
    assert after.name == "model"
    for name in ("backbone", "classes", "preprocessing", "temperature", "uncertain_below", "metrics", "summary"):
        assert getattr(after, name) == getattr(before, name), name
    np.testing.assert_array_equal(after.provenance.slices, before.provenance.slices)
    assert after.provenance.groups == before.provenance.groups
    assert after.provenance.split == before.provenance.split
    assert len(after.provenance.slices) > 0
    for key, value in before.network.state_dict().items():
        assert torch.equal(after.network.state_dict()[key], value), key


def test_a_saved_model_gives_the_same_answers(fitted: Classifier, saved: Path, parts: tuple[Dataset, Dataset]) -> None:
    loaded = Classifier.from_pretrained(saved, device="cpu")
    paths = [record.path for record in parts[1]]
    np.testing.assert_allclose(loaded.predict_proba(paths), fitted.predict_proba(paths), atol=1e-6)


def test_half_precision_halves_the_size_and_moves_no_answer(
    fitted: Classifier, saved: Path, tmp_path: Path, parts: tuple[Dataset, Dataset]
) -> None:
    fitted.save(tmp_path / "half.safetensors", half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.55 * saved.stat().st_size
    loaded = Classifier.from_pretrained(tmp_path / "half.safetensors", device="cpu")
    paths = [record.path for record in parts[1]]
    np.testing.assert_allclose(loaded.predict_proba(paths), fitted.predict_proba(paths), atol=5e-3)


def drop(key: str) -> Callable[[dict], object]:
    return lambda mapping: mapping.pop(key)


def put(key: str, value: object) -> Callable[[dict], object]:
    return lambda mapping: mapping.update({key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("network.head.bias"), r"misses 1 .* head\.bias"),
        (drop("provenance.slices"), r"provenance\.slices"),
        (put("network.extra", torch.ones(2)), "extra"),
        (put("network.head.bias", torch.ones(5)), r"another shape .* head\.bias"),
        (put("network.head.bias", torch.full((4,), torch.nan)), r"NaN or infinity .* head\.bias"),
    ],
)
def test_tensors_that_do_not_fit_are_named(saved: Path, change: Callable[[dict], object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_bundle(rewritten(saved, tensors=change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("schema", 99), "schema version 99"),
        (drop("schema"), "schema"),
        (drop("classes"), "classes"),
        (drop("provenance"), "provenance"),
        (put("temperature", -1), "temperature"),
        (put("temperature", "warm"), "model.safetensors"),
        (put("preprocessing", {"size": 5, "window": [1, 99], "crop": "head"}), "size"),
        (put("preprocessing", None), "model.safetensors"),
        (put("backbone", "resnet19"), "resnet19"),
        (put("classes", 3), "model.safetensors"),
        (put("channels", "one"), "model.safetensors"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(saved: Path, change: Callable[[dict], object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_bundle(rewritten(saved, header=change))


def test_a_header_that_is_not_json_is_refused(saved: Path) -> None:
    for text in ("{", "[1]", "null", '"text"'):
        save_file(load_file(saved), saved, metadata={HEADER: text})
        with pytest.raises(CheckpointError, match="header"):
            load_bundle(saved)


def test_a_foreign_safetensors_file_is_told_apart(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="not of mriclassify"):
        load_bundle(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize("legacy", [True, False])
def test_a_renamed_pickle_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, legacy: bool) -> None:
    file = tmp_path / "model.safetensors"
    torch.save({"weight": torch.ones(3)}, file, _use_new_zipfile_serialization=not legacy)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was loaded")

    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, never)
    with pytest.raises(CheckpointError, match="pickle"):
        load_bundle(file)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, 5000, -1])
def test_a_file_cut_off_anywhere_is_refused(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_bundle(saved)


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    for seed in range(20):
        (tmp_path / "x.safetensors").write_bytes(np.random.default_rng(seed).bytes(500))
        with pytest.raises(CheckpointError):
            load_bundle(tmp_path / "x.safetensors")


class Mine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 6, 5, stride=4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images).mean(dim=(2, 3))


def test_a_module_of_the_users_own_is_asked_for(parts: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    clf = Classifier(Mine(), preprocessing=Preprocessing(size=32), device="cpu")
    clf.fit(parts[0], validation=parts[1], options=TrainingOptions(epochs=1, batch_size=8, precision="fp32"))
    clf.save(tmp_path / "mine.safetensors")
    with pytest.raises(CheckpointError, match="backbone="):
        Classifier.from_pretrained(tmp_path / "mine.safetensors")
    loaded = Classifier.from_pretrained(tmp_path / "mine.safetensors", backbone=Mine(), device="cpu")
    assert loaded.predict(parts[1][0].path).probabilities == pytest.approx(clf.predict(parts[1][0].path).probabilities)


def test_where_it_cannot_be_written_nothing_stays(fitted: Classifier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="can't be written"):
        save_bundle(fitted.bundle, tmp_path / "file" / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_saving_again_replaces_the_file_whole(fitted: Classifier, saved: Path) -> None:
    before = saved.read_bytes()
    fitted.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
