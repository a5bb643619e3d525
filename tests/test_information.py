"""Information: everything for a bug report, even where something is wrong, and nothing that is secret."""

import json

import pytest
import torch

import mriclassify
from mriclassify._information import information


def test_versions_devices_cache_and_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("MRICLASSIFY_HOME", str(tmp_path))
    facts = information()
    assert facts["mriclassify"] == mriclassify.__version__
    assert facts["torch"] == torch.__version__.split("+")[0] or facts["torch"] == torch.__version__
    assert "cpu" in facts["devices"]
    assert facts["chosen device"] in facts["devices"]
    assert str(tmp_path) in facts["cache"]
    assert facts["environment"]["MRICLASSIFY_HOME"] == str(tmp_path)
    assert "in the package" in facts["weights"].values()
    assert json.loads(json.dumps(facts)) == facts


def test_a_device_that_does_not_exist_is_reported_rather_than_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRICLASSIFY_DEVICE", "abacus")
    facts = information()
    assert "'abacus' does not exist here" in facts["chosen device"]
    assert facts["environment"]["MRICLASSIFY_DEVICE"] == "abacus"


def test_the_password_of_a_mirror_stays_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRICLASSIFY_MIRROR", "https://me:secret@one.example/x http://two.example https://[:me@broken")
    assert "secret" not in json.dumps(information())
    monkeypatch.setenv("MRICLASSIFY_MIRROR", "https://me:secret@one.example/x http://two.example")
    assert information()["environment"]["MRICLASSIFY_MIRROR"] == "https://one.example/x http://two.example"


def test_a_library_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mriclassify._information.LIBRARIES", ("numpy", "no-such-library-here"))
    facts = information()
    assert facts["no-such-library-here"] == "not installed"
