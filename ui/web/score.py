"""Scores a text: the logits at each of its places, as if the network had written it, before temperature, top-k and top-p.

    POST /score
    {"model": "e63aab5d", "text": "To be, or not to be"}

The answer has one JSON object per line, one for each window of the text. Closing the connection stops the scoring.

    {"model": "e63aab5d", "text": "To be, or not to be", "notice": "", "vocab_size": 65}
    {"from": 0, "logits": "AACAP..."}       base64 of float32, little-endian, (n, V) in C order
    {"from": 256, "logits": "..."}
    {"state": "done"}

Row j of a window predicts the character at index from + j + 1, given the context that it would have been drawn from. Together the windows
have one row per character of the text; the last one predicts what would come after it. The last state is done or failed (with "error").
"model" and "viewer" are optional, as in /write.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.errors import WENT_WRONG, SoliloquyError
from model.evaluation import Window, window_logits, windows
from model.limits import MAX_WAITING_WORK
from model.serving.admission import Admission, Ticket
from model.serving.engine import Engine
from model.serving.request import DONE, FAILED
from model.weights import Weights
from ui.web.client_log import log_fault
from ui.web.fields import read_model_key, read_text, read_viewer
from ui.web.http import Body, Respond, model_header, takes_json
from ui.web.loading import load, run
from ui.web.numbers import float_bytes
from ui.web.stream import Line, LineStream, for_its_client

WINDOWS_AT_ONCE = MAX_WAITING_WORK // 2  # of all texts that are scored; the rest of the engine's work queue is for others


def score(engine: Engine) -> Respond:
    """The handler."""
    admission = Admission(WINDOWS_AT_ONCE, "read")

    @for_its_client
    async def answer(body: Body, http: HTTPRequest) -> Response:
        weights = await load(engine, read_model_key(body))
        text, notice = read_text(body.get("text", ""), weights.tokenizer)
        ticket = admission.admit(read_viewer(body, http))
        return LineStream(_lines(engine, weights, text, notice, ticket, http), ticket.leave, model_header(weights.key))

    return takes_json({"model", "text"}, answer)


async def _lines(engine: Engine, weights: Weights, text: str, notice: str, ticket: Ticket, http: HTTPRequest) -> AsyncGenerator[Line]:
    config = weights.model.config
    yield {"model": weights.key, "text": text, "notice": notice, "vocab_size": config.vocab_size}
    ids = weights.tokenizer.encode(text)
    try:
        for window in windows(config, len(ids)):
            async with ticket.turn():
                logits = await run(engine, weights, partial(_read, ids, window))
            yield {"from": window.first, "logits": base64.b64encode(float_bytes(logits)).decode()}
    except SoliloquyError as error:
        yield {"state": FAILED, "error": str(error)}
    except Exception as error:
        log_fault(http, error)
        yield {"state": FAILED, "error": WENT_WRONG}
    else:
        yield {"state": DONE}


def _read(ids: list[int], window: Window, weights: Weights) -> NDArray[np.float32]:
    logits = window_logits(weights.model, ids, window)
    if not np.isfinite(logits).all():
        raise FloatingPointError("the network's output is not finite")
    return logits
