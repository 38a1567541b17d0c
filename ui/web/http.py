"""What the app's routes share: the entries of the route table, JSON in a request's body, and refusals.

A refusal is a status with {"error": "..."}, one sentence or two for the reader.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from model.errors import BusyError, ParameterError, SoliloquyError, UnknownModelError

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")  # a route answers all of them: those it left out would reach Gradio's page
MAX_DIGITS = 100  # of a number; Python is not made to parse more
TOO_LARGE = "The request is too large, or the connection closed before all of it arrived."
READING_FAILED = "Something went wrong while reading. See the server's log; please try again."
NO_STORE = {"Cache-Control": "no-store"}

Body = dict[str, Any]  # the JSON object that a request brings
Respond = Callable[[HTTPRequest], Awaitable[Response]]


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


@dataclass(frozen=True)
class Route:
    """One line of the route table.

    Attributes:
        respond: answers a request of that method. A SoliloquyError that it raises becomes a refusal in the error's words.
        head: whether HEAD is answered too.
    """

    method: str
    path: str
    respond: Respond
    access: Access = EVERYONE
    head: bool = False

    async def answer(self, http: HTTPRequest) -> Response:
        """Answers a request of any method. The access is checked before anything else."""
        if refused := self.access.refuse(http):
            return refused
        if http.method != self.method and not (self.head and http.method == "HEAD"):
            return refusal(f"Send a {self.method} request.", 405, Allow=self.method)
        try:
            return await self.respond(http)
        except ClientDisconnect:  # also a body over the limit, which is cut off
            return refusal(TOO_LARGE, 413)
        except SoliloquyError as error:
            self.access.log(http, str(error))
            return refusal(str(error), status_of(error))


def get(path: str, respond: Respond, access: Access = EVERYONE, head: bool = False) -> Route:
    """A route that is only read."""
    return Route("GET", path, respond, access, head)


def post(path: str, respond: Respond, access: Access = EVERYONE) -> Route:
    """A route that takes a body."""
    return Route("POST", path, respond, access)


def add_routes(server: FastAPI, routes: Iterable[Route]) -> None:
    """Gives a table of routes to a server. The first that matches a path answers."""
    for route in routes:
        server.add_route(route.path, route.answer, methods=[*METHODS])


def route_path(scope: Scope) -> str:
    """The path of a request below the prefix that a proxy serves the app under."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def takes_json(names: Collection[str], respond: Callable[[Body, HTTPRequest], Awaitable[Response]]) -> Respond:
    """A handler for requests that bring a JSON object.

    Args:
        names: what the object may have, apart from "viewer", which all of them may.
    """

    async def answer(http: HTTPRequest) -> Response:
        if http.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            # Any page may make a browser send other types to any host; for this type the browser has to ask the host first.
            return refusal("The content type must be application/json.", 415)
        return await respond(_read_json(await http.body(), {"viewer", *names}), http)

    return answer


def refusal(error: str, status: int, **headers: str) -> Response:
    """An answer that says what is wrong."""
    return JSONResponse({"error": error}, status, headers)


def status_of(error: SoliloquyError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, UnknownModelError):
        return 404
    return 503 if isinstance(error, BusyError) else 400


def model_header(key: str) -> dict[str, str]:
    """The header that names the model whose numbers or texts an answer has."""
    return {"X-Model": key}


def _read_json(body: bytes, names: Collection[str]) -> Body:
    """
    Raises:
        ParameterError: the body is not a JSON object, or has a name that is not among those allowed.
    """
    try:
        content = json.loads(body, parse_int=_read_int)
    except (ValueError, RecursionError) as error:
        raise ParameterError("The body is not valid JSON.") from error
    if not isinstance(content, dict):
        raise ParameterError("The body must be a JSON object.")
    if unknown := content.keys() - names:
        raise ParameterError(f"There is no setting {str(min(unknown))[:40]!r}.")
    return content


def _read_int(digits: str) -> float:
    """A whole number. One of thousands of digits, which Python refuses to parse, becomes infinity; no setting is as large."""
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)
