"""Parts: how the slices of each source, or of each status, were answered."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriclassify._evaluation._answers import Answers
from mriclassify._evaluation._intervals import Interval, accuracy_interval

STATUSES = ("ok", "uncertain", "rejected")
NO_SOURCE = "source not known"


@dataclass(frozen=True, kw_only=True)
class PartScores:
    """How the slices of one part were answered.

    Args:
        n: Slices.
        n_groups: Patients or clusters of near-duplicates that they are of; None where they are not known.
        right: Slices whose most probable class is the true one.
        accuracy: Part of the slices that is right.
        interval: Its 95 % bootstrap interval; None without resamples, or where there is but one group.
    """

    n: int
    n_groups: int | None
    right: int
    accuracy: float
    interval: Interval | None


def score_sources(answers: Answers, *, resamples: int, seed: int) -> dict[str, PartScores]:
    """Score the slices of each source, by name; nothing where there are fewer than two sources."""
    if answers.sources is None:
        return {}
    named = [source or NO_SOURCE for source in answers.sources]
    order = sorted(set(named) - {NO_SOURCE}) + [NO_SOURCE] * (NO_SOURCE in named)
    return _score_parts(answers, named, order, resamples=resamples, seed=seed) if len(order) > 1 else {}


def score_statuses(answers: Answers, *, resamples: int, seed: int) -> dict[str, PartScores]:
    """Score the answers of each status that occurs; nothing where statuses are not known."""
    if answers.statuses is None:
        return {}
    order = [status for status in STATUSES if status in answers.statuses]
    return _score_parts(answers, answers.statuses, order, resamples=resamples, seed=seed)


def _score_parts(
    answers: Answers, parts: Sequence[str], order: Sequence[str], *, resamples: int, seed: int
) -> dict[str, PartScores]:
    right = answers.probabilities.argmax(axis=1) == answers.targets
    groups = None if answers.groups is None else np.array(answers.groups, dtype=object)
    member = {part: np.array([name == part for name in parts]) for part in order}
    return {
        part: _score_part(
            right[held], None if groups is None else groups[held].tolist(), resamples=resamples, seed=seed
        )
        for part, held in member.items()
    }


def _score_part(right: NDArray[np.bool_], groups: list[str] | None, *, resamples: int, seed: int) -> PartScores:
    return PartScores(
        n=len(right),
        n_groups=None if groups is None else len(set(groups)),
        right=int(right.sum()),
        accuracy=float(right.mean()),
        interval=accuracy_interval(right, groups, resamples=resamples, seed=seed),
    )
