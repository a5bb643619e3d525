"""Synthesis: during training, tumours are healed, left out, grafted, faded and drawn, so that the scanner says nothing.

In the public sets tumours come from some scanners and tumour-free slices from others, and whoever can tell the scanner
need not look at the tumour. Slices whose lesion was healed, or that were cropped so that it is left out, are
tumour-free slices of the tumours' scanners; slices with a grafted lesion are tumours on the others. Shams, and crops
with the lesion in them, do to both what is done to these, and change nothing that counts. Faded lesions are tumours
that took up less contrast agent than those of the public sets, and drawn ones took up none. Recast slices look as if
they were of another sequence, and stripped ones show the brain alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mriclassify._data._cropping import crop, draw_crop
from mriclassify._data._fading import draw_fade, fade
from mriclassify._data._grafting import draw_graft, graft, resemblance
from mriclassify._data._healing import draw_sham, heal, sham
from mriclassify._data._infiltrating import draw_infiltration, infiltrate
from mriclassify._data._recasting import draw_recast, recast
from mriclassify._data._stripping import draw_strip, strip
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
        miss: share of the slices with a lesion mask that are cropped so that none of the lesion is left; they belong to
            the tumour-free class too. Unless it is 0, so are those that were to be healed and can't be. Not more than 1
            together with `heal`.
        graft: share of the tumour-free slices that get the lesion, and the class, of another slice.
        fade: share of the slices with a lesion of `faded_classes` in which it is faded.
        crop: share of the slices with or without a lesion that are cropped, with the lesion in them.
        sham: share of all other slices in which a healthy spot is replaced by healthy tissue.
        infiltrate: share of the tumour-free slices, also of those that have only become so here, in which a diffuse
            lesion is drawn; they belong to `infiltrating_class` then.
        recast: share of all slices with or without a lesion, changed or not, that are shown as another sequence might.
        strip: share of all slices with or without a lesion, changed or not, of which only the brain is left, where it
            can be told; the others stay as they are.
        faded_classes: whose lesions may be faded: those that also occur without taking up contrast agent.
        infiltrating_class: the class of drawn lesions; where it is not among the classes, none is drawn.
        spared_sources: sources (`Record.source`) whose slices get no lesion and are not stripped: where there is no
            brain, say.

    Raises:
        OptionError: a share is outside 0..1, or `heal` and `miss` are more than 1 together.
    """

    heal: float = 0.2
    miss: float = 0.15
    graft: float = 0.2
    fade: float = 0.3
    crop: float = 0.2
    sham: float = 0.1
    infiltrate: float = 0.0
    recast: float = 0.0
    strip: float = 0.0
    faded_classes: tuple[str, ...] = ("glioma",)
    infiltrating_class: str = "glioma"
    spared_sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("heal", "miss", "graft", "fade", "crop", "sham", "infiltrate", "recast", "strip"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise OptionError(f"synthesis {name} must lie in 0..1, not {value!r}")
        if self.heal + self.miss > 1:
            raise OptionError(f"synthesis heal and miss must not be more than 1 together, not {self.heal + self.miss}")

    def __call__(
        self,
        sample: Sample,
        rng: np.random.Generator,
        *,
        classes: Sequence[str],
        source: str | None = None,
        healthy: int,
        donors: int,
        donor: Callable[[int], Sample],
    ) -> Sample:
        """Return the sample, or what is made of it.

        Args:
            sample: a slice of the training part.
            rng: of this slice in this epoch.
            classes: all labels, in the order of the targets.
            source: where it is from, as far as that is known.
            healthy: index of the tumour-free class.
            donors: how many slices with a lesion mask there are.
            donor: from a number below that to the slice.
        """
        spared = source in self.spared_sources
        made = self._changed(sample, rng, classes=classes, spared=spared, healthy=healthy, donors=donors, donor=donor)
        # Last, since what was changed is recast and stripped as well; and not unless it is asked for, as above.
        if self.recast > 0 and rng.random() < self.recast:
            made = _recast(made, rng) or made
        strips = self.strip > 0 and rng.random() < self.strip and not spared
        return (_stripped(made, rng) if strips else None) or made

    def _changed(
        self,
        sample: Sample,
        rng: np.random.Generator,
        *,
        classes: Sequence[str],
        spared: bool,
        healthy: int,
        donors: int,
        donor: Callable[[int], Sample],
    ) -> Sample:
        # Drawn first, so that what one slice does changes nothing for the draws of its own kind.
        chance, fades, crops, shams = rng.random(4).tolist()
        pick = rng.integers(max(1, donors), size=DONORS)
        # Not unless it is asked for: trainings from before there was infiltration are the same again.
        infiltrates = self.infiltrate > 0 and rng.random() < self.infiltrate and self.infiltrating_class in classes
        if sample.lesion is not None and bool((sample.lesion > 0.5).any()):
            free = self._freed(sample, chance, rng, healthy)
            if free is not None:
                return (self._infiltrated(free, rng, classes) if infiltrates and not spared else None) or free
            if classes[sample.target] in self.faded_classes and fades < self.fade:
                sample = _faded(sample, rng)
        elif sample.target == healthy and not spared:
            if donors and chance < self.graft:
                grafted = self._grafted(sample, [donor(int(number)) for number in pick], rng)
                if grafted is not None:
                    return grafted
            drawn = self._infiltrated(sample, rng, classes) if infiltrates else None
            if drawn is not None:
                return drawn
        if sample.lesion is not None and crops < self.crop:
            return _cropped(sample, rng) or sample
        if shams < self.sham:
            avoid = sample.lesion > 0 if sample.lesion is not None else None
            made = sham(sample.image, draw_sham(rng), avoid=avoid)
            return sample if made is None else sample._replace(image=made)
        return sample

    def _freed(self, sample: Sample, chance: float, rng: np.random.Generator, healthy: int) -> Sample | None:
        """Return the sample without its lesion, if chance will have it, and it can be done."""
        if chance < self.heal:
            healed = self._healed(sample, healthy)
            if healed is not None:
                return healed
        return _cropped(sample, rng, healthy=healthy) if self.miss and chance < self.heal + self.miss else None

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

    def _infiltrated(self, host: Sample, rng: np.random.Generator, classes: Sequence[str]) -> Sample | None:
        made = infiltrate(host.image, draw_infiltration(rng))
        if made is None:
            return None
        image, lesion = made
        return Sample(image, classes.index(self.infiltrating_class), lesion.astype(np.float32))


def _faded(sample: Sample, rng: np.random.Generator) -> Sample:
    made = None if sample.lesion is None else fade(sample.image, sample.lesion > 0.5, draw_fade(rng))
    return sample if made is None else sample._replace(image=made)


def _cropped(sample: Sample, rng: np.random.Generator, *, healthy: int | None = None) -> Sample | None:
    """Return a crop with the lesion in it; with `healthy` one without it, of that class."""
    if sample.lesion is None:
        return None
    made = crop(sample.image, sample.lesion > 0.5, draw_crop(rng), miss=healthy is not None)
    if made is None:
        return None
    image, lesion = made
    return Sample(image, sample.target if healthy is None else healthy, lesion.astype(np.float32))


def _recast(sample: Sample, rng: np.random.Generator) -> Sample | None:
    if sample.lesion is None:
        return None
    made = recast(sample.image, sample.lesion > 0.5, draw_recast(rng))
    return None if made is None else sample._replace(image=made)


def _stripped(sample: Sample, rng: np.random.Generator) -> Sample | None:
    if sample.lesion is None:
        return None
    made = strip(sample.image, sample.lesion > 0.5, draw_strip(rng))
    if made is None:
        return None
    image, lesion = made
    return Sample(image, sample.target, lesion.astype(np.float32))
