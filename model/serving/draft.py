"""Guesses of the next characters of a text, thrown with the very dice that the network will use.

A guess costs a few microseconds. One step of the network then checks a text's guesses all at once, as rows that share its keys. A
character is always drawn from the network's distribution, so guesses change how soon a text is written and nothing about the text.

The guesses come from counts of what follows the last characters in a text. A short context's estimate backs a longer one's:
p(c | context) = (count(c) + BACKING d p(c | shorter context)) / (total + BACKING d), where d characters have followed the context
(as Witten and Bell, 1991, with more weight on the shorter context). Of the shipped model's characters at temperature 0.8 this guesses 70 %,
as many as with six characters and all counts, and 67 % with four.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from model.continuations import Continuations
from model.sampling import Floats, SamplingParams

BACKING = 5.0
KEPT_NUMBERS = 2_000_000  # of estimates and of their edges, each 8 bytes
LEAST_TEMPERATURE = 0.01
LEARNS_FROM = 4_096  # characters of written texts, where there is nothing to begin with
LEARNS_AT_MOST = 200_000  # the last ones

Key = TypeVar("Key")


class Estimates:
    """Estimates of what follows a context, from counts."""

    def __init__(self, continuations: Continuations):
        self._continuations = continuations
        self.context = continuations.longest
        self._estimates: dict[tuple[int, ...], Floats] = {}
        self._edges: dict[tuple[tuple[int, ...], float, int], Floats] = {}

    def edges(self, context: tuple[int, ...], params: SamplingParams) -> Floats:
        """Where each character's interval ends, as in `model.sampling.draw`, (V,). top_p is left out: it changes few guesses."""
        key = (context, params.temperature, params.top_k)
        edges = self._edges.get(key)
        if edges is None:
            estimate = self.estimate(context)
            top_k = 1 if params.temperature == 0 else params.top_k
            if 0 < top_k < len(estimate):
                estimate = np.where(estimate >= np.partition(estimate, -top_k)[-top_k], estimate, 0.0)
            edges = ((estimate / estimate.max()) ** (1 / max(params.temperature, LEAST_TEMPERATURE))).cumsum()
            edges /= edges[-1]
            _keep(self._edges, key, edges)
        return edges

    def estimate(self, context: tuple[int, ...]) -> Floats:
        """The probabilities of the next character, (V,)."""
        known = self._estimates.get(context)
        if known is None:
            known = self.estimate(context[1:]) if context else np.full(self._continuations.vocab_size, 1 / self._continuations.vocab_size)
            counts = self._continuations.after(context)
            if counts is not None:
                backing = BACKING * np.count_nonzero(counts)
                known = (counts + backing * known) / (counts.sum() + backing)
            _keep(self._estimates, context, known)
        return known


def _keep(kept: dict[Key, Floats], key: Key, value: Floats) -> None:
    if len(kept) * len(value) >= KEPT_NUMBERS:
        kept.clear()
    kept[key] = value


class Draft:
    """Guesses for the texts of one model. For the decode loop's thread.

    Args:
        continuations: to guess from. Without them, the texts that are written are learned from.
        vocab_size: of the model.
    """

    def __init__(self, continuations: Continuations | None, vocab_size: int):
        self._vocab_size = vocab_size
        self._estimates = Estimates(continuations) if continuations else None
        self._learns = continuations is None
        self._learned: list[int] = []
        self._enough = LEARNS_FROM
        self._counting: threading.Thread | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is something to guess from."""
        return self._estimates is not None

    def wait(self) -> None:
        """Waits until what was learned is counted."""
        if self._counting:
            self._counting.join()

    def learn(self, ids: Sequence[int]) -> None:
        """Learns from a text that was written, if there was nothing to begin with; counted in a thread of its own."""
        if not self._learns:
            return
        self._learned += ids
        if len(self._learned) >= self._enough and not (self._counting and self._counting.is_alive()):
            learned = self._learned = self._learned[-LEARNS_AT_MOST:]
            self._enough = min(2 * len(learned), 2 * LEARNS_AT_MOST)
            self._counting = threading.Thread(target=self._count, args=(learned,), name="draft", daemon=True)
            self._counting.start()

    def _count(self, learned: Sequence[int]) -> None:
        self._estimates = Estimates(Continuations.count(np.array(learned, dtype=np.int64), self._vocab_size))

    def guess(self, text: Sequence[int], throws: Sequence[float], params: SamplingParams) -> list[int]:
        """Guesses as many characters as there are throws; none if there is nothing to guess from.

        Args:
            text: ids of the text so far; only its end matters.
        """
        if (estimates := self._estimates) is None:
            return []
        context, guessed = tuple(text[-estimates.context :]), []
        for throw in throws:
            guessed.append(min(int(estimates.edges(context, params).searchsorted(throw, side="right")), self._vocab_size - 1))
            context = (*context, guessed[-1])[-estimates.context :]
        return guessed
