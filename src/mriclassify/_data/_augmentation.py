"""Augmentation: what a scanner, a technician or an archive might have done to the same slice.

Randomness is an argument. `Augmentation.draw` draws the parameters of a whole batch from a generator, and
`apply` is a pure function of images and parameters, so that a batch can be made again and a piece used alone.
Any callable `(images, generator) -> images` may stand in its place.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch.nn import functional

from mriclassify._data._artefacts import Artefacts, draw_artefacts, spoilt
from mriclassify._errors import OptionError
from mriclassify._shapes import Images

Augment: TypeAlias = Callable[[Images, torch.Generator], Images]
"""Images (batch, channels, size, size) and a generator on the CPU in, images of the same shape out."""

COARSEST, FINEST = 0.35, 0.9
"""Slices of other scanners have fewer pixels: the grid that they are taken on, as a part of the side."""

BIAS_GRID = 4
"""A receiver coil's sensitivity varies slowly: its field is given by 4 x 4 values over the slice."""


class AugmentationParameters(NamedTuple):
    """What was drawn for a batch: one row for each image."""

    side: torch.Tensor  # (batch,) of the coarser grid that the image is taken on, as a part of its own; 1 for its own
    affine: torch.Tensor  # (batch, 2, 3), in the coordinates of torch's affine_grid, -1..1 over the image
    gamma: torch.Tensor  # (batch,)
    contrast: torch.Tensor  # (batch,) factor about the mean
    brightness: torch.Tensor  # (batch,) added
    bias: torch.Tensor  # (batch, 1, 4, 4) log of the multiplicative field
    noise: torch.Tensor  # (batch,) standard deviation
    artefact: torch.Tensor  # (batch,) index of its kind; -1 for none
    artefact_numbers: torch.Tensor  # (batch, 12) in 0..1, what the kind makes of them
    noise_seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """Small affine changes, left-right flips, intensity, coil sensitivity and noise, drawn anew for each image.

    Args:
        flip: probability of a left-right flip, 0..1.
        rotation: largest turn, degrees.
        scale: largest relative change of size, 0..0.9.
        translation: largest shift as part of the side, 0..0.5.
        gamma: largest change of the logarithm of gamma.
        contrast: largest relative change of contrast, 0..0.9.
        brightness: largest shift of brightness (the window is 0..1).
        bias: standard deviation of the log of the multiplicative bias field.
        noise: largest standard deviation of the Gaussian noise (the window is 0..1).
        coarse: probability that the image is taken on a coarser grid, of 0.35 to 0.9 of its side, 0..1.
        artefact: probability that something went wrong while it was scanned, 0..1: one of motion, ghosting, a spike in
            k-space, a place without signal, or an inverted contrast.

    Raises:
        OptionError: a value is outside its range.
    """

    flip: float = 0.5
    rotation: float = 15.0
    scale: float = 0.12
    translation: float = 0.05
    gamma: float = 0.35
    contrast: float = 0.25
    brightness: float = 0.08
    bias: float = 0.15
    noise: float = 0.04
    coarse: float = 0.2
    artefact: float = 0.1

    def __post_init__(self) -> None:
        limits = {"flip": 1.0, "coarse": 1.0, "artefact": 1.0, "scale": 0.9, "translation": 0.5, "contrast": 0.9}
        for name in self.__dataclass_fields__:
            value, limit = getattr(self, name), limits.get(name, math.inf)
            if not (0 <= value <= limit and math.isfinite(value)):
                raise OptionError(f"augmentation {name} must lie in 0..{limit:g}, not {value}")

    def __call__(self, images: Images, generator: torch.Generator) -> Images:
        """Return augmented copies of `images` (batch, channels, size, size), never below 0."""
        return self.apply(images, self.draw(len(images), generator))

    def draw(self, count: int, generator: torch.Generator) -> AugmentationParameters:
        """Draw the parameters for `count` images from `generator` (on the CPU, so that all devices agree)."""

        def uniform(limit: float) -> torch.Tensor:
            return (torch.rand(count, generator=generator) * 2 - 1) * limit

        flip = 1 - 2 * (torch.rand(count, generator=generator) < self.flip).float()
        chosen = torch.rand(count, generator=generator) < self.coarse
        sides = COARSEST + (FINEST - COARSEST) * torch.rand(count, generator=generator)
        return AugmentationParameters(
            side=torch.where(chosen, sides, torch.ones(count)),
            affine=_affine(
                flip=flip,
                angle=uniform(math.radians(self.rotation)),
                scale=1 + uniform(self.scale),
                shift=torch.stack([uniform(2 * self.translation), uniform(2 * self.translation)], dim=1),
            ),
            gamma=uniform(self.gamma).exp(),
            contrast=1 + uniform(self.contrast),
            brightness=uniform(self.brightness),
            bias=torch.randn(count, 1, BIAS_GRID, BIAS_GRID, generator=generator) * self.bias,
            noise=torch.rand(count, generator=generator) * self.noise,
            noise_seed=int(torch.randint(2**31, (), generator=generator)),
            # Last, so that the other draws are as they were before there were artefacts.
            artefact=(artefacts := draw_artefacts(count, self.artefact, generator)).kind,
            artefact_numbers=artefacts.numbers,
        )

    def apply(self, images: Images, parameters: AugmentationParameters) -> Images:
        """Return `images` changed by `parameters`; a pure function."""
        p = parameters
        moved = transform(_coarsened(spoilt(images, Artefacts(p.artefact, p.artefact_numbers)), p.side), p.affine)
        field = functional.interpolate(p.bias.to(images), size=images.shape[-2:], mode="bicubic", align_corners=True)
        bright = moved * field.exp()
        shape = (-1, 1, 1, 1)
        curved = bright.clamp(min=1e-6) ** p.gamma.to(images).view(shape)
        mean = curved.mean(dim=(1, 2, 3), keepdim=True)
        # Air stays black, as it does on a scanner: contrast and brightness act on what is not air.
        weight = (curved / 0.1).clamp(max=1)
        change = (curved - mean) * (p.contrast.to(images).view(shape) - 1) + p.brightness.to(images).view(shape)
        noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(p.noise_seed)).to(images)
        return (curved + weight * change + noise * p.noise.to(images).view(shape)).clamp_(min=0)


def transform(images: Images, affine: torch.Tensor) -> Images:
    """Resample `images` by `affine` (batch, 2, 3): output coordinates -1..1 to input ones; zero outside."""
    grid = functional.affine_grid(affine.to(images), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def _coarsened(images: Images, side: torch.Tensor) -> Images:
    """Return `images`, each as if it had been taken with `side` times its pixels."""
    height = images.shape[-1]
    sides = [max(8, round(float(part) * height)) for part in side]
    if all(count >= height for count in sides):
        return images
    rows = []
    for image, count in zip(torch.split(images, 1), sides, strict=True):
        if count < height:
            small = functional.interpolate(image, size=(count, count), mode="bilinear", antialias=True)
            image = functional.interpolate(small, size=images.shape[-2:], mode="bicubic").clamp(min=0)
        rows.append(image)
    return torch.cat(rows)


def _affine(*, flip: torch.Tensor, angle: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    rows = torch.stack([cosine * flip, -sine, shift[:, 0], sine * flip, cosine, shift[:, 1]], dim=1)
    return rows.view(-1, 2, 3)
