"""What the app's routes share: the entries of the route table, JSON in a request's body, and refusals.

A refusal is a status with {"error": "..."}, one sentence or two for the reader; where a single setting is wrong, "setting" names it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

import anyio
from anyio.lowlevel import checkpoint
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Address
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.errors import BusyError, NotFoundError, ParameterError, SoliloquyError
from model.limits import CLASS_SIZE, MAX_SCORE_CHARS
from ui.web.client_log import log_refusal
from ui.web.clients import client_of
from ui.web.in_progress import ByteLimit, InProgress

MAX_DIGITS = 100  # of a number; Python is not made to parse more
MAX_SETTINGS_BYTES = 2**14
MAX_TEXT_BYTES = 12 * MAX_SCORE_CHARS + MAX_SETTINGS_BYTES  # the longest text, with every character escaped as two surrogates
MAX_BODY_BYTES = 2**28  # of all requests in progress, half of it for one client: a class with the longest texts, or two uploads
RETRY_S = 5  # when to try again what the load does not admit

TOO_LARGE = "The request is too large, or the connection closed before all of it arrived."
NO_ROOM = "The app is receiving as much as it can hold. Try again in a minute."
TOO_MANY = "Too many of your requests are in progress. Try again when some of them are done."
NO_STORE = {"Cache-Control": "no-store"}

Body = dict[str, Any]  # the JSON object that a request brings
Respond = Callable[[HTTPRequest], Awaitable[ASGIApp]]  # a Response, mostly; each is an ASGI app


class Word(Convertor[str]):
    """A key, an id or a name in an address: {session:word}."""

    regex = "[A-Za-z0-9_-]{1,64}"

    def convert(self, value: str) -> str:
        """The word."""
        return value


class File(Convertor[str]):
    """A file in a folder, none of them hidden: {name:file}."""

    regex = r"(?=.{1,200}$)[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*"

    def convert(self, value: str) -> str:
        """The file's path."""
        return value


register_url_convertor("word", Word())
register_url_convertor("file", File())


class Access(Protocol):
    """Who may use a route."""

    def refuse(self, http: HTTPRequest) -> Response | None:
        """The refusal, for a request that is not allowed."""

    def log(self, http: HTTPRequest, why: str) -> None:
        """Logs that a request was refused, where that is of interest."""


class Everyone:
    """Allows every request."""

    def refuse(self, http: HTTPRequest) -> Response | None:
        """Never a refusal."""
        return None

    def log(self, http: HTTPRequest, why: str) -> None:
        """Logs nothing."""


EVERYONE = Everyone()
bodies = ByteLimit(MAX_BODY_BYTES)  # of all routes


class Received:
    """The body of a request, as its handler receives it: bounded in size, and counted while the request is in progress."""

    def __init__(self, receive: Receive, scope: Scope, max_bytes: int):
        self._receive, self._http, self._max_bytes = receive, HTTPRequest(scope), max_bytes
        self._client, self._n_bytes = client_of(self._http), 0

    async def __call__(self) -> Message:
        """The next part. A body that becomes too large ends as if the client had hung up.

        Raises:
            BusyError: there is no room for it.
        """
        message = await self._receive()
        n_bytes = len(message.get("body", b""))
        if self._n_bytes + n_bytes > self._max_bytes:
            log_refusal(self._http, TOO_LARGE)
            return {"type": "http.disconnect"}
        if not bodies.take(self._client, n_bytes):
            raise BusyError(NO_ROOM)
        self._n_bytes += n_bytes
        return message

    def __enter__(self) -> Received:
        return self

    def __exit__(self, *_: object) -> None:
        bodies.give_back(self._client, self._n_bytes)


@dataclass(frozen=True)
class Route:
    """One line of the route table: an address, who may use it, and its bounds. As an ASGI app, it answers requests of any method.

    Attributes:
        respond: answers a request of that method. A SoliloquyError that it raises becomes a refusal in the error's words.
        max_bytes: of a request's body.
        at_once: requests of one client that may be in progress.
    """

    method: str
    path: str
    respond: Respond
    access: Access = EVERYONE
    max_bytes: int = 0
    at_once: int = CLASS_SIZE
    _in_progress: InProgress = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_in_progress", InProgress(self.at_once))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        received = Received(receive, scope, self.max_bytes)
        http = HTTPRequest(scope, received, send)
        with received, self._in_progress.one_more(client_of(http)) as admitted:
            response = await self.answer(http) if admitted else refusal(TOO_MANY, 503)
            await response(scope, http.receive, send)

    async def answer(self, http: HTTPRequest) -> ASGIApp:
        """The answer. The access is checked before anything else."""
        if refused := self.access.refuse(http):
            return refused
        if http.method != self.method:
            return refusal(f"Send a {self.method} request.", 405, Allow="GET, HEAD" if self.method == "GET" else self.method)
        if (announced := http.headers.get("content-length", "0")).isdigit() and int(announced) > self.max_bytes:
            log_refusal(http, TOO_LARGE)
            return refusal(f"A request to this address may have at most {self.max_bytes:,} bytes. Shorten it and try again.", 413)
        try:
            return await self.respond(http)
        except ClientDisconnect:  # also a body over the limit, which is cut off
            return refusal(TOO_LARGE, 413)
        except SoliloquyError as error:
            self.access.log(http, str(error))
            return refusal(str(error), status_of(error), getattr(error, "setting", ""))


def get(path: str, respond: Respond, access: Access = EVERYONE, at_once: int = CLASS_SIZE) -> Route:
    """A route that is only read."""
    return Route("GET", path, respond, access, at_once=at_once)


def post(path: str, respond: Respond, access: Access = EVERYONE, max_bytes: int = MAX_SETTINGS_BYTES, at_once: int = CLASS_SIZE) -> Route:
    """A route that takes a body."""
    return Route("POST", path, respond, access, max_bytes, at_once)


def addresses(table: Iterable[Route]) -> list[Address]:
    """A table of routes for a server. The first that matches a path answers."""
    return [Address(route.path, endpoint=route) for route in table]


class HeadAsGet:
    """Middleware that answers HEAD as GET is answered, up to the headers. So each GET route has it, and a stream does no work."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        with anyio.CancelScope() as unread:

            async def send_headers(message: Message) -> None:
                if not unread.cancel_called:
                    await send(message)
                    await send({"type": "http.response.body"})
                    unread.cancel()
                await checkpoint()  # ends whatever makes the body, as if the client had hung up

            await self.app({**scope, "method": "GET"}, receive, send_headers)


def route_path(scope: Scope) -> str:
    """The path of a request below the prefix that a proxy serves the app under."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def takes_json(names: Collection[str] | None, respond: Callable[[Body, HTTPRequest], Awaitable[Response]]) -> Respond:
    """A handler for requests that bring a JSON object.

    Args:
        names: what the object may have, apart from "viewer", which all of them may; None: anything.
    """

    async def answer(http: HTTPRequest) -> Response:
        if http.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            # Any page may make a browser send other types to any host; for this type the browser has to ask the host first.
            return refusal("The content type must be application/json.", 415)
        body = _read_json(await http.body())
        if names is not None and (unknown := body.keys() - {"viewer", *names}):
            raise ParameterError(f"There is no setting {str(min(unknown))[:40]!r}.")
        return await respond(body, http)

    return answer


def refusal(error: str, status: int, setting: str = "", **headers: str) -> Response:
    """An answer that says what is wrong, and with which setting. One that is due to the load says when to try again."""
    content = {"error": error} | ({"setting": setting} if setting else {})
    return JSONResponse(content, status, {"Retry-After": str(RETRY_S), **headers} if status == 503 else headers)


def status_of(error: SoliloquyError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, NotFoundError):
        return 404
    return 503 if isinstance(error, BusyError) else 400


def model_header(key: str) -> dict[str, str]:
    """The header that names the model whose numbers or texts an answer has."""
    return {"X-Model": key}


def download_header(name: str) -> dict[str, str]:
    """The header of an answer that browsers save as a file of this name. A header has only ASCII, so the name comes twice: in a form that
    every browser reads, and as it is."""
    ascii_name = "".join(char if char.isascii() and (char.isalnum() or char in "-_. ") else "_" for char in name)
    return {"Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"}


def _read_json(body: bytes) -> Body:
    """
    Raises:
        ParameterError: the body is not a JSON object.
    """
    try:
        content = json.loads(body, parse_int=_read_int)
    except (ValueError, RecursionError) as error:
        raise ParameterError("The body is not valid JSON.") from error
    if not isinstance(content, dict):
        raise ParameterError("The body must be a JSON object.")
    return content


def _read_int(digits: str) -> float:
    """A whole number. One of thousands of digits, which Python refuses to parse, becomes infinity; no setting is as large."""
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)
