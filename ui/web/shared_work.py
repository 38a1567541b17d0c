"""Work that several clients wait for: done once for all of them, and cancelled when the last of them leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from ui.web.stream import result_of

Key = TypeVar("Key")
Result = TypeVar("Result")


class SharedWork(Generic[Key, Result]):
    """Pieces of work, by key. Use it only in the event loop's thread."""

    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Future[Result]] = {}
        self._waiting: Counter[Key] = Counter()

    async def result(self, key: Key, work: Callable[[], Awaitable[Result]]) -> Result:
        """The result of the work with this key, which is started unless it is already under way. Raises what the work raises."""
        if key not in self._tasks:
            self._tasks[key] = asyncio.ensure_future(work())
        self._waiting[key] += 1
        try:
            return await result_of(self._tasks[key])
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
                self._tasks.pop(key).cancel()  # has no effect on one that is done
