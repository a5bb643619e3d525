"""ZIP: whatever an archive claims, nothing is written, and nothing unfolds beyond the limits."""

import io
import stat
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mriclassify._errors import DamagedFileError, ReadError, UnsupportedFormatError
from mriclassify._reading import Limits, read_slice, read_study

Make = Callable[..., bytes]


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def test_names_that_lead_out_are_left_out_and_nothing_is_written(
    tmp_path: Path, dicom: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    (below := tmp_path / "below").mkdir()
    monkeypatch.chdir(below)
    names = ["../evil.dcm", "a/../../evil.dcm", "/evil.dcm", "..\\evil.dcm", "C:\\evil.dcm"]
    study = read_study(archive({"good.dcm": dicom(1.0)} | dict.fromkeys(names, dicom(2.0))))
    assert [place.position for place in study.places] == [1.0]
    assert len(study.failures) == len(names)
    assert all("leads out" in failure.reason for failure in study.failures)
    study.read(0)
    assert list(tmp_path.rglob("*")) == [below]


def test_links_encrypted_members_and_archives_within_are_left_out(tmp_path: Path, dicom: Make) -> None:
    link = zipfile.ZipInfo("link.dcm")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("good.dcm", dicom(1.0))
        file.writestr(link, "/etc/passwd")
        file.writestr("inner.zip", archive({"inner.dcm": dicom(3.0)}))
        file.writestr("secret.dcm", dicom(2.0))
    data = bytearray(stream.getvalue())
    entry = data.rindex(b"PK\1\2")  # of secret.dcm
    data[entry + 8] |= 1
    study = read_study(bytes(data))
    assert [place.position for place in study.places] == [1.0]
    reasons = " ".join(failure.reason for failure in study.failures)
    assert len(study.failures) == 3
    assert all(word in reasons for word in ("is a link", "is encrypted", "archive of its own"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_can_ask_for_any_memory_is_not_started(method: int, dicom: Make) -> None:
    with pytest.raises(DamagedFileError, match="another way than by deflate"):
        read_study(archive({"a.dcm": dicom(1.0)}, method))


def test_what_exporters_add_is_of_no_interest(dicom: Make) -> None:
    extras = ["README.TXT", "DICOMDIR", "__MACOSX/._a", "._a.dcm", "viewer/run.exe", "empty"]
    study = read_study(archive({"./a": dicom(1.0)} | dict.fromkeys(extras, b"some text") | {"folder/": b""}))
    assert (len(study), study.notes, study.failures) == (1, (), ())


def test_a_member_without_a_name_is_left_out(dicom: Make) -> None:
    data = archive({"good.dcm": dicom(1.0), "QQQQ": dicom(2.0)}).replace(b"QQQQ", bytes(4))
    assert [place.position for place in read_study(data).places] == [1.0]


def test_members_are_called_by_number_since_names_may_be_patients(dicom: Make) -> None:
    data = archive({"DOE^JANE/1.dcm": dicom(1.0)[:-9], "DOE^JANE/2.dcm": b"text", "DOE^JANE/3.dcm": dicom(5.0)})
    study = read_study(data)
    assert [place.name for place in study.places] == ["member 1", "member 3"]
    with pytest.raises(DamagedFileError, match="member 1 of bytes") as caught:
        study.read(0)
    assert "DOE" not in repr(study) + repr(study.places) + str(caught.value)


def test_a_bomb_ends_early_whatever_its_header_says() -> None:
    zeros = bytes(150_000_000)
    data = archive({"bomb.dcm": zeros})
    assert len(data) < 200_000
    started = time.monotonic()
    for lie in (False, True):
        content = data
        if lie:  # claims 1,000 bytes, in the index and before the member
            content = data.replace(struct.pack("<I", len(zeros)), struct.pack("<I", 1000))
        with pytest.raises(ReadError, match=r"becomes more|can't be decoded|not an image"):
            read_study(content)
    assert time.monotonic() - started < 5


def test_many_members_that_are_small_bombs_end_early() -> None:
    member = bytes(8_000_000)
    data = archive({f"{k}.dcm": member for k in range(20)})
    tracemalloc.start()
    try:
        with pytest.raises(UnsupportedFormatError, match="bytes becomes more than the 100,000,000"):
            read_study(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000


def test_limits_hold_for_each_member_for_all_and_for_their_number(dicom: Make) -> None:
    members = {f"{k}.dcm": dicom(float(k)) for k in range(6)}
    size = len(members["0.dcm"])
    data = archive(members)
    assert len(read_study(data, limits=Limits(files=6, file_bytes=size, total_bytes=6 * size))) == 6
    with pytest.raises(UnsupportedFormatError, match="6 members, more than the 5"):
        read_study(data, limits=Limits(files=5))
    with pytest.raises(UnsupportedFormatError, match="bytes becomes more than"):
        read_study(data, limits=Limits(total_bytes=6 * size - 1))
    with pytest.raises(DamagedFileError, match="member 1 of bytes becomes more than"):
        read_study(data, limits=Limits(file_bytes=size - 1))


def test_reading_slices_again_and_again_is_not_counted_as_more(dicom: Make) -> None:
    data = dicom(1.0)
    study = read_study(archive({"a.dcm": data}), limits=Limits(total_bytes=len(data)))
    for _ in range(5):
        study.read(0)


def test_an_index_of_any_size_is_refused_unread() -> None:
    entries = archive({"a": b""}).partition(b"PK\1\2")
    entry = entries[1] + entries[2].partition(b"PK\5\6")[0]
    index = entry * 200_000
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, len(index), len(entries[0]), 0)
    started = time.monotonic()
    with pytest.raises(UnsupportedFormatError, match="more members than are read"):
        read_study(entries[0] + index + end)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("share", [0.01, 0.3, 0.8, 0.99])
def test_an_archive_cut_off_is_damaged(share: float, dicom: Make) -> None:
    data = archive({f"{k}.dcm": dicom(float(k)) for k in range(6)})
    with pytest.raises(DamagedFileError, match="bytes is a ZIP file that can't be decoded"):
        read_study(data[: int(len(data) * share)])


def test_any_broken_byte_gives_a_study_or_an_error_of_ours(dicom: Make) -> None:
    rng = np.random.default_rng(3)
    whole = archive({f"{k}.dcm": dicom(float(k)) for k in range(3)})
    for _ in range(80):
        data = bytearray(whole)
        for place in rng.integers(4, len(data), 5):
            data[place] = rng.integers(256)
        try:
            study = read_study(bytes(data))
            assert study.read(0).kind == "DICOM"
        except ValueError as error:
            assert type(error).__module__ == "mriclassify._errors"


def test_an_archive_by_path_is_open_only_while_it_is_read(tmp_path: Path, dicom: Make) -> None:
    path = tmp_path / "series.zip"
    path.write_bytes(archive({"a.dcm": dicom(1.0)}))
    study = read_study(path)
    assert study.read(0).kind == "DICOM"
    if (links := Path("/proc/self/fd")).exists():
        assert path not in [link.resolve() for link in links.iterdir()]


def test_read_slice_says_what_to_use_for_an_archive(dicom: Make) -> None:
    with pytest.raises(UnsupportedFormatError, match=r"ZIP archive.*predict_study"):
        read_slice(archive({"a.dcm": dicom(1.0)}))
