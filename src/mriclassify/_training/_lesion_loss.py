"""Lesion loss: how far a lesion map is from the outline."""

import torch
from torch.nn import functional

from mriclassify._shapes import LesionLogits

PIXELS = 5.0
"""Weight of the cross-entropy beside the Dice loss: most pixels are easy, so that its mean is small."""


def lesion_loss(logits: LesionLogits, lesions: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return the mean loss over the slices whose lesions are known; 0 if there are none.

    Cross-entropy of the pixels, and for slices with a lesion the Dice loss (Milletari et al. 2016), which does not mind
    how small it is. Of slices without a lesion Dice says nothing of use: any pixel would be all wrong.

    Args:
        logits: (batch, side, side).
        lesions: (batch, 1, size, size), part of each pixel that is lesion, 0..1; (batch, 1, 0, 0) where nobody looks.
        known: (batch,) bool, whether that is known.
    """
    logits = logits.float()
    if not lesions.numel():
        return logits.new_zeros(())
    truth = functional.adaptive_avg_pool2d(lesions, logits.shape[-1])[:, 0].clamp(0, 1)
    pixels = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=(1, 2))
    found, area = logits.sigmoid(), truth.sum(dim=(1, 2))
    overlap = (2 * (found * truth).sum(dim=(1, 2)) + 1) / (found.sum(dim=(1, 2)) + area + 1)
    each = PIXELS * pixels + torch.where(area > 0.5, 1 - overlap, torch.zeros_like(overlap))
    return (each * known).sum() / known.sum().clamp(min=1)
