"""Make the provenance table of the 3,064 figshare slices, which lies in the package.

    python training/build_known_slices.py --data ../shared/data

Reads `figshare/images/*.jpg` and `figshare/patients.csv` below the data folder and writes
`src/mriclassify/_likeness/known_slices.npz`. The same input gives the same coefficients; no picture can be made from
them that is sharper than about 16 x 16 pixels. Count `TABLE_VERSION` up when the table changes, and run
`python training/check_known_slices.py` before it is committed.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from mriclassify._likeness._hashing import FREQUENCIES, cosines
from mriclassify._likeness._known import KEPT, LARGEST, TABLE, WAVE_NUMBER
from mriclassify._reading import read_slice

STEP = 0.0085
"""Of the stored numbers, where those of a slice have the norm one. Larger steps make a smaller file, and move the
similarity of a slice to itself away from one: by 0.0006 here."""


def main() -> None:
    """Write the table and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    folder = parser.parse_args().data / "figshare"
    with (folder / "patients.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["image"]))
    if [int(row["image"]) for row in rows] != list(range(1, len(rows) + 1)):
        raise SystemExit(f"{folder / 'patients.csv'}: images are not numbered from 1 without a gap")
    patients, patient = np.unique([row["patient_group"] for row in rows], return_inverse=True)
    labels, label = np.unique([row["label_name"] for row in rows], return_inverse=True)
    weighted = np.stack([_weighted(folder / "images" / f"{row['image']}.jpg") for row in rows])
    stored = np.rint(weighted / STEP)
    if np.abs(stored).max() > np.iinfo(np.int8).max:
        raise SystemExit("STEP is too small for eight bits")
    np.savez_compressed(
        TABLE,
        # A row for each frequency: numbers that are alike lie together, and compress better.
        coefficients=np.ascontiguousarray(stored.T.astype(np.int8)),
        patient=patient.astype(np.uint8),
        patients=patients.astype(np.bytes_),
        label=label.astype(np.uint8),
        labels=labels.astype(np.bytes_),
    )
    size = TABLE.stat().st_size
    similarity = (stored * weighted).sum(axis=1) / np.linalg.norm(stored, axis=1)
    print(f"{TABLE}: {len(rows)} slices, {len(patients)} patients, {size:,} bytes")
    print(f"a slice and its stored self: {similarity.min():.5f} or more, {similarity.mean():.5f} on average")
    if size > LARGEST:
        raise SystemExit(f"more than {LARGEST:,} bytes")


def _weighted(path: Path) -> np.ndarray:
    """(n_kept,) float: the kept coefficients, each times its frequency, of norm one."""
    numbers = (cosines(read_slice(path).pixels, FREQUENCIES) * WAVE_NUMBER)[KEPT]
    return numbers / np.linalg.norm(numbers)


if __name__ == "__main__":
    main()
