"""Visits: what a browser's page is shown, kept in memory for a while, and forgotten when the page is closed."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

from mriclassify._app._scans import Scan
from mriclassify._explaining import Explanation
from mriclassify._model._prediction import Prediction
from mriclassify._model._study import StudyPrediction

Answer = Prediction | StudyPrediction

MOST = 8
"""Pages whose scans are kept at a time; a new one takes the place of the one that was used least recently."""

SECONDS = 1800.0
"""So long scans are kept for a page that asks nothing."""


@dataclass(slots=True, eq=False)
class Visit:
    """What one page shows.

    Attributes:
        scans: what was dropped last.
        answers: one for each.
        chosen: which of them is shown.
        number: which of its slices.
        explanation: of that slice; None where there is no picture.
    """

    scans: Sequence[Scan] = field(default=(), repr=False)
    answers: Sequence[Answer] = ()
    chosen: int = 0
    number: int = 0
    explanation: Explanation | None = field(default=None, repr=False)

    @property
    def scan(self) -> Scan:
        """The one that is shown."""
        return self.scans[self.chosen]

    @property
    def answer(self) -> Answer:
        """The answer for it."""
        return self.answers[self.chosen]


class Visits:
    """The visits of all pages that are open."""

    def __init__(self, *, most: int = MOST, seconds: float = SECONDS, clock: Callable[[], float] = monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._visits: OrderedDict[str, tuple[float, Visit]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._visits)

    def begin(self, key: str, visit: Visit) -> None:
        """Keep what the page `key` shows from now on."""
        with self._lock:
            self._put(key, visit)

    def find(self, key: str) -> Visit | None:
        """Return what the page `key` shows, or None where that has been forgotten."""
        self.forget_old()
        with self._lock:
            if key not in self._visits:
                return None
            _, visit = self._visits[key]
            self._put(key, visit)
            return visit

    def end(self, key: str) -> None:
        """Forget what the page `key` showed."""
        with self._lock:
            self._visits.pop(key, None)

    def forget_old(self) -> None:
        """Forget what has not been asked for within the time."""
        oldest = self._clock() - self._seconds
        with self._lock:
            for key in [key for key, (used, _) in self._visits.items() if used < oldest]:
                del self._visits[key]

    def _put(self, key: str, visit: Visit) -> None:
        self._visits[key] = self._clock(), visit
        self._visits.move_to_end(key)
        while len(self._visits) > self._most:
            self._visits.popitem(last=False)
