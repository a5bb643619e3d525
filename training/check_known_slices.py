"""Check the provenance table and the perceptual hashes on the real sets.

    python training/check_known_slices.py --data ../shared/data [--altered 3064]

Prints how many copies of figshare slices are found in nickparvar and sartaj (the truth is `provenance/*.csv`), how many
other files are taken for one, how many slices that were turned, scaled and shifted are found, what a change of format,
size or contrast does to hash and similarity, how far apart hashes lie, and what it all costs. The exit status is 1
where a required figure is missed.
"""

import argparse
import csv
import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from mriclassify._likeness._hashing import NEAR_RADIUS, SAME_RADIUS, cosines, hash_slice, orientations
from mriclassify._likeness._known import LARGEST, QUERY, TABLE, _direct, _table, find, known_slice
from mriclassify._reading import list_scans, read_slice

SETS = ("nickparvar", "sartaj")
OTHERS = ("external_lgg", "not_brain_mri", "dicom_t1")
REQUIRED = 0.999
FILLS = ("black", "edge", "reflect")
SLICES = 3064


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--altered", type=int, default=SLICES, help="slices to alter in each of three ways; 0: none")
    options = parser.parse_args()
    cost()
    originals = [read_slice(options.data / f"figshare/images/{n}.jpg").pixels for n in range(1, SLICES + 1)]
    good = copies(options.data, originals)
    between(originals)
    changed(originals)
    for number, fill in enumerate(FILLS if options.altered else ()):
        altered(originals, fill, options.altered, np.random.default_rng(100 + number))
    print("all required figures are met" if good else "A REQUIRED FIGURE IS MISSED")
    sys.exit(not good)


def cost() -> None:
    """Print the size of the table, and the time until the first answer of a fresh process."""
    program = (
        "import time, numpy as np; from mriclassify._likeness import _known as k; a = time.perf_counter(); k._table();"
        "b = time.perf_counter(); k._grid(); print(f'{b - a:.3f} s to load the table,',"
        "f'{time.perf_counter() - b:.3f} s for the grid of poses, when first needed')"
    )
    print(f"table: {TABLE.stat().st_size:,} bytes", flush=True)
    subprocess.run([sys.executable, "-c", program], check=True)


def rows(data: Path) -> Iterator[tuple[str, Path, int]]:
    """Yield the set, the file and the number of its figshare slice (0: none) of every file of the other sets."""
    for name in SETS:
        with (data / "provenance" / f"{name}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                yield name, data / name / row["path"], int(row["figshare_image"] or 0)
    for name in OTHERS:
        for path in list_scans(data / name):
            if not path.name.endswith("_mask.png"):
                yield name, path, 0


def copies(data: Path, originals: list[np.ndarray]) -> bool:
    """Look for every file, print how it went, and return whether the required figures are met."""
    hashes = np.stack([hash_slice(pixels) for pixels in originals])
    found: dict[str, list[bool]] = {name: [] for name in SETS}
    images: list[bool] = []
    false: list[str] = []
    direct: dict[bool, list[float]] = {True: [], False: []}
    taken: dict[bool, list[float]] = {True: [], False: []}
    bits: list[int] = []
    nearest: list[int] = []
    for name, path, image in rows(data):
        pixels = read_slice(path).pixels
        begin = time.perf_counter()
        match = find(pixels)
        taken[bool(image)].append(time.perf_counter() - begin)
        direct[bool(image)].append(_direct(cosines(pixels, QUERY)).similarity)
        turned = orientations(hash_slice(pixels)[None])[:, 0]
        if image:
            right = match is not None and known_slice(match.image).patient == known_slice(image).patient
            found[name].append(right)
            images.append(match is not None and match.image == image)
            bits.append(int(_distance(turned, hashes[image - 1]).min()))
            if not right:
                print(f"  missed: {path}, which is {image}: {match}")
        else:
            nearest.append(int(min(_distance(one, hashes).min() for one in turned)))
            if match is not None:
                false.append(f"{path}: {match}")
    for name in SETS:
        print(f"{name}: {sum(found[name])} of {len(found[name])} copies found with the right patient")
    others = len(direct[False])
    print(f"right slice: {sum(images)} of {len(images)}; other files matched falsely: {len(false)} of {others}")
    print(*(f"  {line}\n" for line in false), sep="", end="")
    print(f"direct similarity: copies {min(direct[True]):.4f} or more; other files {max(direct[False]):.4f} or less")
    for known in (True, False):
        what = "a copy" if known else "another file"
        milliseconds = np.array(taken[known]) * 1000
        print(f"time of {what}: {milliseconds.mean():.1f} ms, 99 % within {np.percentile(milliseconds, 99):.1f} ms")
    print(f"bits between copy and original: {np.percentile(bits, [50, 99, 100])} (median, 99 %, most)")
    print(f"bits from another file to the nearest of the {SLICES}: {min(nearest)} or more")
    return all(np.mean(found[name]) >= REQUIRED for name in SETS) and not false and TABLE.stat().st_size <= LARGEST


def between(originals: list[np.ndarray]) -> None:
    """Print how near different figshare slices are to each other."""
    hashes = np.stack([hash_slice(pixels) for pixels in originals])
    patients = np.array([known_slice(n).patient for n in range(1, len(hashes) + 1)])
    pairs = [(_distance(hashes[i + 1 :], hashes[i]), patients[i + 1 :] == patients[i]) for i in range(len(hashes) - 1)]
    bits, is_same = (np.concatenate(part) for part in zip(*pairs, strict=True))
    same, other = bits[is_same], bits[~is_same]
    print(f"pairs of different slices of one patient: nearest {same.min()} bits; of two patients: {other.min()} bits")
    for radius in (SAME_RADIUS, NEAR_RADIUS):
        print(f"  within {radius} bits: {(same <= radius).sum()} of one patient, {(other <= radius).sum()} of two")
    weighted = _table().weighted
    similarity = weighted @ weighted.T
    np.fill_diagonal(similarity, -1)
    is_same_patient = patients[:, None] == patients[None, :]
    nearest = similarity[is_same_patient].max(), similarity[~is_same_patient].max()
    print(f"direct similarity of different slices: of one patient {nearest[0]:.4f} or less, of two {nearest[1]:.4f}")


def _distance(hashes: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Bits in which each of (n, 4) differs from (4,), or one (4,) from each."""
    return np.bitwise_count(hashes ^ other).sum(axis=-1, dtype=np.int64)


def _resized(side: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.asarray(Image.fromarray(x).resize((side, side), Image.Resampling.BICUBIC))


def _jpeg(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(pixels: np.ndarray) -> np.ndarray:
        stream = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(stream, "JPEG", quality=quality)
        return np.asarray(Image.open(stream), np.float32)

    return change


def _stretched(pixels: np.ndarray) -> np.ndarray:
    low, high = np.percentile(pixels, (1, 99))
    return np.clip((pixels - low) / max(high - low, 1) * 255, 0, 255)


def _gamma(power: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: 255 * (x / 255) ** power


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "resized to 512": _resized(512),
    "resized to 128": _resized(128),
    "resized to 64": _resized(64),
    "JPEG 75": _jpeg(75),
    "JPEG 50": _jpeg(50),
    "stretched, 1 % clipped": _stretched,
    "gamma 0.7": _gamma(0.7),
    "gamma 1.4": _gamma(1.4),
    "quarter turn": np.rot90,
    "mirrored": np.fliplr,
    "mirrored, 128, JPEG 50": lambda x: _jpeg(50)(np.clip(_resized(128)(np.ascontiguousarray(np.fliplr(x))), 0, 255)),
}


def changed(originals: list[np.ndarray]) -> None:
    """Print what a change of format, size or contrast does to hash and similarity, for every tenth slice."""
    numbers = range(0, len(originals), 10)
    print(f"{'change':24} bits: median  95 %  most   similarity: least    right slice found, of {len(numbers)}")
    for name, change in CHANGES.items():
        bits, similar, found = [], [], 0
        for i in numbers:
            pixels = np.ascontiguousarray(change(originals[i]), np.float32)
            turned = orientations(hash_slice(pixels)[None])[:, 0]
            bits.append(_distance(turned, hash_slice(originals[i])).min())
            direct, match = _direct(cosines(pixels, QUERY)), find(pixels)
            similar.append(direct.similarity)
            found += match is not None and match.image == i + 1
        middle, most, all_ = np.percentile(bits, [50, 95, 100])
        print(f"{name:24} {middle:12.0f} {most:5.0f} {all_:5.0f} {min(similar):19.4f} {found:12}")


def altered(originals: list[np.ndarray], fill: str, count: int, rng: np.random.Generator) -> None:
    """Print how many slices are found that were turned, scaled, shifted and half of them mirrored, all at random."""
    picked = rng.permutation(len(originals))[:count]
    patient, image, wrong, taken = 0, 0, 0, 0.0
    for i in picked.tolist():
        pixels = alter(originals[i], rng, fill=fill)
        begin = time.perf_counter()
        match = find(pixels)
        taken += time.perf_counter() - begin
        if match is None:
            continue
        right = known_slice(match.image).patient == known_slice(i + 1).patient
        patient, wrong, image = patient + right, wrong + (not right), image + (match.image == i + 1)
    print(
        f"altered, filled with {fill}: {patient} of {len(picked)} found with the right patient "
        f"({patient / len(picked):.2%}), {image} as the right slice, {wrong} with a wrong patient; "
        f"{1000 * taken / len(picked):.1f} ms",
        flush=True,
    )


def alter(pixels: np.ndarray, rng: np.random.Generator, *, fill: str, side: int = 512, quality: int = 90) -> np.ndarray:
    """Turn by up to 10 degrees, scale by 0.9 to 1.1, shift by up to 5 %, mirror half; a JPEG of 512 x 512."""
    turn, scale = np.radians(rng.uniform(-10, 10)), rng.uniform(0.9, 1.1)
    shift, mirrored = rng.uniform(-0.05, 0.05, 2), rng.random() < 0.5
    length = pixels.shape[0]
    border = 0 if fill == "black" else length // 4
    if border:
        pixels = np.pad(pixels, border, mode=fill)  # type: ignore[call-overload]
    cosine, sine = np.cos(turn) / scale, np.sin(turn) / scale
    matrix = np.array([[cosine, sine], [-sine, cosine]]) * length / side
    if mirrored:
        matrix = np.diag([-1.0, 1.0]) @ matrix
    offset = np.full(2, length / 2 + border) - matrix @ (side / 2 + shift * side)
    data = (*matrix[0], offset[0], *matrix[1], offset[1])
    picture = Image.fromarray(pixels.astype(np.uint8))
    turned = picture.transform((side, side), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    return _jpeg(quality)(np.asarray(turned))


if __name__ == "__main__":
    main()
