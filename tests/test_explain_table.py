"""The guide holds the table that `benchmarks/explain.py --table` prints, and the default is the method that won it."""

import importlib
import json
from pathlib import Path

import pytest

from mriclassify._explaining import DEFAULT_METHOD, METHODS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "explain-default.json"
BEGIN, END = "<!-- explain-default: begin -->\n", "<!-- explain-default: end -->"

pytestmark = pytest.mark.skipif(not RESULTS.exists(), reason="needs the repository's benchmarks")


def test_the_guide_holds_what_the_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    table = importlib.import_module("_explain_table").table
    page = (ROOT / "docs" / "guides" / "explaining.md").read_text(encoding="utf-8")
    held = page.split(BEGIN)[1].split(END)[0]
    assert held.strip() == table(json.loads(RESULTS.read_text(encoding="utf-8"))).strip()


def test_the_default_is_the_method_without_an_extra_that_won_on_validation_slices() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert results["best_in_core"] == DEFAULT_METHOD
    assert results["settings"]["fold"] == "0"


def test_every_method_is_known_to_the_table() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    left_out = set(results["settings"]["without"])
    assert set(METHODS) == {name for name, row in results["rows"].items() if row["kind"] == "attribution"} | left_out
