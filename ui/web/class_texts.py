"""The texts of a class while they are written: each once, to its end, whether its phone stays or not."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncGenerator
from typing import Any

from model.classroom.classroom import UNKNOWN_ROUND, Classroom
from model.classroom.rounds import Round
from model.errors import WENT_WRONG, SoliloquyError
from model.limits import MAX_CLIENT_WAITING
from model.sampling import SamplingParams
from model.serving.engine import Engine
from model.serving.request import DONE, FAILED, RUNNING, WAITING, Progress, Request
from model.serving.viewer import Viewer
from model.weights import Weights
from ui.web.loading import start
from ui.web.stream import HEARTBEAT_S, LOOK_S

log = logging.getLogger(__name__)

CLIENT = "class"  # whom the texts are written for, as the engine counts them
STOPPED = "The text was stopped. Throw again."


class Texts:
    """Those under way. For the event loop's thread."""

    def __init__(self, engine: Engine, classroom: Classroom):
        self._engine, self._classroom = engine, classroom
        self._writing: dict[tuple[int, int], Writing] = {}  # by round and member
        self._turns = asyncio.Semaphore(MAX_CLIENT_WAITING)  # texts that wait in the engine; the others wait here

    async def lines(self, round: Round, member: int) -> AsyncGenerator[dict[str, Any]]:
        """A member's text while it is written, or as it was written. It is begun if it is not under way."""
        sample = {"sample": member}
        if text := round.throws.get(member):
            yield sample | {"state": DONE, "new": text}
            return
        writing = self._writing.get((round.number, member)) or self._begin(round, member)
        sent = 0
        while True:
            is_over = writing.over.is_set()
            new = writing.text[sent:]
            sent += len(new)
            if is_over:
                yield sample | writing.last | {"new": new}
                return
            yield sample | {"state": RUNNING if sent else WAITING, "new": new}
            await writing.pause()

    def begin_again(self) -> None:
        """Begins what was under way when the app stopped. It is written with the same dice."""
        for round in self._classroom.rounds.values():
            for member in round.unwritten:
                if (round.number, member) not in self._writing:
                    self._begin(round, member)

    def stop_forgotten(self) -> None:
        """Stops those of rounds that are no longer kept."""
        for writing in [*self._writing.values()]:
            if not self._classroom.has(writing.round):
                writing.stop(UNKNOWN_ROUND)

    def stop(self) -> None:
        """Stops all of them, before the app ends."""
        for writing in [*self._writing.values()]:
            writing.stop(STOPPED)

    def _begin(self, round: Round, member: int) -> Writing:
        writing = self._writing[round.number, member] = Writing(round)
        self._classroom.begin(round, member)
        writing.task = asyncio.ensure_future(self._write(writing, member))
        writing.task.add_done_callback(functools.partial(self._end, writing, member))
        return writing

    async def _write(self, writing: Writing, member: int) -> str | None:
        """A member's text, written to its end; None where that fails."""
        round = writing.round

        def begin(weights: Weights) -> Request:
            params = SamplingParams(**vars(round.params) | {"samples": 1, "first_sample": member})
            return self._engine.submit(round.prompt, params, Viewer(CLIENT, str(member)), remember=False, model=weights.key)

        try:
            async with self._turns:
                await writing.follow(await start(self._engine, round.model, begin))
            progress = await writing.whole()
        except SoliloquyError as error:
            writing.fail(str(error))
            return None
        except Exception:
            log.exception("A text of the class could not be written")
            return None
        if progress.state != DONE:
            writing.fail(progress.error or STOPPED)
            return None
        writing.last = {"state": DONE}
        return progress.texts[0]

    def _end(self, writing: Writing, member: int, task: asyncio.Task[str | None]) -> None:
        del self._writing[writing.round.number, member]
        self._classroom.finish(writing.round, member, None if task.cancelled() else task.result())
        writing.end()


class Writing:
    """A text under way.

    Attributes:
        last: the last line that is sent of it, apart from its text.
        begun, over: set when it has its first character, and when nothing more comes.
        task: what writes it.
    """

    def __init__(self, round: Round) -> None:
        self.round = round
        self.begun, self.over, self._rung = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.last: dict[str, Any] = {}
        self.fail(WENT_WRONG)
        self.task: asyncio.Task[str | None] | None = None
        self._request: Request | None = None

    @property
    def progress(self) -> Progress | None:
        """Of the request that writes it; None while it waits for its turn."""
        return self._request.progress() if self._request else None

    @property
    def text(self) -> str:
        """As far as it is written."""
        return progress.texts[0] if (progress := self.progress) else ""

    async def follow(self, request: Request) -> None:
        """Waits for the first character of the request that writes it, or for its end."""
        self._request, loop = request, asyncio.get_running_loop()
        request.listen(lambda: loop.call_soon_threadsafe(self._rung.set))
        await self._rung.wait()
        self.begun.set()

    async def whole(self) -> Progress:
        """Waits for its end."""
        assert self._request
        while not self._request.finished:
            self._rung.clear()
            await self._rung.wait()
        return self._request.progress()

    def fail(self, why: str) -> None:
        """What its reader is told if nothing else comes."""
        self.last = {"state": FAILED, "error": why}

    def stop(self, why: str) -> None:
        """Writes no more of it."""
        self.fail(why)
        if self.task:
            self.task.cancel()

    def end(self) -> None:
        """Nothing more comes."""
        if self._request:
            self._request.cancel()  # where it was stopped
            self._request.forget()
        self.begun.set()
        self.over.set()

    async def pause(self) -> None:
        """Waits until it is time to look again: for the first character, then for more."""
        waiting, seconds = (self.over, LOOK_S) if self.begun.is_set() else (self.begun, HEARTBEAT_S)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(waiting.wait(), seconds)
