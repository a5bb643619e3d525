"""MATLAB v7.3 files of the figshare set: the picture the right way up, and nothing that a hostile file may want."""

import io
import itertools
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mriclassify import Classifier
from mriclassify._errors import (
    DamagedFileError,
    MissingExtraError,
    MriClassifyError,
    OptionError,
    PixelError,
    ReadError,
    UnsupportedFormatError,
)
from mriclassify._reading import list_scans, read_slice, read_study
from mriclassify._reading._matlab import matlab_facts, matlab_folds, matlab_mask

HEAD = b"MATLAB 7.3 MAT-file, Platform: PCWIN64, Created on: Mon Jan 01 00:00:00 2014 HDF5 schema 1.00 ."
PIXELS = np.random.default_rng(0).integers(-20, 3000, (48, 40)).astype(np.int16)
MASK = np.random.default_rng(1).random((48, 40)) > 0.7


def mat(fill: Callable[[Any], object], head: bytes = HEAD) -> bytes:
    """A MATLAB file, of which `fill` writes what it holds."""
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        fill(file)
    return head.ljust(124) + b"\0\2IM" + stream.getvalue()[128:]


def slice_file(*, image: Any = PIXELS, mask: Any = MASK, label: Any = 2.0, pid: Any = "MR042", **options: Any) -> bytes:
    """A file as the figshare set has them; what is None is left out."""

    def fill(file: Any) -> None:
        struct = file.create_group("cjdata")
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        if label is not None:
            struct["label"] = np.atleast_2d(label)
        if pid is not None:
            struct["PID"] = np.array([[ord(letter)] for letter in pid], np.uint16) if isinstance(pid, str) else pid
        if image is not None:
            struct.create_dataset("image", data=np.asarray(image).T, **options)
        struct["tumorBorder"] = np.ones((1, 60))
        if mask is not None:
            struct.create_dataset("tumorMask", data=np.asarray(mask).astype(np.uint8).T, **options)

    return mat(fill)


STORED: list[dict[str, Any]] = [
    {},
    {"compression": "gzip"},
    {"compression": "gzip", "chunks": (16, 16)},  # 40 is no multiple
    {"compression": "gzip", "chunks": (7, 48)},
    {"chunks": (16, 16)},
    {"compression": "gzip", "chunks": (64, 64), "maxshape": (None, None)},
]


@pytest.mark.parametrize("options", STORED)
def test_the_picture_is_the_one_that_matlab_shows(options: dict[str, Any]) -> None:
    scan = read_slice(slice_file(**options))
    assert scan.kind == "MATLAB"
    assert scan.spacing is None
    assert scan.pixels.flags.c_contiguous
    np.testing.assert_array_equal(scan.pixels, PIXELS.astype(np.float32))


@pytest.mark.parametrize("dtype", ["i2", ">i2", "u1", "u2", "i4", "f4", "f8", ">f8"])
def test_every_kind_of_number(dtype: str) -> None:
    pixels = np.abs(PIXELS // 16).astype(dtype)
    np.testing.assert_array_equal(read_slice(slice_file(image=pixels, compression="gzip")).pixels, pixels)


def test_path_bytes_and_stream_are_one(tmp_path: Path) -> None:
    path = tmp_path / "1.mat"
    path.write_bytes(slice_file(compression="gzip"))
    for source in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        np.testing.assert_array_equal(read_slice(source).pixels, PIXELS)
        assert matlab_facts(source) == (2, "MR042")
        np.testing.assert_array_equal(matlab_mask(source), MASK)
    with path.open("rb") as stream:
        np.testing.assert_array_equal(read_slice(stream).pixels, PIXELS)
        assert not stream.closed


@pytest.fixture(scope="module")
def clf() -> Classifier:
    return Classifier.from_pretrained(device="cpu")


def test_it_is_answered_as_its_picture_is(clf: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "1.mat"
    path.write_bytes(slice_file())
    assert clf.predict(path).probabilities == clf.predict(PIXELS).probabilities
    assert len(clf.predict_study(path).slices) == 1


def test_a_study_of_one_file_and_of_a_folder(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        (tmp_path / f"{number}.mat").write_bytes(slice_file(image=PIXELS + number))
    assert [path.name for path in list_scans(tmp_path)] == ["1.mat", "2.mat", "10.mat"]
    study = read_study(tmp_path)
    np.testing.assert_array_equal(study.read(2).pixels, PIXELS + 10)
    single = read_study(tmp_path / "1.mat")
    assert len(single) == 1
    np.testing.assert_array_equal(single.read(0).pixels, PIXELS + 1)


def test_there_is_one_slice() -> None:
    assert read_slice(slice_file(), index=0).kind == "MATLAB"
    with pytest.raises(OptionError, match=r"out of range 0\.\.0"):
        read_slice(slice_file(), index=1)


def test_nothing_of_the_patient_is_in_a_slice_or_an_error() -> None:
    assert "MR042" not in repr(read_slice(slice_file()))
    for broken in (slice_file(image=None), slice_file(mask=None), slice_file(label=7.0), slice_file(pid="Jane Doe")):
        for read in (read_slice, matlab_facts, matlab_mask):
            try:
                read(broken)
            except MriClassifyError as error:
                assert "MR042" not in str(error)
                assert "Jane" not in str(error)


@pytest.mark.parametrize("label", [1, 2, 3])
def test_the_facts(label: int) -> None:
    for number in (float(label), np.uint8(label)):
        assert matlab_facts(slice_file(label=number, pid="100360")) == (label, "100360")


@pytest.mark.parametrize("label", [0.0, 4.0, 1.5, np.nan, -1.0])
def test_another_label_is_refused(label: float) -> None:
    with pytest.raises(DamagedFileError, match=r"cjdata\.label has other values than 1, 2, 3"):
        matlab_facts(slice_file(label=label))


@pytest.mark.parametrize("label", [np.ones((1, 2)), np.ones((0, 0)), None])
def test_no_one_label_is_refused(label: Any) -> None:
    with pytest.raises(ReadError, match=r"cjdata\.label"):
        matlab_facts(slice_file(label=label))


@pytest.mark.parametrize("pid", ["", "a b", "\n1", "é", "x" * 65, np.array([[49.0]]), None])
def test_an_id_that_is_none_is_refused(pid: Any) -> None:
    with pytest.raises(ReadError, match=r"cjdata\.PID"):
        matlab_facts(slice_file(pid=pid if pid != "" else np.zeros((0, 0), np.uint16)))


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(DamagedFileError, match=r"\(40, 48\), and the image \(48, 40\)"):
        matlab_mask(slice_file(mask=MASK.T))


def folds_file(values: Any) -> bytes:
    return mat(lambda file: file.create_dataset("cvind", data=values, compression="gzip"))


def test_folds_are_read() -> None:
    values = np.random.default_rng(0).integers(1, 6, 3064)
    found = matlab_folds(folds_file(values.astype(np.float64)[None]))  # MATLAB's column
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(matlab_folds(folds_file(values.astype(np.uint8)[:, None])), values)


def test_other_folds_are_refused() -> None:
    with pytest.raises(DamagedFileError, match="other values than 1, 2, 3, 4, 5"):
        matlab_folds(folds_file([[1.0, 6.0]]))
    with pytest.raises(UnsupportedFormatError, match="without cvind"):
        matlab_folds(slice_file())
    with pytest.raises(UnsupportedFormatError, match=r"without cjdata"):
        read_slice(folds_file([[1.0, 2.0]]))


def test_what_is_no_matlab_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "4.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file, Platform: PCWIN64".ljust(124) + b"\0\1IM" + bytes(200))
    for read in (read_slice, read_study, matlab_facts, matlab_mask, matlab_folds):
        with pytest.raises(UnsupportedFormatError, match=r"4\.mat is a MATLAB file of an older version.*-v7\.3"):
            read(path)
    path.write_bytes(b"no matlab at all")
    for read in (read_slice, matlab_facts):
        with pytest.raises(UnsupportedFormatError, match=r"4\.mat is not an image.*MATLAB v7\.3 are read"):
            read(path)
    path.write_bytes(b"GIF89a")
    with pytest.raises(UnsupportedFormatError, match=r"4\.mat is GIF: expected a MATLAB file"):
        matlab_facts(path)


def test_without_h5py_the_extra_is_named_and_a_run_goes_on(
    clf: Classifier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "1.mat"
    path.write_bytes(slice_file())
    monkeypatch.setitem(sys.modules, "h5py", None)
    for read in (read_slice, matlab_facts):
        with pytest.raises(MissingExtraError, match=r'1\.mat .*pip install "mriclassify\[datasets\]"'):
            read(path)
    statuses = [answer.status for answer in clf.predict_many([path, PIXELS])]
    assert statuses[0] == "error"
    assert statuses[1] != "error"


# Hostile files

WHOLE = slice_file(compression="gzip", chunks=(16, 16))


@pytest.mark.parametrize("options", STORED)
def test_a_file_that_is_cut_off_is_said_to_be(options: dict[str, Any], tmp_path: Path) -> None:
    whole = slice_file(**options)
    path = tmp_path / "cut.mat"
    for end in (130, 512, 520, 600, 1500, len(whole) // 2, len(whole) - 600):
        path.write_bytes(whole[:end])
        with pytest.raises(DamagedFileError, match=r"cut\.mat"):
            read_slice(path)


@pytest.mark.parametrize(
    "image",
    [
        np.ones((3, 20, 20), np.int16),
        np.ones(400, np.int16),
        np.int16(3),
        np.zeros((0, 20), np.int16),
        np.zeros((0, 0), np.uint64),
        np.ones((20, 20), np.complex64),
        np.full((20, 20), b"text"),
        np.zeros((20, 20), [("a", "i2"), ("b", "i2")]),
        np.zeros((20, 20), np.longdouble),
        h5py.Empty("i2"),
    ],
    ids=lambda image: f"{getattr(image, 'shape', None)} {image.dtype}",
)
def test_what_is_no_matrix_of_numbers_is_refused(image: Any) -> None:
    def fill(file: Any) -> None:
        file["cjdata/image"] = image

    with pytest.raises(ReadError, match=r"^bytes: cjdata\.image"):
        read_slice(mat(fill))


def test_a_struct_array_or_a_folder_in_its_place_is_refused() -> None:
    def references(file: Any) -> None:
        file["#refs#/a"] = PIXELS
        file["cjdata/image"] = np.array([[file["#refs#/a"].ref] * 20] * 20, h5py.ref_dtype)

    def ragged(file: Any) -> None:
        file.create_dataset("cjdata/image", (20, 20), h5py.vlen_dtype(np.int16))

    for fill in (references, ragged, lambda file: file.create_group("cjdata/image")):
        with pytest.raises(UnsupportedFormatError, match="no matrix of numbers"):
            read_slice(mat(fill))
    for fill in (lambda file: None, lambda file: file.create_dataset("cjdata", data=PIXELS)):
        with pytest.raises(UnsupportedFormatError, match=r"without cjdata\.image"):
            read_slice(mat(fill))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole HDF5 file, and raw numbers, that a hostile file may point to."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.mat").write_bytes(slice_file())
    (tmp_path / "secret.raw").write_bytes(PIXELS.tobytes())
    return tmp_path


def external_storage(file: Any) -> None:
    file.create_dataset("cjdata/image", (40, 48), "i2", external=[("secret.raw", 0, h5py.h5f.UNLIMITED)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((40, 48), "i2")
    layout[:] = h5py.VirtualSource("secret.mat", "cjdata/image", (40, 48))
    file.create_virtual_dataset("cjdata/image", layout)


@pytest.mark.parametrize("fill", [external_storage, virtual])
def test_values_in_another_file_are_not_read(fill: Callable[[Any], None], elsewhere: Path) -> None:
    hostile = elsewhere / "1.mat"
    with h5py.File(hostile, "w", userblock_size=512) as file:
        fill(file)
    hostile.write_bytes(HEAD.ljust(128) + hostile.read_bytes()[128:])
    with h5py.File(hostile) as file:  # h5py itself would
        np.testing.assert_array_equal(np.sort(file["cjdata/image"][()].ravel()), np.sort(PIXELS.ravel()))
    for source in (hostile, hostile.read_bytes()):
        with pytest.raises(UnsupportedFormatError, match="stored in another file"):
            read_slice(source)


@pytest.mark.parametrize(
    "link", [h5py.ExternalLink("secret.mat", "/cjdata/image"), h5py.SoftLink("/cjdata/other"), h5py.SoftLink("/")]
)
@pytest.mark.parametrize("place", ["cjdata", "cjdata/image"])
def test_links_are_not_followed(link: Any, place: str, elsewhere: Path) -> None:
    def fill(file: Any) -> None:
        file["cjdata/other" if place != "cjdata" else "other"] = PIXELS.T
        file[place] = link

    with pytest.raises(UnsupportedFormatError, match="without cjdata"):
        read_slice(mat(fill))


def assert_refused_cheaply(content: bytes, match: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ReadError, match=match):
            read_slice(content)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_claimed_size_is_checked_before_memory_is_taken() -> None:
    for shape, match in [((2**20, 2**20), "claims 1048576x1048576"), ((5000, 5000), "fewer values than it claims")]:
        for options in ({}, {"chunks": (500, 500), "compression": "gzip"}):
            content = mat(lambda file, s=shape, o=options: file.create_dataset("cjdata/image", s, "f8", **o))  # type: ignore[misc]
            assert_refused_cheaply(content, match)


def piece_file(content: bytes, *, chunks: tuple[int, int] = (40, 48), skipped: int = 0) -> bytes:
    """A file whose picture is one piece, stored as `content`."""

    def fill(file: Any) -> None:
        image = file.create_dataset("cjdata/image", (40, 48), "i2", chunks=chunks, maxshape=(None, None), compression=1)
        image.id.write_direct_chunk((0, 0), content, skipped)

    return mat(fill)


def test_a_piece_is_read_as_it_is_stored() -> None:
    stored = np.ascontiguousarray(PIXELS.T).tobytes()
    for content in (piece_file(zlib.compress(stored)), piece_file(stored, skipped=1)):
        np.testing.assert_array_equal(read_slice(content).pixels, PIXELS)


def test_a_piece_that_unfolds_to_more_or_less_is_refused() -> None:
    size = PIXELS.nbytes
    bomb = zlib.compress(bytes(3_800_000), 9)  # as much as fits into the place of what can't be compressed
    assert len(bomb) < size
    for content in (bomb, zlib.compress(bytes(size + 1)), zlib.compress(bytes(size - 1)), b"no zlib", bytes(size)):
        assert_refused_cheaply(piece_file(content), "cut off or broken")
    assert_refused_cheaply(piece_file(zlib.compress(bytes(2**20), 0)), "cut off or broken")


def test_pieces_that_matlab_does_not_make_are_refused() -> None:
    for options in ({"shuffle": True}, {"fletcher32": True}, {"compression": "lzf"}, {"scaleoffset": 0}):
        with pytest.raises(UnsupportedFormatError, match="not stored as MATLAB does"):
            read_slice(slice_file(**{"chunks": (16, 16), **options}))
    with pytest.raises(UnsupportedFormatError, match="not stored as MATLAB does"):
        read_slice(piece_file(bytes(64), chunks=(10**5, 10**4)))
    crumbs = mat(lambda file: file.create_dataset("cjdata/image", data=np.eye(100, dtype="u1"), chunks=(1, 1)))
    with pytest.raises(UnsupportedFormatError, match="not stored as MATLAB does"):
        read_slice(crumbs)


def test_pictures_that_are_no_slice() -> None:
    with pytest.raises(PixelError, match="blank"):
        read_slice(slice_file(image=np.zeros((20, 20))))
    with pytest.raises(PixelError, match="NaN"):
        read_slice(slice_file(image=np.where(np.eye(20) > 0, np.nan, 1.0)))
    with pytest.raises(PixelError, match="at least 16"):
        read_slice(slice_file(image=np.eye(8)))


@pytest.mark.parametrize("read", [read_slice, matlab_facts, matlab_mask, matlab_folds])
def test_flipped_bytes_are_answers_or_errors_of_ours(read: Callable[[bytes], object]) -> None:
    rng = np.random.default_rng(0)
    outcomes = set()
    for k in itertools.count():
        content = bytearray(WHOLE)
        for place in rng.integers(512, 5000 if k % 2 else len(WHOLE), 3):
            content[place] = rng.integers(256)
        try:
            read(bytes(content))
            outcomes.add("read")
        except ReadError as error:
            outcomes.add(type(error).__name__)
        if k == 150:
            break
    assert len(outcomes) >= 1 + (read is not matlab_folds)
