"""Artefacts: what goes wrong while a slice is scanned, as augmentation.

Faults of k-space are made in k-space, after Shaw et al. 2020 ("A k-space model of movement artefacts", arXiv
2003.06158) and TorchIO (Pérez-García et al. 2021, arXiv 2003.04696). Each piece is a pure function of one image
(height, width) and of what was drawn; `draw_artefacts` draws for a batch, and `spoilt` applies to it.
"""

import math
from typing import NamedTuple

import torch
from torch.nn import functional

from mriclassify._shapes import Images

NAMES = ("motion", "ghosting", "spike", "signal loss", "negative")

MOVES = 4
"""A head that moves lies still in between: so many times it lies elsewhere."""
LARGEST_TURN, LARGEST_SHIFT = 4.0, 0.08
"""Of a movement: degrees, and as torch's affine_grid counts, in halves of the side."""
GHOSTS = (0.05, 0.35)
"""Part of the signal that lies in the ghosts."""
SPIKE = (0.1, 0.8)
"""Height of a spike, as a part of the highest point of k-space."""
HOLE = (0.1, 0.4)
"""Radius of what lost its signal, in halves of the side."""
NEGATIVE = (0.6, 1.0)
"""Weight of the negative: less than half would be a weaker contrast, which `Augmentation` has already."""

_NUMBERS = 3 * MOVES
"""The pieces need at most so many random numbers."""


class Artefacts(NamedTuple):
    """What was drawn for a batch: one row for each image."""

    kind: torch.Tensor  # (batch,) index into NAMES; -1 for none
    numbers: torch.Tensor  # (batch, 12) in 0..1


def draw_artefacts(count: int, share: float, generator: torch.Generator) -> Artefacts:
    """Draw an artefact for a `share` of `count` images, each kind as often as the others."""
    chosen = torch.rand(count, generator=generator) < share
    kind = torch.randint(len(NAMES), (count,), generator=generator)
    numbers = torch.rand(count, _NUMBERS, generator=generator)
    return Artefacts(torch.where(chosen, kind, torch.full_like(kind, -1)), numbers)


def spoilt(images: Images, artefacts: Artefacts) -> Images:
    """Return `images` (batch, channels, height, width) with the artefacts, never below 0."""
    kinds = artefacts.kind.tolist()
    if max(kinds, default=-1) < 0:
        return images
    pieces = (moved, ghosted, striped, darkened, inverted)
    made = images.clone()
    for row, kind in enumerate(kinds):
        if kind >= 0:
            for channel, image in enumerate(images[row]):
                # FFTs on the CPU know full precision only.
                made[row, channel] = pieces[kind](image.float(), artefacts.numbers[row].tolist()).to(made)
    return made.clamp_(min=0)


def moved(image: torch.Tensor, numbers: list[float]) -> torch.Tensor:
    """Let the head move while the lines of k-space are filled; the middle ones see it where it was."""
    height = len(image)
    starts = sorted(int(number * height) for number in numbers[:MOVES])
    degrees = [LARGEST_TURN * (2 * number - 1) for number in numbers[MOVES : 2 * MOVES]]
    shifts = [LARGEST_SHIFT * (2 * number - 1) for number in numbers[2 * MOVES : 3 * MOVES]]
    space = torch.fft.fftshift(torch.fft.fft2(image))
    still = slice(height // 2 - height // 32, height // 2 + height // 32 + 1)
    middle = space[still].clone()
    for start, angle, shift in zip(starts, degrees, shifts, strict=True):
        space[start:] = torch.fft.fftshift(torch.fft.fft2(_placed(image, math.radians(angle), shift)))[start:]
    space[still] = middle
    made: torch.Tensor = torch.fft.ifft2(torch.fft.ifftshift(space)).abs()
    return made


def ghosted(image: torch.Tensor, numbers: list[float]) -> torch.Tensor:
    """Repeat the slice, fainter, along one axis: every second, third or fourth line was recorded otherwise."""
    axis, copies, share = int(2 * numbers[0]), 2 + int(3 * numbers[1]), _between(GHOSTS, numbers[2])
    shifts = [round(image.shape[axis] * copy / copies) for copy in range(1, copies)]
    ghosts = torch.stack([image.roll(shift, axis) for shift in shifts]).mean(dim=0)
    return (1 - share) * image + share * ghosts


def striped(image: torch.Tensor, numbers: list[float]) -> torch.Tensor:
    """Lay stripes over the slice: a discharge hit one point of k-space."""
    space = torch.fft.fft2(image)
    height, width = image.shape
    # Not in the middle, where a stripe is as wide as the head.
    row = 3 + int(numbers[0] * (height // 6 - 3))
    column = (3 + int(numbers[1] * (width // 6 - 3))) * (1 if numbers[2] < 0.5 else -1)
    size, phase = _between(SPIKE, numbers[3]) * float(space.abs().max()), 2 * math.pi * numbers[4]
    space[row, column] += complex(size * math.cos(phase), size * math.sin(phase))
    made: torch.Tensor = torch.fft.ifft2(space).real
    return made


def darkened(image: torch.Tensor, numbers: list[float]) -> torch.Tensor:
    """Take the signal from a round place off the middle, as air, metal or a dead coil element do."""
    rows, columns = (torch.linspace(-1, 1, length, device=image.device) for length in image.shape)
    angle, distance = 2 * math.pi * numbers[0], 0.4 + 0.4 * numbers[1]
    far = torch.hypot(rows[:, None] - distance * math.sin(angle), columns - distance * math.cos(angle))
    return image * (1 - torch.exp(-((far / _between(HOLE, numbers[2])) ** 4)))


def inverted(image: torch.Tensor, numbers: list[float]) -> torch.Tensor:
    """Blend towards the negative where the head is: T2 shows dark what T1 shows bright. Air stays dark."""
    side = 2 * (len(image) // 16) + 1
    # Wide enough to close the ventricles.
    around = functional.avg_pool2d(image[None, None], side, stride=1, padding=side // 2)[0, 0]
    weight = _between(NEGATIVE, numbers[0]) * (around / 0.15).clamp(max=1)
    return (1 - weight) * image + weight * (1 - image).clamp(min=0)


def _placed(image: torch.Tensor, angle: float, shift: float) -> torch.Tensor:
    cosine, sine = math.cos(angle), math.sin(angle)
    affine = torch.tensor([[[cosine, -sine, shift], [sine, cosine, shift]]], dtype=image.dtype, device=image.device)
    grid = functional.affine_grid(affine, [1, 1, *image.shape], align_corners=False)
    return functional.grid_sample(image[None, None], grid, align_corners=False)[0, 0]


def _between(ends: tuple[float, float], part: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * part
