"""DICOM files made on the spot, as bytes."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

AXIAL = ("1", "0", "0", "0", "1", "0")
SAGITTAL = ("0", "1", "0", "0", "0", "-1")
CORONAL = ("1", "0", "0", "0", "0", "-1")


@pytest.fixture(scope="session")
def slice_pixels() -> NDArray[np.int16]:
    """(20, 24) int16."""
    return np.random.default_rng(0).integers(0, 3000, (20, 24)).astype(np.int16)


@pytest.fixture(scope="session")
def dicom(slice_pixels: NDArray[np.int16]) -> Callable[..., bytes]:
    """Return a function that makes an MR slice; position in millimetres along z, or a corner (x, y, z)."""

    def make(
        position: float | tuple[float, float, float] | None = 0.0,
        *,
        pixels: NDArray[Any] | None = None,
        orientation: tuple[str, ...] | None = AXIAL,
        series: int = 1,
        syntax: str = ExplicitVRLittleEndian,
        **elements: Any,
    ) -> bytes:
        values = slice_pixels if pixels is None else pixels
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        dataset.SOPClassUID = MRImageStorage
        dataset.Modality = "MR"
        dataset.SeriesInstanceUID = f"1.2.826.777{series}"
        if orientation is not None:
            dataset.ImageOrientationPatient = list(orientation)
        if position is not None:
            corner = position if isinstance(position, tuple) else (0, 0, position)
            dataset.ImagePositionPatient = [str(value) for value in corner]
        dataset.Rows, dataset.Columns = values.shape[-2:]
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 8 * values.itemsize
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(values.dtype.kind == "i")
        dataset.PixelData = values.tobytes()
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        dataset["PixelData"].VR = "OW"
        stream = io.BytesIO()
        pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
        return stream.getvalue()

    return make
