"""Synthesis: tumours are healed and grafted as often as asked, with the target and the lesion that then hold."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from mriclassify import OptionError
from mriclassify._data import _synthesis
from mriclassify._data._synthesis import Sample, Synthesis

SIZE = 64
HEALTHY = 2
NEVER = Synthesis(heal=0, graft=0, sham=0)


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
) -> Sample:
    return synthesis(sample, np.random.default_rng(seed), healthy=HEALTHY, donors=donors, donor=donor)


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
    result = made(Synthesis(heal=1, graft=1, sham=1), sample, donor=refused)
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
        assert made(Synthesis(heal=1, graft=0, sham=0), sample, seed=seed) is sample


def test_a_slice_without_a_mask_is_never_healed() -> None:
    sample = tumour()._replace(lesion=None)
    for seed in range(3):
        assert made(Synthesis(heal=1, graft=1, sham=0), sample, seed=seed, donor=refused) is sample


def test_a_grafted_slice_is_of_its_donors_class_and_shows_where() -> None:
    results = [made(Synthesis(heal=0, graft=1, sham=0), healthy(9), seed=seed) for seed in range(6)]
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
        result = made(Synthesis(heal=0, graft=1, sham=0), healthy(9), seed=seed, donors=8, donor=donor)
        assert len(asked) == _synthesis.DONORS
        assert all(0 <= number < 8 for number in asked)
        if 3 in asked and result.target != HEALTHY:
            mixed += 1
            assert result.target == 0
    assert mixed


def test_a_graft_that_finds_no_place_leaves_the_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_synthesis, "graft", lambda *_: None)
    sample = healthy()
    assert made(Synthesis(heal=0, graft=1, sham=0), sample) is sample


def test_donors_with_an_empty_mask_give_nothing() -> None:
    sample = healthy()
    assert made(Synthesis(heal=0, graft=1, sham=0), sample, donor=healthy) is sample


def test_without_donors_nothing_is_grafted() -> None:
    sample = healthy()
    for seed in range(3):
        assert made(Synthesis(heal=1, graft=1, sham=0), sample, seed=seed, donors=0, donor=refused) is sample


def test_tumours_get_no_graft() -> None:
    sample = tumour()
    assert made(Synthesis(heal=0, graft=1, sham=0), sample, donor=refused) is sample


@pytest.mark.parametrize("sample", [tumour(), healthy(), tumour()._replace(lesion=None)])
def test_a_sham_keeps_target_and_lesion(sample: Sample) -> None:
    changed = 0
    for seed in range(8):
        result = made(Synthesis(heal=0, graft=0, sham=1), sample, seed=seed, donor=refused)
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
    often = Synthesis(heal=0.5, graft=0.5, sham=0.5)
    first = [made(often, sample, seed=seed) for seed in range(8)]
    again = [made(often, sample, seed=seed) for seed in range(8)]
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert len({result.image.tobytes() for result in first}) > 2


def test_slices_are_changed_as_often_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_synthesis, "heal", lambda image, lesion: image)
    monkeypatch.setattr(_synthesis, "graft", lambda host, donor, lesion, parameters: (host, lesion))
    monkeypatch.setattr(_synthesis, "sham", lambda image, parameters, *, avoid: image + 1)
    monkeypatch.setattr(_synthesis, "resemblance", lambda *_, **__: 0.5)
    synthesis = Synthesis(heal=0.4, graft=0.2, sham=0.25)
    sick, sound = tumour(), healthy()
    tumours = [made(synthesis, sick, seed=seed) for seed in range(400)]
    others = [made(synthesis, sound, seed=seed) for seed in range(400)]
    assert np.mean([result.target == HEALTHY for result in tumours]) == pytest.approx(0.4, abs=0.08)
    assert np.mean([result.target != HEALTHY for result in others]) == pytest.approx(0.2, abs=0.07)
    left = [result for result in tumours if result.target != HEALTHY]
    assert np.mean([result is not sick for result in left]) == pytest.approx(0.25, abs=0.09)


@pytest.mark.parametrize("name", ["heal", "graft", "sham"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares_outside_0_to_1_are_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=rf"synthesis {name} must lie in 0\.\.1, not"):
        Synthesis(**{name: value})
