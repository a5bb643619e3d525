"""Calibrating: the temperature is fitted to validation slices as they are, and as augmentation changes them."""

from functools import partial

import numpy as np
import torch

from mriclassify._data._augmentation import Augment
from mriclassify._data._dataset import Dataset, targets
from mriclassify._model._bundle import Bundle
from mriclassify._model._calibration import Temperature
from mriclassify._model._outputs import outputs_of
from mriclassify._shapes import Images


def fitted_temperature(bundle: Bundle, held: Dataset, *, augment: Augment | None, seed: int) -> Temperature:
    """Return the temperature for slices that are like the validation slices, or somewhat worse.

    Validation slices come from the scanners of the training. A temperature that is right there makes answers about
    slices of other scanners too sure; fitted to changed slices as well, it errs to the other side at home, and less
    elsewhere (Tomani et al. 2021, "Post-hoc uncertainty calibration for domain drift scenarios", arXiv 2012.10988).

    Args:
        bundle: whose network is trained.
        held: the validation slices.
        augment: of the training; each slice is seen once as it is and once changed. None leaves it at the former.
        seed: of the augmentation.

    Raises:
        ReadError: a slice can't be read.
    """
    paths, truth = [record.path for record in held], targets(held, bundle.classes)
    seen = [outputs_of(bundle, paths).logits]
    if augment is not None:
        seen.append(outputs_of(bundle, paths, change=changing(augment, seed)).logits)
    return Temperature.fit(torch.cat(seen), np.tile(truth, len(seen)))


def changing(augment: Augment, seed: int) -> "partial[Images]":
    """Return the augmentation with a generator of its own: call it with images."""
    return partial(_changed, augment=augment, generator=torch.Generator().manual_seed(seed))


def _changed(images: Images, *, augment: Augment, generator: torch.Generator) -> Images:
    return augment(images, generator)
