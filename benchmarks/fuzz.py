"""Nothing that is fed to the reading room breaks it: mutated files of every kind become slices or errors of ours.

    python benchmarks/fuzz.py --count 20000 --seed 0

Whole JPEG, PNG, TIFF, DICOM, NIfTI, MATLAB and ZIP files, made on the spot in several variants, are mutated by bytes
(bits flipped, bytes replaced, pieces cut out, doubled, moved, taken from another file, lengths and sizes overwritten,
the end cut off) and read by `read_slice` or `read_study`. Each input may take 5 s and 1 GB; the reading happens in
processes of its own, whose address space is limited to 1 GB more than they have when they begin; where that is used up
mriclassify raises UnreadableFileError, which counts as a failure here. Every outcome must be a Slice, a Study, or an
MriClassifyError. Inputs that end otherwise are written to `--out`, and the exit status is 1.
"""

import argparse
import gzip
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import h5py
import nibabel as nib
import numpy as np
from _measuring import own_peak_megabytes
from numpy.typing import NDArray
from PIL import Image, ImageSequence
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)

from mriclassify import MriClassifyError, UnreadableFileError
from mriclassify._reading import read_slice, read_study

SECONDS = 5.0
MEGABYTES = 1000
BLOCK = 1000
"""Inputs that one process reads."""
LEAST_SLICES = 3
"""Of a study so many slices are decoded."""

Pixels = NDArray[np.uint16]


# Whole files


def slice_of(rng: np.random.Generator, side: int = 48) -> Pixels:
    """Return (side, side - 8) uint16: an ellipse with noise."""
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : (side - 8) * 1j]
    head = (rows / 0.9) ** 2 + (columns / 0.8) ** 2 < 1
    return np.where(head, rng.integers(500, 3500, head.shape), 0).astype(np.uint16)


def picture(pixels: NDArray[Any], kind: str, **options: Any) -> bytes:
    """Return a picture file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind, **options)
    return stream.getvalue()


def dicom(pixels: Pixels, syntax: str = ExplicitVRLittleEndian, *, number: int = 0, **elements: Any) -> bytes:
    """Return an MR slice."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = f"1.2.3.{number + 1}"
    dataset.ImageType, dataset.Modality = ["ORIGINAL", "PRIMARY"], "MR"
    dataset.PatientName, dataset.SeriesInstanceUID, dataset.InstanceNumber = "Nobody", "1.2.4", str(number)
    dataset.PixelSpacing = ["0.9", "0.8"]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.ImagePositionPatient = ["0", "0", str(5 * number)]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.WindowCenter, dataset.WindowWidth = "1000", "2000"
    dataset.RescaleSlope, dataset.RescaleIntercept = "2", "-100"
    if pixels.ndim == 3:
        dataset.NumberOfFrames = str(len(pixels))
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    if syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax == ExplicitVRBigEndian:
        dataset.PixelData = pixels.byteswap().tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def nifti(volume: NDArray[Any], *, version: int = 1, packed: bool = False) -> bytes:
    """Return a volume."""
    image = (nib.Nifti1Image if version == 1 else nib.Nifti2Image)(volume, np.diag([-1.0, 1, 3, 1]))
    content = bytes(image.to_bytes())
    return gzip.compress(content, mtime=0) if packed else content


def matlab(pixels: NDArray[Any], **options: Any) -> bytes:
    """Return a MATLAB v7.3 file of the figshare set's kind."""
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        file["cjdata/label"], file["cjdata/PID"] = [[2.0]], np.array([[80], [49]], np.uint16)
        file.create_dataset("cjdata/image", data=pixels.T, **options)
        file.create_dataset("cjdata/tumorMask", data=(pixels.T > 3000).astype(np.uint8), **options)
    return b"MATLAB 7.3 MAT-file, HDF5 schema 1.00 .".ljust(124) + b"\0\2IM" + stream.getvalue()[128:]


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def whole_files(rng: np.random.Generator) -> dict[str, list[bytes]]:
    """Return files of each kind, all of which can be read."""
    pixels = slice_of(rng)
    eight = (pixels >> 4).astype(np.uint8)
    colour = np.stack([eight, eight // 2, eight], axis=-1)
    volume = np.stack([slice_of(rng, 32) for _ in range(5)], axis=-1).astype(np.int16)
    pages = list(ImageSequence.all_frames(Image.fromarray(eight))) * 3
    exif = Image.Exif()
    exif[0x0112] = 6
    series = {f"a/{k}.dcm": dicom(slice_of(rng, 32), number=k) for k in range(4)}
    frames = np.stack([slice_of(rng, 32) for _ in range(3)])
    return {
        "JPEG": [
            picture(eight, "JPEG"),
            picture(colour, "JPEG", progressive=True),
            picture(eight, "JPEG", exif=exif.tobytes()),
            picture(colour, "JPEG", quality=95),
        ],
        "PNG": [
            picture(pixels, "PNG"),
            picture(eight, "PNG"),
            picture(np.dstack([colour, eight]), "PNG"),
            picture(colour, "PNG"),
        ],
        "TIFF": [
            picture(pixels, "TIFF"),
            picture(eight, "TIFF", compression="tiff_lzw"),
            picture(pixels, "TIFF", compression="tiff_deflate"),
            picture(pixels.astype(np.float32), "TIFF", compression="packbits"),
            picture(eight, "TIFF", save_all=True, append_images=pages),
            picture(colour, "TIFF", compression="jpeg"),
        ],
        "DICOM": [
            dicom(pixels),
            dicom(pixels, ImplicitVRLittleEndian),
            dicom(pixels, ExplicitVRBigEndian),
            dicom(pixels, DeflatedExplicitVRLittleEndian),
            dicom(pixels, RLELossless),
            dicom(pixels, JPEGLSLossless),
            dicom(pixels, JPEG2000Lossless),
            dicom(frames),
            dicom(frames, RLELossless, PhotometricInterpretation="MONOCHROME1"),
        ],
        "NIfTI": [
            nifti(volume),
            nifti(volume, packed=True),
            nifti(volume.astype(np.float32), version=2),
            nifti(np.stack([volume] * 2, axis=-1), packed=True),
        ],
        "MATLAB": [
            matlab(pixels.astype(np.int16), compression="gzip"),
            matlab(pixels.astype(np.int16), compression="gzip", chunks=(16, 16)),
            matlab(pixels.astype(np.float64)),
        ],
        "ZIP": [archive(series), archive(series, zipfile.ZIP_STORED), archive(series | {"readme.txt": b"hello"})],
    }


# Mutations: each takes bytes, a generator and another file, and returns bytes


Mutation = Callable[[bytearray, np.random.Generator, bytes], bytearray]

ORDERS: tuple[Literal["little"], Literal["big"]] = ("little", "big")
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 2**40, 2**63 - 1)


def place(data: bytearray, rng: np.random.Generator) -> int:
    """Return where to mutate: every second time in the first 600 bytes, where headers are."""
    most = len(data) if rng.random() < 0.5 else min(len(data), 600)
    return int(rng.integers(most))


def flip(data: bytearray, rng: np.random.Generator, _: bytes) -> bytearray:
    """Flip bits."""
    for _k in range(int(rng.integers(1, 9))):
        data[place(data, rng)] ^= 1 << int(rng.integers(8))
    return data


def replace(data: bytearray, rng: np.random.Generator, _: bytes) -> bytearray:
    """Replace bytes."""
    for _k in range(int(rng.integers(1, 17))):
        data[place(data, rng)] = int(rng.integers(256))
    return data


def truncate(data: bytearray, rng: np.random.Generator, _: bytes) -> bytearray:
    """Cut the end off."""
    return data[: int(rng.integers(len(data)))]


def remove(data: bytearray, rng: np.random.Generator, _: bytes) -> bytearray:
    """Cut a piece out."""
    start = place(data, rng)
    del data[start : start + int(rng.integers(1, 64))]
    return data


def double(data: bytearray, rng: np.random.Generator, _: bytes) -> bytearray:
    """Insert a piece of the file elsewhere."""
    start, target = place(data, rng), place(data, rng)
    data[target:target] = data[start : start + int(rng.integers(1, 256))]
    return data


def splice(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """Go on as another file does."""
    return data[: place(data, rng)] + bytearray(other[int(rng.integers(len(other))) :])


def overwrite(data: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """Write a piece of another file over one of this."""
    start, size = int(rng.integers(len(other))), int(rng.integers(1, 128))
    target = place(data, rng)
    piece = other[start : start + size]
    data[target : target + len(piece)] = piece
    return data


def resize(data: bytearray, rng: np.random.Generator, _: bytes) -> bytearray:
    """Write extreme or slightly different numbers where lengths, counts and sizes may be."""
    for _k in range(int(rng.integers(1, 4))):
        width, order = int(rng.choice([1, 2, 4, 8])), ORDERS[int(rng.integers(2))]
        start = place(data, rng)
        now = int.from_bytes(data[start : start + width], order)
        value = int(rng.choice(EXTREMES)) if rng.random() < 0.7 else now + int(rng.integers(-8, 9))
        data[start : start + width] = (value % 256**width).to_bytes(width, order)
    return data


MUTATIONS: tuple[Mutation, ...] = (flip, replace, truncate, remove, double, splice, overwrite, resize, resize)


def mutated(whole: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """Return a file with one mutation or, one time in three, up to four."""
    data = bytearray(whole)
    for _k in range(1 if rng.random() < 0.67 else int(rng.integers(2, 5))):
        mutation = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
        data = mutation(data, rng, others[int(rng.integers(len(others)))]) or bytearray(b"\0")
    return bytes(data)


def with_checksums(data: bytes) -> bytes:
    """Return a PNG file with the checksum of each chunk put right, as far as there are chunks."""
    start, parts = 8, [data[:8]]
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        if end + 4 > len(data):
            break
        parts += [data[start:end], zlib.crc32(data[start + 4 : end]).to_bytes(4, "big")]
        start = end + 4
    return b"".join([*parts, data[start:]])


def with_lines(whole: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """Return a PNG file of ours whose lines, filters and pixels, are mutated; its pixels are one chunk."""
    start = whole.index(b"IDAT") + 4
    end = start + int.from_bytes(whole[start - 8 : start - 4], "big")
    lines = zlib.compress(mutated(zlib.decompress(whole[start:end]), others, rng))
    return with_checksums(whole[: start - 8] + len(lines).to_bytes(4, "big") + b"IDAT" + lines + whole[end:])


def inside(whole: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """Return a PNG, gzip or ZIP file that is mutated behind its checksums."""
    if whole.startswith(b"\x89PNG"):
        return with_lines(whole, others, rng) if rng.random() < 0.5 else with_checksums(mutated(whole, others, rng))
    if whole.startswith(b"\x1f\x8b"):
        return gzip.compress(mutated(gzip.decompress(whole), others, rng), mtime=0)
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    chosen = str(rng.choice(list(members)))
    members[chosen] = mutated(members[chosen], others, rng)
    return archive(members)


def inputs(seed: int, start: int, count: int) -> Iterator[tuple[int, str, bytes]]:
    """Yield (number, kind, content); a number always has the same content, whatever else is read."""
    files = whole_files(np.random.default_rng(seed))
    kinds, everything = list(files), [one for some in files.values() for one in some]
    for number in range(start, start + count):
        rng = np.random.default_rng([seed, number])
        kind = kinds[number % len(kinds)]
        whole = files[kind][int(rng.integers(len(files[kind])))]
        has_checksums = whole.startswith((b"\x89PNG", b"\x1f\x8b", b"PK"))
        change = inside if has_checksums and rng.random() < 0.6 else mutated
        yield number, kind, change(whole, everything if rng.random() < 0.3 else files[kind], rng)


# Reading


@dataclass
class Tally:
    """What came of inputs."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    slowest: float = 0.0
    slowest_input: int = -1
    peak_megabytes: float = 0.0

    def add(self, other: "Tally") -> None:
        """Count what came of others."""
        self.outcomes.update(other.outcomes)
        self.failures += other.failures
        if other.slowest > self.slowest:
            self.slowest, self.slowest_input = other.slowest, other.slowest_input
        self.peak_megabytes = max(self.peak_megabytes, other.peak_megabytes)


def outcome(number: int, content: bytes) -> str:
    """Read as a slice or as a study, and return what came of it; anything but an answer or our error is raised."""
    try:
        if number % 12 < 6 and not content.startswith(b"PK"):
            return type(read_slice(content)).__name__
        study = read_study(content)
        for k in range(min(len(study), LEAST_SLICES)):
            study.read(k)
    except UnreadableFileError:
        raise  # of bytes it can only mean that they took too much memory
    except MriClassifyError as error:
        str(error).encode()  # what can't be shown is no message
        return type(error).__name__
    return "Study"


def read_block(seed: int, start: int, count: int, progress: Path) -> Tally:
    """Read inputs in this process, noting in `progress` which one it is at."""
    tally = Tally()
    warnings.simplefilter("error")  # one that gets out of the room is a failure too
    with progress.open("w") as file:
        for number, kind, content in inputs(seed, start, count):
            file.seek(0)
            file.write(f"{number:12}")
            file.flush()
            began = time.perf_counter()
            try:
                found = outcome(number, content)
            except BaseException:  # noqa: BLE001 - whatever it is, it is what this program looks for
                tally.failures.append({"number": number, "kind": kind, "why": traceback.format_exc()})
                found = "FAILURE"
            seconds = time.perf_counter() - began
            if seconds > SECONDS:
                tally.failures.append({"number": number, "kind": kind, "why": f"took {seconds:.1f} s"})
            if seconds > tally.slowest:
                tally.slowest, tally.slowest_input = seconds, number
            tally.outcomes[f"{kind}: {found}"] += 1
    tally.peak_megabytes = own_peak_megabytes()
    return tally


def limit_memory() -> None:
    """Let this process have MEGABYTES more of address space than it has now, where the system can say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    most = pages * resource.getpagesize() + MEGABYTES * 10**6
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def worker(seed: int, start: int, count: int, progress: Path) -> int:
    """Read a block and print what came of it as JSON."""
    for warm in whole_files(np.random.default_rng(0)).values():
        for content in warm:
            read_study(content).read(0)  # imports what is imported late
    limit_memory()
    print(json.dumps(vars(read_block(seed, start, count, progress))))
    return 0


# Processes


def watched(seed: int, start: int, count: int, notes: Path) -> Tally:
    """Read inputs in processes of their own; one that hangs or dies costs one input, and the rest go on."""
    total = Tally()
    end = start + count
    while start < end:
        progress = notes / f"progress-{os.getpid()}-{threading.get_ident()}"
        arguments = [str(value) for value in (seed, start, end - start)]
        command = [sys.executable, __file__, "--worker", *arguments, str(progress)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said, errors, why = _wait(process, progress)
        at = int(progress.read_text() or -1) if progress.exists() else -1
        progress.unlink(missing_ok=True)
        if at < 0:
            raise RuntimeError(f"no input was read: {errors}")
        if process.returncode == 0:
            values = json.loads(said.splitlines()[-1])
            total.add(Tally(**{**values, "outcomes": Counter(values["outcomes"])}))
            return total
        total.failures.append({"number": at, "kind": "", "why": why or f"died, {process.returncode}: {errors[-2000:]}"})
        if at > start:  # what the dead process had read before is read again, by one that may tell
            total.add(watched(seed, start, at - start, notes))
        start = at + 1
    return total


def _wait(process: "subprocess.Popen[str]", progress: Path) -> tuple[str, str, str]:
    """Return what a process printed and why it was ended, if it was: it stood at one input for too long."""
    at, since = "", time.monotonic()
    while True:
        try:
            said, errors = process.communicate(timeout=1)
            return said, errors, ""
        except subprocess.TimeoutExpired:
            now = progress.read_text() if progress.exists() else ""
            if now != at:
                at, since = now, time.monotonic()
            elif time.monotonic() - since > (4 * SECONDS if at else 60):
                process.kill()
                said, errors = process.communicate()
                return said, errors, f"hung for more than {4 * SECONDS:.0f} s"


def fuzz(count: int, *, seed: int, jobs: int, out: Path) -> Tally:
    """Read `count` mutated files, `jobs` blocks at once; write those that failed to `out`."""
    total = Tally()
    starts = iter(range(0, count, BLOCK))
    lock = threading.Lock()

    def work(notes: Path) -> None:
        while True:
            with lock:
                start = next(starts, None)
            if start is None:
                return
            tally = watched(seed, start, min(BLOCK, count - start), notes)
            with lock:
                total.add(tally)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(work, Path(folder)) for _ in range(jobs)]:
            done.result()
    for failure in total.failures:
        out.mkdir(parents=True, exist_ok=True)
        _, kind, content = next(inputs(seed, failure["number"], 1))
        (out / f"{failure['number']}.{kind.lower()}").write_bytes(content)
        (out / f"{failure['number']}.txt").write_text(failure["why"])
    return total


def show(total: Tally, count: int, seconds: float, out: Path) -> None:
    """Print the figures."""
    for name, number in sorted(total.outcomes.items()):
        print(f"{name:40} {number:7,}")
    print(f"{count:,} inputs in {seconds:.0f} s; the slowest, {total.slowest_input}, took {total.slowest:.2f} s")
    print(f"peak memory of a process: {total.peak_megabytes:.0f} MB")
    print(f"{len(total.failures)} failures" + (f": see {out}" if total.failures else ""))


def main() -> int:
    """Fuzz and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--out", type=Path, default=Path("fuzz-failures"), help="where inputs that failed are written")
    parser.add_argument("--worker", nargs=4, metavar=("SEED", "START", "COUNT", "PROGRESS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        seed, start, count = (int(value) for value in options.worker[:3])
        return worker(seed, start, count, Path(options.worker[3]))
    began = time.perf_counter()
    total = fuzz(options.count, seed=options.seed, jobs=options.jobs, out=options.out)
    show(total, options.count, time.perf_counter() - began, options.out)
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
