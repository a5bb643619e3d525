"""Bundle: what weights are. Network, preprocessing, calibration and origin travel together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriclassify._data._preprocessing import Preprocessing
from mriclassify._errors import OptionError
from mriclassify._model._calibration import Temperature
from mriclassify._model._network import Network, Outputs
from mriclassify._model._prediction import Prediction
from mriclassify._model._provenance import Provenance
from mriclassify._reading import Slice
from mriclassify._shapes import Probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A model with all that it needs to answer, and all that is needed to judge the answer.

    Attributes:
        name: of the weights, `architecture.tag-vN` for published ones.
        backbone: name of the backbone, or "custom:..." for a module of the user's own.
        classes: in the order of the logits.
        network: of random weights until it is fitted or loaded.
        preprocessing: what is done to each slice.
        temperature: turns logits into probabilities.
        uncertain_below: answers with less confidence get the status "uncertain"; 0..1.
        provenance: origin and training slices.
        metrics: measured results, name to value.
        summary: a sentence or two for people.
    """

    name: str
    backbone: str
    classes: tuple[str, ...]
    network: Network
    preprocessing: Preprocessing
    temperature: Temperature = field(default_factory=Temperature)
    uncertain_below: float = 0.6
    provenance: Provenance = field(default_factory=Provenance)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.uncertain_below <= 1:
            raise OptionError(f"uncertain_below must lie in 0..1, not {self.uncertain_below}")
        if len(set(self.classes)) != len(self.classes):
            raise OptionError(f"classes must have different names, not {', '.join(self.classes)}")

    def image(self, scan: Slice) -> NDArray[np.float32]:
        """Return what the network sees of a slice: (1, size, size), 0..1.5."""
        return self.preprocessing(scan.pixels, window=scan.window)

    def decide(
        self, outputs: Outputs, *, sources: Iterable[str], notes: Iterable[tuple[str, ...]], device: str
    ) -> list[Prediction]:
        """Return the answers for a batch: calibration, then the rule on when to trust them."""
        probabilities = self.temperature(outputs.logits)
        return [
            self._answer(row, source=source, notes=remarks, device=device)
            for row, source, remarks in zip(probabilities, sources, notes, strict=True)
        ]

    def _answer(self, probabilities: Probabilities, *, source: str, notes: tuple[str, ...], device: str) -> Prediction:
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        unsure = not confidence >= self.uncertain_below  # so that NaN is unsure as well
        reasons = notes
        if unsure:
            reasons = (*notes, f"The confidence of {confidence:.2f} is below {self.uncertain_below:.2f}.")
        return Prediction(
            source=source,
            label=self.classes[best],
            confidence=confidence,
            probabilities={label: float(p) for label, p in zip(self.classes, probabilities, strict=True)},
            status="uncertain" if reasons else "ok",
            reasons=reasons,
            model=self.name,
            device=device,
        )

    def with_changes(self, **changes: Any) -> "Bundle":
        """Return a copy with some fields changed; the network is shared."""
        return replace(self, **changes)
