"""Fitting: from a dataset to a bundle. Sets validation apart, builds, trains, calibrates, notes the origin."""

import copy
import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from mriclassify._data._dataset import Dataset, targets
from mriclassify._data._preprocessing import Preprocessing
from mriclassify._errors import ClassMismatchError, DatasetError, NetworkError, TrainingError
from mriclassify._labels import NO_TUMOUR
from mriclassify._model._blueprint import Blueprint
from mriclassify._model._bundle import Bundle
from mriclassify._model._ensemble import Ensemble
from mriclassify._model._network import Network
from mriclassify._model._provenance import Provenance, group_hashes, marks_of
from mriclassify._threads import ordered_map, worker_count
from mriclassify._training._batches import Slices
from mriclassify._training._history import History
from mriclassify._training._loop import OnEpoch, train
from mriclassify._training._options import TrainingOptions
from mriclassify._training._trusting import validated
from mriclassify._version import __version__

log = logging.getLogger("mriclassify")

VALIDATION_SHARE = 0.15


def fit_bundle(
    blueprint: Blueprint,
    before: Bundle | None,
    data: Dataset,
    *,
    validation: Dataset | None,
    options: TrainingOptions | None,
    teacher: Bundle | None,
    device: torch.device,
    resume: Path | None,
    on_epoch: OnEpoch | None,
) -> tuple[Bundle, History]:
    """Return a trained and calibrated bundle, and the history of its training.

    Args:
        blueprint: what to build where there is no bundle yet.
        before: a bundle to go on from.
        data: slices with labels; `validation` is set apart from it if it is None.
        validation: slices that choose epoch and temperature.
        teacher: a trained model whose answers are learnt beside the labels, if there is one.
        options, device, resume, on_epoch: see `train`.
    """
    trained = _trained(before)
    options = options or TrainingOptions()
    kept, held, split = _parts(data, validation, seed=options.seed)
    classes = kept.classes
    backbone = before.backbone if before else blueprint.name
    preprocessing = before.preprocessing if before else blueprint.preprocessing
    if teacher:
        _check_teacher(teacher, classes, preprocessing)
    # First of all: it reads every slice, and a bad one should stop the training now rather than after hours.
    provenance = _provenance(kept, held, split, [bundle for bundle in (before, teacher) if bundle])
    build = partial(_network, blueprint, before, trained, classes, seed=options.seed)
    network = build(lesions=True) if _has_masks(kept) else _without_masks(build, teacher)
    kept_slices = _slices(kept, classes, preprocessing, masks=_has_masks(kept) and network.lesion_head is not None)
    if _has_masks(kept) and network.lesion_head is None:
        log.warning("the masks are not used: this network was built without a lesion head")
    _read_masks(kept_slices)
    held_slices = _slices(held, classes, preprocessing)
    history = train(
        network,
        kept_slices,
        held_slices,
        classes=classes,
        options=options,
        device=device,
        identity=options.described()
        | {
            "backbone": backbone,
            "start": before.name if before else str(blueprint.pretrained),
            "preprocessing": repr(preprocessing),
            "training slices": _digest(kept),
            "validation slices": _digest(held),
            "teacher": _described(teacher) if teacher else "",
        },
        teacher=teacher,
        resume=resume,
        on_epoch=on_epoch,
    )
    bundle = Bundle(
        name=f"{backbone}.fitted",
        backbone=backbone,
        classes=classes,
        network=network,
        preprocessing=preprocessing,
        provenance=provenance,
    )
    synthesis = None if kept_slices.masks is None or kept_slices.healthy is None else options.synthesis
    strips = synthesis is not None and synthesis.strip > 0
    return validated(bundle, kept, held, augment=options.augmentation, seed=options.seed, strips=strips), history


def _check_teacher(teacher: Bundle, classes: Sequence[str], preprocessing: Preprocessing) -> None:
    """Find out whether a teacher can be asked about the images that are trained on; of what size, is all the same.

    Raises:
        ClassMismatchError: it knows other classes.
        TrainingError: it sees another part of the slice.
    """
    if teacher.classes != tuple(classes):
        raise ClassMismatchError(
            f"the teacher {teacher.name} must know the classes that are trained on, in their order; "
            f"teacher: {', '.join(teacher.classes)}; training: {', '.join(classes)}"
        )
    if not teacher.preprocessing.same_but_for_size(preprocessing):
        raise TrainingError(
            f"the teacher {teacher.name} sees slices otherwise: {teacher.preprocessing}, and here {preprocessing}: "
            "train with the teacher's preprocessing; only the size may be another"
        )


def _parts(data: Dataset, validation: Dataset | None, *, seed: int) -> tuple[Dataset, Dataset, str]:
    if not len(data):
        raise DatasetError("there is nothing to train on: the dataset is empty")
    if len(data.classes) < 2:
        raise DatasetError(f"training needs at least two classes; the dataset has {', '.join(data.classes)} only")
    if validation is None:
        kept, held = data.split((1 - VALIDATION_SHARE, VALIDATION_SHARE), seed=seed)
        return kept, held, f"{VALIDATION_SHARE:.0%} of the training slices set apart by {held.split_by}"
    if not len(validation):
        raise DatasetError("there is nothing to validate on: the validation dataset is empty")
    if validation.classes != data.classes:
        raise ClassMismatchError(
            f"training and validation slices must have the same classes; training: {', '.join(data.classes)}; "
            f"validation: {', '.join(validation.classes)}"
        )
    return data, validation, f"given by the caller, made by {validation.split_by or 'means unknown'}"


def _has_masks(data: Dataset) -> bool:
    return any(record.mask is not None for record in data)


def _read_masks(slices: Slices) -> None:
    """Read every mask once: a bad one should stop the training now, and not in its second epoch.

    Raises:
        ReadError: a mask can't be read.
        DatasetError: one is no mask, or not as large as its slice.
    """
    workers = worker_count()
    for _ in ordered_map(slices.sample, slices.outlined, workers=workers, ahead=4 * workers):
        pass


def _without_masks(build: Callable[..., Network], teacher: Bundle | None) -> Network:
    """Return the network to train where there are no masks: a teacher's lesion map can be learnt from it alone."""
    if teacher and teacher.network.lesion_head is not None:
        try:
            return build(lesions=True)
        except NetworkError:
            log.info("the teacher's lesion map is not learnt: this backbone makes no maps")
    return build(lesions=False)


def _trained(before: Bundle | None) -> Network | None:
    """Return the network to go on from, if there is one.

    Raises:
        TrainingError: there are several.
    """
    if before is None:
        return None
    if isinstance(before.network, Ensemble):
        raise TrainingError(
            f"{before.name} are several networks that answer together: go on from one of them, or from another name"
        )
    return before.network


def _network(
    blueprint: Blueprint,
    before: Bundle | None,
    trained: Network | None,
    classes: tuple[str, ...],
    *,
    seed: int,
    lesions: bool,
) -> Network:
    if before is None or trained is None:
        return blueprint.build(classes=len(classes), seed=seed, lesions=lesions)
    # A copy: a training that is stopped leaves the old model as it was.
    network = copy.deepcopy(trained)
    if before.classes == classes:
        return network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(
            network.backbone,
            classes=len(classes),
            channels=network.channels,
            size=before.preprocessing.size,
            mean=float(network.mean),
            std=float(network.std),
            lesions=network.lesion_head is not None,
        )


def _slices(data: Dataset, classes: Sequence[str], preprocessing: Preprocessing, *, masks: bool = False) -> Slices:
    return Slices(
        paths=[record.path for record in data],
        targets=targets(data, classes),
        preprocessing=preprocessing,
        masks=[record.mask for record in data] if masks else None,
        healthy=classes.index(NO_TUMOUR) if NO_TUMOUR in classes else None,
        classes=classes,
        sources=[record.source for record in data],
    )


def _digest(data: Dataset) -> str:
    """Return what tells one list of labelled files from another, and of their masks and sources."""
    lines = "\n".join(f"{record.path}\t{record.label}\t{record.mask}\t{record.source}" for record in data)
    return f"{len(data)} of {hashlib.sha256(lines.encode()).hexdigest()[:16]}"


def _described(bundle: Bundle) -> str:
    """Return what tells one model from another of the same name."""
    digest = hashlib.sha256()
    for value in bundle.network.state_dict().values():
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return f"{bundle.name} of {digest.hexdigest()[:16]}"


def _provenance(kept: Dataset, held: Dataset, split: str, before: Sequence[Bundle]) -> Provenance:
    paths = [record.path for part in (kept, held) for record in part]
    seen = marks_of(paths, strict=True)
    own = Provenance(
        slices=seen.fingerprints,
        hashes=seen.hashes,
        groups=tuple(group_hashes(group for part in (kept, held) for group in part.groups if group)),
        split=split,
        created=date.today().isoformat(),
        versions={"mriclassify": __version__}
        | {name: version(name) for name in ("torch", "torchvision", "numpy", "pillow")},
    )
    # A model that goes on from another, or learns from it, has seen what that one saw.
    return own.with_others(model.provenance for model in before)
