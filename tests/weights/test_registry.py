import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from mriclassify._errors import OptionError, UnknownWeightsError, WeightsError
from mriclassify._weights import _registry
from mriclassify._weights._registry import Registry, WeightsRecord, load_registry, packaged_path

FIELDS: dict[str, Any] = {
    "name": "mobilenet_v2.byclass-v1",
    "file": "mobilenet_v2.byclass-v1.safetensors",
    "sha256": "0123456789abcdef" * 4,
    "size": 8_900_000,
    "licence": "Apache-2.0",
    "backbone": "mobilenet_v2",
    "classes": ["glioma", "meningioma", "notumor", "pituitary"],
}
OTHER = FIELDS | {"name": "resnet50.patients-v2", "file": "resnet50.patients-v2.safetensors"}


def make_record(**changes: Any) -> WeightsRecord:
    values = FIELDS | {"urls": ("https://example.org/f",), "classes": tuple(FIELDS["classes"])} | changes
    return WeightsRecord(**values)


def write(folder: Path, *entries: Any, **changes: Any) -> Path:
    path = folder / "registry.json"
    path.write_text(json.dumps({"schema": 1, "default": None, "aliases": {}, "weights": entries} | changes))
    return path


# --- the release's own registry ---


def test_the_packaged_registry_is_valid() -> None:
    registry = load_registry()
    assert _registry.list_weights() == registry.weights
    assert json.loads((_registry.FOLDER / "registry.json").read_text())["schema"] == _registry.SCHEMA


def test_each_packaged_file_is_there_with_its_size() -> None:
    for record in _registry.list_weights():
        if record.packaged:
            assert packaged_path(record).stat().st_size == record.size


def test_an_unknown_name_is_refused_by_the_packaged_registry() -> None:
    with pytest.raises(UnknownWeightsError, match="no weights are called 'no-such-weights'"):
        _registry.find("no-such-weights")


# --- reading ---


def test_an_entry_becomes_a_record(tmp_path: Path) -> None:
    extra = {
        "metrics": {"macro_f1": 0.93, "folds": 5},
        "summary": "Small.",
        "urls": ["https://example.org/f"],
    }
    (record,) = load_registry(write(tmp_path, FIELDS | extra)).weights
    assert record == make_record(metrics={"macro_f1": 0.93, "folds": 5.0}, summary="Small.")
    assert record.classes == ("glioma", "meningioma", "notumor", "pituitary")


@pytest.mark.parametrize("urls", [{}, {"urls": []}, {"urls": None}])
def test_an_entry_without_urls_lies_with_the_releases(tmp_path: Path, urls: dict[str, Any]) -> None:
    (record,) = load_registry(write(tmp_path, FIELDS | urls)).weights
    assert record.urls == (f"{_registry.RELEASES_URL}/{FIELDS['file']}",)


def test_packaged_weights_need_no_url(tmp_path: Path) -> None:
    (record,) = load_registry(write(tmp_path, FIELDS | {"packaged": True})).weights
    assert record.urls == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "mobilenet_v2"},
        {"name": "mobilenet_v2.byclass"},
        {"name": "mobilenet_v2.byclass-v0"},
        {"file": "../f.safetensors"},
        {"file": "f.pt"},
        {"file": ".safetensors"},
        {"sha256": "abc"},
        {"sha256": "G" * 64},
        {"size": 0},
        {"size": 1.5},
        {"size": True},
        {"size": "8900000"},
        {"urls": ["ftp://example.org/f"]},
        {"urls": "https://example.org/f"},
        {"licence": ""},
        {"backbone": ""},
        {"classes": ["glioma"]},
        {"classes": ["glioma", "glioma"]},
        {"classes": ["glioma", 1]},
        {"metrics": {"macro_f1": "good"}},
        {"metrics": {"macro_f1": True}},
        {"metrics": {"macro_f1": float("nan")}},
        {"packaged": "yes"},
        {"colour": "blue"},
    ],
)
def test_a_bad_entry_is_refused_with_its_place_and_field(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = write(tmp_path, OTHER, FIELDS | changes)
    with pytest.raises(WeightsError, match=rf"weights\[1\].*{next(iter(changes))}") as caught:
        load_registry(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("field", list(FIELDS))
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    entry = {key: value for key, value in FIELDS.items() if key != field}
    with pytest.raises(WeightsError, match=rf"weights\[0\] lacks {field}"):
        load_registry(write(tmp_path, entry))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"schema": 2}, "schema"),
        ({"default": "resnet50.patients-v9"}, "default"),
        ({"aliases": {"accurate": "resnet50.patients-v9"}}, "aliases"),
        ({"aliases": {"default": FIELDS["name"]}}, "aliases"),
        ({"aliases": {OTHER["name"]: FIELDS["name"]}}, "aliases"),
        ({"aliases": ["accurate"]}, "aliases"),
        ({"weights": [FIELDS, FIELDS | {"file": "b.safetensors"}]}, "different names"),
        ({"weights": [FIELDS, OTHER | {"file": FIELDS["file"]}]}, "different files"),
        ({"weights": {}}, "weights"),
        ({"weights": 3}, "weights"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_bad_registry_is_refused(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(WeightsError, match=f"not a registry of weights: .*{word}"):
        load_registry(write(tmp_path, FIELDS, OTHER, **changes))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\udcff"])
def test_a_file_that_is_no_registry_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WeightsError, match=r"broken\.json"):
        load_registry(path)


def test_a_missing_registry_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"missing\.json"):
        load_registry(tmp_path / "missing.json")


# --- finding ---


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    aliases = {"accurate": OTHER["name"]}
    return load_registry(write(tmp_path, FIELDS, OTHER, default=FIELDS["name"], aliases=aliases))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (FIELDS["name"], FIELDS["name"]),
        (OTHER["name"], OTHER["name"]),
        ("default", FIELDS["name"]),
        ("accurate", OTHER["name"]),
    ],
)
def test_names_and_aliases_are_found(registry: Registry, asked: str, found: str) -> None:
    assert registry.find(asked).name == found


def test_an_unknown_name_gets_the_names_and_the_closest(registry: Registry) -> None:
    with pytest.raises(UnknownWeightsError) as caught:
        registry.find("mobilenet_v2.byclas-v1")
    assert f"did you mean {FIELDS['name']}?" in str(caught.value)
    for name in (FIELDS["name"], OTHER["name"], "accurate", "default"):
        assert name in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_without_a_default_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownWeightsError, match="no default weights"):
        load_registry(write(tmp_path, FIELDS)).find("default")


# --- records ---


def test_a_record_is_one_line_for_people() -> None:
    line = str(make_record(metrics={"macro_f1": 0.9312}, summary="Small and quick."))
    assert "\n" not in line
    for part in (FIELDS["name"], "8.9 MB", "glioma", "macro_f1 0.931", "Apache-2.0", "Small and quick."):
        assert part in line


def test_a_record_is_frozen_hashable_and_can_be_pickled() -> None:
    record = make_record(metrics={"macro_f1": 0.93})
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.size = 1  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(record)) == record
    assert hash(record) == hash(make_record(metrics={"macro_f1": 0.93}))


def test_a_record_checks_itself() -> None:
    with pytest.raises(OptionError, match="sha256"):
        make_record(sha256="abc")
    with pytest.raises(OptionError, match="urls"):
        make_record(urls=())


def test_packaged_weights_lie_beside_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "FOLDER", tmp_path)
    record = make_record(packaged=True)
    with pytest.raises(WeightsError, match="not whole"):
        packaged_path(record)
    (tmp_path / record.file).write_bytes(b"")
    assert packaged_path(record) == tmp_path / record.file


def test_the_path_of_weights_that_are_not_packaged_is_refused() -> None:
    with pytest.raises(OptionError, match="not inside the package"):
        packaged_path(make_record())
