"""A map of vectors in two dimensions: near ones stay near (van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008).

Each vector is a neighbour of each other one with a probability that falls with their distance; points on a plane are moved until their own
such probabilities are as like those as they can be. Distances between groups that are far apart mean nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

PERPLEXITY = 30  # about how many neighbours each point tries to keep
STEPS, EARLY_STEPS = 300, 100
EARLY = 12.0  # neighbours attract each other so many times more at first, so that groups come together
BISECTIONS = 40


@torch.no_grad()
def make_map(vectors: Tensor, steps: int = STEPS, each: Callable[[], object] = lambda: None) -> Tensor:
    """A point for each vector, (n, 2), in [-1, 1]; the same for the same vectors, on one machine.

    Args:
        vectors: (n, width), of length 1.
        each: called after each step.
    """
    n = len(vectors)
    wanted = _neighbours(2 - 2 * vectors @ vectors.T, min(PERPLEXITY, (n - 1) / 3))
    points = _principal(vectors) * 1e-2
    velocity, gain, rate = torch.zeros_like(points), torch.ones_like(points), max(50.0, n / EARLY / 4)
    for step in range(steps):
        early = step < EARLY_STEPS
        near = 1 / (1 + torch.cdist(points, points).square_())
        near.fill_diagonal_(0)
        pull = (wanted * EARLY if early else wanted).sub(near / near.sum()).mul_(near)
        slope = 4 * (pull.sum(1, keepdim=True) * points - pull @ points)
        gain = torch.where(slope.sign() == velocity.sign(), gain * 0.8, gain + 0.2).clamp_(min=0.01)
        velocity = (0.5 if early else 0.8) * velocity - rate * gain * slope
        points = points + velocity
        each()
    points -= points.mean(0)
    return points / points.abs().max()


def _neighbours(distances: Tensor, perplexity: float) -> Tensor:
    """The probability that two points are neighbours, (n, n), 1 in all: for each point a Gaussian as wide as it takes to have the
    perplexity, found by bisection.

    Args:
        distances: squared, (n, n).
    """
    distances.fill_diagonal_(torch.inf)
    distances -= distances.min(1, keepdim=True).values
    low, high = torch.full((len(distances), 1), 1e-3), torch.full((len(distances), 1), 1e4)  # of the precision, 1 / (2 variance)
    for _ in range(BISECTIONS):
        precision = (low * high).sqrt()
        p = torch.softmax(-distances * precision, 1)
        is_wide = -(p * p.clamp(min=1e-12).log()).sum(1, keepdim=True) > math.log(perplexity)
        low, high = torch.where(is_wide, precision, low), torch.where(is_wide, high, precision)
    return (p + p.T) / (2 * len(p))


def _principal(vectors: Tensor) -> Tensor:
    """The two principal components, scaled to a standard deviation of 1, each with its largest value positive."""
    centred = vectors - vectors.mean(0)
    axes = torch.linalg.eigh(centred.T @ centred)[1][:, -2:].flip(1)
    components = centred @ axes
    components *= components.gather(0, components.abs().argmax(0, keepdim=True)).sign()
    return components / components.std(0)
