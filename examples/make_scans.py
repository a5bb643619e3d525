"""Make the pictures in `examples/scans` again from the public files they were cut from.

Sources: three installed wheels (matplotlib, nibabel, nilearn) and Debian's package `mricron-data`, which
needs no installing:

    pip install -e ".[test]"
    apt-get download mricron-data && dpkg -x mricron-data_*.deb mricron
    python examples/make_scans.py --colin27 mricron/usr/share/mricron/templates/ch2.nii.gz

Every source is compared with its sha256 first. Where each came from, and under which licence, is written in
`examples/scans/README.md`. Made with nibabel 5.4.2, Pillow 13.0.0 and pydicom 3.0.2; another Pillow may
encode the JPEG file to other bytes.
"""

import argparse
import gzip
import hashlib
from importlib.metadata import distribution
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

HERE = Path(__file__).parent
COLIN27 = Path("/usr/share/mricron/templates/ch2.nii.gz")
WHEELS = {
    "matplotlib": "matplotlib/mpl-data/sample_data/s1045.ima.gz",
    "nibabel": "nibabel/tests/data/example4d.nii.gz",
    "nilearn": "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
}
SHA256 = {
    "colin27": "a009051127f64dc3dd554d5f5b589870ea72106d9642c21b4e7093e478cfc309",
    "matplotlib": "32b424d64f62b7e71cb24d29fd53938ad5664d608055a67ab2b2af4369f8b89e",
    "nibabel": "42097dfbab9d2a036b41ae5c97a359591cf2cf5c3f8dc6ca6455c0b8a7f22696",
    "nilearn": "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6",
}

Grey = npt.NDArray[np.generic]
"""One slice, (height, width), in the units of its source."""


def main() -> None:
    arguments = parse_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path in make_scans(out=arguments.out, colin27=arguments.colin27):
        print(f"{path.stat().st_size:8,d} bytes  {path}")


def parse_arguments() -> argparse.Namespace:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--colin27", type=Path, default=COLIN27, help="ch2.nii.gz of Debian's mricron-data")
    parser.add_argument("--out", type=Path, default=HERE / "scans", help="folder to write to")
    return parser.parse_args()


def make_scans(*, out: Path, colin27: Path) -> list[Path]:
    """Write the six example scans into the folder `out`; return their paths."""
    head = read_volume(verified("colin27", colin27))
    average = read_volume(verified("nilearn", in_wheel("nilearn")))
    echo_planar = read_volume(verified("nibabel", in_wheel("nibabel")))
    sagittal = read_raw_slice(verified("matplotlib", in_wheel("matplotlib")))
    return [
        save_picture(axial(head, 88), out / "colin27_ventricles.jpg"),
        save_picture(axial(head, 42), out / "colin27_pituitary.png"),
        save_slab(head, out / "colin27_slab.nii.gz"),
        save_dicom(axial(average, 78), out / "mni152_ventricles.dcm", position=average.affine[2, 3] + 78),
        save_picture(sagittal, out / "sagittal_16bit.png"),
        save_picture(eight_bits(axial(echo_planar, 12)), out / "echo_planar.png"),
    ]


def in_wheel(name: str) -> Path:
    # Asked of the metadata, because importing nilearn takes seconds.
    return Path(str(distribution(name).locate_file(WHEELS[name])))


def verified(name: str, path: Path) -> Path:
    """Return `path` if its bytes are those the examples were made from."""
    if not path.is_file():
        raise SystemExit(f"{name}: expected a file at {path}, found none; see the top of {__file__}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256[name]:
        raise SystemExit(f"{name}: {path} has sha256 {found}, expected {SHA256[name]}: another version?")
    return path


def read_volume(path: Path) -> nib.Nifti1Image:
    """Return a volume (the first of a series) with axes to the patient's right, front and top."""
    volume = nib.as_closest_canonical(nib.load(path))
    return volume.slicer[..., 0] if volume.ndim == 4 else volume


def axial(volume: nib.Nifti1Image, index: int) -> Grey:
    """Return slice `index` as radiologists look at it: front at the top, the patient's right on the left."""
    slice_ = np.asarray(volume.dataobj)[:, :, index]
    return np.ascontiguousarray(slice_[::-1, ::-1].T)


def read_raw_slice(path: Path) -> Grey:
    """Return matplotlib's slice: 256 rows of 256 unsigned 16-bit numbers, little-endian, no header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), "<u2").reshape(256, 256)


def eight_bits(pixels: Grey) -> Grey:
    """Return pixels scaled linearly so that the largest value becomes 255."""
    scaled: Grey = np.round(pixels * (255 / pixels.max())).astype(np.uint8)
    return scaled


def save_picture(pixels: Grey, path: Path) -> Path:
    """Save 8-bit or 16-bit pixels unchanged; JPEG at quality 95."""
    Image.fromarray(pixels).save(path, **({"quality": 95} if path.suffix == ".jpg" else {"optimize": True}))
    return path


def save_slab(volume: nib.Nifti1Image, path: Path) -> Path:
    """Save eight axial slices, 9 mm apart, from the skull base to above the ventricles."""
    slab = volume.slicer[:, :, 36:108:9]
    # A new header: that of the source names a folder of its maker's computer.
    nib.save(nib.Nifti1Image(np.asarray(slab.dataobj), slab.affine), path)
    return path


def save_dicom(pixels: Grey, path: Path, *, position: float) -> Path:
    """Save an axial slice as an MR image of nobody: made-up name and UIDs, 1 mm pixels, 12 of 16 bits used.

    Args:
        pixels: (height, width), 0 to 255.
        path: file to write.
        position: height of the slice above the origin, in mm.
    """
    scan = Dataset()
    scan.file_meta = FileMetaDataset()
    scan.file_meta.MediaStorageSOPClassUID = MRImageStorage
    scan.file_meta.MediaStorageSOPInstanceUID = made_up_uid("instance")
    scan.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    scan.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    describe(scan, position)
    scan.Rows, scan.Columns = pixels.shape
    scan.SamplesPerPixel, scan.PhotometricInterpretation = 1, "MONOCHROME2"
    scan.BitsAllocated, scan.BitsStored, scan.HighBit, scan.PixelRepresentation = 16, 12, 11, 0
    scan.WindowCenter, scan.WindowWidth = 128, 256
    scan.PixelData = pixels.astype("<u2").tobytes()
    scan.save_as(path, enforce_file_format=True)
    return path


def describe(scan: Dataset, position: float) -> None:
    """Fill in what an MR image must tell about its patient, study, series and place."""
    scan.SOPClassUID, scan.SOPInstanceUID = MRImageStorage, made_up_uid("instance")
    scan.StudyInstanceUID, scan.SeriesInstanceUID = made_up_uid("study"), made_up_uid("series")
    scan.FrameOfReferenceUID, scan.PositionReferenceIndicator = made_up_uid("frame"), ""
    scan.PatientName, scan.PatientID = "EXAMPLE^TEMPLATE", "EXAMPLE"
    scan.PatientBirthDate = scan.PatientSex = ""
    scan.StudyDate = scan.StudyTime = scan.StudyID = scan.AccessionNumber = scan.ReferringPhysicianName = ""
    scan.SeriesNumber, scan.InstanceNumber, scan.Laterality = 1, 1, ""
    scan.Modality, scan.BodyPartExamined, scan.Manufacturer = "MR", "BRAIN", ""
    scan.SeriesDescription = "MNI ICBM152 T1 template, average of 152 people"
    scan.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    # "RM" is DICOM's research mode: an average of many scans has no sequence of its own.
    scan.ScanningSequence, scan.SequenceVariant, scan.ScanOptions = "RM", "NONE", ""
    scan.MRAcquisitionType = "3D"
    scan.EchoTime = scan.RepetitionTime = scan.EchoTrainLength = None
    scan.SliceThickness, scan.PixelSpacing = 1, [1, 1]
    scan.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    scan.ImagePositionPatient = [-98, -98, float(position)]
    scan.PatientIdentityRemoved, scan.BurnedInAnnotation = "YES", "NO"


def made_up_uid(part: str) -> str:
    """Return the same UID on every run, so that making the file again changes nothing."""
    return str(generate_uid(entropy_srcs=["mriclassify example", part]))


if __name__ == "__main__":
    main()
