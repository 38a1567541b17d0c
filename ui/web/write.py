"""The page's own stream: a request goes in as JSON, its texts come back line by line on the same connection.

Gradio's event stream sends every view whole, through a queue that costs the server half a millisecond of Python each time: with a
class in the room that is more than the model has left to share its two cores with. Here a viewer is sent what is new for all its
samples together, a few times a second. Closing the connection stops the writing.

    POST /write
    {"prompt": "ROMEO:", "temperature": 0.8, "length": 300, "samples": 2, "seed": 7, "first_sample": 0, "first_step": 0,
     "top_k": 0, "top_p": 1}

All but the prompt may be left out; "viewer" names who asks, for viewers are served in turn. A text goes on from character t of sample s as
it did the first time when what is written up to there is sent as the prompt with the same seed, "first_sample" s and "first_step" t. The
answer is a JSON object a line:

    {"run": 17, "key": "x3fV...", "model": "e63aab5d", "prompt": "ROMEO:", "seed": 7, ..., "notice": "", "state": "waiting", "ahead": 12}
    {"state": "running", "new": ["\nI ha", "\nThe "], "elapsed_s": 0.01, "chars_per_s": 800.0}
    {"state": "done", "new": ["ve.", "re."], ...}

The last state is done, stopped or failed (with "error"). What is refused is answered by a status and {"error": "..."}.

    GET /character/x3fV.../1/0      how character 0 of sample 1 came to be: logits, die, and the interval that the die hit;
                                    for programs (the page asks for the logits of whole samples, see ui/web/logits.py)

ui/web/logits.py tells more of what the network says, ui/web/attention.py what its heads do, ui/web/write_without.py what it writes
without them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import asdict

from fastapi import FastAPI
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.config import SamplingParams
from model.serving.engine import Engine
from model.serving.request import FINISHED, RUNNING, WAITING, Progress, Request
from ui.web.attention import add_attention
from ui.web.http import Asked, LineStream, add_post, read_index, read_seed, read_viewer, refusal
from ui.web.logits import add_logits
from ui.web.progress import Bell, View, introduce
from ui.web.write_without import add_writing_without

# What the page sends -> the setting that it is.
SETTINGS = {
    "temperature": "temperature",
    "length": "max_new_chars",
    "samples": "samples",
    "first_sample": "first_sample",
    "first_step": "first_step",
    "top_k": "top_k",
    "top_p": "top_p",
}


def add_stream(server: FastAPI, engine: Engine) -> None:
    """Adds the routes: one that writes, one that tells how a character came to be, and those of the modules named above."""

    async def write(asked: Asked, http: HTTPRequest) -> Response:
        settings = {SETTINGS[name]: value for name, value in asked.items() if name in SETTINGS}
        params = SamplingParams(seed=read_seed(asked.get("seed", "")), **settings)
        request = engine.submit(asked.get("prompt", ""), params, read_viewer(asked, http))
        return LineStream(lines(request), request.cancel)

    add_post(server, "/write", {"prompt", "seed", *SETTINGS}, write)

    @server.get("/character/{key}/{sample}/{index}")
    async def character(key: str, sample: str, index: str) -> Response:
        known = engine.character(key, read_index(sample), read_index(index))
        if known is None:
            return refusal("This character is not written yet, or no longer remembered.", 404)
        return JSONResponse(asdict(known) | {"logits": known.logits.tolist()})

    add_logits(server, engine)
    add_attention(server, engine)
    add_writing_without(server, engine)


async def lines(request: Request) -> AsyncGenerator[View]:
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
    """What does not change, and whether it waits. That it is finished, however soon, is told together with its texts."""
    progress = request.progress()
    state = WAITING if progress.state == WAITING else RUNNING
    return introduce(request) | {"state": state, "ahead": progress.ahead}


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
