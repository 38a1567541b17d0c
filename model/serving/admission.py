"""Who waits for work that the engine does beside its writing: how many may wait, and whose turn it is.

One `Admission` stands in front of each kind of work (scoring, reading attention, writing with heads off), so that none of them can fill
the engine's work queue, and no viewer can keep the others from it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from types import TracebackType

from model.config import MAX_VIEWER_WAITING, MAX_WAITING_REQUESTS
from model.errors import BusyError


class Admission:
    """Admits viewers to one kind of work, and gives them turns. For the event loop's thread.

    Args:
        places: how many turns there are at once, for all viewers together.
        doing: what is being done with their texts, for the refusals: "read", "written".
        per_viewer: how many texts one viewer may have waiting or in progress.
        total: likewise, all viewers together.
    """

    def __init__(self, places: int, doing: str, per_viewer: int = MAX_VIEWER_WAITING, total: int = MAX_WAITING_REQUESTS):
        self._places = asyncio.Semaphore(places)
        self._doing, self._per_viewer, self._total = doing, per_viewer, total
        self._admitted: Counter[str] = Counter()  # per viewer
        self._queues: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # per viewer: one turn at a time, however many texts

    def admit(self, viewer: str) -> Ticket:
        """Admits one more text of a viewer, who has to leave in the end.

        Raises:
            BusyError: the viewer, or all viewers together, have too many texts here already.
        """
        if (own := self._admitted[viewer]) >= self._per_viewer:
            raise BusyError(f"{own} of your texts are being {self._doing} already. Try again when they are done.")
        if (all_of_them := self._admitted.total()) >= self._total:
            raise BusyError(f"{all_of_them} texts are being {self._doing} already. Try again in a minute.")
        self._admitted[viewer] += 1
        return Ticket(self, viewer)

    @contextlib.asynccontextmanager
    async def _turn(self, viewer: str) -> AsyncIterator[None]:
        async with self._queues[viewer], self._places:
            yield

    def _leave(self, viewer: str) -> None:
        self._admitted[viewer] -= 1
        if not self._admitted[viewer]:
            del self._admitted[viewer]
            self._queues.pop(viewer, None)


class Ticket:
    """One admitted text of a viewer. A context manager, which leaves at its end."""

    def __init__(self, admission: Admission, viewer: str):
        self._admission, self._viewer, self._left = admission, viewer, False

    def turn(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Waits for one of the places and keeps it inside the `async with`. Viewers take turns; each has at most one place at a time."""
        return self._admission._turn(self._viewer)

    def leave(self) -> None:
        """Gives the text's place among those admitted back. May be called more than once."""
        if not self._left:
            self._left = True
            self._admission._leave(self._viewer)

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.leave()
