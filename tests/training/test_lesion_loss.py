"""Lesion loss: what is not known says nothing, and what is pulls the map to the outline."""

import pytest
import torch
from torch.nn import functional

from mriclassify._training._lesion_loss import PIXELS, lesion_loss

KNOWN = torch.ones(1, dtype=torch.bool)


def outline(size: int = 32, *, count: int = 1) -> torch.Tensor:
    """A square lesion over a sixteenth of the slice: (count, 1, size, size)."""
    lesions = torch.zeros(count, 1, size, size)
    lesions[:, :, size // 4 : size // 2, size // 4 : size // 2] = 1
    return lesions


def logits_of(lesions: torch.Tensor, side: int, *, sure: float = 10.0) -> torch.Tensor:
    return (2 * functional.adaptive_avg_pool2d(lesions, side)[:, 0] - 1) * sure


def test_where_nothing_is_known_the_loss_is_nought() -> None:
    logits = torch.randn(3, 8, 8, requires_grad=True)
    loss = lesion_loss(logits, outline(count=3), torch.zeros(3, dtype=torch.bool))
    assert float(loss.detach()) == 0
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad.any()


def test_where_nobody_looks_the_loss_is_nought() -> None:
    loss = lesion_loss(torch.randn(3, 8, 8), torch.zeros(3, 1, 0, 0), torch.zeros(3, dtype=torch.bool))
    assert float(loss) == 0


def test_slices_that_are_not_known_change_nothing() -> None:
    torch.manual_seed(0)
    logits, lesions = torch.randn(4, 8, 8), outline(count=4)
    known = torch.tensor([True, False, True, False])
    loss = lesion_loss(logits, lesions, known)
    torch.testing.assert_close(loss, lesion_loss(logits[::2], lesions[::2], known[::2]))
    logits[1], lesions[3] = 99, 1 - lesions[3]
    torch.testing.assert_close(lesion_loss(logits, lesions, known), loss)


def test_it_is_the_mean_over_slices() -> None:
    torch.manual_seed(0)
    logits, lesions = torch.randn(3, 8, 8), torch.cat([outline(count=2), torch.zeros(1, 1, 32, 32)])
    each = [lesion_loss(logits[k : k + 1], lesions[k : k + 1], KNOWN) for k in range(3)]
    torch.testing.assert_close(lesion_loss(logits, lesions, torch.ones(3, dtype=torch.bool)), torch.stack(each).mean())


def test_a_perfect_map_costs_nearly_nothing_and_a_wrong_one_much() -> None:
    lesions = outline()
    assert float(lesion_loss(logits_of(lesions, 8), lesions, KNOWN)) < 0.01
    assert float(lesion_loss(-logits_of(lesions, 8), lesions, KNOWN)) > 10
    # Nothing found at all: few pixels are wrong, yet Dice says that it is all of the lesion.
    assert float(lesion_loss(torch.full((1, 8, 8), -10.0), lesions, KNOWN)) > 0.7
    elsewhere = torch.roll(logits_of(lesions, 8), 3, dims=2)
    assert float(lesion_loss(elsewhere, lesions, KNOWN)) > 1


def test_the_gradient_pushes_the_map_to_the_outline() -> None:
    lesions = outline()
    logits = torch.zeros(1, 8, 8, requires_grad=True)
    lesion_loss(logits, lesions, KNOWN).backward()
    inside = functional.adaptive_avg_pool2d(lesions, 8)[:, 0] == 1
    assert logits.grad is not None
    assert (logits.grad[inside] < 0).all()
    assert (logits.grad[~inside] > 0).all()


def test_an_empty_mask_punishes_any_lesion() -> None:
    empty = torch.zeros(1, 1, 32, 32)
    none = torch.full((1, 8, 8), -10.0)
    one = none.clone()
    one[0, 3, 3] = 10
    assert float(lesion_loss(none, empty, KNOWN)) < 0.01
    assert float(lesion_loss(one, empty, KNOWN)) == pytest.approx(PIXELS * 10 / 64, rel=0.01)
    logits = torch.zeros(1, 8, 8, requires_grad=True)
    lesion_loss(logits, empty, KNOWN).backward()
    assert logits.grad is not None
    assert (logits.grad > 0).all()


@pytest.mark.parametrize(("side", "size"), [(8, 32), (16, 64), (12, 96), (32, 32)])
def test_what_a_map_costs_does_not_depend_on_its_size(side: int, size: int) -> None:
    lesions = outline(size)
    half_sure = lesion_loss(logits_of(lesions, side, sure=1.0), lesions, KNOWN)
    reference = lesion_loss(logits_of(outline(128), 32, sure=1.0), outline(128), KNOWN)
    # But for the one that the Dice loss adds above and below.
    torch.testing.assert_close(half_sure, reference, atol=0.05, rtol=0.0)


def test_sizes_that_do_not_divide_are_averaged() -> None:
    lesions = outline(75)
    loss = lesion_loss(logits_of(lesions, 19), lesions, KNOWN)
    # Pixels on the border are part lesion: what is left is what these cost.
    assert 0 < float(loss) < 0.6
    assert float(lesion_loss(-logits_of(lesions, 19), lesions, KNOWN)) > 10


def test_half_precision_stays_finite() -> None:
    lesions = outline(64)
    loss = lesion_loss(torch.full((1, 64, 64), 50.0, dtype=torch.float16), lesions, KNOWN)
    assert loss.dtype == torch.float32
    assert loss.isfinite()
