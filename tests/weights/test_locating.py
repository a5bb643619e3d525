"""Locating and managing: names, files and folders become one verified file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mriclassify import ChecksumError, Classifier, UnknownWeightsError, list_weights
from mriclassify._weights import _managing as managing
from mriclassify._weights import _registry as registry
from mriclassify._weights._locating import file_of, locate
from mriclassify._weights._registry import WeightsRecord, find, packaged_path


def find_packaged() -> WeightsRecord:
    record = find("default")
    assert record.packaged
    return record


def test_the_default_lies_in_the_package_and_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRICLASSIFY_OFFLINE", "1")
    assert locate("default") == packaged_path(find("default"))
    assert packaged_path(find("default")).stat().st_size < 10_000_000


def test_a_file_and_a_folder_with_one_file_are_themselves(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "a.safetensors")
    assert locate(tmp_path / "a.safetensors") == tmp_path / "a.safetensors"
    assert locate(tmp_path) == tmp_path / "a.safetensors"
    fitted.save(tmp_path / "b.safetensors")
    with pytest.raises(UnknownWeightsError, match=r"a\.safetensors, b\.safetensors"):
        locate(tmp_path)


@pytest.mark.parametrize("missing", ["model.safetensors", "models/best", Path("best")])
def test_a_missing_file_is_not_taken_for_a_name(missing: str | Path) -> None:
    with pytest.raises(UnknownWeightsError, match="no file of weights"):
        locate(missing)


def test_a_folder_in_the_current_one_does_not_take_the_place_of_published_weights(
    fitted: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fitted.save(tmp_path / "default" / "other.safetensors")
    assert locate("default") == packaged_path(find("default"))
    assert locate("./default") == Path("default/other.safetensors")
    assert locate(Path("default")) == Path("default/other.safetensors")


@pytest.mark.parametrize("name", ["x" * 300, "nul\0l", "", "x" * 300 + ".safetensors", Path("x" * 5000)])
def test_what_can_be_no_path_is_unknown(name: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownWeightsError):
        locate(name)


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownWeightsError, match="default"):
        Classifier.from_pretrained("defualt")


def test_packaged_weights_are_as_published() -> None:
    lines: list[str] = []
    assert managing.check(None, write=lines.append) == 0
    assert len(lines) == len(list_weights())
    assert all("as published" in line or "not downloaded" in line for line in lines)


def test_weights_missing_from_the_package_are_counted_and_the_others_still_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    absent = replace(find_packaged(), name="absent.test-v1", file="absent.safetensors")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr(managing, "list_weights", lambda: (absent, absent))
    lines: list[str] = []
    assert managing.check(None, write=lines.append) == 2
    assert all("installation is not whole" in line for line in lines)


def test_weights_with_other_bytes_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    record = find_packaged()
    whole = packaged_path(record).read_bytes()
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr(managing, "list_weights", lambda: (record,))
    for changed in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        (tmp_path / record.file).write_bytes(changed)
        lines: list[str] = []
        assert managing.check(None, write=lines.append) == 1
        assert "as published" not in lines[0]


def test_the_list_is_lines_or_json() -> None:
    lines: list[str] = []
    managing.show(as_json=False, write=lines.append)
    assert [line.split()[0] for line in lines] == [record.name for record in list_weights()]
    managing.show(as_json=True, write=lines.append)
    assert [entry["sha256"] for entry in json.loads(lines[-1])] == [record.sha256 for record in list_weights()]


def test_downloading_what_is_packaged_says_where_it_is() -> None:
    lines: list[str] = []
    managing.download("default", write=lines.append)
    assert lines == [f"{find('default').name}: {file_of(find('default'))}"]


def test_importing_knows_a_file_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRICLASSIFY_HOME", str(tmp_path / "home"))
    copy = tmp_path / "download (1).bin"
    copy.write_bytes(packaged_path(find("default")).read_bytes())
    lines: list[str] = []
    managing.import_by_hand(copy, write=lines.append)
    placed = tmp_path / "home" / "weights" / find("default").file
    assert lines == [f"{find('default').name}: {placed}"]
    assert placed.read_bytes() == copy.read_bytes()
    managing.empty(find("default").name, write=lines.append)
    assert not placed.exists()


def test_importing_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.safetensors").write_bytes(b"something else")
    with pytest.raises(ChecksumError, match="none of the published weights"):
        managing.import_by_hand(tmp_path / "other.safetensors", write=print)
    with pytest.raises(UnknownWeightsError, match="absent"):
        managing.import_by_hand(tmp_path / "absent", write=print)


def test_places_are_said_in_words() -> None:
    assert managing.place(find("default")) == "in the package"
