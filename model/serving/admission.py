"""Admission control for the engine's work other than writing: how many texts can wait, and which viewer is next.

Each kind of work (scoring, reading attention, writing with heads off) has its own `Admission`, so that none of them can fill the
engine's work queue and no viewer can block the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from types import TracebackType

from model.errors import BusyError
from model.limits import MAX_CLIENT_WAITING, MAX_VIEWER_WAITING, MAX_WAITING_REQUESTS
from model.serving.viewer import Viewer, client_of


class Admission:
    """Admits texts to one kind of work and gives viewers turns. Use it only in the event loop's thread.

    Args:
        places: number of texts in progress at once, for all viewers together.
        doing: past participle of the work for error messages: "read", "written".
        per_viewer: maximum number of a viewer's texts that wait or are in progress.
        per_client: the same maximum for all viewers of a client.
        total: the same maximum for all viewers together.
    """

    def __init__(
        self,
        places: int,
        doing: str,
        per_viewer: int = MAX_VIEWER_WAITING,
        per_client: int = MAX_CLIENT_WAITING,
        total: int = MAX_WAITING_REQUESTS,
    ):
        self._places = asyncio.Semaphore(places)
        self._doing, self._per_viewer, self._per_client, self._total = doing, per_viewer, per_client, total
        self._admitted: Counter[Viewer | str] = Counter()  # per viewer
        self._queues: defaultdict[Viewer | str, asyncio.Lock] = defaultdict(asyncio.Lock)  # per viewer; a viewer has one turn at a time

    def admit(self, viewer: Viewer | str) -> Ticket:
        """Admits a viewer's text. The caller must leave the ticket when the work is done.

        Raises:
            BusyError: the viewer, its client, or all viewers together, already have too many texts here.
        """
        if (own := self._admitted[viewer]) >= self._per_viewer:
            raise BusyError(f"{own} of your texts are already being {self._doing}. Try again when they are done.")
        near = sum(number for other, number in self._admitted.items() if client_of(other) == client_of(viewer))
        if near >= self._per_client:
            raise BusyError(f"{near} texts from your network are already being {self._doing}. Try again in a minute.")
        if (all_of_them := self._admitted.total()) >= self._total:
            raise BusyError(f"{all_of_them} texts are already being {self._doing}. Try again in a minute.")
        self._admitted[viewer] += 1
        return Ticket(self, viewer)

    @contextlib.asynccontextmanager
    async def _turn(self, viewer: Viewer | str) -> AsyncIterator[None]:
        async with self._queues[viewer], self._places:
            yield

    def _leave(self, viewer: Viewer | str) -> None:
        self._admitted[viewer] -= 1
        if not self._admitted[viewer]:
            del self._admitted[viewer]
            self._queues.pop(viewer, None)


class Ticket:
    """An admitted text of a viewer. As a context manager, it leaves on exit."""

    def __init__(self, admission: Admission, viewer: Viewer | str):
        self._admission, self._viewer, self._left = admission, viewer, False

    def turn(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Waits for a place and holds it inside the `async with`. Viewers take turns; each has at most one place at a time."""
        return self._admission._turn(self._viewer)

    def leave(self) -> None:
        """Ends the text's admission. Can be called more than once."""
        if not self._left:
            self._left = True
            self._admission._leave(self._viewer)

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.leave()
