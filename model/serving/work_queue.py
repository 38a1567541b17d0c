"""The queue of short pieces of work that the engine's thread runs for other threads, one between two rounds of writing.

If other threads multiplied matrices themselves, they would slow the engine down (see `model.machine.in_fresh_thread`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from model.errors import BusyError
from model.limits import MAX_WAITING_WORK
from model.weights import Weights

Result = TypeVar("Result")


class Work(Generic[Result]):
    """A piece of work with a model.

    Attributes:
        weights: the model.
        is_owed: whether writing gets time back for it (see `Engine`).
        future: the result, or the exception that the work raised.
    """

    def __init__(self, work: Callable[[Weights], Result], weights: Weights, is_owed: bool = True):
        self.weights, self.is_owed = weights, is_owed
        self.future: Future[Result] = Future()
        self._work = work

    def run(self) -> None:
        """Runs the work and sets the future's result or exception."""
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
        if len(self._waiting) >= MAX_WAITING_WORK:  # cancelled work does not count
            self._waiting = deque(other for other in self._waiting if not other.future.cancelled())
        if len(self._waiting) >= MAX_WAITING_WORK:
            raise BusyError(f"{len(self._waiting)} other requests are already waiting. Try again in a minute.")
        self._waiting.append(work)

    def take(self) -> Work[Any] | None:
        """Removes and returns the next piece of work that was not cancelled, and marks its future as running; None if the queue is
        empty."""
        while self._waiting:
            work = self._waiting.popleft()
            if work.future.set_running_or_notify_cancel():
                return work
        return None

    def uses(self, weights: Weights) -> bool:
        """Whether pending work uses this model."""
        return any(work.weights is weights for work in self._waiting)
