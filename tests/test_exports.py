"""What is public: one flat sorted list, and nothing heavy behind it until it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mriclassify
from mriclassify import _HOMES, MriClassifyError


def test_every_exported_name_is_there() -> None:
    for name in mriclassify.__all__:
        assert getattr(mriclassify, name) is not None


def test_exports_are_sorted_as_ruff_sorts_them() -> None:
    def kind(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert mriclassify.__all__ == sorted(mriclassify.__all__, key=kind)
    assert set(mriclassify.__all__) == {*_HOMES, "__version__"}
    assert dir(mriclassify) == sorted(mriclassify.__all__)


def test_type_checkers_are_told_the_same_homes() -> None:
    tree = ast.parse(Path(mriclassify.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.name: node.module for node in ast.walk(block) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert told == _HOMES


def test_public_things_say_what_they_are() -> None:
    for name in set(mriclassify.__all__) - {"CLASSES", "__version__"}:
        assert getattr(mriclassify, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Clasifier'"):
        _ = mriclassify.Clasifier


def test_every_error_has_one_root() -> None:
    errors = [getattr(mriclassify, name) for name in mriclassify.__all__ if name.endswith("Error")]
    assert len(errors) > 20
    assert all(issubclass(error, MriClassifyError) for error in errors)


@pytest.mark.parametrize(
    "code",
    [
        "import mriclassify",
        "from mriclassify import Dataset, Record, ReadError, CLASSES",
        "from mriclassify import list_weights; list_weights()",
        "import mriclassify._cli",
    ],
)
def test_light_things_load_nothing_heavy(code: str) -> None:
    heavy = "{'torch', 'sklearn', 'matplotlib', 'torchvision', 'accelerate'}"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(sorted({heavy} & set(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""
