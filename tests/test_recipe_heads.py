"""Whole heads: fetched from archives that are what they should be, and cut into slices without a tumour."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import nibabel
import numpy as np
import pytest
from PIL import Image

from mriclassify import ChecksumError

RADIUS = 90
"""Of the phantom's head, mm."""


@pytest.fixture(scope="module")
def heads(training_script: Callable[[str], ModuleType]) -> ModuleType:
    return training_script("heads")


@pytest.fixture(scope="module")
def fetching(training_script: Callable[[str], ModuleType]) -> ModuleType:
    return training_script("fetch_heads")


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A neck with a ball on it: bright skin, dark bone, and a brain within."""
    x, y, z = np.mgrid[0:200, 0:220, 0:260].astype(np.float32)
    across = np.hypot(x - 100, y - 110)
    ball = np.sqrt(across**2 + (z - 160) ** 2)
    volume = np.where((across < 50) & (z < 130), 90.0, 0.0)
    for radius, grey in ((RADIUS, 250.0), (80, 5.0), (70, 150.0)):
        volume[ball < radius] = grey
    # Stored with the first axis to the left, as scanners often do.
    affine = np.diag([-1.0, 1.0, 1.0, 1.0])
    file = tmp_path_factory.mktemp("head") / "phantom.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume[::-1].astype(np.float32), affine), file)
    return file


def test_the_brain_is_found_roughly_and_the_top_of_the_head(heads: ModuleType, phantom: Path) -> None:
    head = heads.read_head(phantom)
    assert head.top == pytest.approx(160 + RADIUS, abs=12)
    assert head.middle[:2] == pytest.approx((100, 110), abs=3)
    brain = head.brain > 0.5
    x, y, z = np.nonzero(brain)
    assert np.sqrt((x - 100.0) ** 2 + (y - 110.0) ** 2 + (z - 160.0) ** 2).max() < 82
    assert brain.sum() == pytest.approx(4 / 3 * np.pi * 70**3, rel=0.15)


def test_slices_are_of_all_planes_below_the_brain_too_and_labelled_tumour_free(
    heads: ModuleType, phantom: Path, tmp_path: Path
) -> None:
    records = heads.head_records([phantom], tmp_path / "slices", count=24)
    assert len({record.path for record in records}) == 24
    assert {record.path.stem.rsplit("_")[-1] for record in records} == {"sagittal", "coronal", "axial"}
    assert {(record.label, record.group, record.mask) for record in records} == {("notumor", "phantom", None)}
    shares = []
    for record in records:
        pixels = np.asarray(Image.open(record.path))
        assert pixels.shape == (heads.SIDE, heads.SIDE) and pixels.max() == 255
        tissue = (pixels > 255 * heads.TISSUE).mean()
        assert tissue >= heads.LEAST_TISSUE - 0.01
        if record.path.stem.endswith("axial"):
            shares.append(tissue)
        # What the phantom has for a brain fills most of its ball, and there is none in its neck.
        brain = record.source == heads.BRAIN
        assert record.source in (heads.BRAIN, heads.LITTLE_BRAIN)
        if record.path.stem.endswith("axial") and tissue < 0.15:
            assert not brain
        if tissue > 0.3:
            assert brain
    # A neck of 50 mm covers 0.12 of the slice, stretched and tilted a little more or less; the head up to 0.39.
    assert min(shares) < 0.17 and max(shares) > 0.3


def test_the_same_seed_cuts_the_same_slices_and_no_two_are_alike(
    heads: ModuleType, phantom: Path, tmp_path: Path
) -> None:
    first, again = (
        [np.asarray(Image.open(record.path)) for record in heads.head_records([phantom], tmp_path / name, count=4)]
        for name in ("first", "again")
    )
    np.testing.assert_array_equal(np.stack(first), np.stack(again))
    assert len({one.tobytes() for one in first}) == 4


@pytest.mark.parametrize(("plane", "axis"), [("axial", 2), ("coronal", 1), ("sagittal", 0)])
def test_some_slices_lie_near_the_pituitary_gland_and_the_others_anywhere(
    heads: ModuleType, monkeypatch: pytest.MonkeyPatch, plane: str, axis: int
) -> None:
    shape = (200, 220, 260)
    position = np.broadcast_to(np.arange(shape[axis]).reshape([-1 if k == axis else 1 for k in range(3)]), shape)
    head = heads.Head((position / 100).astype(np.float32), np.zeros(shape, np.float32), (100.0, 110.0, 190.0), 240)
    monkeypatch.setattr(heads, "SIDE", 9)
    monkeypatch.setattr(heads, "_recoloured", lambda pixels, brain, rng: pixels)
    gland = (100.0, 130.0, 120.0)[axis]

    def distances(share: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        monkeypatch.setattr(heads, "AT_SELLA", share)
        rng = np.random.default_rng(0)
        return np.array([abs(100 * heads.cut(head, plane, rng)[0][4, 4] - gland) for _ in range(40)])

    # What bends the head moves them by another 5 mm.
    assert distances(1).max() < 3.5 * np.hypot(heads.NEAR[axis], heads.BEND)
    assert np.median(distances(0)) > 2 * np.median(distances(1))


def test_contrast_is_changed_but_air_stays_air_and_curves_rise(heads: ModuleType) -> None:
    for seed in range(20):
        at, to = heads._curve(np.random.default_rng(seed))
        assert to[0] == 0 and np.interp(1.0, at, to) == pytest.approx(1)
        assert (np.diff(to) > 0).all()


@dataclass
class Archives:
    """Stands in for the download: writes the archive that lies at a URL, and counts."""

    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)

    def __call__(self, url: str, part: Path, *, size: int | None) -> None:
        self.asked.append(url)
        part.write_bytes(self.files[url])


def packed(kind: str, member: str, data: bytes) -> bytes:
    made = io.BytesIO()
    if kind == "whl":
        with zipfile.ZipFile(made, "w") as wheel:
            wheel.writestr(member, data)
    else:
        with tarfile.open(fileobj=made, mode="w:gz") as tar:
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("kind", ["whl", "tar.gz"])
def test_heads_are_fetched_once_and_only_whole(
    fetching: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    url, archive = f"https://host/one.{kind}", packed(kind, "one/head.nii.gz", b"a head")
    source = fetching.Source(url, sha256(archive), "one/head.nii.gz", sha256(b"a head"), "a head", "none")
    archives = Archives({url: archive})
    monkeypatch.setattr("packages.download", archives)
    assert fetching.fetch("one", tmp_path, sources={"one": source}).read_bytes() == b"a head"
    fetching.fetch("one", tmp_path, sources={"one": source})
    assert archives.asked == [url]
    assert [file.name for file in tmp_path.iterdir()] == ["one.nii.gz"]


def test_an_archive_or_a_head_that_is_another_is_refused_and_leaves_nothing(
    fetching: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, archive = "https://host/one.whl", packed("whl", "one/head.nii.gz", b"a head")
    monkeypatch.setattr("packages.download", Archives({url: archive}))
    for expected in (("0" * 64, sha256(b"a head")), (sha256(archive), "0" * 64)):
        source = fetching.Source(url, expected[0], "one/head.nii.gz", expected[1], "a head", "none")
        with pytest.raises(ChecksumError, match="expected sha256 0000"):
            fetching.fetch("one", tmp_path, sources={"one": source})
        assert not list(tmp_path.iterdir())


def test_every_source_says_where_it_is_from_and_its_licence(fetching: ModuleType) -> None:
    for source in fetching.SOURCES.values():
        assert source.url.startswith(fetching.FILES)
        assert len(source.archive) == len(source.head) == 64
        assert source.shows and source.licence
