"""How many characters of each text to guess in a step: found while writing, because it depends on the texts and on the machine.

A step that checks guesses is longer, and writes more characters as long as they are right. Both are measured.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST_GUESSES = 4  # per text and step
PAUSE = 1_000  # steps without guesses after one that failed
MOST_ROWS = 40  # texts and their guesses in a step: a longer one costs about as much for each further row as the row brings
MOST_TEXTS = MOST_ROWS // 2
ROW_COST = 1 / 6  # of a step's fixed cost, before steps are measured
TRIAL_EVERY = 48  # steps; then the next larger or smaller number of guesses is tried in one step
TRUST = 1 / 8  # weight of the newest step in a mean
OUTLIER = 2.0  # a step counts at most as this many mean ones: it was held up by something else


class Guessing:
    """Chooses the number of guesses for steps of any number of texts."""

    def __init__(self) -> None:
        self._right = [0.7**n for n in range(1, MOST_GUESSES + 1)]  # how often the first n guesses are right
        self._seconds: dict[tuple[int, int], float] = {}  # mean time of a step, by texts and guesses for each
        self._steps = self._paused = 0

    def choose(self, texts: int, most: int = MOST_GUESSES) -> int:
        """The number of guesses for each text that promises the most characters per second; now and then a neighbour of it.

        Args:
            most: that the texts have room for.
        """
        most = min(most, MOST_GUESSES, MOST_ROWS // texts - 1)
        if most <= 0:
            return 0
        if self._paused:
            self._paused -= 1
            return 0
        best = max(range(most + 1), key=lambda n: self._characters(n) / self._cost(texts, n))
        self._steps += 1
        if self._steps % TRIAL_EVERY == 0:
            up = self._steps // TRIAL_EVERY % 2
            return min(best + 1, most) if up else max(best - 1, 0)
        return best

    def took(self, texts: int, guesses: int, seconds: float) -> None:
        """Records the time of a step."""
        mean = self._seconds.get((texts, guesses), seconds)
        self._seconds[texts, guesses] = mean + TRUST * (min(seconds, OUTLIER * mean) - mean)

    def pause(self) -> None:
        """Chooses no guesses for a while."""
        self._paused = PAUSE

    def met(self, guesses: Sequence[Sequence[int]], right: Sequence[int]) -> None:
        """Records how many of each text's guesses were right, up to the first wrong one."""
        for guessed, its_right in zip(guesses, right, strict=True):
            for n in range(len(guessed)):
                self._right[n] += (float(its_right > n) - self._right[n]) / 256

    def _characters(self, guesses: int) -> float:
        """Expected for each text."""
        return 1 + sum(self._right[:guesses])

    def _cost(self, texts: int, guesses: int) -> float:
        """Expected seconds of a step; of one that was never measured, from the nearest that was."""
        measured = [n for size, n in self._seconds if size == texts]
        if not measured:
            return _rows_cost(texts * (1 + guesses))
        nearest = min(measured, key=lambda n: abs(n - guesses))
        return self._seconds[texts, nearest] * _rows_cost(texts * (1 + guesses)) / _rows_cost(texts * (1 + nearest))


def _rows_cost(rows: int) -> float:
    return 1 + ROW_COST * rows
