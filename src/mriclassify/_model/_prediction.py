"""Prediction: what a user gets for one input."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["ok", "uncertain", "rejected", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The answer for one slice. It holds no pixels, so that thousands of them fit into memory.

    Attributes:
        source: the file, or what was passed, in words.
        label: the most probable class; None if the status is "error".
        confidence: calibrated probability of `label`, 0..1; None if the status is "error".
        probabilities: class to probability, in the model's class order, summing to 1; empty if "error".
        status: "ok"; "uncertain" if the answer must not be relied on; "rejected" if the input should not have
            been asked; "error" if it could not be read.
        reasons: why the status is not "ok", or what else to know; short sentences.
        model: the name of the weights.
        device: where it was computed.
    """

    source: str
    label: str | None
    confidence: float | None
    probabilities: dict[str, float] = field(default_factory=dict)
    status: Status = "ok"
    reasons: tuple[str, ...] = ()
    model: str = ""
    device: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain lists, dicts, strings and numbers."""
        return asdict(self) | {"reasons": list(self.reasons)}

    def to_json(self) -> str:
        """Return the fields as one line of JSON that any program can write in UTF-8."""
        text = json.dumps(self.to_dict(), ensure_ascii=False)
        # A file's name may have bytes that are no text: they become escapes, which JSON reads as the same name.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    def __str__(self) -> str:
        answer = "error" if self.label is None else f"{self.label} {self.confidence:.3f} {self.status}"
        text = " · ".join([f"{self.source}: {answer}", *self.reasons])
        return " ".join(text.splitlines())  # names and messages may have line breaks
