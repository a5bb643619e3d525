"""Synthesis: slices are healed, cropped, grafted, faded, drawn in, recast and stripped as often as asked."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError
from mriclassify._data import _synthesis
from mriclassify._data._synthesis import Sample, Synthesis

SIZE = 64
LABELS = ("glioma", "meningioma", "notumor", "pituitary")
HEALTHY = LABELS.index("notumor")
SHARES = ("heal", "miss", "graft", "fade", "crop", "sham", "infiltrate", "recast", "strip")


def only(**shares: float) -> Synthesis:
    """Return a synthesis that does nothing but what is asked for."""
    return Synthesis(**dict.fromkeys(SHARES, 0.0) | shares)


NEVER = only()


def head(seed: int = 0) -> NDArray[np.float32]:
    """A head, symmetric but for noise."""
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    radius = np.hypot(rows / 0.48, columns / 0.4)
    image = np.where(radius < 0.85, 0.45, np.where(radius < 1, 0.9, 0.0))
    noise = np.random.default_rng(seed).normal(0, 0.02, image.shape)
    return np.clip(image + (radius < 1) * noise, 0, 1.5).astype(np.float32)


def disc(row: float = -0.1, column: float = 0.18, radius: float = 0.08) -> NDArray[np.float32]:
    rows, columns = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE - 0.5
    return (np.hypot(rows - row, columns - column) < radius).astype(np.float32)


def tumour(seed: int = 0, *, target: int = 0, radius: float = 0.08) -> Sample:
    lesion = disc(radius=radius)
    return Sample(np.where(lesion > 0.5, np.float32(1.1), head(seed)), target, lesion)


def healthy(seed: int = 0) -> Sample:
    return Sample(head(seed), HEALTHY, np.zeros((SIZE, SIZE), np.float32))


def refused(number: int) -> Sample:
    raise AssertionError(f"donor {number} was asked for")


def made(
    synthesis: Synthesis,
    sample: Sample,
    *,
    seed: int = 0,
    donors: int = 4,
    donor: Callable[[int], Sample] = lambda number: tumour(number, target=number % 2),
    source: str | None = None,
) -> Sample:
    rng = np.random.default_rng(seed)
    return synthesis(sample, rng, classes=LABELS, source=source, healthy=HEALTHY, donors=donors, donor=donor)


def same(a: Sample, b: Sample) -> bool:
    lesions = (a.lesion is None) == (b.lesion is None) and (
        a.lesion is None or b.lesion is None or np.array_equal(a.lesion, b.lesion)
    )
    return np.array_equal(a.image, b.image) and a.target == b.target and lesions


@pytest.mark.parametrize("sample", [tumour(), healthy(), tumour()._replace(lesion=None)])
def test_shares_of_nought_change_nothing(sample: Sample) -> None:
    for seed in range(5):
        assert made(NEVER, sample, seed=seed, donor=refused) is sample


def test_a_healed_slice_is_healthy_and_has_no_lesion() -> None:
    sample = tumour()
    given = sample.image.copy()
    result = made(only(heal=1, graft=1, sham=1), sample, donor=refused)
    assert result.target == HEALTHY
    assert result.lesion is not None
    assert result.lesion.shape == (SIZE, SIZE)
    assert not result.lesion.any()
    assert sample.lesion is not None
    inside = sample.lesion > 0.5
    assert result.image[inside].max() < 0.7 < given[inside].min()
    assert result.image.dtype == np.float32
    np.testing.assert_array_equal(sample.image, given)


def test_what_cannot_be_healed_stays_as_it_is() -> None:
    sample = tumour(radius=0.33)
    for seed in range(3):
        assert made(only(heal=1), sample, seed=seed) is sample


def test_what_cannot_be_healed_is_left_out_where_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_synthesis, "heal", lambda image, lesion: None)
    sample = tumour()
    assert all(made(only(heal=1), sample, seed=seed) is sample for seed in range(12))
    results = [made(only(heal=0.99, miss=0.01), sample, seed=seed) for seed in range(12)]
    missed = [result for result in results if result.target == HEALTHY]
    assert len(missed) > 4
    assert all(result.image.max() < 1 for result in missed)


@pytest.mark.parametrize("asked", [{"heal": 1.0}, {"miss": 1.0}, {"fade": 1.0}, {"crop": 1.0}])
def test_a_slice_without_a_mask_is_left_alone(asked: dict[str, float]) -> None:
    sample = tumour()._replace(lesion=None)
    for seed in range(3):
        assert made(only(graft=1, **asked), sample, seed=seed, donor=refused) is sample


def test_a_slice_whose_lesion_was_left_out_is_healthy_and_has_none() -> None:
    sample = tumour()
    given = sample.image.copy()
    results = [made(only(miss=1), sample, seed=seed, donor=refused) for seed in range(20)]
    missed = [result for result in results if result is not sample]
    assert len(missed) > 10
    for result in missed:
        assert result.target == HEALTHY
        assert result.lesion is not None
        assert (result.lesion.shape, result.lesion.dtype) == ((SIZE, SIZE), np.float32)
        assert not result.lesion.any()
        assert result.image.max() < 1  # the lesion is 1.1, and nothing else is
    np.testing.assert_array_equal(sample.image, given)


@pytest.mark.parametrize("target", [0, 1, 3])
def test_a_crop_keeps_class_and_lesion(target: int) -> None:
    sample = tumour(target=target)
    results = [made(only(crop=1), sample, seed=seed, donor=refused) for seed in range(12)]
    cropped = [result for result in results if result is not sample]
    assert len(cropped) > 6
    for result in cropped:
        assert result.target == target
        assert result.lesion is not None
        assert set(np.unique(result.lesion)) == {0, 1}
        assert result.image[result.lesion > 0.5].mean() > 1.0
        assert not np.array_equal(result.image, sample.image)


def test_tumour_free_slices_are_cropped_too() -> None:
    sample = healthy()
    result = made(only(crop=1), sample, donor=refused)
    assert result.target == HEALTHY
    assert result.lesion is not None and not result.lesion.any()
    assert not np.array_equal(result.image, sample.image)


def test_only_lesions_of_the_named_classes_are_faded() -> None:
    for target, label in enumerate(LABELS):
        if label == "notumor":
            continue
        sample = tumour(target=target)
        result = made(only(fade=1), sample, donor=refused)
        assert result.target == target
        assert result.lesion is sample.lesion
        assert (result is sample) == (label != "glioma")
        others = replace(only(fade=1), faded_classes=("meningioma", "pituitary"))
        assert (made(others, sample) is sample) == (label == "glioma")
    faded = made(only(fade=1), tumour())
    inside = disc() > 0.5
    assert faded.image[inside].mean() < 0.7 < tumour().image[inside].min()


def test_a_lesion_too_small_to_be_faded_stays() -> None:
    sample = tumour(radius=0.03)
    assert made(only(fade=1), sample) is sample


def test_a_faded_lesion_can_be_cropped_or_beside_a_sham() -> None:
    sample = tumour()
    for also in ({"crop": 1.0}, {"sham": 1.0}):
        results = [made(only(fade=1, **also), sample, seed=seed) for seed in range(6)]
        faded = made(only(fade=1), sample)
        assert all(result.target == 0 for result in results)
        assert any(result.image[result.lesion > 0.5].mean() < 0.7 for result in results if result.lesion is not None)
        assert any(not np.array_equal(result.image, faded.image) for result in results)


def test_a_grafted_slice_is_of_its_donors_class_and_shows_where() -> None:
    results = [made(only(graft=1), healthy(9), seed=seed) for seed in range(6)]
    grafted = [result for result in results if result.target != HEALTHY]
    assert len(grafted) >= 5
    assert {result.target for result in grafted} == {0, 1}
    for result in grafted:
        assert result.lesion is not None
        assert result.lesion.dtype == np.float32
        assert set(np.unique(result.lesion)) == {0, 1}
        inside = result.lesion > 0.5
        assert result.image[inside].mean() > 1.3 * head(9)[inside].mean()
    # Where no place was found, the slice is left alone.
    assert all(same(result, healthy(9)) for result in results if result.target == HEALTHY)


def test_the_donor_that_resembles_most_is_taken() -> None:
    other = healthy()._replace(image=np.ascontiguousarray(head().T), target=1, lesion=disc(0.1, 0.0))
    asked: list[int] = []

    def donor(number: int) -> Sample:
        asked.append(number)
        return tumour(number, target=0) if number == 3 else other

    mixed = 0
    for seed in range(12):
        asked.clear()
        result = made(only(graft=1), healthy(9), seed=seed, donors=8, donor=donor)
        assert len(asked) == _synthesis.DONORS
        assert all(0 <= number < 8 for number in asked)
        if 3 in asked and result.target != HEALTHY:
            mixed += 1
            assert result.target == 0
    assert mixed


def test_a_graft_that_finds_no_place_leaves_the_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_synthesis, "graft", lambda *_: None)
    sample = healthy()
    assert made(only(graft=1), sample) is sample


def test_donors_with_an_empty_mask_give_nothing() -> None:
    sample = healthy()
    assert made(only(graft=1), sample, donor=healthy) is sample


def test_without_donors_nothing_is_grafted() -> None:
    sample = healthy()
    for seed in range(3):
        assert made(only(heal=1, graft=1), sample, seed=seed, donors=0, donor=refused) is sample


def test_tumours_get_no_graft() -> None:
    sample = tumour()
    assert made(only(graft=1), sample, donor=refused) is sample


def test_a_drawn_lesion_is_of_its_class_and_shows_where() -> None:
    sample = healthy()
    results = [made(only(infiltrate=1), sample, seed=seed, donor=refused) for seed in range(6)]
    found = [result for result in results if result.target != HEALTHY]
    assert len(found) >= 4
    for result in found:
        assert result.target == LABELS.index("glioma")
        assert result.lesion is not None and result.lesion.dtype == np.float32
        inside = result.lesion > 0.5
        assert inside.any()
        assert not np.array_equal(result.image[inside], sample.image[inside])
    others = replace(only(infiltrate=1), infiltrating_class="meningioma")
    assert {made(others, sample, seed=seed).target for seed in range(6)} <= {1, HEALTHY}
    unknown = replace(only(infiltrate=1), infiltrating_class="abscess")
    assert all(made(unknown, sample, seed=seed) is sample for seed in range(3))


def test_a_healed_slice_can_get_a_drawn_lesion_and_a_tumour_none() -> None:
    results = [made(only(heal=1, infiltrate=1), tumour(target=1), seed=seed) for seed in range(6)]
    assert {result.target for result in results} <= {0, HEALTHY}
    assert any(result.target == 0 and result.image.max() < 1.1 for result in results)
    sample = tumour(target=1)
    assert made(only(infiltrate=1), sample) is sample


def test_spared_sources_get_no_lesion() -> None:
    spared = replace(only(heal=1, graft=1, infiltrate=1), spared_sources=("neck",))
    sample = healthy(9)
    for seed in range(6):
        assert made(spared, sample, seed=seed, donor=refused, source="neck") is sample
        assert made(spared, tumour(target=1), seed=seed, source="neck").target in (1, HEALTHY)
    assert any(made(spared, sample, seed=seed, source="head") is not sample for seed in range(6))


def test_slices_are_recast_with_their_lesion_and_unknown_lesions_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[NDArray[np.bool_]] = []

    def recast(image: Any, lesion: Any, parameters: Any) -> Any:
        seen.append(lesion)
        return image * 0.5

    monkeypatch.setattr(_synthesis, "recast", recast)
    sample = tumour(target=1)
    result = made(only(recast=1), sample)
    np.testing.assert_array_equal(result.image, sample.image * np.float32(0.5))
    assert result.target == 1 and result.lesion is sample.lesion and seen[-1].sum() == disc().sum()
    free = made(only(recast=1), healthy())
    assert free.target == HEALTHY and not seen[-1].any()
    whole = tumour()._replace(lesion=None)
    assert made(only(recast=1), whole) is whole
    monkeypatch.setattr(_synthesis, "recast", lambda *_: None)
    assert made(only(recast=1), sample) is sample


def test_what_was_changed_is_stripped_too_and_unknown_lesions_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[NDArray[np.float32]] = []

    def strip(image: Any, lesion: Any, parameters: Any) -> Any:
        seen.append(image)
        return image * 0.5, lesion

    monkeypatch.setattr(_synthesis, "strip", strip)
    result = made(only(heal=1, strip=1), tumour(target=1))
    assert result.target == HEALTHY
    np.testing.assert_array_equal(result.image, seen[-1] * np.float32(0.5))
    assert not np.array_equal(seen[-1], tumour(target=1).image)
    whole = tumour()._replace(lesion=None)
    assert made(only(strip=1), whole) is whole
    spared = replace(only(strip=1), spared_sources=("neck",))
    assert made(spared, healthy(), source="neck", donor=refused).image.max() == healthy().image.max()
    monkeypatch.setattr(_synthesis, "strip", lambda *_: None)
    sample = healthy()
    assert made(only(strip=1), sample) is sample


@pytest.mark.parametrize("sample", [tumour(), healthy(), tumour()._replace(lesion=None)])
def test_a_sham_keeps_target_and_lesion(sample: Sample) -> None:
    changed = 0
    for seed in range(8):
        result = made(only(sham=1), sample, seed=seed, donor=refused)
        assert result.target == sample.target
        assert result.lesion is sample.lesion
        if result is not sample:
            changed += 1
            assert not np.array_equal(result.image, sample.image)
            if sample.lesion is not None:
                inside = sample.lesion > 0
                np.testing.assert_array_equal(result.image[inside], sample.image[inside])
    assert changed >= 4


@pytest.mark.parametrize("sample", [tumour(), healthy()])
def test_the_generator_alone_decides(sample: Sample) -> None:
    often = Synthesis(heal=0.3, miss=0.3, graft=0.5, fade=0.5, crop=0.5, sham=0.5)
    first = [made(often, sample, seed=seed) for seed in range(8)]
    again = [made(often, sample, seed=seed) for seed in range(8)]
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert len({result.image.tobytes() for result in first}) > 2


HEALED, CROPPED, FADED, SHAMMED, DRAWN, RECAST, STRIPPED = 10, 20, 40, 80, 160, 320, 640


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done to a slice, and always can be done, adds a number of its own to it."""

    def cropped(image: Any, lesion: Any, _: Any, *, miss: bool) -> Any:
        return image + CROPPED, lesion & (not miss)

    monkeypatch.setattr(_synthesis, "heal", lambda image, lesion: image + HEALED)
    monkeypatch.setattr(_synthesis, "crop", cropped)
    monkeypatch.setattr(_synthesis, "fade", lambda image, lesion, parameters: image + FADED)
    monkeypatch.setattr(_synthesis, "graft", lambda host, donor, lesion, parameters: (host, lesion))
    monkeypatch.setattr(_synthesis, "sham", lambda image, parameters, *, avoid: image + SHAMMED)
    monkeypatch.setattr(_synthesis, "infiltrate", lambda image, parameters: (image + DRAWN, image > -1))
    monkeypatch.setattr(_synthesis, "recast", lambda image, lesion, parameters: image + RECAST)
    monkeypatch.setattr(_synthesis, "strip", lambda image, lesion, parameters: (image + STRIPPED, lesion))
    monkeypatch.setattr(_synthesis, "resemblance", lambda *_, **__: 0.5)


def marks(synthesis: Synthesis, sample: Sample) -> dict[tuple[int, str], float]:
    """Return how often what was done (by its number) left which class, over many draws."""
    count = 1000
    results = [made(synthesis, sample, seed=seed) for seed in range(count)]
    found = [(round(float(result.image[0, 0])), LABELS[result.target]) for result in results]
    return {kind: found.count(kind) / count for kind in set(found)}


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize(
    ("synthesis", "sample", "expected"),
    [
        pytest.param(
            Synthesis(heal=0.3, miss=0.2, graft=1, fade=0.4, crop=0.25, sham=0.5),
            tumour(),
            {
                (HEALED, "notumor"): 0.3,
                (CROPPED, "notumor"): 0.2,
                (0, "glioma"): 0.5 * 0.6 * 0.75 * 0.5,
                (FADED, "glioma"): 0.5 * 0.4 * 0.75 * 0.5,
                (CROPPED, "glioma"): 0.5 * 0.6 * 0.25,
                (FADED + CROPPED, "glioma"): 0.5 * 0.4 * 0.25,
                (SHAMMED, "glioma"): 0.5 * 0.6 * 0.75 * 0.5,
                (FADED + SHAMMED, "glioma"): 0.5 * 0.4 * 0.75 * 0.5,
            },
            id="of tumours",
        ),
        pytest.param(
            Synthesis(heal=0.3, miss=0.2, graft=1, fade=1, crop=0.4, sham=0),
            tumour(target=1),
            {
                (HEALED, "notumor"): 0.3,
                (CROPPED, "notumor"): 0.2,
                (CROPPED, "meningioma"): 0.5 * 0.4,
                (0, "meningioma"): 0.5 * 0.6,
            },
            id="of a class that is never faded",
        ),
        pytest.param(
            Synthesis(heal=0.6, miss=0.4, graft=0.3, fade=1, crop=0.25, sham=0.5),
            healthy(),
            {
                (0, "glioma"): 0.15,
                (0, "meningioma"): 0.15,  # the donors' classes
                (CROPPED, "notumor"): 0.7 * 0.25,
                (SHAMMED, "notumor"): 0.7 * 0.75 * 0.5,
                (0, "notumor"): 0.7 * 0.75 * 0.5,
            },
            id="of tumour-free slices",
        ),
        pytest.param(
            Synthesis(heal=0, miss=0, graft=0.3, fade=1, crop=0.25, sham=0, infiltrate=0.4),
            healthy(),
            {
                (0, "glioma"): 0.15,
                (0, "meningioma"): 0.15,  # the donors' classes
                (DRAWN, "glioma"): 0.7 * 0.4,
                (CROPPED, "notumor"): 0.7 * 0.6 * 0.25,
                (0, "notumor"): 0.7 * 0.6 * 0.75,
            },
            id="drawn in tumour-free slices",
        ),
        pytest.param(
            Synthesis(heal=0.3, miss=0.2, graft=0, fade=0, crop=0, sham=0, infiltrate=0.4),
            tumour(target=1),
            {
                (HEALED, "notumor"): 0.3 * 0.6,
                (HEALED + DRAWN, "glioma"): 0.3 * 0.4,
                (CROPPED, "notumor"): 0.2 * 0.6,
                (CROPPED + DRAWN, "glioma"): 0.2 * 0.4,
                (0, "meningioma"): 0.5,
            },
            id="drawn in healed slices",
        ),
        pytest.param(
            Synthesis(heal=0.3, miss=0.2, graft=0, fade=0, crop=0, sham=0, strip=0.4),
            tumour(target=1),
            {
                (HEALED, "notumor"): 0.3 * 0.6,
                (HEALED + STRIPPED, "notumor"): 0.3 * 0.4,
                (CROPPED, "notumor"): 0.2 * 0.6,
                (CROPPED + STRIPPED, "notumor"): 0.2 * 0.4,
                (0, "meningioma"): 0.5 * 0.6,
                (STRIPPED, "meningioma"): 0.5 * 0.4,
            },
            id="stripped",
        ),
        pytest.param(
            Synthesis(heal=0.5, miss=0, graft=0, fade=0, crop=0, sham=0, recast=0.4, strip=0.25),
            tumour(target=1),
            {
                (HEALED, "notumor"): 0.5 * 0.6 * 0.75,
                (HEALED + RECAST, "notumor"): 0.5 * 0.4 * 0.75,
                (HEALED + STRIPPED, "notumor"): 0.5 * 0.6 * 0.25,
                (HEALED + RECAST + STRIPPED, "notumor"): 0.5 * 0.4 * 0.25,
                (0, "meningioma"): 0.5 * 0.6 * 0.75,
                (RECAST, "meningioma"): 0.5 * 0.4 * 0.75,
                (STRIPPED, "meningioma"): 0.5 * 0.6 * 0.25,
                (RECAST + STRIPPED, "meningioma"): 0.5 * 0.4 * 0.25,
            },
            id="recast",
        ),
    ],
)
def test_slices_are_changed_as_often_as_asked(
    synthesis: Synthesis, sample: Sample, expected: dict[tuple[int, str], float]
) -> None:
    assert marks(synthesis, sample) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares_outside_0_to_1_are_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=rf"synthesis {name} must lie in 0\.\.1, not"):
        Synthesis(**{name: value})


def test_healed_and_left_out_can_not_be_more_than_all() -> None:
    with pytest.raises(OptionError, match=r"heal and miss must not be more than 1 together, not 1\.1"):
        Synthesis(heal=0.6, miss=0.5)
    for part in range(11):
        assert Synthesis(heal=part / 10, miss=1 - part / 10).sham == Synthesis().sham
