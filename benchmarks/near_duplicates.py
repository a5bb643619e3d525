"""Near-duplicates among ten thousand, a hundred thousand and a million hashes: recall, time, memory.

    python benchmarks/near_duplicates.py

Half of the hashes are slices that look alike, as heads do: each shows one of 40 levels, whose bits it shares but for
some that differ seldom or half the time. Two fifths are mirrored and turned copies of these, of which up to `--radius`
bits differ, and in every third exactly so many. A tenth is a crowd of almost blank slices. Each size has a process of
its own; making the hashes is not timed, but counts in the peak of memory.
"""

import argparse
import json
import math
import subprocess
import sys
import time

import numpy as np
from _measuring import own_peak_megabytes
from numpy.typing import NDArray

from mriclassify._likeness._hashing import NEAR_RADIUS, Hashes, orientations
from mriclassify._likeness._near import clusters

SIZES = (10_000, 100_000, 1_000_000)
LEVELS = 40
MINIMUM_RECALL, MAXIMUM_MEGABYTES, MAXIMUM_EXPONENT = 0.999, 4000, 1.5
CHUNK = 20_000


def main() -> int:
    """Measure each size, print a table, and say whether all is as asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--radius", type=int, default=NEAR_RADIUS)
    parser.add_argument("--one", type=int, help="measure this size here, and print JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, options.radius)))
        return 0
    print(f"radius {options.radius}")
    print(f"{'hashes':>9} {'seconds':>8} {'exponent':>8} {'recall':>8} {'at radius':>9} {'false':>6} {'peak MB':>8}")
    is_good, before = True, None
    for size in options.sizes:
        row = _in_a_process(size, options.radius)
        exponent = math.log(row["seconds"] / before[1]) / math.log(size / before[0]) if before else math.nan
        before = size, row["seconds"]
        print(
            f"{size:9,} {row['seconds']:8.1f} {exponent:8.2f} {row['recall']:8.5f} {row['recall_at_radius']:9.5f} "
            f"{row['false']:6} {row['megabytes']:8.0f}",
            flush=True,
        )
        is_good &= row["recall_at_radius"] >= MINIMUM_RECALL and row["false"] == 0
        is_good &= row["megabytes"] < MAXIMUM_MEGABYTES and not exponent > MAXIMUM_EXPONENT
    print(
        f"asked: recall at the radius at least {MINIMUM_RECALL}, none false, under {MAXIMUM_MEGABYTES:,} MB, "
        f"exponent at most {MAXIMUM_EXPONENT} (comparing all pairs has 2): {'yes' if is_good else 'NO'}"
    )
    return 0 if is_good else 1


def measured(size: int, radius: int) -> dict[str, float]:
    """Return seconds, recall of planted links (all, and those at the radius), false links and peak memory."""
    hashes, family, origin, differing = planted(size, radius, np.random.default_rng(0))
    start = time.perf_counter()
    number = clusters(hashes, radius=radius)
    seconds = time.perf_counter() - start
    copies = np.flatnonzero(origin >= 0)
    linked = number[copies] == number[origin[copies]]
    # A cluster that holds two families has a false link.
    families = len(np.unique(np.column_stack([number, family]), axis=0))
    return {
        "seconds": seconds,
        "recall": float(linked.mean()),
        "recall_at_radius": float(linked[differing[copies] == radius].mean()),
        "false": families - int(number.max()) - 1,
        "megabytes": own_peak_megabytes(),
    }


def planted(
    size: int, radius: int, rng: np.random.Generator
) -> tuple[Hashes, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return hashes (n, 4), and for each its family, what it is a copy of (-1: of none) and the bits that differ."""
    heads, blank = size // 2, size // 10
    copies = size - heads - blank
    origin = np.full(size, -1)
    origin[heads : heads + copies] = rng.integers(heads, size=copies)
    differing = rng.integers(radius + 1, size=size)
    differing[::3] = radius
    differing[:heads] = 0
    differing[heads + copies :] = rng.integers(radius // 3, size=blank)  # so that any two blank slices are near
    origin[heads + copies + 1 :] = heads + copies
    family = np.where(origin >= 0, origin, np.arange(size))
    hashes = np.empty((size, 4), np.uint64)
    hashes[:heads] = alike(heads, rng)
    hashes[heads : heads + copies] = hashes[origin[heads : heads + copies]]
    hashes[heads + copies :] = rng.integers(1 << 63, size=4, dtype=np.uint64)
    for top in range(heads, size, CHUNK):
        part = slice(top, min(top + CHUNK, size))
        turned = orientations(hashes[part] ^ flips(differing[part], rng))
        hashes[part] = turned[rng.integers(8, size=turned.shape[1]), np.arange(turned.shape[1])]
    order = rng.permutation(size)
    place = np.argsort(order)
    origin = np.where(origin >= 0, place[origin], -1)
    return hashes[order], family[order], origin[order], differing[order]


def alike(count: int, rng: np.random.Generator) -> Hashes:
    """(count, 4) hashes of heads: the bits of a level, each the other way round as often as that bit is unsteady."""
    unsteady = rng.uniform(0, 0.5, 256).astype(np.float32)
    levels = rng.integers(0, 1 << 64, size=(LEVELS, 4), dtype=np.uint64)
    parts = []
    for top in range(0, count, CHUNK):
        number = min(CHUNK, count - top)
        differ = packed(rng.random((number, 256), dtype=np.float32) < unsteady)
        parts.append(levels[rng.integers(LEVELS, size=number)] ^ differ)
    return np.concatenate(parts)


def flips(number: NDArray[np.int64], rng: np.random.Generator) -> Hashes:
    """(n, 4) words in which so many bits are set, at places drawn for each."""
    places = np.argsort(rng.random((len(number), 256), dtype=np.float32), axis=1)
    return packed(places < number[:, None])


def packed(bits: NDArray[np.bool_]) -> Hashes:
    """(n, 4) words of (n, 256) bits."""
    return np.packbits(bits, axis=1).view(np.uint64)


def _in_a_process(size: int, radius: int) -> dict[str, float]:
    arguments = [sys.executable, sys.argv[0], "--one", str(size), "--radius", str(radius)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
