"""How many threads compute a step: found while writing, because it depends on what else runs on the machine.

OpenMP splits a product among the threads of a team and waits for the last of them. On an idle machine more threads are faster. When
other programs keep the processors busy, the team waits for the thread that has no processor, and one thread can be ten times faster
than two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Result = TypeVar("Result")

FIRST_STEPS = 3  # with all threads before the first trial: on busy processors each can take a second
TRIAL_STEPS = 6  # of another number of threads
TRIAL_COST = 1 / 60  # share of the time that trials may lose
BETTER = 0.95  # of the time of a step: another number is taken only if it is clearly faster
REMEMBERED_STEPS = 24  # how far back the mean time of a step looks, and at least so many lie between two trials


class Threads:
    """Runs the steps of one model, each with the number of threads that is fastest now. For the engine's thread.

    Args:
        counts: the numbers of threads to choose from; the first one is taken at the beginning.
    """

    def __init__(self, counts: Sequence[int]):
        self._counts, self._last = counts, counts[0]
        self._sizes: dict[int, StepThreads] = {}  # one for each power of two of rows: a step of few rows gains less from more threads

    def run(self, rows: int, step: Callable[[], Result]) -> Result:
        """Runs a step of so many rows and records how long it took."""
        size = rows.bit_length()
        if size not in self._sizes:
            self._sizes[size] = StepThreads(self._counts, self._last)
        threads = self._sizes[size]
        torch.set_num_threads(threads.n)
        began = time.perf_counter()
        result = step()
        threads.took(time.perf_counter() - began)
        self._last = threads.chosen
        return result

    def set_up(self) -> None:
        """Sets PyTorch to the number of threads that was the fastest last, for work that is not a step."""
        torch.set_num_threads(self._last)


class StepThreads:
    """Chooses the number of threads for steps with about the same number of rows.

    Between trials, steps run with the chosen number. A trial runs a few steps with another number. It ends early once it has taken as long
    as all its steps would have taken with the chosen number, and the more time it lost, the longer the next one is put off.

    Args:
        counts: the numbers of threads to choose from.

    Attributes:
        chosen: the fastest number of threads, as far as is known.
    """

    def __init__(self, counts: Sequence[int], chosen: int):
        self.chosen = chosen
        self._others = [n for n in counts if n != chosen]
        self._mean_s = 0.0  # of a step with the chosen number
        self._steps = 0  # that the mean stands for
        self._trial_s: list[float] = []
        self._rest_s = 0.0  # until the next trial

    @property
    def n(self) -> int:
        """Number of threads for the next step."""
        return self._others[0] if self._in_trial else self.chosen

    @property
    def _in_trial(self) -> bool:
        return bool(self._others) and self._rest_s <= 0 and self._steps >= FIRST_STEPS

    def took(self, seconds: float) -> None:
        """Records how long a step with `n` threads took."""
        if not self._in_trial:
            self._steps = min(self._steps + 1, REMEMBERED_STEPS)
            self._mean_s += (seconds - self._mean_s) / self._steps
            self._rest_s -= seconds
            return
        self._trial_s.append(seconds)
        spent = sum(self._trial_s)
        if spent >= TRIAL_STEPS * self._mean_s * BETTER:
            self._end_trial(spent, won=False)
        elif len(self._trial_s) == TRIAL_STEPS:
            self._end_trial(spent, won=True)

    def _end_trial(self, spent: float, won: bool) -> None:
        tried, lost = self._others.pop(0), spent - len(self._trial_s) * self._mean_s
        self._rest_s = max(REMEMBERED_STEPS * self._mean_s, lost / TRIAL_COST)
        if won:
            self._others.append(self.chosen)
            self.chosen, self._mean_s, self._steps = tried, spent / TRIAL_STEPS, TRIAL_STEPS
        else:
            self._others.append(tried)
        self._trial_s = []
