"""Make the pictures of the page "Formats and series" from `examples/scans` only.

    pip install -e ".[plot]"
    python docs/make_pictures.py

Each picture shows what a common shortcut makes of a scan beside what mriclassify makes of the same file. Files that
are not among the examples are written here from one of them, in memory, and checked to hold the same slice.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread

from mriclassify import Classifier, Preprocessing
from mriclassify._reading import Slice, read_slice

ROOT = Path(__file__).resolve().parents[1]
SCANS = ROOT / "examples" / "scans"
DICOM = SCANS / "mni152_ventricles.dcm"
SLAB = SCANS / "colin27_slab.nii.gz"
COLOURS = 32
"""Greys and letters need no more, and the files stay small."""
LARGEST_SIDE = 1000
"""Pixels."""

Picture = NDArray[np.generic]
Panel = tuple[str, Picture, tuple[float, float]]
"""Title, (height, width) values, and the two that are drawn black and white."""


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description="Make the pictures of the page 'Formats and series'.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="folder to write to")
    make_pictures(parser.parse_args().out)


def make_pictures(folder: Path) -> None:
    """Write every picture into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for make in PICTURES:
        _draw(make(), folder / f"{make.__name__}.png")
    _draw_strip(folder / "strip.png")


def sixteen_bit() -> list[Panel]:
    """Return a 16-bit PNG through Pillow's conversion, and here."""
    path = SCANS / "sagittal_16bit.png"
    return [
        ('Image.open(path).convert("L")', np.asarray(Image.open(path).convert("L")), (0, 255)),
        _here(read_slice(path)),
    ]


def monochrome1() -> list[Panel]:
    """Return a file in which zero is white, its stored numbers and here."""
    dataset = dcmread(DICOM)
    stored = dataset.pixel_array
    inverted = _with_pixels(dataset, stored.max() - stored)
    inverted.PhotometricInterpretation = "MONOCHROME1"
    scan = _read(inverted)
    _require_same(scan.pixels, read_slice(DICOM).pixels)
    return [("pixel_array, as it is", inverted.pixel_array, _extremes(inverted.pixel_array)), _here(scan)]


def twelve_bit() -> list[Panel]:
    """Return 12 bits cast to 8, padding taken for tissue, and here."""
    dataset = dcmread(DICOM)
    values = dataset.pixel_array.astype(np.int16) * 16
    rows, columns = np.indices(values.shape) - (np.array(values.shape) / 2)[:, None, None]
    outside = np.hypot(rows, columns) > values.shape[0] / 2
    padded = _with_pixels(dataset, np.where(outside, -2000, values).astype(np.int16))
    padded.PixelRepresentation, padded.PixelPaddingValue = 1, -2000
    padded["PixelPaddingValue"].VR = "SS"
    stored = padded.pixel_array
    scan = _read(padded)
    _require_same(scan.pixels[~outside], values[~outside])
    return [
        ('pixel_array.astype("uint8")', values.astype(np.uint8), (0, 255)),
        ("padding taken for values", stored, _extremes(stored)),
        _here(scan),
    ]


def rescale() -> list[Panel]:
    """Return two slices that were stored with slopes of their own: the stored numbers, and here."""
    dataset = dcmread(DICOM)
    originals = [read_slice(SLAB, index=index).pixels for index in (4, 6)]
    stored, scans = [], []
    for original, slope in zip(originals, (0.5, 0.2), strict=True):
        one = _with_pixels(dataset, np.round(original / slope).astype(np.uint16))
        one.RescaleSlope, one.RescaleIntercept = slope, 0
        stored.append(one.pixel_array)
        scans.append(_read(one))
        _require_same(scans[-1].pixels, original)
    common = 0.0, float(max(numbers.max() for numbers in stored))
    highest = 0.0, float(max(scan.pixels.max() for scan in scans))
    return [
        ("stored, slope 0.5", stored[0], common),
        ("stored, slope 0.2", stored[1], common),
        ("mriclassify, values", scans[0].pixels, highest),
        ("mriclassify, values", scans[1].pixels, highest),
    ]


def window() -> list[Panel]:
    """Return a file's own window, the range from minimum to maximum, and here."""
    dataset = dcmread(DICOM)
    values = dataset.pixel_array.copy()
    values[60:64, 60:64] = 2000
    spotted = _with_pixels(dataset, values)
    spotted.WindowCenter, spotted.WindowWidth = 150, 60
    scan = _read(spotted)
    if scan.window is None:
        raise ValueError("the window that was written is not read")
    return [
        ("the file's window", scan.pixels, scan.window),
        ("minimum to maximum", scan.pixels, _extremes(scan.pixels)),
        _here(scan),
    ]


def nifti() -> list[Panel]:
    """Return one volume in two ways of storing it: the array as it is stored, and here."""
    original = nibabel.load(SLAB)
    flipped = original.as_reoriented(np.array([[0, -1], [1, 1], [2, 1]]))
    panels, scans = [], []
    for image in (original, flipped):
        codes = "".join(nibabel.aff2axcodes(image.affine))
        plane = np.asarray(image.dataobj)[:, :, 3]
        panels.append((f"stored {codes}, array[:, :, 3]", plane, _extremes(plane)))
        scans.append(read_slice(image.to_bytes(), axis=2, index=3))
    _require_same(scans[0].pixels, scans[1].pixels)
    return [*panels, *(_here(scan) for scan in scans)]


PICTURES: tuple[Callable[[], list[Panel]], ...] = (sixteen_bit, monochrome1, twelve_bit, rescale, window, nifti)


def _here(scan: Slice) -> Panel:
    """Return the slice in the default window, all of which the network sees; the frame is not cut yet."""
    return "mriclassify", Preprocessing().windowed(scan.pixels), (0.0, 1.5)


def _with_pixels(dataset: Dataset, pixels: NDArray[np.integer]) -> Dataset:
    """Return a copy of a 16-bit data set with other pixels."""
    copy = dcmread(io.BytesIO(_bytes(dataset)))
    copy.Rows, copy.Columns = pixels.shape
    copy.BitsStored, copy.HighBit = 16, 15
    copy.PixelData = pixels.astype("<i2" if pixels.dtype.kind == "i" else "<u2").tobytes()
    return copy


def _bytes(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def _read(dataset: Dataset) -> Slice:
    return read_slice(_bytes(dataset))


def _require_same(one: Picture, other: Picture) -> None:
    """Raise unless the two are one slice: a picture must not compare different ones."""
    if not np.allclose(np.asarray(one, np.float64), np.asarray(other, np.float64), atol=0.3):
        raise ValueError("the file that was written is not read as the slice it was made from")


def _extremes(values: Picture) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _draw(panels: Sequence[Panel], path: Path) -> None:
    figure = Figure(figsize=(2.1 * len(panels), 2.6), layout="constrained")
    places = figure.subplots(1, len(panels), squeeze=False).ravel()
    for place, (title, values, (black, white)) in zip(places, panels, strict=True):
        place.imshow(values, cmap="gray", vmin=black, vmax=white)
        place.set_title(title, fontsize=8, family="monospace" if "(" in title or "[" in title else None)
        place.axis("off")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=95)
    _save_small(stream, path)


def _draw_strip(path: Path) -> None:
    stream = path.with_suffix(".large.png")
    Classifier.from_pretrained(device="cpu").predict_study(SLAB).save_strip(stream)
    _save_small(io.BytesIO(stream.read_bytes()), path)
    stream.unlink()


def _save_small(stream: io.BytesIO, path: Path) -> None:
    image = Image.open(stream).convert("RGB")
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
