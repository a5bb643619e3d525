"""Checkpoint: what was saved comes back, and nothing else is believed."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from mriclassify import (
    AppearanceLimits,
    CheckpointError,
    Classifier,
    Dataset,
    OutputError,
    Preprocessing,
    Thresholds,
    TrainingOptions,
)
from mriclassify._model._backbones import build_backbone
from mriclassify._model._blueprint import Blueprint
from mriclassify._model._inference import ready
from mriclassify._model._network import Network
from mriclassify._model._outputs import outputs_of
from mriclassify._trust._familiarity import Familiarity
from mriclassify._trust._tomography import CtLikeness
from mriclassify._weights._checkpoint import HEADER, load_bundle, save_bundle

Header = dict[str, Any]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def saved(fitted: Classifier, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def rewritten(file: Path, *, header: Change = dict, tensors: Change = dict) -> Path:
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
    names = ("backbone", "classes", "preprocessing", "temperature", "offsets", "thresholds", "metrics", "summary")
    for name in (*names, "conformal", "risk_coverage"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.conformal is not None
    assert after.risk_coverage is not None
    features = np.random.default_rng(0).random((5, before.network.features))
    assert before.familiarity is not None
    assert after.familiarity is not None
    np.testing.assert_array_equal(after.familiarity.distance(features), before.familiarity.distance(features))
    np.testing.assert_array_equal(after.provenance.slices, before.provenance.slices)
    assert after.provenance.hashes is not None
    np.testing.assert_array_equal(after.provenance.hashes, before.provenance.hashes)
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


def test_half_precision_moves_no_distance(fitted: Classifier, tmp_path: Path, parts: tuple[Dataset, Dataset]) -> None:
    # Not the trained network: each processor trains another one, and some of them let rounding move more.
    plan = Blueprint.of("small_cnn", pretrained=None, preprocessing=fitted.bundle.preprocessing)
    network = ready(plan.build(classes=len(fitted.classes), seed=0, lesions=False), torch.device("cpu"))
    bundle = fitted.bundle.with_changes(network=network)
    seen, asked = ([record.path for record in part] for part in parts)
    here = Familiarity.fit(outputs_of(bundle, seen).features)
    save_bundle(bundle.with_changes(familiarity=here), tmp_path / "half.safetensors", half=True)
    loaded = Classifier.from_pretrained(tmp_path / "half.safetensors", device="cpu")
    there = loaded.bundle.familiarity
    assert there is not None
    moved = there.distance(outputs_of(loaded.bundle, asked).features)
    np.testing.assert_allclose(moved, here.distance(outputs_of(bundle, asked).features), rtol=0.02)


def drop(key: str) -> Change:
    return lambda mapping: mapping.pop(key)


def put(key: str, value: object) -> Change:
    return lambda mapping: mapping.update({key: value})


def thresholds(**changes: object) -> dict[str, object]:
    """What a header says of thresholds, with some of it changed."""
    return Thresholds(appearance=None).to_dict() | changes


def member(**changes: object) -> dict[str, object]:
    """What a header says of one network of several, with some of it changed."""
    return {"backbone": "small_cnn", "channels": 1, "size": 64} | changes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("network.head.bias"), r"misses 1 .* head\.bias"),
        (drop("provenance.slices"), r"provenance\.slices"),
        (put("network.extra", torch.ones(2)), "extra"),
        (put("network.head.bias", torch.ones(5)), r"another shape .* head\.bias"),
        (put("network.head.bias", torch.full((4,), torch.nan)), r"NaN or infinity .* head\.bias"),
        (put("network.head.bias", torch.ones(4, dtype=torch.int32)), r"another kind of number .* head\.bias"),
        (put("network.head.bias", torch.ones(4, dtype=torch.complex64)), r"another kind of number .* head\.bias"),
        (put("provenance.slices", torch.ones(4)), r"provenance\.slices can't be torch\.float32"),
        (put("provenance.slices", torch.ones(4, 2, dtype=torch.int64)), r"provenance\.slices can't be .*\(4, 2\)"),
        (put("provenance.hashes", torch.ones(3, 4)), r"provenance\.hashes can't be torch\.float32"),
        (put("provenance.hashes", torch.ones(3, 5, dtype=torch.int64)), r"provenance\.hashes can't be .*\(3, 5\)"),
        (drop("familiarity.basis"), r"model\.safetensors.*statistics of features are"),
        (put("ct.weights", torch.ones(3)), r"model\.safetensors.*line to CT is"),
        (put("familiarity.more", torch.ones(2)), r"model\.safetensors.*statistics of features are"),
        (put("familiarity.mean", torch.ones(3)), r"model\.safetensors.*statistic mean .* shape"),
        (put("familiarity.residual", torch.zeros(1)), r"model\.safetensors.*residual .* impossible"),
        (put("familiarity.scale", torch.ones(3, dtype=torch.complex64)), r"model\.safetensors.*scale .* real numbers"),
    ],
)
def test_tensors_that_do_not_fit_are_named(saved: Path, change: Change, message: str) -> None:
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
        (put("backbone", 5), "backbone can't be a int"),
        (put("backbone", None), "backbone can't be a NoneType"),
        (put("name", 5), "name can't be"),
        (put("classes", "abcd"), "classes can't be a str"),
        (put("classes", [1, 2, 3, 4]), "classes must be names"),
        (put("classes", ["a", "b", "a", "c"]), "different names"),
        (put("classes", []), "classes must be names"),
        (put("metrics", []), "metrics can't be"),
        (put("summary", None), "summary can't be"),
        (put("thresholds", None), "thresholds can't be"),
        (put("thresholds", {}), "appearance"),
        (put("thresholds", thresholds(uncertain_below="low")), "model.safetensors"),
        (put("thresholds", thresholds(uncertain_below=None)), "model.safetensors"),
        (put("thresholds", thresholds(uncertain_below=1.5)), "uncertain_below must lie in"),
        (put("thresholds", thresholds(unfamiliar_above="far")), "model.safetensors"),
        (put("thresholds", thresholds(unfamiliar_above=-1)), "unfamiliar_above must be 0 or more"),
        (put("thresholds", thresholds(appearance=[1])), "appearance can't be a list"),
        (put("thresholds", thresholds(lesion_above=1)), "lesion_above must be at least 0"),
        (put("thresholds", thresholds(appearance={"colour_above": "x"})), "model.safetensors"),
        (put("thresholds", thresholds(appearance={"size_above": 1})), "size_above"),
        (put("offsets", [0, 0]), "offsets must be a number for each of 4"),
        (put("offsets", ["a", "b", "c", "d"]), "offsets must be numbers"),
        (put("offsets", [[0], [0], [0], [0]]), "offsets must be numbers"),
        (put("offsets", [True, False, False, False]), "offsets must be numbers"),
        (put("offsets", [0, 0, 0, float("inf")]), "offsets"),
        (put("consensus", [0.5]), "consensus can't be"),
        (put("consensus", {}), "model.safetensors"),
        (put("consensus", {"healthy": 2, "head": "a", "lesion_map": 1, "shift": 0}), "finite weights"),
        (put("consensus", {"healthy": True, "head": 1, "lesion_map": 1, "shift": 0}), "index of a class"),
        (put("consensus", {"healthy": 2, "head": 1, "lesion_map": 1, "shift": 0}), "no lesion map"),
        (put("conformal", []), "conformal can't be"),
        (put("conformal", {}), "true and sizes"),
        (put("conformal", {"true": [["a"]] * 4, "sizes": [[1]] * 4}), "must be numbers"),
        (put("conformal", {"true": [[0.5]] * 3, "sizes": [[1]] * 3}), "of 4 classes, not 3"),
        (put("risk_coverage", "flat"), "risk_coverage can't be"),
        (put("risk_coverage", {}), "risk-coverage curve has"),
        (put("risk_coverage", {"thresholds": [2], "answered": [1], "wrong": [0], "area": 0}), "in 0..1"),
        (put("members", [1]), "model.safetensors"),
        (put("members", ["small_cnn"]), "model.safetensors"),
        (put("members", [{"backbone": "small_cnn"}]), "channels"),
        (put("members", [member(backbone=5)]), "backbone can't be a int"),
        (put("members", [member(size=5)]), "size must be 32 to 1024"),
        (put("members", [member(size=10**30)]), "size must be 32 to 1024"),
        (put("members", [member(size="64")]), "size can't be a str"),
        (put("members", [member(channels=1.0)]), "channels can't be a float"),
        (put("members", [member(backbone="resnet18")]), "not those of small_cnn"),
        (put("members", [member()]), "misses"),
        (put("provenance", {}), "groups"),
        (put("provenance", {"groups": "abc", "split": "", "created": "", "versions": {}}), "groups can't be"),
        (put("preprocessing", {"size": 64.0, "window": [1, 99], "crop": "head"}), "model.safetensors"),
        (put("preprocessing", {"size": 64, "window": ["low", "high"], "crop": "head"}), "model.safetensors"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(saved: Path, change: Change, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_bundle(rewritten(saved, header=change))


def test_a_file_from_before_there_were_rejections_is_loaded_without_checks(
    saved: Path, fitted: Classifier, parts: tuple[Dataset, Dataset]
) -> None:
    def older(header: Header) -> None:
        for key in ("members", "offsets", "thresholds", "conformal", "risk_coverage", "lesions", "consensus"):
            del header[key]
        header["uncertain_below"] = 0.7

    def without(tensors: dict[str, Any]) -> None:
        for key in [key for key in tensors if key.startswith("familiarity.")]:
            del tensors[key]

    clf = Classifier.from_pretrained(rewritten(saved, header=older, tensors=without), device="cpu")
    bundle = clf.bundle
    assert bundle.thresholds == Thresholds(uncertain_below=0.7, unfamiliar_above=float("inf"), appearance=None)
    assert (bundle.familiarity, bundle.conformal, bundle.risk_coverage) == (None, None, None)
    assert bundle.offsets == (0.0,) * 4
    paths = [record.path for record in parts[1]][:3]
    assert np.array_equal(clf.predict_proba(paths), fitted.predict_proba(paths))
    assert clf.predict(np.random.default_rng(0).random((64, 64))).status != "rejected"
    clf.save(saved)
    assert load_bundle(saved).thresholds == bundle.thresholds


def test_a_file_from_before_looks_were_kept_does_not_say_which_slices_are_alike(
    saved: Path, parts: tuple[Dataset, Dataset]
) -> None:
    clf = Classifier.from_pretrained(
        rewritten(saved, tensors=lambda tensors: tensors.pop("provenance.hashes")), device="cpu"
    )
    leakage = clf.evaluate(parts[0], bootstrap=0).leakage
    assert (leakage.slices_seen, leakage.slices_alike) == (len(parts[0]), None)


def test_a_file_from_before_levels_were_fitted_draws_lesions_at_one_half_and_knows_no_ct(saved: Path) -> None:
    def older(header: Header) -> None:
        del header["thresholds"]["lesion_above"], header["thresholds"]["ct_above"]

    def without(tensors: dict[str, Any]) -> None:
        for key in [key for key in tensors if key.startswith("ct.")]:
            del tensors[key]

    before = load_bundle(saved).thresholds
    found = load_bundle(rewritten(saved, header=older, tensors=without))
    assert found.thresholds == replace(before, lesion_above=0.5, ct_above=float("inf"))
    assert found.ct_likeness is None


def test_infinity_comes_back(fitted: Classifier, tmp_path: Path) -> None:
    limits = AppearanceLimits(colour_above=float("inf"))
    given = Thresholds(uncertain_below=0.25, unfamiliar_above=float("inf"), appearance=limits)
    save_bundle(fitted.bundle.with_changes(thresholds=given), tmp_path / "x.safetensors")
    assert load_bundle(tmp_path / "x.safetensors").thresholds == given
    with safe_open(tmp_path / "x.safetensors", framework="pt") as opened:
        assert "Infinity" not in opened.metadata()[HEADER]


def test_what_tells_ct_comes_back(fitted: Classifier, tmp_path: Path) -> None:
    weights = np.random.default_rng(0).random(fitted.bundle.network.features).astype(np.float32).astype(np.float64)
    given = fitted.bundle.with_changes(
        ct_likeness=CtLikeness(weights, 0.25), thresholds=replace(fitted.thresholds, ct_above=0.75)
    )
    save_bundle(given, tmp_path / "x.safetensors", half=True)
    found = load_bundle(tmp_path / "x.safetensors")
    assert found.ct_likeness is not None
    np.testing.assert_array_equal(found.ct_likeness.weights, weights)
    assert found.ct_likeness.offset == 0.25
    assert found.thresholds.ct_above == 0.75


def test_a_limit_without_statistics_is_refused(saved: Path) -> None:
    def without(tensors: dict[str, Any]) -> None:
        for key in [key for key in tensors if key.startswith("familiarity.")]:
            del tensors[key]

    rewritten(saved, header=put("thresholds", thresholds(unfamiliar_above=5.0)), tensors=without)
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*no statistics"):
        load_bundle(saved)


def test_a_header_that_is_not_json_is_refused(saved: Path) -> None:
    for text in ("{", "[1]", "null", '"text"', "[" * 100_000):
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


MEANT = [
    *(("consensus", None), ("conformal", None), ("risk_coverage", None), ("offsets", []), ("members", [])),
    *(("appearance", None), ("unfamiliar_above", None), ("unfamiliar_above", 10**30), ("ct_above", None)),
]
"""Entries and values that say that there is nothing of the kind, or no limit."""


def test_no_header_of_other_kinds_is_anything_but_a_checkpoint_error(saved: Path) -> None:
    tensors = load_file(saved)
    with safe_open(saved, framework="pt") as opened:
        told = json.loads(opened.metadata()[HEADER])
    parts = ("preprocessing", "provenance", "thresholds", "conformal", "risk_coverage")
    places = [(told, key) for key in told] + [(told[part], key) for part in parts for key in told[part]]
    for holder, key in places:
        right = holder[key]
        for wrong in (None, -1, 10**30, "", [], [[1]], {"x": 1}, float("nan")):
            holder[key] = wrong
            save_file(tensors, saved, metadata={HEADER: json.dumps(told)})
            try:
                loaded = load_bundle(saved)
            except CheckpointError as error:
                assert "model.safetensors" in str(error)
            else:
                # What is let in is of the right kind, and no answer depends on it; or it has a meaning.
                if (key, wrong) not in MEANT:
                    assert type(wrong) is type(right)
                    assert key in {"name", "summary", "metrics", "split", "created", "versions", "groups"}
                assert loaded.classes == tuple(told["classes"])
        holder[key] = right


def test_the_end_of_the_file_is_not_the_end_of_a_loaded_model(saved: Path) -> None:
    # The file is mapped while it is read. What still lay there when it is overwritten would kill the process.
    loaded = load_bundle(saved)
    before = loaded.provenance.slices.copy()
    saved.write_bytes(b"")
    np.testing.assert_array_equal(loaded.provenance.slices, before)
    assert all(value.isfinite().all() for value in loaded.network.state_dict().values())


def test_loading_leaves_the_callers_generator_alone(saved: Path) -> None:
    before = torch.get_rng_state()
    load_bundle(saved)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_half_precision_cannot_hold_is_stored_whole(saved: Path) -> None:
    bundle = load_bundle(saved)
    variance = bundle.network.get_buffer("backbone.blocks.0.1.running_var")
    variance[0] = 1e6
    save_bundle(bundle, saved, half=True)
    again = load_bundle(saved).network.get_buffer("backbone.blocks.0.1.running_var")
    assert torch.equal(again, variance)


def test_a_network_that_asks_for_the_versions_of_its_layers_comes_back(fitted: Classifier, tmp_path: Path) -> None:
    network = Network(build_backbone("mnasnet0_5", size=32), classes=4, channels=1, size=32)
    bundle = fitted.bundle.with_changes(
        network=network, backbone="mnasnet0_5", preprocessing=Preprocessing(size=32), familiarity=None
    )
    save_bundle(bundle, tmp_path / "mnasnet.safetensors")
    loaded = load_bundle(tmp_path / "mnasnet.safetensors").network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in network.state_dict().items())


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
        return self.layer(images).mean(dim=(2, 3))  # type: ignore[no-any-return]


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
