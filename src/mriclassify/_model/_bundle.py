"""Bundle: what weights are. Network, preprocessing, calibration and origin travel together."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriclassify._data._preprocessing import Preprocessing
from mriclassify._errors import CalibrationError, OptionError
from mriclassify._model._calibration import Temperature
from mriclassify._model._consensus import Consensus, highest_of
from mriclassify._model._device import Precision
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._folding import folded
from mriclassify._model._inference import infer
from mriclassify._model._network import Network, Outputs
from mriclassify._model._prediction import Prediction
from mriclassify._model._provenance import Provenance
from mriclassify._reading import Slice
from mriclassify._shapes import Images, Logits, Probabilities
from mriclassify._trust._appearance import measure, objections
from mriclassify._trust._conformal import Conformal
from mriclassify._trust._familiarity import Familiarity
from mriclassify._trust._risk_coverage import RiskCoverage
from mriclassify._trust._thresholds import Thresholds
from mriclassify._trust._tomography import CtLikeness


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A model with all that it needs to answer, and all that is needed to judge the answer.

    Attributes:
        name: of the weights, `architecture.tag-vN` for published ones.
        backbone: name of the backbone, or "custom:..." for a module of the user's own.
        classes: in the order of the logits.
        network: of random weights until it is fitted or loaded.
        precision: what the network computes in, a property of this process as its device is; it is not saved.
        preprocessing: what is done to each slice.
        consensus: what the lesion map has to say on whether there is a tumour; None leaves that to the class head.
        temperature: turns logits into probabilities.
        offsets: added to the logits after the temperature, one for each class: what `recalibrate` found; else zeros.
        thresholds: when an answer is uncertain, and a slice rejected.
        familiarity: what the training slices' features are like; None where nobody kept that.
        ct_likeness: what tells features of CT from those of MR; None likewise.
        conformal: scores of the validation slices, for prediction sets; None likewise.
        risk_coverage: of the validation slices: where `thresholds.uncertain_below` comes from; None likewise.
        provenance: origin and training slices.
        metrics: measured results, name to value.
        summary: a sentence or two for people.
    """

    name: str
    backbone: str
    classes: tuple[str, ...]
    network: Network | Ensemble
    precision: Precision = "fp32"
    preprocessing: Preprocessing
    consensus: Consensus | None = None
    temperature: Temperature = field(default_factory=Temperature)
    offsets: tuple[float, ...] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)
    familiarity: Familiarity | None = None
    ct_likeness: CtLikeness | None = None
    conformal: Conformal | None = None
    risk_coverage: RiskCoverage | None = None
    provenance: Provenance = field(default_factory=Provenance)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes):
            raise OptionError(f"classes must have different names, not {', '.join(self.classes)}")
        if not self.offsets:
            object.__setattr__(self, "offsets", (0.0,) * len(self.classes))
        if len(self.offsets) != len(self.classes) or not np.isfinite(self.offsets).all():
            raise OptionError(f"offsets must be a number for each of {len(self.classes)} classes, not {self.offsets}")
        if self.consensus is not None and (
            self.consensus.healthy >= len(self.classes) or self.network.lesion_head is None
        ):
            raise OptionError(
                f"{self.name} has no lesion map, or no class of index {self.consensus.healthy}, to agree on"
            )
        if self.familiarity is None and self.thresholds.unfamiliar_above < math.inf:
            raise CalibrationError(
                f"{self.name} holds no statistics of its training slices, so that it can't tell unfamiliar ones: leave "
                "unfamiliar_above at infinity, or train with this version"
            )
        if self.ct_likeness is None and self.thresholds.ct_above < math.inf:
            raise CalibrationError(
                f"{self.name} does not know CT: leave ct_above at infinity, or train with this version"
            )
        if self.conformal is not None and len(self.conformal.true) != len(self.classes):
            raise OptionError(
                f"conformal scores must be of {len(self.classes)} classes, not {len(self.conformal.true)}"
            )
        for known in (
            None if self.familiarity is None else len(self.familiarity.mean),
            None if self.ct_likeness is None else len(self.ct_likeness.weights),
        ):
            if known not in (None, count := self.network.features):
                raise OptionError(f"the statistics are of {known} features, but the network makes {count}: fit anew")

    def image(self, scan: Slice) -> NDArray[np.float32]:
        """Return what the network sees of a slice: (1, size, size), 0..1.5."""
        return self.preprocessing(scan.pixels, window=scan.window)

    def ask(self, images: Images) -> Outputs:
        """Return what the network says of images (batch, 1, size, size), the lesion map's say in the logits.

        The network must come from `ready`.
        """
        network = self.network if self.precision == "fp16" else folded(self.network, self.precision)
        outputs = infer(network, images, precision=self.precision)
        if self.consensus is None or outputs.lesions is None:
            return outputs
        return outputs._replace(logits=self.consensus(outputs.logits, highest_of(outputs.lesions)))

    def probabilities(self, logits: Logits) -> Probabilities:
        """Return calibrated probabilities (n, classes) as float64, each row sums to 1, of logits from `ask`."""
        return self.temperature(logits, offsets=self.offsets)

    def objections(self, scan: Slice) -> tuple[str, ...]:
        """Return what of a slice's own pixels speaks against its being a brain MR slice, in sentences."""
        limits = self.thresholds.appearance
        return () if limits is None else objections(measure(scan), limits)

    def unfamiliar(self, outputs: Outputs) -> list[tuple[str, ...]]:
        """Return for each slice what its features say against it, in sentences: unlike the training's, or as of CT."""
        found: list[tuple[str, ...]] = [()] * len(outputs.logits)
        features, limits = outputs.features.numpy(), self.thresholds
        # Written so that NaN speaks against a slice.
        if self.ct_likeness is not None and limits.ct_above < math.inf:
            for index, score in enumerate(self.ct_likeness.score(features)):
                if not score <= limits.ct_above:
                    found[index] += (
                        "It looks like computed tomography (CT), and the model knows MR alone: its likeness is "
                        f"{score:.2f}, and {limits.ct_above:.2f} at most.",
                    )
        if self.familiarity is not None and limits.unfamiliar_above < math.inf:
            for index, distance in enumerate(self.familiarity.distance(features)):
                if not distance <= limits.unfamiliar_above:
                    found[index] += (
                        f"It is unlike the slices that the model was trained on: its distance is {distance:.1f}, "
                        f"and {limits.unfamiliar_above:.1f} at most.",
                    )
        return found

    def decide(
        self,
        outputs: Outputs,
        *,
        sources: Iterable[str],
        notes: Iterable[tuple[str, ...]],
        objections: Iterable[tuple[str, ...]],
        device: str,
    ) -> list[Prediction]:
        """Return the answers for a batch: calibration, then the rules on when to trust them.

        Args:
            outputs: from `ask`.
            sources: names of the slices.
            notes: what their files say against an answer: it is then uncertain.
            objections: what their pixels say against one: they are then rejected.
            device: where the network computed.
        """
        rows = zip(
            *(self.probabilities(outputs.logits), self.unfamiliar(outputs), sources, notes, objections), strict=True
        )
        return [
            self._answer(row, source=source, notes=remarks, against=(*seen, *unlike), device=device)
            for row, unlike, source, remarks, seen in rows
        ]

    def _answer(
        self,
        probabilities: Probabilities,
        *,
        source: str,
        notes: tuple[str, ...],
        against: tuple[str, ...],
        device: str,
    ) -> Prediction:
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        doubts = notes
        if not confidence >= self.thresholds.uncertain_below:  # so that NaN is unsure as well
            doubts = (*notes, f"The confidence of {confidence:.2f} is below {self.thresholds.uncertain_below:.2f}.")
        return Prediction(
            source=source,
            label=self.classes[best],
            confidence=confidence,
            probabilities={label: float(p) for label, p in zip(self.classes, probabilities, strict=True)},
            status="rejected" if against else "uncertain" if doubts else "ok",
            reasons=(*against, *doubts),
            model=self.name,
            device=device,
        )

    def with_changes(self, **changes: Any) -> "Bundle":
        """Return a copy with some fields changed; the network is shared."""
        return replace(self, **changes)
