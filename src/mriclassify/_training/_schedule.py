"""The learning rate, as a function of the step."""

import math


def learning_rate(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """Return the rate for `step` (0-based) of `steps`: a linear rise, then half a cosine down to zero.

    Args:
        step: 0 <= step < steps.
        steps: of the whole training.
        peak: highest rate.
        warmup: share of the steps that rise, 0..1 (Goyal et al. 2017, arXiv 1706.02677, section 2.2).
    """
    rising = max(1, round(warmup * steps))
    if step < rising:
        return peak * (step + 1) / rising
    progress = (step - rising) / max(1, steps - rising)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))  # Loshchilov and Hutter 2017, arXiv 1608.03983
