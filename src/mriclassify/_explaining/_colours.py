"""Colours: numbers 0..1 become a scale from black over red to yellow."""

import numpy as np
from numpy.typing import NDArray

INFERNO = (
    (0, 0, 3), (9, 6, 33), (29, 12, 69), (55, 9, 97), (80, 13, 108), (104, 22, 110), (128, 31, 107), (152, 39, 101),
    (175, 49, 91), (197, 61, 77), (217, 77, 61), (232, 97, 43), (243, 121, 24), (250, 147, 6), (251, 176, 20),
    (248, 205, 55), (241, 233, 104), (252, 254, 164),
)  # fmt: skip
"""Every fifteenth of the 256 colours of "inferno" by Nathaniel J. Smith and Stéfan van der Walt (CC0,
https://bids.github.io/colormap): lightness grows evenly, also for those who can't tell red from green, and in print."""


def colours(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the colour (..., 3) of each of `values`; what is outside of 0..1 has that of the nearer end.

    Example:
        >>> colours(np.array([0.0, 1.0])).tolist()
        [[0, 0, 3], [252, 254, 164]]
    """
    places = np.linspace(0, 1, len(INFERNO))
    channels = [np.interp(values, places, channel) for channel in zip(*INFERNO, strict=True)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def blended(pixels: NDArray[np.uint8], values: NDArray[np.floating], opacity: float) -> NDArray[np.uint8]:
    """Return a grey slice with the colours of a map over it: (height, width, 3).

    Where the map is 0 the slice stays as it is; where it is 1 the colour covers it by `opacity`.

    Args:
        pixels: (height, width), 0..255.
        values: (height, width), 0..1.
        opacity: 0..1.
    """
    share = (opacity * np.clip(values, 0, 1))[..., None]
    mixed: NDArray[np.uint8] = np.rint(pixels[..., None] * (1 - share) + colours(values) * share).astype(np.uint8)
    return mixed
