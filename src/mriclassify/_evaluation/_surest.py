"""The surest answers: what part of them is wrong, read off the risk-coverage curve at a few shares."""

from dataclasses import dataclass

from mriclassify._trust._risk_coverage import RiskCoverage

SHARES = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True, kw_only=True)
class Surest:
    """The answers that are at least as sure as a threshold.

    Args:
        threshold: Confidence, 0..1.
        share: Part of all slices that they are.
        answered: How many they are.
        wrong: How many of them are wrong.
        risk: Part of them that is wrong.
    """

    threshold: float
    share: float
    answered: int
    wrong: int
    risk: float


def surest(curve: RiskCoverage, shares: tuple[float, ...] = SHARES) -> tuple[Surest, ...]:
    """Return the first points that answer at least each share; fewer where confidences are equal."""
    # With 20 slices 19 are 0.95 of them, which floats may miss by their last digit.
    points = [next(i for i, covered in enumerate(curve.coverage) if covered >= share - 1e-9) for share in shares]
    return tuple(
        Surest(
            threshold=curve.thresholds[i],
            share=curve.coverage[i],
            answered=curve.answered[i],
            wrong=curve.wrong[i],
            risk=curve.risk[i],
        )
        for i in dict.fromkeys(points)
    )
