"""Time and memory from the start of a process to its first answer.

    python benchmarks/start.py

Each round is a process of its own; what is printed is the median. Ratios are of the whole.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SCAN = Path(__file__).resolve().parents[1] / "examples" / "scans" / "colin27_ventricles.jpg"

BARE_IMPORT = "import time; s = time.process_time(); import mriclassify; print(time.process_time() - s)"
TORCH_LOADED = "import mriclassify, sys; print('torch' in sys.modules)"
FIRST_ANSWER = """
import json, os, resource, sys, time
marks = [float(os.environ["STARTED"]), time.time()]
from mriclassify import Classifier
marks.append(time.time())
clf = Classifier.from_pretrained(device="cpu")
marks.append(time.time())
clf.predict(sys.argv[1])
marks.append(time.time())
clf.predict(sys.argv[1])
marks.append(time.time())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
print(json.dumps([b - a for a, b in zip(marks, marks[1:])] + [peak]))
"""
PARTS = ("interpreter", "imports", "loading the weights", "first answer", "second answer")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=Path, default=SCAN)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds = [json.loads(_run(FIRST_ANSWER, str(options.scan))) for _ in range(options.rounds + 1)][1:]
    *parts, peak = (statistics.median(column) for column in zip(*rounds, strict=True))
    whole = sum(parts[:-1])
    for name, seconds in zip(PARTS, parts, strict=True):
        print(f"{name:22} {seconds:7.3f} s   {seconds / whole:6.1%} of the way to the first answer")
    print(f"{'to the first answer':22} {whole:7.3f} s   peak memory {peak:.0f} MB")
    bare = statistics.median(float(_run(BARE_IMPORT)) for _ in range(options.rounds))
    print(f"import mriclassify     {bare:7.3f} s of CPU (under 0.15), torch loaded: {_run(TORCH_LOADED).strip()}")
    return 0


def _run(code: str, *arguments: str) -> str:
    environment = os.environ | {"STARTED": str(time.time())}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
