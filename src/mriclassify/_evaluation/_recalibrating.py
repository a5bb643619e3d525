"""Recalibrating: a bundle and a site's labelled slices become a bundle that fits the site."""

from collections.abc import Mapping
from dataclasses import replace

from mriclassify._data._dataset import Dataset, targets
from mriclassify._errors import ClassMismatchError, DatasetError
from mriclassify._evaluation._recalibrated import Recalibration, recalibrated
from mriclassify._model._bundle import Bundle
from mriclassify._model._calibration import Temperature
from mriclassify._model._outputs import outputs_of
from mriclassify._trust._recalibration import check_classes, shares_of


def recalibrated_bundle(
    bundle: Bundle, data: Dataset, *, prior: Mapping[str, float] | None, batch_size: int, seed: int
) -> tuple[Bundle, Recalibration]:
    """Return the bundle for the site, with the same network, and what changed; see `Classifier.recalibrate`.

    Raises:
        ClassMismatchError: the data lacks a class of the model, or has others.
        DatasetError: there are no slices, or too few of a class.
        ReadError: a slice can't be read.
    """
    if not len(data):
        raise DatasetError("there is nothing to recalibrate on: the dataset is empty")
    unknown = sorted(set(data.classes) - set(bundle.classes))
    if unknown:
        raise ClassMismatchError(
            f"the dataset has classes that the model does not know: {', '.join(unknown)}; "
            f"dataset: {', '.join(data.classes)}; model: {', '.join(bundle.classes)}"
        )
    truth = targets(data, bundle.classes)
    check_classes(truth, bundle.classes)  # before anything is read, as is the prior
    shares_of(prior, bundle.classes)
    outputs = outputs_of(bundle, [record.path for record in data], batch_size=batch_size)
    groups = [record.group for record in data if record.group]
    site, summary = recalibrated(
        outputs.logits.double().numpy(),
        truth,
        groups if len(groups) == len(data) else None,
        classes=bundle.classes,
        temperature=bundle.temperature.value,
        offsets=bundle.offsets,
        prior=prior,
        conformal=bundle.conformal,
        uncertain_below=bundle.thresholds.uncertain_below,
        seed=seed,
    )
    changed = bundle.with_changes(
        temperature=Temperature(site.temperature),
        offsets=site.offsets,
        conformal=site.conformal,
        risk_coverage=site.risk_coverage,
        thresholds=replace(bundle.thresholds, uncertain_below=site.uncertain_below),
    )
    return changed, summary
