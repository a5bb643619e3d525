"""Synthesis: during training, tumours are healed and grafted, so that the scanner says nothing of the class.

In the public sets tumours come from some scanners and tumour-free slices from others, and whoever can tell the scanner
need not look at the tumour. Slices whose lesion was healed are tumour-free slices of the tumours' scanners; slices with
a grafted lesion are tumours on the others. Shams do to both what is done to these, and change nothing that counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mriclassify._data._grafting import draw_graft, graft, resemblance
from mriclassify._data._healing import draw_sham, heal, sham
from mriclassify._errors import OptionError

DONORS = 3
"""Donors that are drawn for a graft; the one whose slice resembles the host's most is taken."""


class Sample(NamedTuple):
    """One slice as training sees it."""

    image: NDArray[np.float32]  # (size, size), 0..1.5
    target: int  # index into the classes
    lesion: NDArray[np.float32] | None  # (size, size), part of each pixel that is lesion; None where it is not known


@dataclass(frozen=True, kw_only=True, slots=True)
class Synthesis:
    """How often slices are changed; each draws anew in each epoch.

    Args:
        heal: share of the slices with a lesion mask that are healed, where that can be done well, and then belong to
            the tumour-free class.
        graft: share of the tumour-free slices that get the lesion, and the class, of another slice.
        sham: share of all other slices in which a healthy spot is replaced by healthy tissue.

    Raises:
        OptionError: a share is outside 0..1.
    """

    heal: float = 0.3
    graft: float = 0.2
    sham: float = 0.1

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise OptionError(f"synthesis {name} must lie in 0..1, not {value!r}")

    def __call__(
        self,
        sample: Sample,
        rng: np.random.Generator,
        *,
        healthy: int,
        donors: int,
        donor: Callable[[int], Sample],
    ) -> Sample:
        """Return the sample, or what is made of it.

        Args:
            sample: a slice of the training part.
            rng: of this slice in this epoch.
            healthy: index of the tumour-free class.
            donors: how many slices with a lesion mask there are.
            donor: from a number below that to the slice.
        """
        # Drawn first, so that what one slice does changes nothing for the draws of its own kind.
        chance, pick = float(rng.random()), rng.integers(max(1, donors), size=DONORS)
        has_lesion = sample.lesion is not None and bool((sample.lesion > 0.5).any())
        if has_lesion and chance < self.heal:
            return self._healed(sample, healthy) or sample
        if sample.target == healthy and donors and chance < self.graft:
            return self._grafted(sample, [donor(int(number)) for number in pick], rng) or sample
        if rng.random() < self.sham:
            avoid = sample.lesion > 0 if sample.lesion is not None else None
            made = sham(sample.image, draw_sham(rng), avoid=avoid)
            return sample if made is None else sample._replace(image=made)
        return sample

    def _healed(self, sample: Sample, healthy: int) -> Sample | None:
        if sample.lesion is None:
            return None
        made = heal(sample.image, sample.lesion > 0.5)
        return None if made is None else Sample(made, healthy, np.zeros_like(sample.lesion))

    def _grafted(self, host: Sample, donors: list[Sample], rng: np.random.Generator) -> Sample | None:
        parameters = draw_graft(rng)
        masks = [donor.lesion > 0.5 for donor in donors if donor.lesion is not None]
        likeness = [
            resemblance(host.image, donor.image, mask, mirrored=parameters.mirrored)
            for donor, mask in zip(donors, masks, strict=True)
        ]
        best = int(np.argmax(likeness))
        made = graft(host.image, donors[best].image, masks[best], parameters)
        if made is None:
            return None
        image, lesion = made
        return Sample(image, donors[best].target, lesion.astype(np.float32))
