"""What the page's own routes have in common: JSON comes in, what is refused is answered by a status and {"error": "..."}, and lines of
JSON go out for as long as somebody reads them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from typing import Any

import anyio
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from model.errors import BusyError, ParameterError, SoliloquyError
from model.sampling import draw_seed
from ui.web.progress import View

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]  # each route answers all, or Gradio's page would
MOST_DIGITS = 100  # of a number, before it is even read
MAX_NAME_CHARS = 64  # of a viewer
UNREAD_S = 30.0  # how long a connection may leave what it is sent unread
TOO_LARGE = "The request is too large, or was not sent to its end."

Asked = dict[str, Any]
Refuse = Callable[[HTTPRequest], Response | None]


def nobody(http: HTTPRequest) -> Response | None:
    """Who is refused an open route."""
    return None


def add_post(
    server: FastAPI,
    path: str,
    names: Collection[str],
    respond: Callable[[Asked, HTTPRequest], Awaitable[Response]],
    refuse: Refuse = nobody,
) -> None:
    """Adds a route that takes a JSON object by POST.

    Args:
        names: of the settings that may be sent, apart from "viewer", which all routes take.
        respond: answers what was sent; the errors that it raises are told in words.
        refuse: answers who may not ask, before anything is read of what was sent.
    """

    @server.api_route(path, methods=METHODS)
    async def answer(http: HTTPRequest) -> Response:
        if refused := refuse(http):
            return refused
        if http.method != "POST":
            return refusal("Send a POST request with a JSON object.", 405, Allow="POST")
        if http.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            # Any page may make a browser send other types anywhere; for this one it has to ask first.
            return refusal("The content type must be application/json.", 415)
        try:
            return await respond(_read_json(await http.body(), {"viewer", *names}), http)
        except ClientDisconnect:  # or a body over the limit, which is cut off
            return refusal(TOO_LARGE, 413)
        except BusyError as error:
            return refusal(str(error), 503)
        except SoliloquyError as error:
            return refusal(str(error), 400)


def add_get(server: FastAPI, path: str, respond: Callable[[HTTPRequest], Awaitable[Response]], refuse: Refuse = nobody) -> None:
    """Adds a route that is only read.

    Args:
        respond: answers; the errors that it raises are told in words.
        refuse: answers who may not ask.
    """

    @server.api_route(path, methods=METHODS)
    async def answer(http: HTTPRequest) -> Response:
        if refused := refuse(http):
            return refused
        if http.method != "GET":
            return refusal("Send a GET request.", 405, Allow="GET")
        try:
            return await respond(http)
        except SoliloquyError as error:
            return refusal(str(error), 400)


def refusal(error: str, status: int, **headers: str) -> Response:
    """An answer that says what is wrong."""
    return JSONResponse({"error": error}, status, headers)


def read_viewer(asked: Asked, http: HTTPRequest) -> str:
    """Who asks: the name that was sent, or the host.

    Raises:
        ParameterError: it is no name.
    """
    viewer = asked.get("viewer", http.client.host if http.client else "")
    if not isinstance(viewer, str) or len(viewer) > MAX_NAME_CHARS:
        raise ParameterError(f"The viewer must be a text of at most {MAX_NAME_CHARS} characters.")
    return viewer


def read_seed(typed: object) -> int:
    """The seed that was typed or sent as a number, or a drawn one.

    Raises:
        ParameterError: what was typed is no whole number.
    """
    if typed is None:
        return draw_seed()
    if isinstance(typed, int) and not isinstance(typed, bool):
        return typed
    if not isinstance(typed, str):
        raise ParameterError("The seed must be a whole number, or empty for a new one each time.")
    digits = typed.strip()
    if not digits:
        return draw_seed()
    if not (digits.isascii() and digits.removeprefix("-").isdigit() and len(digits) <= MOST_DIGITS):
        raise ParameterError(f"The seed must be a whole number, or empty for a new one each time, not {typed[:40]!r}.")
    return int(digits)


def read_index(digits: str) -> int:
    """A whole number from 0 in an address, or -1 for what is none."""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS else -1


def _read_json(body: bytes, names: Collection[str]) -> Asked:
    """The settings that were sent.

    Raises:
        ParameterError: they are none.
    """
    try:
        asked = json.loads(body, parse_int=_read_int)
    except (ValueError, RecursionError) as error:
        raise ParameterError("The request is no JSON.") from error
    if not isinstance(asked, dict):
        raise ParameterError("The request must be a JSON object.")
    if unknown := asked.keys() - names:
        raise ParameterError(f"There is no setting {str(min(unknown))[:40]!r}.")
    return asked


def _read_int(digits: str) -> float:
    """A whole number; Python reads none of thousands of digits, and no setting is one."""
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


async def while_connected(receive: Receive, work: Callable[[], Awaitable[object]]) -> None:
    """Does work for a client; that it hangs up ends the work at once.

    Args:
        receive: the connection's, its request already read.
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
    """Lines of JSON, as long as somebody reads them.

    Written against ASGI itself: a connection that is closed ends the work behind the lines at once, and one that takes nothing more
    after a while.

    Args:
        lines: what is sent; it is closed in the end.
        end: called in the end, whatever happened.
    """

    media_type = "application/x-ndjson"

    def __init__(self, lines: AsyncGenerator[View], end: Callable[[], object]):
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._lines, self._end = lines, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until there are no more lines or the reader is gone."""
        try:
            await while_connected(receive, lambda: self._send(send))
        finally:
            self._end()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with contextlib.aclosing(self._lines) as lines:
            async for line in lines:
                with anyio.move_on_after(UNREAD_S) as patience:
                    await send({"type": "http.response.body", "body": json.dumps(line).encode() + b"\n", "more_body": True})
                if patience.cancelled_caught:
                    return
        await send({"type": "http.response.body", "body": b"", "more_body": False})
