"""The best of many scores."""

from __future__ import annotations

from torch import Tensor


def nearest(scores: Tensor, k: int) -> list[tuple[int, float]]:
    """The places of the k highest scores, and these, highest first; equal ones in the order of their places.

    Args:
        scores: (n,).
    """
    best = scores.sort(descending=True, stable=True)
    return [*zip(best.indices[:k].tolist(), best.values[:k].tolist(), strict=True)]
