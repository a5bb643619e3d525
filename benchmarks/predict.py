"""How much of the machine `predict_many` uses: images a second against decoding and the network, each alone.

    python benchmarks/predict.py --data ../shared/data
    python benchmarks/predict.py --weights weights/ensemble.lesions-v14.safetensors --count 96 --rounds 4 --speed

The bound is 1 / (1/decode + 1/forward), each measured with all cores: what a pipeline on these cores can reach.
Memory: the peak of a process that answers 1,000 files and of one that answers 7,000.
"""

import argparse
import os
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from _measuring import own_peak_megabytes, printed_by, rates, together

from mriclassify import Classifier
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._folding import folded
from mriclassify._model._inference import infer
from mriclassify._model._network import Network
from mriclassify._reading import list_scans, read_slice
from mriclassify._threads import ordered_map, worker_count

BATCH = 32


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", default="default", help="a name or a file; default: %(default)s")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--speed", action="store_true", help="leave memory out")
    parser.add_argument("--memory", type=int, metavar="N", help="only answer N files and print the peak memory in MB")
    options = parser.parse_args()
    files = list_scans(options.data / "nickparvar")
    clf = Classifier.from_pretrained(options.weights, device="cpu")
    if options.memory:
        deque(clf.predict_many(files[: options.memory], batch_size=BATCH), maxlen=0)
        print(own_peak_megabytes())
        return 0
    speed(clf, files[:: len(files) // options.count][: options.count], rounds=options.rounds)
    if options.speed:
        return 0
    same = "--data", str(options.data), "--weights", options.weights
    few, many = (printed_by(*same, "--memory", count) for count in ("1000", "7000"))
    print(f"peak memory: {few:.0f} MB for 1,000 files, {many:.0f} MB for 7,000; ratio {many / few:.3f} (at most 1.05)")
    return 0


def speed(clf: Classifier, files: list[Path], *, rounds: int) -> None:
    """Print images a second of the parts and of the whole, and the share of the bound that the whole reaches."""
    preprocessing, plain, cores = clf.bundle.preprocessing, clf.bundle.network, worker_count()
    network = folded(plain)

    def image(file: Path) -> np.ndarray:
        return preprocessing(read_slice(file).pixels)

    def decode() -> int:
        return sum(1 for _ in ordered_map(image, files, workers=cores, ahead=4 * cores))

    images = torch.from_numpy(np.stack([image(file) for file in files]))
    batches = images.split(BATCH)

    def forward_shared(network: Network | Ensemble) -> int:
        torch.set_num_threads(cores)
        return sum(len(infer(network, batch).logits) for batch in batches)

    def forward_parallel() -> int:
        with ThreadPoolExecutor(cores, initializer=lambda: torch.set_num_threads(1)) as pool:
            done = sum(pool.map(lambda batch: len(infer(network, batch).logits), batches))
        torch.set_num_threads(cores)
        return done

    def predict() -> int:
        return sum(1 for _ in clf.predict_many(files, batch_size=BATCH))

    tasks: dict[str, Callable[[], int]] = {
        "decoding alone": decode,
        "network as it was trained, cores share": lambda: forward_shared(plain),
        "network alone, cores share a batch": lambda: forward_shared(network),
        "network alone, a batch for each core": forward_parallel,
        "predict_many": predict,
    }
    rate = rates(tasks, rounds=rounds)
    forward = max(rate["network alone, cores share a batch"], rate["network alone, a batch for each core"])
    bound = together(rate["decoding alone"], forward)
    print(f"{clf.bundle.name}, {preprocessing.size} px, fp32, batch {BATCH}, {cores} cores of {os.cpu_count()}")
    for name, value in rate.items():
        print(f"{name:38} {value:8.0f} images/s")
    print(f"{'bound: 1 / (1/decode + 1/forward)':38} {bound:8.0f} images/s")
    gain = rate["network alone, cores share a batch"] / rate["network as it was trained, cores share"]
    print(f"folded normalisation makes the network {gain:.2f} times as fast")
    print(f"predict_many reaches {rate['predict_many'] / bound:.2f} of the bound (at least 0.80)")


if __name__ == "__main__":
    sys.exit(main())
