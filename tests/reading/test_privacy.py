"""Nothing of the patient gets out: not in what is returned, said, warned of or logged, of good files or of bad."""

import io
import logging
import traceback
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mriclassify._errors import MriClassifyError
from mriclassify._reading import read_slice, read_study

TEXTS = {
    "PatientName": "Zqxname^Jane",
    "PatientID": "Zqxid",
    "PatientBirthDate": "19410213",
    "PatientSex": "O",
    "PatientAddress": "Zqxaddress",
    "OtherPatientIDs": "Zqxother",
    "PatientComments": "Zqxcomments",
    "AdditionalPatientHistory": "Zqxhistory",
    "StudyDescription": "Zqxstudy",
    "SeriesDescription": "Zqxseries",
    "ProtocolName": "Zqxprotocol",
    "InstitutionName": "Zqxinstitution",
    "StationName": "Zqxstation",
    "ReferringPhysicianName": "Zqxphysician",
    "OperatorsName": "Zqxoperator",
    "AccessionNumber": "Zqxaccession",
    "StudyID": "Zqxstudyid",
    "StudyDate": "19420314",
    "StudyTime": "113344.5566",
    "ImageComments": "Zqximage",
    "RescaleType": "ZQXRESCALE",
    "WindowCenterWidthExplanation": "Zqxwindow",
    "StudyInstanceUID": "1.2.99887766.1",
    "SeriesInstanceUID": "1.2.99887766.2",
    "SOPInstanceUID": "1.2.99887766.3",
    "FrameOfReferenceUID": "1.2.99887766.4",
}
PLANTED = ["Zqx", "ZQX", "19410213", "19420314", "113344", "99887766"]

READ = [
    "ImageType",
    "Modality",
    "ConversionType",
    "BurnedInAnnotation",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "InstanceNumber",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "RescaleSlope",
    "RescaleIntercept",
]
"""Text elements that are parsed: a name may stand in these by mistake, or by a broken byte."""


def planted() -> Dataset:
    dataset = pydicom.dcmread(str(get_testdata_file("MR_small.dcm", download=False)))
    for keyword, text in TEXTS.items():
        setattr(dataset, keyword, text)
    block = dataset.private_block(0x0029, "Zqxcreator", create=True)
    block.add_new(1, "LO", "Zqxprivate")
    item = Dataset()
    item.CodeMeaning, item.CodeValue, item.PersonName = "Zqxmeaning", "Zqxcode", "Zqxperson"
    dataset.RequestAttributesSequence = Sequence([item])
    dataset.preamble = b"Zqxpreamble".ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = "Zqxtitle"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.99887766.3"
    return dataset


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are not valid, which is the point
        pydicom.dcmwrite(stream, dataset)
    return stream.getvalue()


def spoilt(keyword: str) -> Dataset:
    dataset = planted()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        element = pydicom.DataElement(tag_for_keyword(keyword) or 0, "LO", "Zqxspoilt")
    dataset[keyword] = element
    dataset[keyword].VR = dictionary_VR(keyword)
    return dataset


def every_variant() -> dict[str, bytes]:
    whole = encoded(planted())
    rng = np.random.default_rng(0)
    variants = {
        "good": whole,
        "implicit": encoded(planted(), ImplicitVRLittleEndian),
        "deflated": encoded(planted(), DeflatedExplicitVRLittleEndian),
        "no pixels": whole[: whole.index(b"\xe0\x7f\x10\0")],
    }
    variants |= {f"cut at {cut}": whole[:cut] for cut in rng.integers(200, len(whole), 8)}
    for k in range(25):
        data = bytearray(whole)
        for place in rng.integers(132, whole.index(b"\xe0\x7f\x10\0"), 6):
            data[place] = rng.integers(256)
        variants[f"mutated {k}"] = bytes(data)
    # Same length, so that all else stays whole.
    variants["UID of the syntax"] = whole.replace(b"1.2.840.10008.1.2.1\0", b"Zqxsyntax.0123456789")
    return variants


def said_of(source: Any) -> list[str]:
    """Everything that anybody gets to see of reading `source`."""
    said = []
    for read in (read_slice, read_study):
        try:
            result: Any = read(source)
            said.append(repr(result))
            if read is read_study:
                said += [repr(result.places), repr(result.notes), repr(result.failures), repr(result.read(0))]
        except MriClassifyError as error:
            said.append("".join(traceback.format_exception(error)))
    return said


def check(said: list[str], caplog: pytest.LogCaptureFixture, raised: list[warnings.WarningMessage]) -> None:
    heard = "\n".join([*said, caplog.text, *(str(warning.message) for warning in raised)])
    assert said
    assert [word for word in PLANTED if word in heard] == []


def test_of_good_and_of_damaged_files(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        for data in every_variant().values():
            said += said_of(data)
    check(said, caplog, raised)


@pytest.mark.parametrize("keyword", READ)
def test_where_a_name_stands_in_an_element_that_is_read(keyword: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    data = encoded(spoilt(keyword))
    assert b"Zqxspoilt" in data
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        said = said_of(data)
    check(said, caplog, raised)


def test_of_a_folder_and_a_zip_with_several_series(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for k, data in enumerate(every_variant().values()):
            (tmp_path / f"{k}.dcm").write_bytes(data)
            file.writestr(f"Zqxname^Jane/Zqxstudy/{k}.dcm", data)
        other = planted()
        other.SeriesInstanceUID = "1.2.99887766.9"
        (tmp_path / "other.dcm").write_bytes(encoded(other))
        file.writestr("Zqxother.dcm", encoded(other))
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        said = said_of(tmp_path) + said_of(archive.getvalue())
    assert "series" in "".join(said)
    check(said, caplog, raised)
