"""Ensembling: trained models become one that answers with the mean of their answers, calibrated anew."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from mriclassify._data._augmentation import Augment
from mriclassify._data._dataset import Dataset
from mriclassify._errors import ClassMismatchError, NetworkError
from mriclassify._model._bundle import Bundle
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._inference import ready
from mriclassify._model._network import Network
from mriclassify._training._trusting import validated


def ensembled(
    bundles: Sequence[Bundle],
    kept: Dataset,
    held: Dataset,
    *,
    augment: Augment | None,
    seed: int = 0,
    strips: bool = False,
) -> Bundle:
    """Return the bundle of an `Ensemble` of single networks' bundles.

    Args:
        bundles: of the same classes; the finest one's preprocessing is taken.
        kept: the slices that all were trained on.
        held: validation slices that none was trained on, for temperature, thresholds and scores.
        augment: of the training, for calibration and the statistics.
        seed: of the augmentation.
        strips: whether the training met brains alone, see `with_trust`.

    Raises:
        ClassMismatchError: the classes differ.
        NetworkError: the networks do not go together: a model is an ensemble itself, has a backbone of the user's own,
            or sees another part of the slice.
    """
    check_classes(bundles)
    first = max(bundles, key=lambda bundle: bundle.preprocessing.size)
    networks = [_single(bundle, first) for bundle in bundles]
    network = Ensemble(networks, [bundle.preprocessing.size for bundle in bundles])
    together = joined(
        bundles, network, first=first, name="ensemble", backbone="+".join(bundle.backbone for bundle in bundles)
    )
    return validated(together, kept, held, augment=augment, seed=seed, strips=strips)


def joined(
    bundles: Sequence[Bundle], network: Network | Ensemble, *, first: Bundle, name: str, backbone: str
) -> Bundle:
    """Return the bundle, not calibrated yet, of a network that was made of those of `bundles`, `first` among them."""
    return Bundle(
        name=f"{name}.fitted",
        backbone=backbone,
        classes=first.classes,
        network=ready(network, first.network.mean.device),
        preprocessing=first.preprocessing,
        provenance=replace(
            bundles[0].provenance.with_others(bundle.provenance for bundle in bundles[1:]),
            created=date.today().isoformat(),
        ),
    )


def check_classes(bundles: Sequence[Bundle]) -> None:
    """Raise ClassMismatchError unless all have the same classes."""
    first = bundles[0]
    for bundle in bundles:
        if bundle.classes != first.classes:
            raise ClassMismatchError(
                f"models that become one must have the same classes: {', '.join(first.classes)}; "
                f"{bundle.name}: {', '.join(bundle.classes)}"
            )


def _single(bundle: Bundle, first: Bundle) -> Network:
    if not isinstance(bundle.network, Network):
        raise NetworkError(f"{bundle.name} are several networks already: pass them one by one")
    if bundle.backbone.startswith("custom:"):
        raise NetworkError(
            f"{bundle.name} has a backbone of the user's own, which a file of several can't be built with"
        )
    if not bundle.preprocessing.same_but_for_size(first.preprocessing):
        raise NetworkError(
            f"{bundle.name} sees slices otherwise than {first.name}: {bundle.preprocessing} and {first.preprocessing}"
        )
    return bundle.network
