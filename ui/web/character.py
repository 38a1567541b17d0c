"""How one character of a generation came to be, for programs; the page asks for the logits of whole samples instead (ui/web/logits.py).

    GET /character/x3fV.../1/0      of sample 1, character 0

    {"char": "M", "logits": [-3.1, ...], "die": 0.43, "low": 0.31, "high": 0.78}

"die" is the number in [0, 1) that was thrown, "low" and "high" bound the interval that belonged to the character.
"""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.serving.engine import Engine
from ui.web.fields import read_index
from ui.web.http import Respond, model_header, refusal

FORGOTTEN = "This character is not written yet, or no longer remembered."


def character(engine: Engine) -> Respond:
    """The handler."""

    async def answer(http: HTTPRequest) -> Response:
        key, sample, index = (http.path_params[name] for name in ("key", "sample", "index"))
        request = engine.find(key)
        known = request.character(read_index(sample), read_index(index)) if request else None
        if request is None or known is None:
            return refusal(FORGOTTEN, 404)
        return JSONResponse(asdict(known) | {"logits": known.logits.tolist()}, headers=model_header(request.model))

    return answer
