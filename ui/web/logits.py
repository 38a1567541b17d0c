"""The logits that each character of a generation was drawn from, before temperature, top-k and top-p.

    GET /logits/x3fV.../1?since=20

Those of sample 1 from character 20 on, as far as it is written: float32, little-endian, (n, V) in C order. The header X-Soliloquy-Shape
says "n,V".
"""

from __future__ import annotations

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.errors import ParameterError
from model.serving.engine import Engine
from ui.web.fields import read_index
from ui.web.http import NO_STORE, Respond, model_header, refusal
from ui.web.numbers import floats_response

FORGOTTEN = "There is no such sample, or it is no longer remembered."


def logits(engine: Engine) -> Respond:
    """The handler."""

    async def answer(http: HTTPRequest) -> Response:
        key, sample = http.path_params["key"], read_index(http.path_params["sample"])
        typed = http.query_params.get("since", "0")
        if (since := read_index(typed)) < 0:
            raise ParameterError(f"since must be a whole number from 0, not {typed[:40]!r}.")
        request = engine.find(key)
        known = request.logits(sample, since) if request else None
        if request is None or known is None:
            return refusal(FORGOTTEN, 404)
        return floats_response(known, NO_STORE | model_header(request.model))

    return answer
