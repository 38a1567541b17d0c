"""Answers that are sent line by line while they are computed, and work that ends when the client hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from model.serving.request import Request
from ui.web.http import NO_STORE

LOOK_S = 0.25  # how often readers are sent what is new
HEARTBEAT_S = 1.0  # how often when nothing is new: the server notices only by sending that a page was closed
FAR_AHEAD = 50  # generations; whoever has so many more before them waits one heartbeat longer between two looks

Line = dict[str, Any]
Asked = ParamSpec("Asked")
Result = TypeVar("Result")


class Bell:
    """Wakes a reader in the event loop when a generation has its first characters, and when it is over. A context manager: a reader that
    leaves takes its bell away, for others may follow the generation for long."""

    def __init__(self, request: Request):
        self._request, self._loop, self._rung = request, asyncio.get_running_loop(), asyncio.Event()

    def _ring(self) -> None:
        self._loop.call_soon_threadsafe(self._rung.set)

    def __enter__(self) -> Bell:
        self._request.listen(self._ring)
        return self

    def __exit__(self, *_: object) -> None:
        self._request.unlisten(self._ring)

    async def pause(self, begun: bool, ahead: int = 0) -> None:
        """Waits until it is time to look again: at the same moments for all readers, so that the engine is interrupted less often.

        Args:
            ahead: how many generations come before this one; the last of a long queue are told less often.
        """
        every = LOOK_S if begun else HEARTBEAT_S * (1 + ahead // FAR_AHEAD)
        alarm = self._loop.call_at(math.ceil(self._loop.time() / every + 0.5) * every, self._rung.set)
        await self._rung.wait()
        alarm.cancel()
        self._rung.clear()


async def while_connected(receive: Receive, work: Awaitable[Result]) -> Result:
    """Waits for work that is done for a client, and cancels it if the client hangs up before.

    Args:
        receive: the connection's; the body of the request has already been read from it.

    Raises:
        ClientDisconnect: the client hung up.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def for_its_client(respond: Callable[Asked, Awaitable[Response]]) -> Callable[Asked, Awaitable[Response]]:
    """Makes a handler end when its client hangs up, whatever it is waiting for: a model, its turn, a result. Do not use it for a handler
    that changes something, which must finish what it has begun.

    Args:
        respond: takes the request as its last argument; the body has already been read.
    """

    @functools.wraps(respond)
    async def answer(*args: Asked.args, **kwargs: Asked.kwargs) -> Response:
        http = args[-1]
        assert isinstance(http, HTTPRequest)
        return await while_connected(http.receive, respond(*args, **kwargs))

    return answer


async def result_of(shared: asyncio.Future[Result]) -> Result:
    """The result of work that others may wait for too. A caller that stops waiting does not cancel the work. If nobody is waiting when it
    fails, the failure is not logged."""
    shared.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait([shared])
    return shared.result()


class LineStream(Response):
    """A response of JSON objects, one per line, for as long as the client reads them.

    Written directly against ASGI: the work behind the lines ends as soon as the connection is closed. A connection whose client does not
    read is closed after a while (see ui/connections.py).

    Args:
        lines: what is sent; closed at the end.
        end: called at the end, whatever happened.
        headers: of the response.
    """

    media_type = "application/x-ndjson"

    def __init__(self, lines: AsyncGenerator[Any], end: Callable[[], object], headers: Mapping[str, str] | None = None):
        super().__init__(headers={**NO_STORE, "X-Accel-Buffering": "no", **(headers or {})})
        del self.headers["content-length"]
        self._lines, self._end = lines, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends lines until there are no more or the client is gone."""
        try:
            with contextlib.suppress(ClientDisconnect):
                await while_connected(receive, self._send(send))
        finally:
            self._end()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with contextlib.aclosing(self._lines) as lines:
            async for line in lines:
                await send({"type": "http.response.body", "body": self._encode(line), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    @staticmethod
    def _encode(line: Any) -> bytes:
        return json.dumps(line).encode() + b"\n"


class EventStream(LineStream):
    """A response of server-sent events. Its "lines" are bytes: an event or a comment each (see `event`)."""

    media_type = "text/event-stream"

    @staticmethod
    def _encode(line: Any) -> bytes:
        return bytes(line)


def event(name: str, content: object) -> bytes:
    """A server-sent event whose data is a JSON value."""
    return f"event: {name}\ndata: {json.dumps(content)}\n\n".encode()


COMMENT = b":\n\n"  # keeps a connection alive on which there is nothing to say
