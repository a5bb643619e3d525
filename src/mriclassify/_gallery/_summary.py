"""Summary: what stands above the table."""

import math
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from mriclassify._gallery._entries import Entry
from mriclassify._trust._thresholds import Thresholds
from mriclassify._version import __version__


@dataclass(frozen=True, slots=True)
class Count:
    """How many scans have one label, by status."""

    label: str
    by_status: dict[str, int]

    @property
    def total(self) -> int:
        """Of all statuses."""
        return sum(self.by_status.values())


ANSWERED = ("ok", "uncertain", "rejected")
"""The statuses that come with a label, in the order of trust."""


def counts_of(entries: Iterable[Entry], classes: Sequence[str]) -> list[Count]:
    """Return for each class how many answers of each status there are."""
    found: Counter[tuple[str | None, str]] = Counter((entry.answer.label, entry.answer.status) for entry in entries)
    return [Count(label, {status: found[label, status] for status in ANSWERED}) for label in classes]


def meanings(thresholds: Thresholds) -> dict[str, str]:
    """Return what each status means with these thresholds: a sentence each."""
    return {
        "rejected": _rejected(thresholds),
        "error": "The file could not be read.",
        "uncertain": f"The confidence is below {thresholds.uncertain_below:.2f}, or the file itself gives cause for "
        "doubt: do not rely on the answer.",
        "ok": "Nothing was found that speaks against the answer. It may still be wrong.",
    }


def _rejected(thresholds: Thresholds) -> str:
    causes = []
    if thresholds.appearance is not None:
        causes.append("its pixels are unlike a brain MR slice's")
    if thresholds.unfamiliar_above < math.inf:
        causes.append(
            f"it is unlike the slices that the model was trained on (distance above {thresholds.unfamiliar_above:.1f})"
        )
    if thresholds.ct_above < math.inf:
        causes.append(f"it looks like computed tomography (likeness above {thresholds.ct_above:.2f})")
    if not causes:
        return "These thresholds reject nothing."
    sentence = f"{', or '.join(causes)}: the answer and the maps mean nothing."
    return sentence[0].upper() + sentence[1:]


def facts(*, model: str, device: str, slices: str, now: datetime | None = None) -> dict[str, str]:
    """Return what the page says of how it was made."""
    made = now or datetime.now(UTC)
    return {
        "Weights": model,
        "Made": f"{made:%Y-%m-%d %H:%M} UTC",
        "Computed on": device,
        "Of volumes": slices,
        "Versions": f"mriclassify {__version__}, torch {version('torch')}, Python {platform.python_version()}",
    }
