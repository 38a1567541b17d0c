"""The page's own stream: a request goes in as JSON, its texts come back line by line on the same connection.

Gradio's event stream sends every view whole, through a queue that costs the server half a millisecond of Python each time: with a
class in the room that is more than the model has left to share its two cores with. Here a viewer is sent what is new for all its
samples together, a few times a second. Closing the connection stops the writing.

    POST /write
    {"prompt": "ROMEO:", "temperature": 0.8, "length": 300, "samples": 2, "seed": 7, "first_sample": 0, "top_k": 0, "top_p": 1}

All but the prompt may be left out; "viewer" names who asks, for viewers are served in turn. The answer is a JSON object a line:

    {"run": 17, "key": "x3fV...", "prompt": "ROMEO:", "seed": 7, ..., "samples": 2, "notice": "", "state": "waiting", "ahead": 12}
    {"state": "running", "new": ["\nI ha", "\nThe "], "elapsed_s": 0.01, "chars_per_s": 800.0}
    {"state": "done", "new": ["ve.", "re."], ...}

The last state is done, stopped or failed (with "error"). What is refused is answered by a status and {"error": "..."}.

    GET /character/x3fV.../1/0      how character 0 of sample 1 came to be: logits, die, and the interval that the die hit
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import anyio
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from model.config import SamplingParams
from model.errors import BusyError, ParameterError, SoliloquyError
from model.sampling import draw_seed
from model.serving.engine import Engine
from model.serving.request import FINISHED, WAITING, Progress, Request
from ui.writing import Bell, View, introduce

MOST_DIGITS = 100  # of a seed, before it is even read
MAX_NAME_CHARS = 64  # of a viewer
UNREAD_S = 30.0  # how long a connection may leave what it is sent unread

# What the page sends -> the setting that it is.
SETTINGS = {
    "temperature": "temperature",
    "length": "max_new_chars",
    "samples": "samples",
    "first_sample": "first_sample",
    "top_k": "top_k",
    "top_p": "top_p",
}


def add_stream(server: FastAPI, engine: Engine) -> None:
    """Adds the routes: one that writes, one that tells how a character came to be."""

    @server.api_route("/write", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    async def write(http: HTTPRequest) -> Response:
        if http.method != "POST":
            return JSONResponse({"error": "Send a POST request with a JSON object."}, 405, {"Allow": "POST"})
        if http.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            # Any page may make a browser send other types anywhere; for this one it has to ask first.
            return JSONResponse({"error": "The content type must be application/json."}, 415)
        try:
            asked = _read_json(await http.body())
            request = _submit(engine, asked, str(http.client.host if http.client else ""))
        except ClientDisconnect:  # or a body over the limit, which is cut off
            return JSONResponse({"error": "The request is too large, or was not sent to its end."}, 413)
        except BusyError as error:
            return JSONResponse({"error": str(error)}, 503)
        except SoliloquyError as error:
            return JSONResponse({"error": str(error)}, 400)
        return TextStream(request)

    @server.get("/character/{key}/{sample}/{index}")
    async def character(key: str, sample: str, index: str) -> Response:
        numbers = [int(n) if n.isascii() and n.isdigit() and len(n) <= MOST_DIGITS else -1 for n in (sample, index)]
        known = engine.character(key, *numbers)
        if known is None:
            return JSONResponse({"error": "This character is not written yet, or no longer remembered."}, 404)
        return JSONResponse(asdict(known) | {"logits": known.logits.tolist()})


def _read_json(body: bytes) -> dict[str, Any]:
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
    if unknown := asked.keys() - {"prompt", "seed", "viewer", *SETTINGS}:
        raise ParameterError(f"There is no setting {str(min(unknown))[:40]!r}.")
    return asked


def _read_int(digits: str) -> float:
    """A whole number; Python reads none of thousands of digits, and no setting is one."""
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def _submit(engine: Engine, asked: dict[str, Any], host: str) -> Request:
    """Hands a request to the engine.

    Raises:
        ParameterError: a setting is of the wrong type or out of its range.
        BusyError: too many requests wait.
    """
    viewer = asked.get("viewer", host)
    if not isinstance(viewer, str) or len(viewer) > MAX_NAME_CHARS:
        raise ParameterError(f"The viewer must be a text of at most {MAX_NAME_CHARS} characters.")
    settings = {SETTINGS[name]: value for name, value in asked.items() if name in SETTINGS}
    params = SamplingParams(seed=read_seed(asked.get("seed", "")), **settings)
    return engine.submit(asked.get("prompt", ""), params, viewer)


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


class TextStream(Response):
    """The lines of a request, as long as somebody reads them.

    Written against ASGI itself: a connection that is closed ends the request at once, and one that takes nothing more after a while.
    """

    media_type = "application/x-ndjson"

    def __init__(self, request: Request):
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the text is done or the reader is gone."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, receive, tasks.cancel_scope)
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async for view in lines(self._request):
                    with anyio.move_on_after(UNREAD_S) as patience:
                        await send({"type": "http.response.body", "body": json.dumps(view).encode() + b"\n", "more_body": True})
                    if patience.cancelled_caught:
                        break
                else:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                tasks.cancel_scope.cancel()
        finally:
            self._request.cancel()

    @staticmethod
    async def _watch(receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


async def lines(request: Request) -> AsyncIterator[View]:
    """What is new of a request: at once, with its first characters, then a few times a second, and the last whatever happened."""
    bell = Bell(request)
    sent = [0] * request.params.samples
    yield _introduction(request)
    while True:
        await bell.pause(begun=any(sent))
        progress = request.progress(sent)
        sent = [before + len(text) for before, text in zip(sent, progress.texts, strict=True)]
        yield _news(progress, sum(sent))
        if progress.state in FINISHED:
            return


def _introduction(request: Request) -> View:
    """What does not change, and where it stands."""
    progress = request.progress()
    return introduce(request) | {"samples": request.params.samples, "state": progress.state, "ahead": progress.ahead}


def _news(progress: Progress, written: int) -> View:
    view: View = {"state": progress.state}
    if progress.state == WAITING:
        view["ahead"] = progress.ahead
        return view
    view |= {
        "new": progress.texts,
        "elapsed_s": progress.elapsed_s,
        "chars_per_s": written / progress.elapsed_s if progress.elapsed_s else 0,
    }
    if progress.error:
        view["error"] = progress.error
    return view
