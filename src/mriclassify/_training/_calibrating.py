"""Calibrating: consensus and temperature are fitted to validation slices, as they are and as augmentation has them."""

from functools import partial

import numpy as np
import torch

from mriclassify._data._augmentation import Augment
from mriclassify._data._dataset import Dataset, targets
from mriclassify._model._bundle import Bundle
from mriclassify._model._calibration import Temperature
from mriclassify._model._consensus import Consensus
from mriclassify._model._outputs import outputs_of
from mriclassify._shapes import Images

HEALTHY = "notumor"
"""The class whose slices have no lesion, though nobody outlines that."""


def calibrated(bundle: Bundle, held: Dataset, *, augment: Augment | None, seed: int) -> Bundle:
    """Return the bundle with consensus and temperature for slices that are like the validation slices, or worse.

    Validation slices come from the scanners of the training. A temperature that is right there makes answers about
    slices of other scanners too sure; fitted to changed slices as well, it errs to the other side at home, and less
    elsewhere (Tomani et al. 2021, "Post-hoc uncertainty calibration for domain drift scenarios", arXiv 2012.10988).
    How class head and lesion map go together is fitted to the slices as they are: change hides tumours, so that even
    odds would come to lie too low.

    Args:
        bundle: whose network is trained; what it was calibrated to before is forgotten.
        held: the validation slices.
        augment: of the training, for the temperature: each slice is seen as it is and changed. None: as it is alone.
        seed: of the augmentation.

    Raises:
        ReadError: a slice can't be read.
    """
    paths, truth = [record.path for record in held], targets(held, bundle.classes)
    raw = bundle.with_changes(consensus=None, temperature=Temperature())
    seen = [outputs_of(raw, paths)]
    if augment is not None:
        seen.append(outputs_of(raw, paths, change=changing(augment, seed)))
    consensus = None
    if seen[0].highest is not None and HEALTHY in bundle.classes:
        healthy = bundle.classes.index(HEALTHY)
        consensus = Consensus.fit(seen[0].logits, seen[0].highest, truth, healthy=healthy)
    logits = [
        part.logits if consensus is None or part.highest is None else consensus(part.logits, part.highest)
        for part in seen
    ]
    temperature = Temperature.fit(torch.cat(logits), np.tile(truth, len(seen)))
    return bundle.with_changes(consensus=consensus, temperature=temperature)


def changing(augment: Augment, seed: int) -> "partial[Images]":
    """Return the augmentation with a generator of its own: call it with images."""
    return partial(_changed, augment=augment, generator=torch.Generator().manual_seed(seed))


def _changed(images: Images, *, augment: Augment, generator: torch.Generator) -> Images:
    return augment(images, generator)
