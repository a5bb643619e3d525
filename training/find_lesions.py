"""Show each picture of the no-tumour class once, to look for lesions in it by eye.

    python training/find_lesions.py --data ../shared/data --out runs/lesions

The class holds few pictures and many copies of them, mirrored, turned and recoloured, in all folds. Writes into the
folder `--out`: `pictures.csv`, which copies there are of each, the most often copied first, and sheets on which each is
shown once. What shows a mass, a cyst or a swelling is in `training/lesions.csv` with all its copies; strokes and
inflamed spots in both halves are not. Who looked was an engineer, not a radiologist. Folds 1-4 are trained without
those; those of fold 0 count as they are labelled.
"""

import argparse
import csv
from pathlib import Path

from sheets import write_sheets
from slices import folds, pictures

from mriclassify._data._record import absolute


def main() -> None:
    """Find the copies, and write the list and the sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/lesions"))
    options = parser.parse_args()
    data = absolute(options.data)
    slices = [(fold, r) for fold, records in folds(data).items() for r in records if r.label == "notumor"]
    found = sorted(pictures([record for _, record in slices]), key=len, reverse=True)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "pictures.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["picture", "copies", "fold", "path"])
        for picture, copies in enumerate(found):
            for fold, record in (slices[place] for place in copies):
                table.writerow([picture, len(copies), fold, record.path.relative_to(data).as_posix()])
    shown = [(slices[copies[0]][1].path, f"{picture}: {len(copies)}") for picture, copies in enumerate(found)]
    write_sheets(options.out, shown)
    print(f"{len(found)} pictures of {len(slices)} slices are in {options.out}")


if __name__ == "__main__":
    main()
