"""Which of Gradio's addresses exist: those in the table below. Whatever else Gradio brings, now or in a later version, is answered by 404
without reaching it.

    POST /gradio_api/call/generate              {"data": ["ROMEO:", 0.8]}                       {"event_id": "..."}
    POST /gradio_api/call/v2/generate           {"prompt": "ROMEO:", "temperature": 0.8}        {"event_id": "..."}
    GET  /gradio_api/call/generate/EVENT_ID     server-sent events: "generating" with all that is written so far, then "complete"

These are for programs; gradio_client uses others. The values are the parameters of `generate` in ui/api.py, in their order; those left out
have their defaults. A client may have a bounded number of events. One whose stream is not opened within seconds, or whose reader has left,
is stopped and forgotten (ui/gradio_events.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import gradio as gr
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from model.errors import ParameterError
from model.limits import MAX_PROMPT_CHARS
from ui.document import Document
from ui.gradio_events import MAX_CLIENT_EVENTS, Events
from ui.gradio_files import GradioFiles
from ui.web.clients import client_of
from ui.web.http import Body, Respond, Route, Word, get, post, refusal, takes_json

MAX_CALL_BYTES = 12 * MAX_PROMPT_CHARS + 2**13  # the longest prompt, with every character escaped as two surrogates, and all settings

NO_ENDPOINT = "There is no such endpoint."
NO_EVENT = "There is nothing to read here: no such request was made, or its answer was read already, or nobody read it in time."
RANGES = {b"range", b"if-range"}


def open_routes(page: gr.Blocks, gradio: ASGIApp, events: Events, own: Sequence[Route] = ()) -> list[Route]:
    """Gradio's addresses that are open, to everyone.

    Args:
        own: the app's routes.
    """
    plain, programs = pass_on(gradio), Programs(page, gradio, events)
    files = GradioFiles({component["type"] for component in page.config["components"]})
    return [
        # The page.
        get("/", pass_on(Document(gradio, files, own))),
        get("/assets/{name:file}", files.or_else(plain)),
        get("/static/js/{name:file}", plain),
        get("/theme.css", plain),
        get("/favicon.ico", plain),
        # gradio_client.
        get("/config", plain),
        get("/gradio_api/info", plain),
        post("/gradio_api/queue/join", programs.join, max_bytes=MAX_CALL_BYTES),
        get("/gradio_api/queue/data", programs.session_stream, at_once=MAX_CLIENT_EVENTS),
        post("/gradio_api/cancel", programs.cancel),
        # Other programs.
        post("/gradio_api/call/v2/{name:word}", programs.call_by_names, max_bytes=MAX_CALL_BYTES),
        post("/gradio_api/call/{name:word}", programs.call, max_bytes=MAX_CALL_BYTES),
        get("/gradio_api/call/{name:word}/{event:word}", programs.event_stream, at_once=MAX_CLIENT_EVENTS),
    ]


def pass_on(gradio: ASGIApp) -> Respond:
    """The handler of what Gradio answers the same to everyone: files and descriptions.

    Its query parameters, which look for pages and links that this app does not have, and ranges do not reach it.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name not in RANGES]
        await gradio({**scope, "query_string": b"", "headers": headers}, receive, send)

    async def answer(http: HTTPRequest) -> ASGIApp:
        return app

    return answer


@dataclass(frozen=True)
class Endpoint:
    """A function that programs can call.

    Attributes:
        defaults: of its parameters, in their order; `...` for one that has none.
    """

    fn_index: int
    defaults: dict[str, Any]

    def by_order(self, given: object) -> list[Any]:
        """Values for all parameters.

        Args:
            given: the first of them.

        Raises:
            ParameterError: it is not a list, is too long, or a value is missing.
        """
        if not isinstance(given, list) or len(given) > len(self.defaults):
            raise ParameterError(f"data must be a list of at most {len(self.defaults)} values: {', '.join(self.defaults)}.")
        return self.by_name(dict(zip(self.defaults, given, strict=False)))

    def by_name(self, given: Mapping[str, Any]) -> list[Any]:
        """Values for all parameters.

        Raises:
            ParameterError: there is no such parameter, or a value is missing.
        """
        if unknown := given.keys() - self.defaults.keys():
            raise ParameterError(f"There is no setting {str(min(unknown))[:40]!r}.")
        values = {**self.defaults, **given}
        if missing := [name for name, value in values.items() if value is ...]:
            raise ParameterError(f"{missing[0]} is missing.")
        # No parameter is a list or an object. Gradio would look for files in them; the function refuses an empty one in its own words.
        return [[] if isinstance(value, (list, dict)) else value for value in values.values()]


class Programs:
    """The handlers of the named endpoints."""

    def __init__(self, page: gr.Blocks, gradio: ASGIApp, events: Events):
        self._gradio, self._events = gradio, events
        parameters = {path.removeprefix("/"): info["parameters"] for path, info in page.get_api_info()["named_endpoints"].items()}
        functions = {fn.api_name: fn._id for fn in page.fns.values()}
        self._endpoints = {name: _endpoint(functions[name], of_one) for name, of_one in parameters.items()}
        self.join, self.cancel = takes_json(None, self._join), takes_json(None, self._cancel)
        self.call, self.call_by_names = takes_json(None, self._call), takes_json(None, self._call_by_names)

    async def session_stream(self, http: HTTPRequest) -> ASGIApp:
        """What happens in a session."""
        return self._stream(http.query_params.get("session_hash", ""), client_of(http))

    async def event_stream(self, http: HTTPRequest) -> ASGIApp:
        """What happens to an event."""
        return self._stream(self._events.session_of(http.path_params["event"]) or "", client_of(http))

    def _stream(self, session: str, client: str) -> ASGIApp:
        """The stream of a session of this client. A second listener waits until the first one is gone, because Gradio would give each
        message to one of them only."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if not self._events.has_session(session, client):
                await refusal(NO_EVENT, 404)(scope, receive, send)
                return
            async with self._events.listening(session):
                answer = self._gradio if self._events.has_session(session, client) else refusal(NO_EVENT, 404)
                await answer({**scope, "query_string": urlencode({"session_hash": session}).encode()}, receive, send)

        return app

    async def _join(self, body: Body, http: HTTPRequest) -> Response:
        index, session = body.get("fn_index"), _read_word(body, "session_hash")
        endpoint = next((endpoint for endpoint in self._endpoints.values() if endpoint.fn_index == index), None)
        if endpoint is None:
            return refusal(NO_ENDPOINT, 404)
        key = await self._events.join(http, endpoint.fn_index, endpoint.by_order(body.get("data")), session, whole=False)
        return JSONResponse({"event_id": key})

    async def _call(self, body: Body, http: HTTPRequest) -> Response:
        if (endpoint := self._endpoints.get(http.path_params["name"])) is None:
            return refusal(NO_ENDPOINT, 404)
        return await self._start(http, endpoint, endpoint.by_order(body.get("data")))

    async def _call_by_names(self, body: Body, http: HTTPRequest) -> Response:
        if (endpoint := self._endpoints.get(http.path_params["name"])) is None:
            return refusal(NO_ENDPOINT, 404)
        return await self._start(http, endpoint, endpoint.by_name(body))

    async def _start(self, http: HTTPRequest, endpoint: Endpoint, values: list[Any]) -> Response:
        return JSONResponse({"event_id": await self._events.join(http, endpoint.fn_index, values, None, whole=True)})

    async def _cancel(self, body: Body, http: HTTPRequest) -> Response:
        session, key = _read_word(body, "session_hash"), _read_word(body, "event_id")
        if self._events.session_of(key) == session:  # otherwise it is over already, or somebody else's
            await self._events.cancel(key)
        return JSONResponse({"success": True})


def _endpoint(fn_index: int, parameters: list[dict[str, Any]]) -> Endpoint:
    defaults = {each["parameter_name"]: each["parameter_default"] if each["parameter_has_default"] else ... for each in parameters}
    return Endpoint(fn_index, defaults)


def _read_word(body: Body, name: str) -> str:
    """
    Raises:
        ParameterError: there is no word of that name.
    """
    word = body.get(name)
    if not isinstance(word, str) or not re.fullmatch(Word.regex, word):
        raise ParameterError(f"{name} must be 1 to 64 letters, digits, hyphens or underscores.")
    return word
