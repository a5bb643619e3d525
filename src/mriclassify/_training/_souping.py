"""Souping: networks that were fine-tuned from the same start become one, whose weights are the mean of theirs.

A model soup (Wortsman et al. 2022, arXiv 2203.05482): it answers nearly as well as their ensemble does, in the time of
one. Networks that began elsewhere have no mean: `ensembled` lets those answer together.
"""

import copy
from collections.abc import Sequence

import torch

from mriclassify._data._augmentation import Augment
from mriclassify._data._dataset import Dataset
from mriclassify._errors import NetworkError
from mriclassify._model._bundle import Bundle
from mriclassify._training._ensembling import check_classes, joined
from mriclassify._training._trusting import validated


def souped(
    bundles: Sequence[Bundle],
    kept: Dataset,
    held: Dataset,
    *,
    augment: Augment | None,
    seed: int = 0,
    strips: bool = False,
) -> Bundle:
    """Return the bundle of the network whose weights are the mean of theirs, calibrated anew.

    Args:
        bundles: of networks that were trained on from the same weights.
        kept: the slices that all were trained on.
        held: validation slices that none was trained on, for temperature, thresholds and scores.
        augment: of the training, for calibration and the statistics.
        seed: of the augmentation.
        strips: whether the training met brains alone, see `with_trust`.

    Raises:
        ClassMismatchError: the classes differ.
        NetworkError: the networks are built in different ways, or see slices in different ways.
    """
    check_classes(bundles)
    first = bundles[0]
    for bundle in bundles[1:]:
        if _shapes(bundle) != _shapes(first) or bundle.preprocessing != first.preprocessing:
            raise NetworkError(
                f"{bundle.name} and {first.name} are built, or see slices, in different ways, so that their weights "
                "have no mean: make an ensemble of them"
            )
    network = copy.deepcopy(first.network)
    states = [bundle.network.state_dict() for bundle in bundles]
    network.load_state_dict({name: _mean([state[name] for state in states]) for name in states[0]})
    soup = joined(bundles, network, first=first, name=first.backbone, backbone=first.backbone)
    return validated(soup, kept, held, augment=augment, seed=seed, strips=strips)


def _shapes(bundle: Bundle) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in bundle.network.state_dict().items()}


def _mean(values: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the mean of a parameter; of a counter the first value."""
    return torch.stack(list(values)).mean(dim=0) if values[0].is_floating_point() else values[0]
