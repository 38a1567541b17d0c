"""Answers in lines that many clients ask for at once, as phones do that follow the lecturer's page: computed once, sent to all of them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing

from model.serving.request import DONE
from ui.web.stream import Line

MAX_KEPT = 64  # the latest, for those that ask a moment later

Begin = Callable[[], tuple[AsyncGenerator[Line], Callable[[], object]]]


class SharedAnswer:
    """Lines that come while somebody reads them.

    Args:
        lines: the last of a whole answer has the state done.
        end: called at the end, whatever happened.
    """

    def __init__(self, lines: AsyncGenerator[Line], end: Callable[[], object]):
        self.readers = 0
        self._lines: list[Line] = []
        self._grown = asyncio.Event()
        self._task = asyncio.create_task(self._take(lines))
        self._end = end
        self._task.add_done_callback(self._over)

    async def _take(self, lines: AsyncGenerator[Line]) -> None:
        async with aclosing(lines):
            async for line in lines:
                self._lines.append(line)
                grown, self._grown = self._grown, asyncio.Event()
                grown.set()

    def _over(self, _: asyncio.Task[None]) -> None:
        self._end()
        self._grown.set()

    async def read(self) -> AsyncGenerator[Line]:
        """All lines, from the first on."""
        sent = 0
        while sent < len(self._lines) or not self._task.done():
            grown = self._grown
            if sent < len(self._lines):
                yield self._lines[sent]
                sent += 1
            else:
                await grown.wait()

    @property
    def is_usable(self) -> bool:
        """Whether it is whole, or will be."""
        if self._task.done():
            return bool(self._lines) and self._lines[-1]["state"] == DONE
        return self.readers > 0

    def leave(self) -> None:
        """A reader is gone. With the last one, the work ends."""
        self.readers -= 1
        if not self.readers:
            self._task.cancel()  # has no effect where all lines are there


class SharedLines:
    """Answers, by all that determines them. Use it only in the event loop's thread."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, SharedAnswer] = OrderedDict()  # the newest comes last

    def join(self, key: Hashable, begin: Begin) -> SharedAnswer:
        """The answer that there is, or one that begins now; for one more reader, who leaves at the end. Raises what `begin` raises.

        Args:
            begin: gives the lines, and what is called at their end.
        """
        answer = self._answers.get(key)
        if answer is None or not answer.is_usable:
            answer = self._answers[key] = SharedAnswer(*begin())
        self._answers.move_to_end(key)
        while len(self._answers) > MAX_KEPT:
            self._answers.popitem(last=False)
        answer.readers += 1
        return answer
