"""Prediction sets: instead of one class, all that are plausible, with a coverage that was promised."""

import json
from dataclasses import dataclass
from typing import Any

from mriclassify._model._prediction import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSet:
    """The classes that a slice may show.

    Of slices like those that the model was calibrated on, each class's are in their own sets with `coverage`
    (class-conditional conformal prediction; the guide "When to believe an answer" says what that means and what not).

    Attributes:
        source: the file, or what was passed, in words.
        labels: the plausible classes, the most probable first. None at all: the slice is unlike those of any class.
            Empty too where the status of `prediction` is "error".
        coverage: that was asked for, between 0 and 1.
        prediction: the answer for the slice.
    """

    source: str
    labels: tuple[str, ...]
    coverage: float
    prediction: Prediction

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain lists, dicts, strings and numbers."""
        return {
            "source": self.source,
            "labels": list(self.labels),
            "coverage": self.coverage,
            "prediction": self.prediction.to_dict(),
        }

    def to_json(self) -> str:
        """Return the fields as one line of JSON that any program can write in UTF-8."""
        text = json.dumps(self.to_dict(), ensure_ascii=False)
        # As Prediction.to_json: a file's name may have bytes that are no text.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    def __str__(self) -> str:
        shown = ", ".join(self.labels) or ("error" if self.prediction.label is None else "none of the classes")
        return " ".join(f"{self.source}: {shown} ({self.coverage:.0%} coverage)".splitlines())
