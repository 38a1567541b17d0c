"""Beam search: the likeliest text that a network can be found to write, and how it was found.

One beam is greedy decoding: the likeliest character each time. With more, so many of the likeliest beginnings are kept and continued side
by side. Of those that ended, the best by log-probability over length penalty is the result.

Source: Sutskever et al., "Sequence to Sequence Learning with Neural Networks" (2014); the length penalty of Wu et al., "Google's Neural
Machine Translation System" (2016), with the exponent of Vaswani et al. (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.decode import NOT_FINITE

LENGTH_PENALTY = 0.6
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Beam:
    """The beginning of a text, or a whole one.

    Attributes:
        ids: its characters, the end sign included if it has ended.
        parent: its place among the beams of the step before; -1 at the first step.
        log_probability: of all its characters together, in nats.
    """

    ids: Ids
    log_probability: float
    ended: bool
    parent: int

    def score(self, penalty: float) -> float:
        """What beams of different lengths are compared by."""
        return self.log_probability / length_penalty(len(self.ids), penalty)


def length_penalty(n: int, exponent: float) -> float:
    return ((5 + n) / 6) ** exponent


def beam_search(
    continuations: Callable[[Sequence[Ids]], Tensor], end: int, beams: int, most: int, penalty: float = LENGTH_PENALTY
) -> tuple[Beam, list[list[Beam]]]:
    """Searches for the best text.

    Args:
        continuations: the log-probabilities of the next character after each of some beginnings, all of the same length, (rows, V).
        end: the end sign.
        beams: beginnings that are continued side by side.
        most: characters at most, the end sign included. A text that has not ended by then counts only if none has.
        penalty: exponent of the length penalty; 0 prefers short texts.

    Returns:
        The best text, and the beams of each step, best first: at each, those that ended and those that go on, `beams` together at most.

    Raises:
        FloatingPointError: the network's output is not finite.
    """
    live, ended = [(-1, Beam((), 0.0, False, -1))], list[Beam]()  # live ones with their places among the beams of the step before
    steps: list[list[Beam]] = []
    for _ in range(most):
        steps.append(kept := _continued(live, continuations([beam.ids for _, beam in live]), end, beams - len(ended)))
        ended += [beam for beam in kept if beam.ended]
        live = [(place, beam) for place, beam in enumerate(kept) if not beam.ended]
        if not live:
            break
    return max(ended or [beam for _, beam in live], key=lambda beam: beam.score(penalty)), steps


def _continued(live: Sequence[tuple[int, Beam]], log_probabilities: Tensor, end: int, beams: int) -> list[Beam]:
    """The likeliest continuations of some beams, best first. Ties go to the better beam, then to the lower id."""
    if torch.isnan(log_probabilities).any():
        raise FloatingPointError(NOT_FINITE)
    before = torch.tensor([[beam.log_probability] for _, beam in live], dtype=torch.float64)
    sums = before + log_probabilities.double().cpu()  # (rows, V)
    found = []
    for number in torch.sort(sums.flatten(), descending=True, stable=True).indices[:beams].tolist():
        row, char = divmod(number, sums.shape[1])
        place, beam = live[row]
        found.append(Beam((*beam.ids, char), sums[row, char].item(), char == end, place))
    return found
