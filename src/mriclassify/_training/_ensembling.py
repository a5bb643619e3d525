"""Ensembling: trained models become one that answers with the mean of their answers, calibrated anew."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from mriclassify._data._augmentation import Augment
from mriclassify._data._dataset import Dataset, targets
from mriclassify._errors import ClassMismatchError
from mriclassify._model._bundle import Bundle
from mriclassify._model._calibration import Temperature
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._inference import ready
from mriclassify._model._network import Network
from mriclassify._model._outputs import outputs_of
from mriclassify._model._provenance import Provenance
from mriclassify._training._trusting import with_trust


def ensembled(
    bundles: Sequence[Bundle], kept: Dataset, held: Dataset, *, augment: Augment | None, seed: int = 0
) -> Bundle:
    """Return the bundle of an `Ensemble` of single networks' bundles.

    Args:
        bundles: of the same classes; the finest one's preprocessing is taken.
        kept: the slices that all were trained on.
        held: validation slices that none was trained on, for temperature, thresholds and scores.
        augment: see `with_trust`.
        seed: of the augmentation.

    Raises:
        ClassMismatchError: the classes differ.
        NetworkError: the networks do not go together.
    """
    first = max(bundles, key=lambda bundle: bundle.preprocessing.size)
    for bundle in bundles:
        if bundle.classes != first.classes:
            raise ClassMismatchError(
                f"models that answer together must have the same classes: {', '.join(first.classes)}; "
                f"{bundle.name}: {', '.join(bundle.classes)}"
            )
    networks = [bundle.network for bundle in bundles if isinstance(bundle.network, Network)]
    network = Ensemble(networks, [bundle.preprocessing.size for bundle in bundles])
    together = Bundle(
        name="ensemble.fitted",
        backbone="+".join(bundle.backbone for bundle in bundles),
        classes=first.classes,
        network=ready(network, first.network.mean.device),
        preprocessing=first.preprocessing,
        provenance=_provenance([bundle.provenance for bundle in bundles]),
    )
    logits = outputs_of(together, [record.path for record in held]).logits
    temperature = Temperature.fit(logits, targets(held, together.classes))
    return with_trust(together.with_changes(temperature=temperature), kept, held, augment=augment, seed=seed)


def _provenance(parts: Sequence[Provenance]) -> Provenance:
    return Provenance(
        slices=np.unique(np.concatenate([part.slices for part in parts])),
        groups=tuple(sorted({group for part in parts for group in part.groups})),
        split=parts[0].split,
        created=date.today().isoformat(),
        versions=parts[0].versions,
    )
