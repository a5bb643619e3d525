"""Calibrating: consensus and temperature are fitted to validation slices, as they are and as augmentation has them."""

from functools import partial

import numpy as np
import torch

from mriclassify._data._augmentation import Augment
from mriclassify._data._dataset import Dataset, targets
from mriclassify._labels import NO_TUMOUR
from mriclassify._model._bundle import Bundle
from mriclassify._model._calibration import Temperature
from mriclassify._model._consensus import Consensus
from mriclassify._model._outputs import outputs_of
from mriclassify._shapes import Images


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
    logits, consensus = torch.cat([part.logits for part in seen]), None
    heights = [part.highest for part in seen if part.highest is not None]
    if heights and NO_TUMOUR in bundle.classes:
        healthy = bundle.classes.index(NO_TUMOUR)
        consensus = Consensus.fit(seen[0].logits, heights[0], truth, healthy=healthy)
        logits = consensus(logits, torch.cat(heights)) if consensus else logits
    return bundle.with_changes(consensus=consensus, temperature=Temperature.fit(logits, np.tile(truth, len(seen))))


def changing(augment: Augment, seed: int) -> "partial[Images]":
    """Return the augmentation with a generator of its own: call it with images."""
    return partial(_changed, augment=augment, generator=torch.Generator().manual_seed(seed))


def _changed(images: Images, *, augment: Augment, generator: torch.Generator) -> Images:
    return augment(images, generator)
