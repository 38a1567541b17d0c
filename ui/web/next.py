"""What comes after a prompt: the logits, before temperature, top-k and top-p, from the same pass that a text's first character would be
drawn from.

    POST /next
    {"model": "e63aab5d", "prompt": "ROMEO:"}

    {"model": "e63aab5d", "prompt": "ROMEO:", "notice": "", "logits": [-3.1, ...]}     one for each character of the vocabulary, in order

"model" and "viewer" are optional, as in /write.
"""

from __future__ import annotations

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.sampling import SamplingParams
from model.serving.engine import SHUTTING_DOWN, Engine
from model.serving.request import FAILED, Request
from ui.web.fields import left_out_notice, read_model_key, read_viewer
from ui.web.http import Body, Respond, model_header, refusal, takes_json
from ui.web.loading import start
from ui.web.stream import Bell, for_its_client

ONE_CHARACTER = SamplingParams(max_new_chars=1)


def next_character(engine: Engine) -> Respond:
    """The handler."""

    @for_its_client
    async def answer(body: Body, http: HTTPRequest) -> Response:
        prompt, viewer = body.get("prompt", ""), read_viewer(body, http)
        request = await start(
            engine,
            read_model_key(body),
            lambda weights: engine.submit(prompt, ONE_CHARACTER, viewer, remember=False, model=weights.key),
        )
        try:
            await _drawn(request)
        finally:
            request.cancel()
        return _answer(request)

    return takes_json({"model", "prompt"}, answer)


async def _drawn(request: Request) -> None:
    """Waits until a generation of one character has it, or is over."""
    with Bell(request) as bell:
        while not (request.finished or request.character(0, 0)):
            await bell.pause(begun=False)


def _answer(request: Request) -> Response:
    character, progress = request.character(0, 0), request.progress()
    if character is None:
        return refusal(progress.error, 500) if progress.state == FAILED else refusal(SHUTTING_DOWN, 503)
    content = {
        "model": request.model,
        "prompt": request.prompt,
        "notice": left_out_notice(request.left_out),
        "logits": character.logits.tolist(),
    }
    return JSONResponse(content, headers=model_header(request.model))
