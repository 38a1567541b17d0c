r"""Writes texts: a request brings JSON, and the texts come back line by line on the same connection.

Gradio's event stream sends every view whole, through a queue that costs the server half a millisecond of Python each time. With a class
in the room that is more than the model can spare on two cores. Here each viewer is sent only what is new, for all samples together, a
few times a second. Closing the connection stops the generation.

    POST /write
    {"model": "e63aab5d", "prompt": "ROMEO:", "temperature": 0.8, "length": 300, "samples": 2, "seed": 7, "first_sample": 0,
     "first_step": 0, "top_k": 0, "top_p": 1}

Everything but the prompt is optional; without "model" the default model writes. With "shared": true and a seed, clients that ask for the
same are given one generation, which ends when the last of them has left. "viewer" names who asks; viewers are served in turn. To
continue sample s from its character t exactly as before, send what is written up to there as the prompt, with the same seed,
"first_sample" s and "first_step" t. The answer has one JSON object per line:

    {"generation": 17, "key": "x3fV...", "model": "e63aab5d", "precision": "float32", "prompt": "ROMEO:", "seed": 7, ...,
     "notice": "", "state": "waiting", "ahead": 12}
    {"state": "running", "new": ["\nI ha", "\nThe "], "elapsed_s": 0.01, "chars_per_s": 800.0}
    {"state": "done", "new": ["ve.", "re."], ...}

Where characters were guessed before the model wrote them (model/serving/draft.py), "guesses" has the id of each character's guess beside
"new", -1 where there was none: [[43, -1, 5, 1], [0, 12, 63, 43]]; in a line without it nothing was guessed. The last state is done, stopped
or failed (with "error"). "top_k" is at most the model's vocabulary. A request that cannot be served is answered by a status and
{"error": "..."}.

    POST /follow
    {"key": "x3fV..."}

The same lines for a generation that another request began, as long as the server remembers it. Closing this connection stops nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.errors import ParameterError
from model.serving.engine import Engine
from model.serving.request import FINISHED, RUNNING, WAITING, Progress, Request
from model.weights import Weights
from ui.web.fields import SAMPLING, read_model_key, read_params, read_shared, read_viewer
from ui.web.http import Body, Respond, model_header, refusal, takes_json
from ui.web.loading import precision_of, start
from ui.web.progress import View, generation_json, guesses_json
from ui.web.shared_lines import SharedLines
from ui.web.stream import Bell, LineStream, for_its_client

FORGOTTEN = "There is no such generation, or it is no longer remembered."


def write(engine: Engine) -> Respond:
    """The handler."""
    shared = SharedLines()

    @for_its_client
    async def answer(body: Body, http: HTTPRequest) -> Response:
        params, viewer, is_shared = read_params(body), read_viewer(body, http), read_shared(body)

        def begin(weights: Weights) -> Response:
            prompt, header = body.get("prompt", ""), model_header(weights.key)

            def submit() -> tuple[AsyncGenerator[View], Callable[[], None]]:
                request = engine.submit(prompt, params, viewer, model=weights.key)
                return lines(request, precision_of(weights)), request.cancel

            if not is_shared or not isinstance(prompt, str):
                return LineStream(*submit(), header)
            text = shared.join((weights.key, prompt, params), submit)
            return LineStream(text.read(), text.leave, header)

        return await start(engine, read_model_key(body), begin)

    return takes_json({"model", "prompt", "shared", *SAMPLING}, answer)


def follow(engine: Engine) -> Respond:
    """The handler of /follow."""

    async def answer(body: Body, http: HTTPRequest) -> Response:
        key = body.get("key")
        if not isinstance(key, str):
            raise ParameterError("The key must be that of a generation, as a text.")
        request = engine.find(key)
        weights = request and engine.loaded(request.model)
        if not request or not weights:
            return refusal(FORGOTTEN, 404)
        return LineStream(lines(request, precision_of(weights)), lambda: None, model_header(request.model))

    return takes_json({"key"}, answer)


async def lines(request: Request, precision: str) -> AsyncGenerator[View]:
    """What is new in a generation: at once, with its first characters, then a few times a second, and always a last line."""
    sent = [0] * request.params.samples
    with Bell(request) as bell:
        yield _first_line(request, precision)
        while True:
            await bell.pause(begun=any(sent), ahead=request.ahead)
            progress = request.progress(sent)
            sent = [before + len(text) for before, text in zip(sent, progress.texts, strict=True)]
            yield _news(progress, sum(sent))
            if progress.state in FINISHED:
                return


def _first_line(request: Request, precision: str) -> View:
    """What does not change, and whether the generation waits. That it is over, however soon, comes with its texts in a later line."""
    progress = request.progress()
    state = WAITING if progress.state == WAITING else RUNNING
    return generation_json(request, precision) | {"state": state, "ahead": progress.ahead}


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
    view |= guesses_json(progress)
    if progress.error:
        view["error"] = progress.error
    return view
