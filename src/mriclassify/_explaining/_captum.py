"""Captum: the library whose methods are taken as they are, if it is there."""

from collections.abc import Callable
from typing import Any

import torch
from torchvision.transforms.functional import gaussian_blur

from mriclassify._errors import MissingExtraError
from mriclassify._model._network import Network
from mriclassify._shapes import Images

BLUR = 1 / 20
"""Standard deviation of the blur that takes a slice's details away, as a part of its side."""


def captum_attr(method: str) -> Any:
    """Return the module `captum.attr`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from captum import attr
    except ImportError as error:
        raise MissingExtraError(
            f"{method} is computed by captum: pip install 'mriclassify[explain]'. "
            "Grad-CAM, Grad-CAM++ and LayerCAM need nothing more"
        ) from error
    return attr


def logit_of(network: Network, target: int) -> Callable[[Images], torch.Tensor]:
    """Return images (batch, 1, size, size) -> logits (batch,) of class `target`."""

    def logit(images: Images) -> torch.Tensor:
        score: torch.Tensor = network(images).logits[:, target].float()
        return score

    return logit


def blurred(images: Images, *, part: float = BLUR) -> Images:
    """Return images (batch, channels, size, size) without their details, by a Gaussian of `part` of their side."""
    sigma = part * images.shape[-1]
    width = min(2 * round(3 * sigma) + 1, 2 * (images.shape[-1] // 2) - 1)  # odd, and not wider than what is mirrored
    smooth: Images = gaussian_blur(images, [width, width], [sigma, sigma])
    return smooth
