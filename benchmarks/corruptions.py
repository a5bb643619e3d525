"""Fifteen ways in which MR slices go wrong on their way to a user, each at five strengths.

Each is a pure function `(image, strength, rng) -> image`. Images are (height, width) float32, 0..1, as a user's file
holds them: before any preprocessing. Shape, type and range are kept. The same `rng` state gives the same result, and
draws the same place or pattern at each strength, so that only the strength differs. At strength 3 the fault is clearly
visible and a reader still answers; 5 is what makes a reader ask for the scan again.

Faults of k-space follow Shaw et al. 2020 (arXiv 2003.06158) and TorchIO (Perez-Garcia et al. 2021).
"""

import io
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from mriclassify import OptionError

Pixels: TypeAlias = NDArray[np.float32]
Corruption: TypeAlias = Callable[[Pixels, int, np.random.Generator], Pixels]
Levels: TypeAlias = tuple[float, float, float, float, float]
"""A number for each of the strengths 1 to 5."""

STRENGTHS = (1, 2, 3, 4, 5)

BIAS: Levels = (0.2, 0.4, 0.6, 0.8, 1.1)
"""Logarithm of the field that the slice is multiplied by, at its largest in the middle: 0.6 is 0.55 to 1.8 times."""
GHOSTS: Levels = (0.08, 0.16, 0.25, 0.36, 0.5)
"""Share of the signal that goes into the ghosts."""
MOTION: Levels = (1.0, 2.0, 3.5, 5.0, 7.0)
"""Largest turn between two stretches of k-space in degrees, and largest shift in per cent of the side."""
MOVES = 4
SPIKE: Levels = (0.15, 0.3, 0.5, 0.8, 1.2)
"""Height of the spike as a part of the highest point of k-space."""
NOISE: Levels = (0.02, 0.04, 0.07, 0.11, 0.16)
"""Standard deviation of the noise in each of the two channels."""
BLUR: Levels = (0.003, 0.005, 0.008, 0.011, 0.015)
"""Standard deviation of the Gaussian, as a part of the longer side: 0.008 is 1.8 pixels of 224."""
RESOLUTION: Levels = (1.5, 2.0, 3.0, 4.0, 6.0)
"""Times fewer rows and columns."""
GAMMA: Levels = (1.2, 1.5, 1.9, 2.4, 3.2)
"""The exponent, or one over it."""
INVERSION: Levels = (0.2, 0.35, 0.65, 0.85, 1.0)
"""Weight of the negative inside the head; half would leave no contrast, so that 1 and 2 fade and 3 to 5 invert."""
CUT: Levels = (0.04, 0.08, 0.13, 0.2, 0.3)
"""Part of each side that the field of view lacks."""
TURN: Levels = (5.0, 10.0, 20.0, 30.0, 45.0)
"""Degrees."""
QUALITY: Levels = (50, 30, 15, 8, 4)
"""Of the JPEG encoder."""
MARGIN: Levels = (0.08, 0.16, 0.25, 0.35, 0.5)
"""Part of each side that is margin, black or white."""
LINES: Levels = (1, 2, 4, 6, 9)
"""Lines of text."""
HOLE: Levels = (0.06, 0.1, 0.15, 0.2, 0.27)
"""Radius of what has lost its signal, as a part of the longer side."""


def bias_field(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Brighten one part and darken another, smoothly: a receiver coil that hears some places better."""
    rows, columns = _grid(image)
    powers = [(i, j) for i in range(4) for j in range(4 - i) if i + j]
    weights = rng.normal(size=len(powers))
    field = sum(weight * rows**i * columns**j for weight, (i, j) in zip(weights, powers, strict=True))
    # Polynomials are largest in the corners, where there is no head.
    largest = np.abs(field[np.hypot(rows, columns) < 0.6]).max()
    return _kept(image * np.exp(_level(BIAS, strength) * np.clip(field / largest, -1.5, 1.5)))


def ghosting(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Repeat the slice, fainter, along one axis: each few lines of k-space were recorded otherwise."""
    axis, copies = int(rng.integers(2)), int(rng.integers(2, 5))
    shifts = [round(image.shape[axis] * k / copies) for k in range(1, copies)]
    ghosts = np.mean([np.roll(image, shift, axis) for shift in shifts], axis=0)
    share = _level(GHOSTS, strength)
    return _kept((1 - share) * image + share * ghosts)


def motion(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Let the head move while k-space is filled line by line; the middle lines see it where it was."""
    height = len(image)
    largest = _level(MOTION, strength)
    starts = np.sort(rng.integers(0, height, MOVES))
    moves = rng.uniform(-1, 1, (MOVES, 3)) * (largest, largest / 100 * height, largest / 100 * image.shape[1])
    space = np.fft.fftshift(np.fft.fft2(image))
    still = slice(height // 2 - height // 32, height // 2 + height // 32 + 1)
    middle = space[still].copy()
    for start, (degrees, down, across) in zip(starts, moves, strict=True):
        moved = ndimage.shift(_turned(image, degrees), (down, across), order=1)
        space[start:] = np.fft.fftshift(np.fft.fft2(moved))[start:]
    space[still] = middle
    return _kept(np.abs(np.fft.ifft2(np.fft.ifftshift(space))))


def spike(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Lay stripes over the slice: one point of k-space was hit by a discharge."""
    space = np.fft.fft2(image)
    # Near the middle, where stripes are wide enough to be seen after the slice is made smaller.
    row, column = rng.integers(4, np.array(image.shape) // 6)
    turn = np.exp(2j * np.pi * rng.random())
    space[row, column * int(rng.choice((-1, 1)))] += _level(SPIKE, strength) * np.abs(space).max() * turn
    return _kept(np.fft.ifft2(space).real)


def rician_noise(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Add noise to both channels and take the magnitude, as a scanner does (Gudbjartsson and Patz 1995)."""
    real, imaginary = _level(NOISE, strength) * rng.normal(size=(2, *image.shape))
    return _kept(np.hypot(image + real, imaginary))


def blur(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Smooth with a Gaussian."""
    return _kept(ndimage.gaussian_filter(image, _level(BLUR, strength) * max(image.shape)))


def low_resolution(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Keep fewer rows and columns, and enlarge again."""
    height, width = image.shape
    times = _level(RESOLUTION, strength)
    small = (max(1, round(width / times)), max(1, round(height / times)))
    shrunk = Image.fromarray(image).resize(small, Image.Resampling.BOX)
    return _kept(np.asarray(shrunk.resize((width, height), Image.Resampling.BILINEAR)))


def gamma(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Darken or brighten the middle greys."""
    return _kept(image ** (_level(GAMMA, strength) ** int(rng.choice((-1, 1)))))


def contrast_inversion(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Blend towards the negative inside the head, as if from T1 to T2; the air around it stays dark."""
    smooth = ndimage.gaussian_filter(image, 0.01 * max(image.shape))
    head = ndimage.binary_fill_holes(smooth > 0.08 * image.max())
    weight = _level(INVERSION, strength) * ndimage.gaussian_filter(head.astype(np.float32), 1)
    return _kept((1 - weight) * image + weight * (image.max() - image))


def crop(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Cut the field of view at the sides; what is left is enlarged to the old size."""
    part, (down, across) = _level(CUT, strength), rng.random(2)
    height, width = image.shape
    top, left = part * down * height, part * across * width
    box = (left, top, left + (1 - part) * width, top + (1 - part) * height)
    return _kept(np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, box=box)))


def rotation(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Turn the slice to the left or to the right."""
    return _kept(_turned(image, _level(TURN, strength) * int(rng.choice((-1, 1)))))


def jpeg(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Write and read a JPEG file of poor quality."""
    file = io.BytesIO()
    Image.fromarray(np.round(image * 255).astype(np.uint8)).save(file, "JPEG", quality=int(_level(QUALITY, strength)))
    with Image.open(file) as read:
        return _kept(np.asarray(read, dtype=np.float32) / 255)


def padding(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Put the slice, made smaller, somewhere on a black or white page of its old size."""
    (height, width), part = image.shape, _level(MARGIN, strength)
    page = np.full_like(image, rng.choice((0.0, 1.0)))
    rows, columns = max(1, round((1 - part) * height)), max(1, round((1 - part) * width))
    top, left = (int(x * room) for x, room in zip(rng.random(2), (height - rows, width - columns), strict=True))
    small = Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR)
    page[top : top + rows, left : left + columns] = np.asarray(small)
    return _kept(page)


def burnt_in_text(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Write lines of text and numbers over the corners, as viewers and screenshots do."""
    height, width = image.shape
    size = max(6, height // 18)
    page = Image.fromarray(image)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size)
    for line in range(int(_level(LINES, strength))):
        text = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUX0123456789:./ "), size=12))
        # The corners in turn, and then a line further inside.
        corner, inside = line % 4, line // 4
        across = 2 if corner % 2 == 0 else width - 2 - pen.textlength(text, font=font)
        down = 2 + inside * size if corner < 2 else height - 2 - (inside + 1) * size
        pen.text((across, down), text, fill=1.0, font=font)
    return _kept(np.asarray(page))


def signal_loss(image: Pixels, strength: int, rng: np.random.Generator) -> Pixels:
    """Darken a round region near the rim of the head, as air, metal or a dead coil element do."""
    rows, columns = _grid(image)
    angle, radius = rng.uniform(0, 2 * np.pi), 2 * _level(HOLE, strength)
    distance = np.hypot(rows - 0.6 * np.sin(angle), columns - 0.6 * np.cos(angle))
    return _kept(image * (1 - np.exp(-((distance / radius) ** 4))))


CORRUPTIONS: Mapping[str, Corruption] = {
    "bias field": bias_field,
    "ghosting": ghosting,
    "motion": motion,
    "spike": spike,
    "Rician noise": rician_noise,
    "blur": blur,
    "low resolution": low_resolution,
    "gamma": gamma,
    "contrast inversion": contrast_inversion,
    "crop": crop,
    "rotation": rotation,
    "JPEG": jpeg,
    "padding": padding,
    "burnt-in text": burnt_in_text,
    "signal loss": signal_loss,
}

REHEARSED = frozenset(
    ("bias field", "ghosting", "motion", "spike", "Rician noise", "low resolution", "gamma", "contrast inversion")
) | {"rotation", "signal loss"}
"""Faults whose like is among what `mriclassify.Augmentation` does in training. They are made by other code there, and
drawn from other ranges; but that a model bears these says less of faults that nobody thought of than the rest does."""


def _level(levels: Levels, strength: int) -> float:
    if strength not in STRENGTHS:
        raise OptionError(f"strength must be one of {', '.join(map(str, STRENGTHS))}, not {strength!r}")
    return levels[strength - 1]


def _grid(image: Pixels) -> list[NDArray[np.float64]]:
    """Return the rows (height, 1) and the columns (1, width), -1..1 along the longer side, 0 in the middle."""
    longer = max(image.shape)
    rows, columns = ((np.arange(length) - (length - 1) / 2) * 2 / longer for length in image.shape)
    return [rows[:, None], columns[None]]


def _turned(image: Pixels, degrees: float) -> Pixels:
    return ndimage.rotate(image, degrees, reshape=False, order=1)


def _kept(image: NDArray[np.floating]) -> Pixels:
    return np.clip(image, 0, 1).astype(np.float32)
