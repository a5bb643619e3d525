"""Masks in training: from the files beside the slices to a network that sees where the lesion is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mriclassify import Augmentation, Classifier, Dataset, DatasetError, Epoch, Preprocessing, Synthesis, TrainingError
from mriclassify._data._synthesis import Sample
from mriclassify._model._inference import infer
from mriclassify._training import _fitting, _loop
from mriclassify._training._batches import Batch, Slices, augmented, sample_batches
from mriclassify._training._memory import Memory

Fit = Callable[..., Classifier]
CPU = torch.device("cpu")
LABELS = ("glioma", "meningioma", "notumor", "pituitary")
HEALTHY = LABELS.index("notumor")


def slices(data: Dataset, *, size: int = 64, **changes: Any) -> Slices:
    given: dict[str, Any] = {
        "paths": [record.path for record in data],
        "targets": np.array([LABELS.index(str(record.label)) for record in data]),
        "preprocessing": Preprocessing(size=size),
        "masks": [record.mask for record in data],
        "healthy": HEALTHY,
        "classes": LABELS,
    }
    return Slices(**(given | changes))


def batches(given: Slices, *, count: int = 8, synthesis: Synthesis | None = None, seed: int = 0) -> list[Batch]:
    indices = list(range(count))
    return list(
        sample_batches(
            given,
            [indices[: count // 2], indices[count // 2 :]],
            synthesis=synthesis,
            rng=lambda index: np.random.default_rng([seed, index]),
            device=CPU,
            workers=1,
            memory=Memory(1),
        )
    )


def first_of(data: Dataset, label: str) -> int:
    return next(number for number, record in enumerate(data) if record.label == label)


def test_a_sample_is_its_slice_and_where_its_lesion_is(masked: tuple[Dataset, Dataset]) -> None:
    given = slices(masked[0])
    for index, record in enumerate(masked[0]):
        made = given.sample(index)
        np.testing.assert_array_equal(made.image, given.image(index)[0])
        assert made.target == LABELS.index(str(record.label))
        assert made.lesion is not None
        assert made.lesion.shape == made.image.shape == (64, 64)
        inside = made.lesion > 0.5
        if record.label == "notumor":
            assert not inside.any()
        else:
            assert 60 < inside.sum() < 250
            # The mask came into the frame that its slice was cut with.
            assert made.image[inside].min() > made.image[made.lesion == 0].max() - 0.3
            assert made.image[inside].mean() > 2 * made.image[made.lesion == 0].mean()


def test_where_a_lesion_is_can_be_unknown(masked: tuple[Dataset, Dataset]) -> None:
    data = masked[0]
    glioma, notumor = first_of(data, "glioma"), first_of(data, "notumor")
    none = [None] * len(data)
    assert slices(data, masks=none).sample(glioma).lesion is None
    assert slices(data, masks=None).sample(glioma).lesion is None
    known = slices(data, masks=none).sample(notumor).lesion
    assert known is not None and not known.any()
    assert slices(data, masks=none, healthy=None).sample(notumor).lesion is None


def test_donors_are_the_slices_with_a_mask(masked: tuple[Dataset, Dataset]) -> None:
    data = masked[0]
    assert slices(data).donors == [number for number, record in enumerate(data) if record.label != "notumor"]
    assert slices(data, masks=None).donors == []


def test_empty_masks_of_tumour_free_slices_are_read_but_give_no_lesion(masked: tuple[Dataset, Dataset]) -> None:
    data = masked[0]
    healthy, glioma = first_of(data, "notumor"), first_of(data, "glioma")
    masks = [None] * len(data)
    masks[healthy] = masks[glioma] = data[glioma].mask
    given = slices(data, masks=masks)
    assert given.outlined == sorted([healthy, glioma])
    assert given.donors == [glioma]


def test_slices_of_spared_sources_get_no_graft(masked: tuple[Dataset, Dataset]) -> None:
    data = masked[0]
    healthy = [number for number, record in enumerate(data) if record.label == "notumor"]
    sources = ["whole heads" if number in healthy[::2] else None for number in range(len(data))]

    def targets(**options: Any) -> list[int]:
        (batch,) = sample_batches(
            slices(data, sources=sources),
            [healthy],
            synthesis=Synthesis(heal=0, miss=0, graft=1, fade=0, crop=0, sham=0, **options),
            rng=lambda index: np.random.default_rng([3, index]),
            device=CPU,
            workers=1,
            memory=Memory(0),
        )
        found: list[int] = batch.targets.tolist()
        return found

    free = LABELS.index("notumor")
    everywhere, spared = targets(), targets(spared_sources=("whole heads",))
    assert all(target == free for target in spared[::2])
    assert spared[1::2] == everywhere[1::2]
    assert any(target != free for target in everywhere[::2]) and any(target != free for target in spared[1::2])


def test_a_mask_of_another_size_is_named_with_its_slice(
    masked: tuple[Dataset, Dataset], fit: Fit, tmp_path: Path
) -> None:
    index = first_of(masked[0], "glioma")
    path = masked[0][index].path
    Image.fromarray(np.zeros((96, 80), np.uint8)).save(tmp_path / "other.png")
    data = masked[0].with_masks({path: tmp_path / "other.png"})
    with pytest.raises(DatasetError, match="80x96") as caught:
        slices(data).sample(index)
    assert str(tmp_path / "other.png") in str(caught.value)
    assert str(path) in str(caught.value)
    # All 32 training slices make four whole batches of eight: none is left out.
    with pytest.raises(DatasetError, match=r"other\.png.*expected the same size"):
        fit(data=data, epochs=1)


def test_batches_say_where_lesions_are_and_whether_that_is_known(masked: tuple[Dataset, Dataset]) -> None:
    data = masked[0]
    order = [first_of(data, label) for label in LABELS]
    masks = [None if number == order[1] else data[number].mask for number in range(len(data))]
    (batch,) = sample_batches(
        slices(data, masks=masks),
        [order],
        synthesis=None,
        rng=lambda _: pytest.fail("drawn"),
        device=CPU,
        workers=1,
        memory=Memory(0),
    )
    assert batch.images.shape == batch.lesions.shape == (4, 1, 64, 64)
    assert batch.targets.tolist() == [0, 1, 2, 3]
    assert batch.known.dtype == torch.bool
    assert batch.known.tolist() == [True, False, True, True]
    assert (batch.lesions.amax(dim=(1, 2, 3)) > 0.9).tolist() == [True, False, False, True]


def test_batches_without_masks_have_no_lesions(masked: tuple[Dataset, Dataset]) -> None:
    for batch in batches(slices(masked[0], masks=None), synthesis=Synthesis(heal=1, miss=0, graft=1, sham=1)):
        assert batch.lesions.shape == (4, 1, 0, 0)
        assert not batch.known.any()
    plain = batches(slices(masked[0], masks=None))
    looking = batches(slices(masked[0]))
    assert all(torch.equal(a.images, b.images) for a, b in zip(plain, looking, strict=True))


def test_synthesis_acts_on_the_batches_and_its_generator_decides(masked: tuple[Dataset, Dataset]) -> None:
    given, always = slices(masked[0]), Synthesis(heal=1, miss=0, graft=1, sham=1)
    plain, first, again, other = (
        batches(given, count=32, synthesis=synthesis, seed=seed)
        for synthesis, seed in ((None, 0), (always, 0), (always, 0), (always, 1))
    )
    assert any((a.targets != b.targets).any() for a, b in zip(plain, first, strict=True))
    for a, b in zip(first, again, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert any(not torch.equal(a.images, b.images) for a, b in zip(first, other, strict=True))
    for batch in first:
        has = batch.lesions.amax(dim=(1, 2, 3)) > 0.5
        assert (batch.targets[has] != HEALTHY).all()
        assert (batch.targets[~has] == HEALTHY).all()


class Bright(Slices):
    """Slices whose tissue is as bright as that of a scan: the phantoms' is as dark as air."""

    def sample(self, index: int) -> Sample:
        made = Slices.sample(self, index)
        return made._replace(image=np.clip(made.image + np.float32(0.4) * (made.image > 0.02), 0, 1.5))


def bright(data: Dataset) -> Slices:
    given = slices(data)
    return Bright(**{name: getattr(given, name) for name in Slices.__dataclass_fields__})


def test_synthesis_is_told_each_slices_class(masked: tuple[Dataset, Dataset]) -> None:
    given = bright(masked[0])
    fading = Synthesis(heal=0, miss=0, graft=0, fade=1, crop=0, sham=0, faded_classes=("pituitary",))
    for plain, faded in zip(batches(given, count=32), batches(given, count=32, synthesis=fading), strict=True):
        changed = (plain.images != faded.images).flatten(1).any(dim=1)
        assert changed.tolist() == [LABELS[target] == "pituitary" for target in plain.targets.tolist()]
        assert torch.equal(plain.targets, faded.targets)
        assert torch.equal(plain.lesions, faded.lesions)


def test_a_crop_that_misses_is_a_healthy_slice_of_its_batch(masked: tuple[Dataset, Dataset]) -> None:
    missing = Synthesis(heal=0, miss=1, graft=0, fade=0, crop=0, sham=0)
    made = batches(bright(masked[0]), count=32, synthesis=missing)
    plain = torch.cat([batch.targets for batch in batches(bright(masked[0]), count=32)])
    targets = torch.cat([batch.targets for batch in made])
    assert (targets[plain != HEALTHY] == HEALTHY).float().mean() > 0.3
    for batch in made:
        free = batch.targets == HEALTHY
        assert not batch.lesions[free].any()
        assert batch.known.all()


def test_batches_are_the_same_whatever_is_remembered(masked: tuple[Dataset, Dataset]) -> None:
    given, decoded = bright(masked[0]), []

    class Watched(Slices):
        def sample(self, index: int) -> Sample:
            decoded.append(index)
            return given.sample(index)

    watched = Watched(**{name: getattr(given, name) for name in Slices.__dataclass_fields__})
    always = Synthesis(heal=0.4, miss=0.4, graft=1, fade=1, crop=1, sham=1)

    def twice(memory: Memory) -> list[Batch]:
        return [
            batch
            for epoch in range(2)
            for batch in sample_batches(
                watched,
                [[0, 5, 9], [20, 21]],
                synthesis=always,
                rng=lambda index, epoch=epoch: np.random.default_rng([epoch, index]),
                device=CPU,
                workers=1,
                memory=memory,
            )
        ]

    with_room = twice(Memory(1))
    assert len(decoded) == len(set(decoded))
    decoded.clear()
    without = twice(Memory(0))
    assert len(decoded) > len(set(decoded))
    assert all(torch.equal(x, y) for a, b in zip(with_room, without, strict=True) for x, y in zip(a, b, strict=True))


def test_without_a_healthy_class_nothing_is_made(masked: tuple[Dataset, Dataset]) -> None:
    given = slices(masked[0], healthy=None)
    plain, asked = batches(given), batches(given, synthesis=Synthesis(heal=1, miss=0, graft=1, sham=1))
    assert all(torch.equal(a.images, b.images) for a, b in zip(plain, asked, strict=True))


STILL = {
    "rotation": 0.0,
    "scale": 0.0,
    "translation": 0.0,
    "gamma": 0.0,
    "contrast": 0.0,
    "brightness": 0.0,
    "bias": 0.0,
    "noise": 0.0,
    "coarse": 0.0,
}


def given_to(augment: Any, batch: Batch) -> Batch:
    def once() -> Iterator[Batch]:
        yield batch

    (changed,) = augmented(once(), augment, generator=lambda number: torch.Generator().manual_seed(number))
    return changed


def test_a_flip_flips_lesions_exactly_as_images(masked: tuple[Dataset, Dataset]) -> None:
    batch = batches(slices(masked[0]))[0]
    flipped = given_to(Augmentation(flip=1, **STILL), batch)
    torch.testing.assert_close(flipped.images, batch.images.flip(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(flipped.lesions, batch.lesions.flip(3), atol=1e-4, rtol=0)
    assert not torch.allclose(flipped.lesions, batch.lesions, atol=0.1)
    assert torch.equal(flipped.known, batch.known)
    assert torch.equal(flipped.targets, batch.targets)


def test_lesions_go_where_their_slices_go(masked: tuple[Dataset, Dataset]) -> None:
    batch = batches(slices(masked[0]))[0]
    # The mask as the image: whatever moves one moves the other.
    batch = batch._replace(images=batch.lesions.clone())
    moved = given_to(Augmentation(**STILL | {"rotation": 40.0, "scale": 0.3, "translation": 0.2}), batch)
    torch.testing.assert_close(moved.images, moved.lesions, atol=1e-4, rtol=0)
    assert not torch.allclose(moved.lesions, batch.lesions, atol=0.1)


def test_intensities_are_for_images_alone(masked: tuple[Dataset, Dataset]) -> None:
    batch = batches(slices(masked[0]))[0]
    changed = given_to(
        Augmentation(**STILL | {"flip": 0.0, "gamma": 1.0, "bias": 0.5, "noise": 0.3, "coarse": 1.0}), batch
    )
    torch.testing.assert_close(changed.lesions, batch.lesions, atol=1e-4, rtol=0)
    assert not torch.allclose(changed.images, batch.images, atol=0.1)


def test_after_an_augmentation_of_the_users_own_no_lesion_is_known(masked: tuple[Dataset, Dataset]) -> None:
    batch = batches(slices(masked[0]))[0]
    assert batch.known.all()
    changed = given_to(lambda images, generator: images.roll(5, dims=2), batch)
    assert torch.equal(changed.images, batch.images.roll(5, dims=2))
    assert not changed.known.any()


def test_without_augmentation_or_lesions_nothing_moves(masked: tuple[Dataset, Dataset]) -> None:
    batch = batches(slices(masked[0]))[0]
    same = given_to(None, batch)
    assert all(torch.equal(a, b) for a, b in zip(same, batch, strict=True))
    plain = given_to(Augmentation(), batches(slices(masked[0], masks=None))[0])
    assert plain.lesions.shape == (4, 1, 0, 0)


def peaks_inside(clf: Classifier, data: Dataset) -> list[bool]:
    """Whether the peak of the lesion map lies in the blob, for each tumour of `data`."""
    given, found = slices(data), []
    for index, record in enumerate(data):
        if record.mask is None:
            continue
        sample = given.sample(index)
        lesions = infer(clf.bundle.network, torch.from_numpy(sample.image)[None, None]).lesions
        assert lesions is not None and sample.lesion is not None
        row, column = divmod(int(lesions[0].argmax()), lesions.shape[-1])
        step = 64 // lesions.shape[-1]
        found.append(bool(sample.lesion[row * step : (row + 1) * step, column * step : (column + 1) * step].any()))
    return found


@pytest.mark.parametrize("synthesis", [None, Synthesis()])
def test_after_a_few_epochs_the_map_shows_where_the_lesion_is(
    masked: tuple[Dataset, Dataset], fit: Fit, synthesis: Synthesis | None
) -> None:
    clf = fit(data=masked[0], validation=masked[1], size=64, epochs=8, augmentation=None, synthesis=synthesis)
    inside = peaks_inside(clf, masked[1])
    assert len(inside) == 12
    assert np.mean(inside) > 0.75
    answer = clf.predict(masked[1][0].path)
    assert set(answer.probabilities) == set(LABELS)


def test_a_fit_with_masks_looks_and_one_without_does_not(
    masked: tuple[Dataset, Dataset], parts: tuple[Dataset, Dataset], fit: Fit
) -> None:
    assert fit(epochs=1).bundle.network.lesion_head is None
    clf = fit(data=masked[0], epochs=1)
    assert clf.bundle.network.lesion_head is not None
    # One mask is enough.
    index = first_of(parts[0], "glioma")
    one = parts[0].with_masks({parts[0][index].path: masked[0][index].mask})
    assert fit(data=one, epochs=1).bundle.network.lesion_head is not None


def test_the_losses_weight_counts(masked: tuple[Dataset, Dataset], fit: Fit) -> None:
    def loss(weight: float) -> float:
        history = fit(data=masked[0], epochs=1, learning_rate=0, lesion_weight=weight, synthesis=None).history
        assert history is not None
        return history[0].train_loss

    none, once, twice = loss(0), loss(1), loss(2)
    assert once > none + 0.1
    assert twice - once == pytest.approx(once - none, rel=1e-3)


def test_a_network_that_looks_goes_on_without_masks_and_with_other_classes(
    masked: tuple[Dataset, Dataset], parts: tuple[Dataset, Dataset], fit: Fit
) -> None:
    clf = fit(data=masked[0], epochs=1)
    fit(before=clf, epochs=1)
    network = clf.bundle.network
    assert network.lesion_head is not None
    assert all(value.isfinite().all() for value in network.state_dict().values())
    network.mean.fill_(0.3)
    two = [part.filter(lambda record: record.label in ("glioma", "notumor")) for part in masked]
    fit(before=clf, data=two[0], validation=two[1], epochs=1)
    assert clf.bundle.classes == ("glioma", "notumor")
    assert clf.bundle.network.lesion_head is not None
    # Its backbone is used to this normalisation.
    assert float(clf.bundle.network.mean) == pytest.approx(0.3)


class StopError(Exception):
    """What stops a run half-way in these tests."""


def test_a_run_with_masks_that_was_stopped_ends_as_one_that_was_not(
    masked: tuple[Dataset, Dataset], fit: Fit, tmp_path: Path
) -> None:
    def stop(epoch: Epoch) -> None:
        raise StopError

    options: dict[str, Any] = {
        "data": masked[0],
        "validation": masked[1],
        "epochs": 2,
        "synthesis": Synthesis(heal=0.4, miss=0.3, graft=0.5, fade=0.5, crop=0.5, sham=0.5),
        "averaging": 0.9,
    }
    whole = fit(**options)
    with pytest.raises(StopError):
        fit(**options, resume=tmp_path, on_epoch=stop)
    resumed = fit(**options, resume=tmp_path)
    mine, others = resumed.bundle.network.state_dict(), whole.bundle.network.state_dict()
    assert any(key.startswith("lesion_head.") for key in mine)
    assert mine.keys() == others.keys()
    assert [key for key in mine if not torch.equal(mine[key], others[key])] == []
    assert resumed.bundle.temperature == whole.bundle.temperature


def test_a_run_is_not_gone_on_with_by_other_masks_or_another_synthesis(
    masked: tuple[Dataset, Dataset], parts: tuple[Dataset, Dataset], fit: Fit, tmp_path: Path
) -> None:
    fit(data=masked[0], epochs=1, resume=tmp_path)
    with pytest.raises(TrainingError, match=r"training slices was 32 of .*, now 32 of "):
        fit(data=parts[0], epochs=1, resume=tmp_path)
    with pytest.raises(TrainingError, match=r"synthesis was Synthesis\(.*\), now None"):
        fit(data=masked[0], epochs=1, synthesis=None, resume=tmp_path)


def test_each_epoch_draws_anew(masked: tuple[Dataset, Dataset], fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[float]] = []

    def spied(given: Slices, batches: Any, *, rng: Callable[[int], np.random.Generator], **others: Any) -> Any:
        drawn.append([float(rng(index).random()) for index in range(4)])
        return sample_batches(given, batches, rng=rng, **others)

    monkeypatch.setattr(_loop, "sample_batches", spied)
    fit(data=masked[0], epochs=2)
    first, second = drawn
    assert len(set(first + second)) == 8
    drawn.clear()
    fit(data=masked[0], epochs=1, seed=1)
    assert not set(drawn[0]) & set(first)


@pytest.mark.parametrize(
    ("share", "outlined", "expected"), [(0.5, True, True), (0.0, True, False), (0.5, False, False)]
)
def test_brains_alone_become_familiar_only_where_training_strips(
    masked: tuple[Dataset, Dataset],
    fit: Fit,
    monkeypatch: pytest.MonkeyPatch,
    *,
    share: float,
    outlined: bool,
    expected: bool,
) -> None:
    asked: list[bool] = []

    def validated(bundle: Any, *_: Any, strips: bool, **__: Any) -> Any:
        asked.append(strips)
        return bundle

    monkeypatch.setattr(_fitting, "validated", validated)
    data = masked[0] if outlined else Dataset([replace(record, mask=None) for record in masked[0]])
    fit(data=data, epochs=1, synthesis=Synthesis(strip=share))
    assert asked == [expected]
