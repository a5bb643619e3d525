"""Thresholds: the numbers that make an answer "ok", "uncertain" or "rejected", and a lesion. A user may change each."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import NoneType
from typing import Any

from mriclassify._errors import OptionError
from mriclassify._trust._appearance import AppearanceLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When an answer is "uncertain", when a slice is "rejected", and what of a lesion map is lesion.

    Args:
        uncertain_below: confidence, 0..1; `fit` takes it from the validation slices' risk-coverage curve.
        unfamiliar_above: distance of the slice's features from those of the training slices (see `Familiarity`), 0 and
            above; `fit` takes it from the validation slices. Infinity rejects nothing.
        ct_above: likeness to computed tomography (see `CtLikeness`), 0 as MR and 1 as CT on average; `fit` takes it
            from the validation slices. Infinity rejects nothing.
        appearance: how far the slice's own pixels may go; None for no such checks.
        lesion_above: probability of lesion, at least 0 and below 1, that the pixels of an explanation's `region`
            exceed. `fit` takes the value that gives the highest mean Dice coefficient on validation slices with a
            mask, where there are enough of them.

    Raises:
        OptionError: a number is outside its range.

    Example:
        ```python
        from dataclasses import replace

        from mriclassify import Classifier

        clf = Classifier.from_pretrained()
        clf.thresholds = replace(clf.thresholds, uncertain_below=0.8)
        ```
    """

    uncertain_below: float = 0.6
    unfamiliar_above: float = math.inf
    appearance: AppearanceLimits | None = field(default_factory=AppearanceLimits)
    lesion_above: float = 0.5
    ct_above: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.uncertain_below <= 1:
            raise OptionError(f"uncertain_below must lie in 0..1, not {self.uncertain_below}")
        if not self.unfamiliar_above >= 0:
            raise OptionError(f"unfamiliar_above must be 0 or more, not {self.unfamiliar_above}")
        if not self.ct_above >= 0:
            raise OptionError(f"ct_above must be 0 or more, not {self.ct_above}")
        if not 0 <= self.lesion_above < 1:
            raise OptionError(f"lesion_above must be at least 0 and below 1, not {self.lesion_above}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON, which knows no infinity: None stands for it."""
        values = asdict(self)
        values |= {name: _finite(values[name]) for name in ("unfamiliar_above", "ct_above")}
        if self.appearance is not None:
            values["appearance"] = {name: _finite(value) for name, value in values["appearance"].items()}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Thresholds":
        """Return what `to_dict` wrote.

        Raises:
            KeyError, TypeError, OptionError: it is anything else.
        """
        appearance = values["appearance"]
        if not isinstance(appearance, dict | NoneType):
            raise TypeError(f"appearance can't be a {type(appearance).__name__}")
        return cls(
            uncertain_below=values["uncertain_below"],
            unfamiliar_above=_unbounded(values["unfamiliar_above"]),
            appearance=None
            if appearance is None
            else AppearanceLimits(**{name: _unbounded(value) for name, value in appearance.items()}),
            lesion_above=values["lesion_above"],
            ct_above=_unbounded(values["ct_above"]),
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _unbounded(value: float | None) -> float:
    return math.inf if value is None else value
