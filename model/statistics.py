"""Intervals of what was counted."""

from __future__ import annotations

import math

Z = 1.96  # standard deviations on either side of the mean that hold 95 % of a normal distribution


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share that was found in n trials (E. B. Wilson, 1927)."""
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)
