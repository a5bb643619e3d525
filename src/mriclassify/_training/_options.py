"""Options of a training, checked once when they are made."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mriclassify._data._augmentation import Augment, Augmentation
from mriclassify._data._synthesis import Synthesis
from mriclassify._errors import OptionError

TrainingPrecision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingOptions:
    """How a network is trained.

    Args:
        epochs: passes over the training slices, at least 1.
        batch_size: slices for each step and process, at least 2 (batch normalisation needs company).
        learning_rate: highest rate of AdamW.
        weight_decay: of AdamW; not applied to biases and normalisation.
        warmup: share of the steps in which the rate rises, 0..1.
        freeze_backbone: train the head alone, on features of the backbone as it is.
        label_smoothing: 0..1 (Szegedy et al. 2016).
        class_weights: "balanced" weighs each class by n / (classes * n_class); "none"; or label -> weight.
        patience: stop after so many epochs without a better validation macro-F1; None trains all epochs.
        keep: which epoch's weights: "best" on the validation slices by macro-F1, or the "last". Where these are few the
            best is a matter of luck, and often early; with a rate that falls to zero the last has seen most.
        averaging: of the weights over the steps: what is kept of their mean at each, 0..1; 0 for none. What is
            validated and kept then is the mean. 0.998 is the mean of roughly the last 500 steps.
        augmentation: a callable (images, generator) -> images, or None.
        synthesis: how often tumours are healed, left out, grafted and faded, where slices have masks and one class is
            "notumor"; None for never.
        lesion_weight: of the lesion map's loss beside that of the class, where slices have masks.
        teacher_weight: what a teacher's word weighs, 0..1; the rest is the labels' and masks'.
        precision: "auto" measures on the CPU whether bf16 is faster for this network and takes the best that a
            GPU supports; or "fp32", "bf16", "fp16".
        seed: of the order of slices, the augmentation, dropout, and the random weights of the head.
        workers: decoding threads; None takes one for each core.
        memory: decoded slices that are kept from one epoch to the next, in GiB.

    Raises:
        OptionError: a value is outside its range.
    """

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 0.02
    warmup: float = 0.05
    freeze_backbone: bool = False
    label_smoothing: float = 0.0
    class_weights: Literal["balanced", "none"] | Mapping[str, float] = "balanced"
    patience: int | None = None
    keep: Literal["best", "last"] = "best"
    averaging: float = 0.0
    augmentation: Augment | None = field(default_factory=Augmentation)
    synthesis: Synthesis | None = field(default_factory=Synthesis)
    lesion_weight: float = 1.0
    teacher_weight: float = 0.5
    precision: TrainingPrecision = "auto"
    seed: int = 0
    workers: int | None = None
    memory: float = 2.0

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float]] = {
            "epochs": (1, 100_000),
            "batch_size": (2, 65_536),
            "learning_rate": (0, 10),
            "weight_decay": (0, 10),
            "warmup": (0, 1),
            "label_smoothing": (0, 1),
            "averaging": (0, 1),
            "lesion_weight": (0, 100),
            "teacher_weight": (0, 1),
            "memory": (0, 1024),
            "seed": (0, 2**32 - 1),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not isinstance(value, int | float | np.number) or not low <= value <= high:
                raise OptionError(f"{name} must lie in {low:g}..{high:g}, not {value!r}")
        for name in ("epochs", "batch_size", "seed"):
            if not _is_whole(getattr(self, name)):
                raise OptionError(f"{name} must be a whole number, not {getattr(self, name)!r}")
        for name in ("patience", "workers"):
            value = getattr(self, name)
            if value is not None and not (_is_whole(value) and value >= 1):
                raise OptionError(f"{name} must be a whole number of at least 1 or None, not {value!r}")
        if self.augmentation is not None and not callable(self.augmentation):
            raise OptionError(f"augmentation must be callable or None, not {self.augmentation!r}")
        if self.precision not in ("auto", "fp32", "bf16", "fp16"):
            raise OptionError(f"precision must be auto, fp32, bf16 or fp16, not {self.precision!r}")
        if self.keep not in ("best", "last"):
            raise OptionError(f"keep must be 'best' or 'last', not {self.keep!r}")
        if not isinstance(self.class_weights, Mapping):
            if self.class_weights not in ("balanced", "none"):
                raise OptionError(f"class_weights must be 'balanced', 'none' or a dict, not {self.class_weights!r}")
            return
        for label, weight in self.class_weights.items():
            if not isinstance(weight, int | float | np.number) or not 0 < weight < math.inf:
                raise OptionError(f"the class weight of {label} must be a number above 0, not {weight!r}")

    def described(self) -> dict[str, str]:
        """Return the options as text, by which a resumed run is known to be the same one."""
        # An augmentation without a repr of its own would show its address, which differs from run to run.
        shown = repr(self.augmentation)
        if " at 0x" in shown:
            shown = getattr(self.augmentation, "__qualname__", type(self.augmentation).__qualname__)
        return {
            name: shown if name == "augmentation" else str(getattr(self, name))
            for name in self.__dataclass_fields__
            if name not in ("workers", "memory")
        }


def _is_whole(value: object) -> bool:
    # True is 1 to Python, but nobody means it.
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
