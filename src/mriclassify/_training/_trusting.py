"""What is kept of training and validation slices, so that the model can say when not to be trusted."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mriclassify._data._augmentation import Augment
from mriclassify._data._dataset import Dataset, targets
from mriclassify._data._stripping import StripParameters, strip
from mriclassify._data._tomography import as_ct, draw_ct
from mriclassify._errors import DatasetError, OptionError
from mriclassify._model._bundle import Bundle
from mriclassify._model._outputs import outputs_of
from mriclassify._shapes import Features, Images, Probabilities, Targets
from mriclassify._training._batches import Slices
from mriclassify._training._calibrating import calibrated, changing
from mriclassify._training._outlining import level_of
from mriclassify._trust._conformal import Conformal, fewest_patients
from mriclassify._trust._familiarity import Familiarity, familiar_below
from mriclassify._trust._recalibration import RISK, curve_of, site_threshold
from mriclassify._trust._tomography import FEWEST, CtLikeness

log = logging.getLogger("mriclassify")


def validated(
    bundle: Bundle, kept: Dataset, held: Dataset, *, augment: Augment | None, seed: int, strips: bool = False
) -> Bundle:
    """Return a trained bundle calibrated, and with what it can be trusted by; arguments are those of `with_trust`."""
    bundle = calibrated(bundle, held, augment=augment, seed=seed)
    return with_trust(bundle, kept, held, augment=augment, seed=seed, strips=strips)


def with_trust(
    bundle: Bundle, kept: Dataset, held: Dataset, *, augment: Augment | None, seed: int, strips: bool = False
) -> Bundle:
    """Return `bundle` with what the training slices are like, and thresholds and scores from the validation slices.

    Args:
        bundle: trained and calibrated.
        kept: the training slices.
        held: the validation slices, of other patients.
        augment: of the training. A few slices are shown augmented as well: what training took to be the same slice
            should be familiar too. With many, pictures of other kinds become familiar as well.
        seed: of the augmentation.
        strips: whether training met brains alone (`Synthesis.strip`): these should be familiar, then, as well.

    Raises:
        ReadError: a slice or a mask can't be read.
        DatasetError: a mask is none, or not as large as its slice.
    """
    unseen = outputs_of(bundle, _paths(held))
    truth = targets(held, bundle.classes)
    probabilities = bundle.probabilities(unseen.logits)
    curve = curve_of(probabilities, truth)
    threshold, shown = site_threshold(curve, risk=RISK, as_sampled=True)
    if not shown:
        log.warning("the validation slices are too few to show that %.0f %% of the sure answers are right", _RIGHT)
    level = level_of(bundle, _outlined(bundle, held))
    thresholds = replace(
        bundle.thresholds,
        uncertain_below=threshold,
        lesion_above=bundle.thresholds.lesion_above if level is None else level,
    )
    changed = bundle.with_changes(
        conformal=_conformal(probabilities, truth, held), risk_coverage=curve, thresholds=thresholds
    )
    seen, held_out = [outputs_of(bundle, _paths(kept)).features], unseen.features
    if strips:
        seen.append(outputs_of(bundle, _paths(kept)[1::EVERY_STRIPPED], change=_stripped).features)
        held_out = torch.cat([held_out, outputs_of(bundle, _paths(held), change=_stripped).features])
    if augment is not None:
        seen.append(outputs_of(bundle, _paths(kept)[::EVERY], change=changing(augment, seed)).features)
    changed = _knowing_ct(changed, kept, held, seen, held_out, augment=augment, seed=seed, strips=strips)
    try:
        familiarity = Familiarity.fit(torch.cat(seen).numpy())
    except DatasetError as error:
        log.warning("unfamiliar slices will not be rejected: %s", error)
        return changed
    limit = familiar_below(familiarity.distance(held_out.numpy()))
    return changed.with_changes(familiarity=familiarity, thresholds=replace(changed.thresholds, unfamiliar_above=limit))


EVERY = 10
"""One slice in so many is also shown augmented to the statistics of familiar slices."""

EVERY_STRIPPED = 4
"""One in so many is shown stripped: they are another kind of slices, of which a few would remain outliers."""

EVERY_DRAWN = 3
"""One in so many is drawn as CT, where its brain can be told."""

MR_SHARE = 0.998
"""Share of validation slices, as they are and changed, that are not to be taken for CT."""

COVERAGE = 0.95
"""Prediction sets count patients instead of slices where there are enough of them for this coverage."""

_RIGHT = 100 * (1 - RISK)


def _paths(data: Dataset) -> list[Path]:
    return [record.path for record in data]


def _outlined(bundle: Bundle, held: Dataset) -> Slices:
    return Slices(
        paths=_paths(held),
        targets=targets(held, bundle.classes),
        preprocessing=bundle.preprocessing,
        masks=[record.mask for record in held],
    )


def _knowing_ct(
    bundle: Bundle,
    kept: Dataset,
    held: Dataset,
    seen: Sequence[Features],
    held_out: Features,
    *,
    augment: Augment | None,
    seed: int,
    strips: bool,
) -> Bundle:
    """Return the bundle with what tells CT from MR; as it is where too few slices can be drawn as CT.

    Slices changed by augmentation, whole and stripped, stand for other scanners on both sides of the limit: without
    them, brains alone of other hospitals came to lie beyond it.

    Args:
        bundle: as of `with_trust`, whose arguments those of the same names are.
        kept: the training slices.
        held: the validation slices.
        seen: features of training slices, as they are and changed.
        held_out: features of validation slices, as they are and stripped.
        augment: of the training.
        seed: of what is drawn.
        strips: whether training met brains alone.
    """
    rng, drawn = np.random.default_rng(seed), list[bool]()

    def change(images: Images) -> Images:
        made = [as_ct(plane, draw_ct(rng), rng) for plane in images[:, 0].numpy()]
        drawn.extend(one is not None for one in made)
        planes = [image[0].numpy() if one is None else one for one, image in zip(made, images, strict=True)]
        return torch.from_numpy(np.stack(planes)[:, None])

    of_ct = outputs_of(bundle, _paths(kept)[::EVERY_DRAWN], change=change).features[torch.tensor(drawn)]
    if len(of_ct) < FEWEST:
        log.info("only %d slices can be drawn as CT: real ones will not be known as such", len(of_ct))
        return bundle
    own, others = [*seen], [held_out]
    if augment is not None:
        changes: list[Callable[[Images], Images]] = [changing(augment, seed + 1)]
        if strips:
            again = changing(augment, seed + 2)
            changes.append(lambda images: again(_stripped(images)))
            own.append(outputs_of(bundle, _paths(kept)[2::EVERY], change=changes[1]).features)
        others.extend(outputs_of(bundle, _paths(held), change=each).features for each in changes)
    try:
        ct_likeness = CtLikeness.fit(torch.cat(own).numpy(), of_ct.numpy())
    except DatasetError as error:
        log.info("slices of CT will not be known as such: %s", error)
        return bundle
    limit = familiar_below(ct_likeness.score(torch.cat(others).numpy()), share=MR_SHARE)
    return bundle.with_changes(ct_likeness=ct_likeness, thresholds=replace(bundle.thresholds, ct_above=max(0.0, limit)))


def _stripped(images: Images) -> Images:
    """Return the images with the brain alone, where it can be told; the others as they are."""
    planes = images[:, 0].numpy()
    nowhere = np.zeros(planes.shape[1:], bool)
    made = [strip(plane, nowhere, StripParameters(spread=0.0)) for plane in planes]
    return torch.from_numpy(
        np.stack([plane if one is None else one[0] for plane, one in zip(planes, made, strict=True)])[:, None]
    )


def _conformal(probabilities: Probabilities, truth: Targets, held: Dataset) -> Conformal | None:
    groups = [record.group for record in held if record.group]
    try:
        if len(groups) == len(held):
            by_patient = Conformal.fit(probabilities, truth, groups)
            if min(by_patient.patients) >= fewest_patients(COVERAGE):
                return by_patient
            log.info("too few validation patients of a class: prediction sets take each slice for a patient")
        return Conformal.fit(probabilities, truth)
    except OptionError as error:
        log.warning("there will be no prediction sets: %s", error)
        return None
