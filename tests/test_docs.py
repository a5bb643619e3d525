"""The documentation says what is true: its blocks run, and its tables leave nothing out."""

import argparse
import doctest
import importlib
import importlib.util
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mriclassify
from mriclassify import _cli
from mriclassify._model._pooling import pool
from mriclassify._reading import Limits
from mriclassify._reading._checks import MAX_PIXELS
from mriclassify._reading._deflated import MAX_INFLATED
from mriclassify._reading._nifti import MAX_VOXELS
from mriclassify._reading._sniffing import KINDS
from mriclassify._reading._sources import MAX_PIPED

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
MODULES = [path for path in sorted((ROOT / "src").rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.fixture
def reader(tmp_path: Path, phantom_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a reader of the pages has: the example scans, and class folders with the patient in each name."""
    shutil.copytree(ROOT / "examples" / "scans", tmp_path / "scans")
    shutil.copytree(ROOT / "examples" / "scans", tmp_path / "examples" / "scans")
    shutil.copytree(phantom_folder, tmp_path / "brain-tumor-mri")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    monkeypatch.setenv("MRICLASSIFY_PROGRESS", "0")
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
@pytest.mark.usefixtures("reader")
def test_the_blocks_of_a_page_run_one_after_the_other(page: Path) -> None:
    names: dict[str, object] = {"__name__": page.stem}
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        # Lines are padded, so that a traceback has the line of the page.
        padding = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(padding + block[1], page, "exec"), names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_examples_of_docstrings_are_true(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    module = importlib.import_module(name)
    results = doctest.testmod(module, extraglobs={"np": np, "torch": torch, "Path": Path})
    assert results.attempted > 0
    assert results.failed == 0


def test_the_api_page_has_every_public_name() -> None:
    listed = set(re.findall(r"^::: mriclassify\.(\w+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE))
    errors = {name for name in mriclassify.__all__ if name.endswith("Error")}
    assert listed == set(mriclassify.__all__) - errors - {"__version__"}


def test_the_page_of_errors_says_what_to_do_about_each() -> None:
    table = (ROOT / "docs" / "errors.md").read_text().split("## What to do")[1]
    errors = {name for name in mriclassify.__all__ if name.endswith("Error")} - {"MriClassifyError"}
    assert errors == set(re.findall(r"`(\w+Error)`", table))


def commands() -> dict[str, set[str]]:
    """Return the commands of the parser, each with its long options."""
    (choices,) = [action.choices for action in _cli.parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return {
        name: {text for action in parser._actions for text in action.option_strings if text.startswith("--")}
        for name, parser in choices.items()
    }


@pytest.mark.parametrize("name", list(commands()))
def test_the_command_line_page_has_each_option_and_no_other(name: str) -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    assert section, f"no section on {name}"
    assert set(re.findall(r"--[a-z][a-z-]*", section[1])) == commands()[name] - {"--help", "--verbose"}


def test_the_readme_has_each_command() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in commands() if f"`mriclassify {name}" not in readme] == []


def test_the_readme_has_the_commands_that_ci_takes_from_it() -> None:
    readme = (ROOT / "README.md").read_text()
    found = dict(re.findall(r"^<!-- ci: (\w+) -->\n```sh\n(.*?)\n```$", readme, re.MULTILINE))
    assert found == {
        "predict": "pip install . && mriclassify predict examples/scans",
        "test": 'pip install -e ".[test]" && pytest',
    }


def test_the_page_on_the_path_draws_the_layers_that_are_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    assert "```text\n" + "\n".join(contract["layers"]) + "\n```" in (ROOT / "docs/concepts/path.md").read_text()


def test_every_variable_of_ours_is_on_the_environment_page() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    used = set(re.findall(r'"(MRICLASSIFY_[A-Z_]+)"', source))
    page = (ROOT / "docs" / "environment.md").read_text()
    assert used == set(re.findall(r"`(MRICLASSIFY_[A-Z_]+)` \|", page))


FORMATS = (ROOT / "docs" / "guides" / "reading.md").read_text(encoding="utf-8")
PICTURES = ROOT / "docs" / "pictures"


def table_under(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading of the page on formats, without its head."""
    (_, below) = FORMATS.split(f"\n{heading}\n")
    rows = re.search(r"^\|[-|]+\|\n((?:^\|.*\|\n)+)", below, re.MULTILINE)
    assert rows
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1].splitlines()]


def test_the_page_on_formats_has_each_kind() -> None:
    listed = ", ".join(row[0] for row in table_under("## What is read"))
    assert [kind for kind in re.split(", | and ", KINDS) if kind not in listed] == []


def test_the_page_on_formats_has_the_limits_of_the_code() -> None:
    limits, gib = Limits(), 2**30
    assert [row[1] for row in table_under("### Limits")] == [
        f"{MAX_PIXELS:,}",
        f"{MAX_VOXELS:,}",
        f"{limits.file_bytes // gib} GiB",
        f"{limits.volume_bytes // gib} GiB",
        f"{MAX_INFLATED // 2**20} MiB",
        f"{MAX_PIPED // 2**20} MiB",
        f"{limits.total_bytes // gib} GiB",
        f"{limits.ratio}",
        f"{limits.files:,}",
        f"{limits.slices:,}",
    ]
    assert f"{limits.download_bytes // 10**6} MB are fetched, in {limits.seconds:g} s" in FORMATS.replace("\n", " ")


def test_the_page_on_formats_has_the_answers_of_the_rule() -> None:
    found = [range(0), [50], range(3, 100, 10), range(45, 51), range(45, 57)]
    rows = table_under("## One answer for a series")
    assert len(rows) == len(found)
    for (*_, mean, maximum, rule), slices in zip(rows, found, strict=True):
        probabilities = np.tile([0.03, 0.97], (100, 1))
        probabilities[list(slices)] = [0.95, 0.05]
        answer = pool(probabilities, ("glioma", "notumor")).probabilities[0]
        evidence = probabilities[:, 0]
        assert [mean, maximum, rule] == [f"{value:.2f}" for value in (evidence.mean(), evidence.max(), answer)]


def pictures_of(page: Path) -> list[Path]:
    """Return the pictures that a page shows with a text for those who can't see them."""
    found = re.findall(r"!\[[^]]{9,}\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    return [(page.parent / link).resolve() for link in found]


def test_each_picture_is_small_shown_and_explained() -> None:
    shown = {path for page in PAGES for path in pictures_of(page)}
    there = {path for path in PICTURES.rglob("*") if path.is_file()}
    assert there - shown == set()
    assert [path.name for path in there if path.stat().st_size > 150_000] == []


@pytest.mark.parametrize("page", [page for page in PAGES if pictures_of(page)], ids=lambda page: page.stem)
def test_each_picture_of_a_page_is_there_and_has_a_caption(page: Path) -> None:
    assert [path for path in pictures_of(page) if not path.is_file()] == []
    text = page.read_text(encoding="utf-8")
    # Screenshots stand beside the sentence that is about them.
    drawn = re.findall(r"\]\((?:\.\./)?pictures/(?!app-)[\w-]+\.\w+\)(\n\n\*[^*])?", text)
    assert all(drawn)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pictures of the three scripts, made now."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("make_pictures", "make_drawings", "make_result_pictures"):
        specification = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
        assert specification and specification.loader
        script = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(script)
        script.make_pictures(folder)
    return folder


def test_the_pictures_can_be_made_again(made: Path) -> None:
    # Screenshots of the web page and of reports are made by other scripts.
    assert {path.name for path in made.iterdir()} <= {path.name for path in PICTURES.iterdir()}


def weights_of(picture: Path) -> str | None:
    """Return the sha256 of the weights that a picture was made with, None where it shows no answer."""
    with Image.open(picture) as image:
        return image.info.get("weights")


def test_pictures_of_answers_are_of_the_present_weights(made: Path) -> None:
    noted = {path.name: weights_of(path) for path in made.glob("*.png")}
    assert len(set(noted.values()) - {None}) == 1
    stale = [name for name, weights in noted.items() if weights_of(PICTURES / name) != weights]
    assert not stale, "python docs/make_result_pictures.py makes them again"


def test_weights_that_a_page_names_are_there() -> None:
    pages = [*PAGES, ROOT / "weights" / "README.md"]
    named = {name for page in pages for name in re.findall(r"weights/[\w.-]+\.safetensors", page.read_text("utf-8"))}
    assert named
    assert not [name for name in sorted(named) if not (ROOT / name).is_file()]


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in link and page.stem != "changelog":
                assert (page.parent / link).exists(), f"{page}: {link}"
