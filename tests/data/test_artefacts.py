"""Artefacts: each changes the slice as its fault does, and leaves the rest alone."""

import pytest
import torch

from mriclassify import Augmentation
from mriclassify._data._artefacts import (
    NAMES,
    Artefacts,
    darkened,
    draw_artefacts,
    ghosted,
    inverted,
    moved,
    spoilt,
    striped,
)

SIDE = 64


def head() -> torch.Tensor:
    """Return a bright disc with a brighter spot, on air: (64, 64)."""
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    disc = (torch.hypot(rows, columns) < 0.7).float() * 0.5
    return disc + 0.4 * (torch.hypot(rows - 0.3, columns) < 0.15).float()


def batch(count: int) -> torch.Tensor:
    return head().expand(count, 1, SIDE, SIDE).clone()


def drawn(kind: int, seed: int = 0) -> Artefacts:
    numbers = torch.rand(1, 12, generator=torch.Generator().manual_seed(seed))
    return Artefacts(torch.tensor([kind]), numbers)


@pytest.mark.parametrize("kind", range(len(NAMES)), ids=NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_each_kind_changes_the_slice_and_keeps_it_a_picture(kind: int, seed: int) -> None:
    given = batch(1)
    made = spoilt(given, drawn(kind, seed))
    assert made.shape == given.shape
    assert not torch.allclose(made, given, atol=0.02)
    assert made.isfinite().all()
    assert made.min() >= 0
    assert made.max() <= 2
    assert torch.equal(given, batch(1)), "the given images were changed"


def test_images_without_an_artefact_stay_as_they_are() -> None:
    given = torch.rand(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    kinds = torch.tensor([-1, 2, -1])
    made = spoilt(given, Artefacts(kinds, torch.rand(3, 12, generator=torch.Generator().manual_seed(2))))
    assert torch.equal(made[[0, 2]], given[[0, 2]])
    assert not torch.equal(made[1], given[1])


def test_the_share_of_spoilt_images_is_the_one_asked_for_and_all_kinds_occur() -> None:
    kinds = draw_artefacts(4000, 0.25, torch.Generator().manual_seed(0)).kind
    assert (kinds >= 0).float().mean() == pytest.approx(0.25, abs=0.03)
    counts = torch.bincount(kinds[kinds >= 0], minlength=len(NAMES))
    assert len(counts) == len(NAMES)
    assert counts.min() > 0.14 * counts.sum()


def test_a_head_that_moves_nowhere_is_seen_as_it_is() -> None:
    torch.testing.assert_close(moved(head(), [0.5] * 12), head(), atol=1e-4, rtol=0)


def test_ghosts_keep_the_mean_and_stand_at_a_regular_distance() -> None:
    image = torch.zeros(SIDE, SIDE)
    image[10, 20] = 1.0
    made = ghosted(image, [0.0, 0.0, 1.0])  # along the rows, two copies
    assert made.sum() == pytest.approx(1.0, abs=1e-5)
    assert made[10 + SIDE // 2, 20] == pytest.approx(0.35)
    assert (made > 0).sum() == 2


def test_a_spike_adds_one_frequency() -> None:
    made = torch.fft.fft2(striped(head(), [0.5, 0.5, 0.2, 0.5, 0.0])) - torch.fft.fft2(head())
    changed = made.abs() > 0.01 * torch.fft.fft2(head()).abs().max()
    assert changed.sum() == 2, "a frequency of a real picture, and its mirror image"


def test_lost_signal_darkens_one_place_only() -> None:
    white = torch.ones(SIDE, SIDE)
    made = darkened(white, [0.25, 0.5, 0.0])  # below the middle
    assert made.min() < 0.05
    assert made[: SIDE // 2].min() > 0.95
    assert (made <= white).all()


def test_the_negative_turns_round_what_is_brighter_and_leaves_air_dark() -> None:
    made = inverted(head(), [1.0])
    spot, tissue = (41, 32), (20, 32)
    assert head()[spot] > head()[tissue]
    assert made[spot] < made[tissue]
    assert made[0, 0] == 0


def test_an_augmentation_with_artefacts_alone_gives_those() -> None:
    nothing = dict.fromkeys(Augmentation.__dataclass_fields__, 0.0)
    augment = Augmentation(**(nothing | {"artefact": 1.0}))
    generator = torch.Generator().manual_seed(0)
    parameters = augment.draw(8, generator)
    assert (parameters.artefact >= 0).all()
    expected = spoilt(batch(8), Artefacts(parameters.artefact, parameters.artefact_numbers))
    torch.testing.assert_close(augment.apply(batch(8), parameters), expected, atol=1e-4, rtol=0)
