"""The queue of short pieces of work that the engine's thread does for others, one between two rounds of writing.

A thread that multiplies matrices of its own would slow the engine down (see `model.machine.in_fresh_thread`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from model.config import MAX_WAITING_WORK
from model.errors import BusyError
from model.weights import Weights

Result = TypeVar("Result")


class Work(Generic[Result]):
    """A piece of work with a model.

    Attributes:
        weights: the model.
        future: the result, or the exception that the work raised.
    """

    def __init__(self, work: Callable[[Weights], Result], weights: Weights):
        self.weights = weights
        self.future: Future[Result] = Future()
        self._work = work

    def run(self) -> None:
        """Does the work and settles the future."""
        try:
            result = self._work(self.weights)
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class WorkQueue:
    """FIFO queue of pending work. The caller must hold the engine's lock."""

    def __init__(self) -> None:
        self._waiting: deque[Work[Any]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, work: Work[Any]) -> None:
        """Appends a piece of work.

        Raises:
            BusyError: the queue is full.
        """
        if len(self._waiting) >= MAX_WAITING_WORK:  # cancelled work takes no place
            self._waiting = deque(other for other in self._waiting if not other.future.cancelled())
        if len(self._waiting) >= MAX_WAITING_WORK:
            raise BusyError(f"{len(self._waiting)} pieces of work wait already. Try again in a minute.")
        self._waiting.append(work)

    def take(self) -> Work[Any] | None:
        """Removes and returns the next piece of work that was not cancelled; its future is then running."""
        while self._waiting:
            work = self._waiting.popleft()
            if work.future.set_running_or_notify_cancel():
                return work
        return None

    def uses(self, weights: Weights) -> bool:
        """Whether pending work needs this model."""
        return any(work.weights is weights for work in self._waiting)
