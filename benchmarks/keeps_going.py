"""A long run goes on: `predict_many` over 10,000 files of which every tenth is broken, in one of twelve ways.

    python benchmarks/keeps_going.py

Good files are hard links to copies of the scans in `examples/scans`, or in `--data`. Every answer must be that of
its scan, every error at the place of a broken file. Memory: the peak of a process that answers 2,000 files and of one
that answers all.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter, deque
from pathlib import Path

from _breaking import fill, is_broken, way_of
from _measuring import own_peak_megabytes, printed_by

from mriclassify import Classifier, Prediction
from mriclassify._reading import list_scans

FEW = 2000
FLAT = 1.05
"""So many times the memory of a short run a long one may take."""


def main() -> int:
    """Answer, compare and print; return 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1] / "examples" / "scans")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--memory", type=int, metavar="N", help="only answer N files and print the peak memory in MB")
    options = parser.parse_args()
    scans = [path for path in list_scans(options.data) if path.suffix not in (".gz", ".md")]
    clf = Classifier.from_pretrained(device="cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Links must be on one disk with what they link to.
        copies = [Path(shutil.copy(scan, folder / f"good-{scan.name}")) for scan in scans]
        paths = fill(folder, copies, options.memory or options.count)
        if options.memory:
            deque(clf.predict_many(paths), maxlen=0)
            print(own_peak_megabytes())
            return 0
        wrong = answered(clf, scans, paths)
    few, many = (printed_by("--data", str(options.data), "--memory", str(count)) for count in (FEW, options.count))
    flat = many <= FLAT * few
    print(f"peak memory: {few:.0f} MB for {FEW:,} files, {many:.0f} MB for {options.count:,}; ratio {many / few:.3f}")
    return 0 if flat and not wrong else 1


def answered(clf: Classifier, scans: list[Path], paths: list[Path]) -> int:
    """Answer all paths, print what came of it, and return how many results are not as they must be."""
    expected = [clf.predict(scan) for scan in scans]
    counts: Counter[str] = Counter()
    wrong = 0
    began = time.perf_counter()
    for number, answer in enumerate(clf.predict_many(paths)):
        counts[way_of(number).__name__ if answer.status == "error" else "answers"] += 1
        wrong += not is_right(answer, number, paths[number], expected[number % len(scans)])
    rate = len(paths) / (time.perf_counter() - began)
    for name, count in counts.items():
        print(f"{name:20} {count:6,}")
    errors = counts.total() - counts["answers"]
    print(f"{counts['answers']:,} answers and {errors:,} errors at {rate:.0f} files/s; {wrong} wrong or out of place")
    return wrong + abs(counts.total() - len(paths))


def is_right(answer: Prediction, number: int, path: Path, expected: Prediction) -> bool:
    """Whether an answer is that of its scan, or an error that of its broken file."""
    if answer.source != str(path) or (answer.status == "error") != is_broken(number):
        return False
    if is_broken(number):
        return str(path) in answer.reasons[0]
    return all(abs(p - expected.probabilities[label]) < 1e-3 for label, p in answer.probabilities.items())


if __name__ == "__main__":
    sys.exit(main())
