"""What is known of each file: class, part, patient, outline and fold."""

import builtins
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mriclassify._catalogue._describing import CatalogueFile, describe_files
from mriclassify._catalogue._finding import locate
from mriclassify._errors import DamagedFileError, MissingExtraError, UnsupportedFormatError


@pytest.mark.parametrize("name", ["nickparvar", "rm1000", "sartaj", "bangladesh"])
def test_every_image_has_the_label_of_its_folder_and_the_part_above(tmp_path: Path, standins: Any, name: str) -> None:
    entry = standins.small(name)
    standins.lay(standins.members(name), tmp_path)
    files = describe_files(entry, locate(entry, tmp_path))
    found = Counter((file.split or "all", file.label) for file in files)
    assert found == {(part, label): n for part, counts in entry.counts.items() for label, n in counts.items()}
    for file in files:
        # the stand-ins say inside what they are
        assert file.path.read_text().startswith(f"{file.split or 'all'} {file.label} ")
        assert (file.group, file.mask, file.fold) == (None, None, None)


def test_files_come_by_part_label_and_number(tmp_path: Path, standins: Any) -> None:
    entry = standins.small("nickparvar")
    files = describe_files(entry, standins.lay(standins.members("nickparvar"), tmp_path))
    parts = [file.split for file in files]
    assert parts == sorted(parts, key=["train", "test"].index)
    gliomas = [file.path.name for file in files if (file.split, file.label) == ("train", "glioma")]
    assert gliomas == [f"image ({k}).jpg" for k in range(1, 41)]


def test_a_slice_of_figshare_has_its_patient_and_its_outline(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.mats() | {"cvind.mat": standins.folds()}, tmp_path)
    files = describe_files(standins.small("figshare"), tmp_path)
    assert [(file.label, file.group, file.fold) for file in files] == [
        ("meningioma", "figshare:100360", 1),
        ("meningioma", "figshare:100360", 1),
        ("glioma", "figshare:MR040240", 2),
        ("glioma", "figshare:MR040240", 2),
        ("glioma", "figshare:MR040240", 2),
        ("glioma", "figshare:MR029209", 3),
        ("pituitary", "figshare:112649", 4),
        ("pituitary", "figshare:112649", 5),
    ]
    assert files[2] == CatalogueFile(
        path=tmp_path / "3.mat", label="glioma", group="figshare:MR040240", mask=tmp_path / "3.mat", fold=2
    )


def test_folds_may_lie_above_the_slices_or_not_at_all(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.mats(), tmp_path / "slices")
    assert {file.fold for file in describe_files(standins.small("figshare"), tmp_path / "slices")} == {None}
    (tmp_path / "cvind.mat").write_bytes(standins.folds())
    assert describe_files(standins.small("figshare"), tmp_path / "slices")[-1].fold == 5


@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_a_slice_that_was_cut_off_is_named(tmp_path: Path, standins: Any, kept: float) -> None:
    files = standins.mats()
    files["4.mat"] = files["4.mat"][: int(len(files["4.mat"]) * kept)]
    standins.lay(files, tmp_path)
    with pytest.raises(DamagedFileError, match=r"4\.mat"):
        describe_files(standins.small("figshare"), tmp_path)


def test_a_file_that_is_no_slice_is_named(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.mats() | {"4.mat": standins.matlab({"x": [[1.0]]})}, tmp_path)
    with pytest.raises(UnsupportedFormatError, match=r"4\.mat is a MATLAB file without cjdata"):
        describe_files(standins.small("figshare"), tmp_path)


def test_folds_of_another_set_are_refused(tmp_path: Path, standins: Any) -> None:
    standins.lay(standins.mats() | {"cvind.mat": standins.matlab({"cvind": [[1.0], [2.0]]})}, tmp_path)
    with pytest.raises(DamagedFileError, match=r"cvind\.mat: expected a fold for each of 8 slices, got 2"):
        describe_files(standins.small("figshare"), tmp_path)


def test_without_h5py_the_extra_is_named(tmp_path: Path, standins: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    standins.lay(standins.mats(), tmp_path)
    importing = builtins.__import__

    def refuse(name: str, *rest: Any, **named: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return importing(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "h5py", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"mriclassify\[datasets\]"):
        describe_files(standins.small("figshare"), tmp_path)
