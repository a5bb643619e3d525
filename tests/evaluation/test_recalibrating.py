"""recalibrated_bundle: a site's labelled slices move the calibration, and nothing else."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from mriclassify import (
    Bundle,
    Classifier,
    ClassMismatchError,
    Dataset,
    DatasetError,
    MissingFileError,
    OptionError,
    Recalibration,
    Record,
)
from mriclassify._evaluation._recalibrating import recalibrated_bundle
from mriclassify._model._outputs import outputs_of

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


def moved(bundle: Bundle, data: Dataset, *, prior: Mapping[str, float] | None = None) -> tuple[Bundle, Recalibration]:
    return recalibrated_bundle(bundle, data, prior=prior, batch_size=16, seed=0)


def nowhere(*counts: int) -> Dataset:
    """So many slices of each class, none of which exists: what is refused before reading is refused on these."""
    return Dataset(
        Record(Path(f"/gone/{label}{number}.png"), label)
        for label, count in zip(CLASSES, counts, strict=True)
        for number in range(count)
    )


def test_calibration_changes_and_features_do_not(fitted: Classifier, phantoms: Dataset) -> None:
    before = fitted.bundle
    after, summary = moved(before, phantoms)
    assert after.network is before.network
    assert after.familiarity is before.familiarity
    assert (after.thresholds.unfamiliar_above, after.thresholds.appearance) == (
        before.thresholds.unfamiliar_above,
        before.thresholds.appearance,
    )
    assert after.temperature.value == summary.temperature != before.temperature.value
    assert summary.old_temperature == before.temperature.value
    assert dict(zip(CLASSES, after.offsets, strict=True)) == summary.offsets
    assert after.thresholds.uncertain_below == summary.uncertain_below
    assert after.conformal is not None
    assert after.conformal.patients == (6, 6, 6, 6)
    assert (summary.n, summary.n_groups) == (48, 24)


def test_slices_without_patients_are_counted_each(fitted: Classifier, phantoms: Dataset) -> None:
    after, summary = moved(fitted.bundle, Dataset(Record(r.path, r.label) for r in phantoms[::2]))
    assert after.conformal is not None
    assert after.conformal.patients == (6, 6, 6, 6)
    assert summary.n_groups is None


def test_a_rarer_class_at_the_site_becomes_less_probable(fitted: Classifier, phantoms: Dataset) -> None:
    prior = {"glioma": 0.01, "meningioma": 0.33, "notumor": 0.33, "pituitary": 0.33}
    even, rare = (moved(fitted.bundle, phantoms, prior=given)[0] for given in (None, prior))
    assert rare.offsets[0] - rare.offsets[1] == pytest.approx(even.offsets[0] - even.offsets[1] + np.log(0.01 / 0.33))
    logits = outputs_of(fitted.bundle, [record.path for record in phantoms[:4]]).logits
    assert (rare.probabilities(logits)[:, 0] < even.probabilities(logits)[:, 0]).all()


def test_the_order_of_the_slices_changes_nothing_but_rounding(fitted: Classifier, phantoms: Dataset) -> None:
    there, back = (moved(fitted.bundle, data)[0] for data in (phantoms, phantoms[::-1]))
    assert back.offsets == pytest.approx(there.offsets, abs=1e-3)
    assert back.temperature.value == pytest.approx(there.temperature.value, rel=1e-3)


@pytest.mark.parametrize(
    ("counts", "error", "said"),
    [
        ((9, 9, 9, 0), ClassMismatchError, "there is none of pituitary"),
        ((9, 9, 4, 9), DatasetError, "there are 4 of notumor"),
        ((0, 0, 0, 0), DatasetError, "nothing to recalibrate on"),
    ],
)
def test_too_few_slices_are_told_before_any_is_read(
    fitted: Classifier, counts: tuple[int, ...], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        moved(fitted.bundle, nowhere(*counts))


def test_classes_and_priors_that_do_not_fit_are_told_before_any_slice_is_read(fitted: Classifier) -> None:
    with pytest.raises(ClassMismatchError, match="does not know: metastasis"):
        moved(fitted.bundle, Dataset([*nowhere(9, 9, 9, 9), Record(Path("/gone/x.png"), "metastasis")]))
    with pytest.raises(ClassMismatchError, match="prior must have one share for each"):
        moved(fitted.bundle, nowhere(9, 9, 9, 9), prior={"glioma": 1.0})
    with pytest.raises(OptionError, match="sum to 1"):
        moved(fitted.bundle, nowhere(9, 9, 9, 9), prior=dict.fromkeys(CLASSES, 0.5))


def test_a_slice_that_cannot_be_read_is_an_error(fitted: Classifier) -> None:
    with pytest.raises(MissingFileError, match="/gone/"):
        moved(fitted.bundle, nowhere(9, 9, 9, 9))
