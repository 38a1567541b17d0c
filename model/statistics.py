"""Intervals of what was counted, and what a collection of figures is like."""

from __future__ import annotations

import math

from torch import Tensor

Z = 1.96  # standard deviations on either side of the mean that hold 95 % of a normal distribution


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share that was found in n trials (E. B. Wilson, 1927)."""
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def median_and_high(values: Tensor) -> dict[str, float]:
    """The median and the 95 % quantile of some values, (n,)."""
    return {name: round(values.quantile(q).item(), 4) for name, q in (("median", 0.5), ("high", 0.95))}
