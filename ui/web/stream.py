"""Answers that are sent line by line while they are computed, and work that ends when the client hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from model.serving.request import Request
from ui.web.http import NO_STORE

LOOK_S = 0.25  # how often readers are sent what is new
HEARTBEAT_S = 1.0  # how often where nothing is new: only by sending does the server notice that a page was closed

Line = dict[str, Any]


class Bell:
    """Wakes a reader in the event loop when a generation has its first characters, and when it is over."""

    def __init__(self, request: Request):
        self._loop, self._rung = asyncio.get_running_loop(), asyncio.Event()
        request.listen(lambda: self._loop.call_soon_threadsafe(self._rung.set))

    async def pause(self, begun: bool) -> None:
        """Waits until it is time to look again."""
        alarm = self._loop.call_later(LOOK_S if begun else HEARTBEAT_S, self._rung.set)
        await self._rung.wait()
        alarm.cancel()
        self._rung.clear()


async def while_connected(receive: Receive, work: Callable[[], Awaitable[object]]) -> None:
    """Works for a client, until the work is done or the client hangs up.

    Args:
        receive: the connection's; the body of the request has already been read from it.
    """

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await work()
        tasks.cancel_scope.cancel()


class LineStream(Response):
    """A response of JSON objects, one per line, for as long as the client reads them.

    Written directly against ASGI: a connection that is closed ends the work behind the lines at once. One that is not read is closed after
    a while (see ui/connections.py).

    Args:
        lines: what is sent; closed at the end.
        end: called at the end, whatever happened.
        headers: of the response.
    """

    media_type = "application/x-ndjson"

    def __init__(self, lines: AsyncGenerator[Line], end: Callable[[], object], headers: Mapping[str, str] | None = None):
        super().__init__(headers={**NO_STORE, "X-Accel-Buffering": "no", **(headers or {})})
        del self.headers["content-length"]
        self._lines, self._end = lines, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends lines until there are no more or the client is gone."""
        try:
            await while_connected(receive, lambda: self._send(send))
        finally:
            self._end()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with contextlib.aclosing(self._lines) as lines:
            async for line in lines:
                await send({"type": "http.response.body", "body": json.dumps(line).encode() + b"\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
