"""Short pieces of work that others have done by the engine's thread, one between two rounds of writing.

Whoever multiplies in a thread of its own slows the engine down (see `model.precision.apart`).
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


class Errand(Generic[Result]):
    """A piece of work with the model.

    Attributes:
        future: what it brings, or the exception that it ended with.
    """

    def __init__(self, work: Callable[[Weights], Result]):
        self.future: Future[Result] = Future()
        self._work = work

    def run(self, weights: Weights) -> None:
        """Does it, whatever comes of it."""
        try:
            result = self._work(weights)
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class Errands:
    """Those that wait, the first first. For whoever holds the engine's lock."""

    def __init__(self) -> None:
        self._waiting: deque[Errand[Any]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, errand: Errand[Any]) -> None:
        """One more, at the end.

        Raises:
            BusyError: too many wait already.
        """
        if len(self._waiting) >= MAX_WAITING_WORK:  # those that nobody waits for any more take no place
            self._waiting = deque(other for other in self._waiting if not other.future.cancelled())
        if len(self._waiting) >= MAX_WAITING_WORK:
            raise BusyError(f"{len(self._waiting)} pieces of work wait already. Try again in a minute.")
        self._waiting.append(errand)

    def take(self) -> Errand[Any] | None:
        """The next that somebody still waits for, to be done now."""
        while self._waiting:
            errand = self._waiting.popleft()
            if errand.future.set_running_or_notify_cancel():
                return errand
        return None
