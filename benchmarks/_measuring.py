"""What the benchmarks share: rounds taken in turn, medians, and what a process of its own measures."""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping


def rates(tasks: Mapping[str, Callable[[], int]], *, rounds: int) -> dict[str, float]:
    """Return items a second of each task: the median over `rounds`, in which the tasks take turns.

    Each task does its work and returns how many items that were. The first round warms up and is not counted.
    """
    measured: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            rate = timed(task)
            if number:
                measured[name].append(rate)
    return {name: statistics.median(values) for name, values in measured.items()}


def timed(task: Callable[[], int]) -> float:
    """Do `task`, which returns how many items it did, and return items a second."""
    start = time.perf_counter()
    count = task()
    return count / (time.perf_counter() - start)


def together(*parts: float) -> float:
    """Return the rate of work that needs all `parts`, each of which alone would take the whole machine."""
    return 1 / sum(1 / part for part in parts)


def printed_by(*arguments: str, environment: Mapping[str, str] | None = None) -> float:
    """Run this script again with `arguments`, and return the number that it printed last."""
    command = [sys.executable, sys.argv[0], *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def own_peak_megabytes() -> float:
    """Return the peak resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
