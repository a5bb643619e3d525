"""with_trust: what is kept of training and validation slices lets the model say when not to be trusted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mriclassify import Bundle, Classifier, Dataset, MissingFileError, Record, Thresholds
from mriclassify._model._outputs import outputs_of
from mriclassify._training import _trusting as room
from mriclassify._training._trusting import with_trust
from mriclassify._trust import _tomography as tomography
from mriclassify._trust._appearance import AppearanceLimits


@pytest.fixture(scope="module")
def bare(fitted: Classifier) -> Bundle:
    """A trained bundle that knows nothing of its slices yet."""
    return fitted.bundle.with_changes(
        thresholds=Thresholds(appearance=AppearanceLimits(colour_above=0.5)),
        familiarity=None,
        ct_likeness=None,
        conformal=None,
        risk_coverage=None,
    )


@pytest.fixture(scope="module")
def kept(parts: tuple[Dataset, Dataset]) -> Dataset:
    return parts[0][::4]


@pytest.fixture(scope="module")
def held(parts: tuple[Dataset, Dataset]) -> Dataset:
    return parts[1]


def features(bundle: Bundle, data: Dataset) -> torch.Tensor:
    return outputs_of(bundle, [record.path for record in data]).features


def test_everything_is_kept_and_the_network_stays(bare: Bundle, kept: Dataset, held: Dataset) -> None:
    found = with_trust(bare, kept, held, augment=None, seed=0)
    assert found.network is bare.network
    assert found.temperature == bare.temperature
    assert found.conformal is not None
    assert found.risk_coverage is not None
    assert found.risk_coverage.answered[-1] == len(held)
    assert found.familiarity is not None
    assert found.familiarity.distance(features(bare, kept)).mean() == pytest.approx(1, rel=1e-3)
    # Validation slices are familiar, and what the caller chose is his.
    assert found.thresholds.unfamiliar_above == pytest.approx(found.familiarity.distance(features(bare, held)).max())
    assert found.thresholds.appearance == AppearanceLimits(colour_above=0.5)


def test_few_slices_ask_for_sure_answers_and_that_is_said(
    bare: Bundle, kept: Dataset, held: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    found = with_trust(bare, kept, held, augment=None, seed=0)
    assert found.thresholds.uncertain_below == pytest.approx(0.9)
    assert "too few to show that 90 %" in caplog.text


def test_augmented_slices_are_familiar_where_training_augments(bare: Bundle, kept: Dataset, held: Dataset) -> None:
    def darkened(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        assert generator.initial_seed() == 7
        return images * 0.2

    without = with_trust(bare, kept, held, augment=None, seed=7).familiarity
    with_them = with_trust(bare, kept, held, augment=darkened, seed=7).familiarity
    assert without is not None
    assert with_them is not None
    paths = [record.path for record in held]
    dark = outputs_of(bare, paths, change=lambda images: images * 0.2).features
    assert with_them.distance(dark).mean() < 0.5 * without.distance(dark).mean()


def test_brains_alone_are_familiar_where_training_strips(
    bare: Bundle, kept: Dataset, held: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []

    def strip(image: Any, lesion: Any, parameters: Any) -> Any:
        assert not lesion.any()
        shown.append(image)
        # Of every second one the brain can't be told.
        return (image * np.float32(0.2), lesion) if len(shown) % 2 else None

    monkeypatch.setattr(room, "strip", strip)
    monkeypatch.setattr(room, "EVERY_STRIPPED", 2)
    without = with_trust(bare, kept, held, augment=None, seed=0).familiarity
    assert not shown
    found = with_trust(bare, kept, held, augment=None, seed=0, strips=True)
    assert len(shown) == len(kept) // 2 + len(held)
    with_them = found.familiarity
    assert without is not None
    assert with_them is not None
    paths = [record.path for record in held]
    dark = outputs_of(bare, paths, change=lambda images: images * 0.2).features
    assert with_them.distance(dark).mean() < 0.5 * without.distance(dark).mean()
    # The limit lets stripped slices pass that nothing was trained on.
    del shown[:]
    bare_held = outputs_of(bare, paths, change=room._stripped).features
    assert len(shown) == len(held)
    assert (with_them.distance(bare_held) <= found.thresholds.unfamiliar_above).mean() > 0.95


def test_what_is_drawn_as_ct_is_known_and_no_validation_slice_is_taken_for_it(
    bare: Bundle, kept: Dataset, held: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def as_ct(image: Any, parameters: Any, rng: np.random.Generator) -> Any:
        nonlocal count
        count += 1
        # Of every third one the brain can't be told.
        return np.clip(1 - image, 0, None) if count % 3 else None

    few = with_trust(bare, kept, held, augment=None, seed=0)
    assert few.ct_likeness is None
    assert few.thresholds.ct_above == np.inf
    monkeypatch.setattr(room, "as_ct", as_ct)
    monkeypatch.setattr(room, "EVERY_DRAWN", 1)
    for module in (tomography, room):
        monkeypatch.setattr(module, "FEWEST", 5)
    found = with_trust(bare, kept, held, augment=None, seed=0)
    assert count == len(kept)
    assert found.ct_likeness is not None
    paths = [record.path for record in held]
    plain = found.ct_likeness.score(outputs_of(bare, paths).features.numpy())
    drawn = found.ct_likeness.score(
        outputs_of(bare, paths, change=lambda images: (1 - images).clip(0)).features.numpy()
    )
    assert found.thresholds.ct_above == pytest.approx(plain.max())
    assert drawn.mean() > 0.5 > plain.mean()


def test_chance_is_the_seeds_alone(bare: Bundle, kept: Dataset, held: Dataset) -> None:
    def noisy(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return images + torch.rand(images.shape, generator=generator)

    state = torch.get_rng_state()
    limits = [with_trust(bare, kept, held, augment=noisy, seed=seed).thresholds.unfamiliar_above for seed in (0, 0, 1)]
    assert limits[0] == limits[1] != limits[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_patients_count_once_where_there_are_enough_of_them(
    bare: Bundle, kept: Dataset, held: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def patients(data: Dataset) -> tuple[int, ...]:
        conformal = with_trust(bare, kept, data, augment=None, seed=0).conformal
        assert conformal is not None
        return conformal.patients

    assert patients(held) == (4, 4, 4, 4), "two patients a class are too few: slices are counted"
    monkeypatch.setattr(room, "COVERAGE", 0.6)
    assert patients(held) == (2, 2, 2, 2)
    assert patients(Dataset(Record(r.path, r.label) for r in held)) == (4, 4, 4, 4)


def test_without_a_slice_of_each_class_there_are_no_prediction_sets(
    bare: Bundle, kept: Dataset, held: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    found = with_trust(bare, kept, held.filter(lambda record: record.label != "glioma"), augment=None, seed=0)
    assert found.conformal is None
    assert found.risk_coverage is not None
    assert "no prediction sets: conformal sets need" in caplog.text


def test_from_next_to_no_slices_nothing_is_told_unfamiliar(
    bare: Bundle, kept: Dataset, held: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    found = with_trust(bare, kept[:3], held, augment=None, seed=0)
    assert found.familiarity is None
    assert found.thresholds.unfamiliar_above == float("inf")
    assert "unfamiliar slices will not be rejected" in caplog.text


def test_a_slice_that_cannot_be_read_is_an_error(bare: Bundle, kept: Dataset, held: Dataset, tmp_path: Path) -> None:
    gone = Dataset([*kept, Record(tmp_path / "gone.png", "glioma")])
    for first, second in ((gone, held), (kept, gone)):
        with pytest.raises(MissingFileError, match="gone"):
            with_trust(bare, first, second, augment=None, seed=0)


def test_what_fit_returns_rejects_noise(fit: Callable[..., Classifier]) -> None:
    clf = fit(epochs=1)
    assert clf.bundle.familiarity is not None
    assert clf.bundle.conformal is not None
    assert clf.thresholds.unfamiliar_above < float("inf")
    assert clf.thresholds.appearance == AppearanceLimits()
    answer = clf.predict(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    assert answer.status == "rejected"
    assert answer.label in clf.classes
