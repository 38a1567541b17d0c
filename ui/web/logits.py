"""What the network says before temperature, top-k and top-p: after a prompt, before each character of a text that it wrote, and at every
place of a text that somebody else did. V logits each, in vocabulary order.

    POST /next
    {"prompt": "ROMEO:"}

What comes after the prompt, from the very pass that a text's first character would be drawn from:

    {"prompt": "ROMEO:", "notice": "", "logits": [-3.1, ...]}

    GET /logits/x3fV.../1?since=20

What each character of sample 1 was drawn from, from character 20 on, as far as it is written: float32, little-endian, (n, V) in C
order; the header X-Soliloquy-Shape says "n,V".

    POST /score
    {"text": "To be, or not to be"}

A text as if the network had written it: what it says of each character, given the context that it would have been drawn from. The answer
is a JSON object a line, one for each window of the text. Closing the connection stops the reading.

    {"text": "To be, or not to be", "notice": "", "vocab_size": 65}
    {"from": 0, "logits": "AACAP..."}       base64 of float32, little-endian, (n, V) in C order
    {"from": 256, "logits": "..."}
    {"state": "done"}

Row j of a window says what comes at index from + j + 1; all windows together have a row for each character of the text, the last one for
what would come after it. The last state is done or failed (with "error").

Both POST routes take "viewer", as /write does. What is refused is answered by a status and {"error": "..."}.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.config import MAX_VIEWER_WAITING, MAX_WAITING_REQUESTS, MAX_WAITING_WORK, SamplingParams
from model.errors import BusyError
from model.evaluation import Window, window_logits, windows
from model.serving.engine import SHUTTING_DOWN, Engine
from model.serving.request import FAILED, Request
from model.weights import Weights
from ui.web.http import METHODS, Asked, LineStream, add_post, read_index, read_viewer, refusal, while_connected
from ui.web.progress import Bell, View, name_left_out, read_text

log = logging.getLogger(__name__)

WINDOWS_AT_ONCE = MAX_WAITING_WORK // 2  # of all texts that are scored; the rest of the engine's queue is for others
WENT_WRONG = "Something went wrong while reading. The server's log says what; please try again."


def add_logits(server: FastAPI, engine: Engine) -> None:
    """Adds the routes."""
    scorer = Scorer(engine)

    async def next_character(asked: Asked, http: HTTPRequest) -> Response:
        one = SamplingParams(max_new_chars=1)
        request = engine.submit(asked.get("prompt", ""), one, read_viewer(asked, http), remember=False)
        try:
            await while_connected(http.receive, lambda: _drawn(request))
        finally:
            request.cancel()
        return _tell_next(request)

    async def score(asked: Asked, http: HTTPRequest) -> Response:
        return scorer.score(asked.get("text", ""), read_viewer(asked, http))

    add_post(server, "/next", {"prompt"}, next_character)
    add_post(server, "/score", {"text"}, score)

    @server.api_route("/logits/{key}/{sample}", methods=METHODS)
    async def logits(http: HTTPRequest, key: str, sample: str, since: str = "0") -> Response:
        if http.method != "GET":
            return refusal("Send a GET request.", 405, Allow="GET")
        if (first := read_index(since)) < 0:
            return refusal(f"since must be a whole number from 0, not {since[:40]!r}.", 400)
        known = engine.logits(key, read_index(sample), first)
        if known is None:
            return refusal("There is no such sample, or it is no longer remembered.", 404)
        headers = {"Cache-Control": "no-store", "X-Soliloquy-Shape": f"{known.shape[0]},{known.shape[1]}"}
        return Response(_bytes(known), headers=headers, media_type="application/octet-stream")


async def _drawn(request: Request) -> None:
    """Until a request of one character has it, or is over."""
    bell = Bell(request)
    while not (request.finished or request.character(0, 0)):
        await bell.pause(begun=False)


def _tell_next(request: Request) -> Response:
    character, progress = request.character(0, 0), request.progress()
    if character is None:
        return refusal(progress.error, 500) if progress.state == FAILED else refusal(SHUTTING_DOWN, 503)
    notice = name_left_out(request.left_out)
    return JSONResponse({"prompt": request.prompt, "notice": notice, "logits": character.logits.tolist()})


class Scorer:
    """Reads texts window by window, those of many viewers in turn.

    Args:
        engine: reads the windows, each between two rounds of writing.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        self._places = asyncio.Semaphore(WINDOWS_AT_ONCE)
        self._texts: Counter[str] = Counter()  # of each viewer, under way
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # a window of each viewer at a time, however many texts

    def score(self, typed: object, viewer: str) -> LineStream:
        """The answer to a text.

        Raises:
            ParameterError: it is no text, is too long, or nothing is left of it.
            BusyError: too many texts are scored already.
        """
        weights = self._engine.weights
        text, notice = read_text(typed, weights)
        if self._texts[viewer] >= MAX_VIEWER_WAITING:
            raise BusyError(f"{self._texts[viewer]} of your texts are being read already. Try again when they are done.")
        if self._texts.total() >= MAX_WAITING_REQUESTS:
            raise BusyError(f"{self._texts.total()} texts are being read already. Try again in a minute.")
        self._texts[viewer] += 1
        return LineStream(self.lines(text, notice, weights, viewer), lambda: self._leave(viewer))

    def _leave(self, viewer: str) -> None:
        self._texts[viewer] -= 1
        if not self._texts[viewer]:
            del self._texts[viewer]
            self._turns.pop(viewer, None)

    async def lines(self, text: str, notice: str, weights: Weights, viewer: str) -> AsyncGenerator[View]:
        """What is told of a text.

        Args:
            weights: they read it to its end, whichever come meanwhile.
        """
        yield {"text": text, "notice": notice, "vocab_size": weights.model.config.vocab_size}
        ids = weights.tokenizer.encode(text)
        try:
            for window in windows(weights.model.config, len(ids)):
                logits = await self._read(weights, ids, window, viewer)
                yield {"from": window.first, "logits": base64.b64encode(_bytes(logits)).decode()}
        except BusyError as error:
            yield {"state": FAILED, "error": str(error)}
        except Exception:
            log.exception("a text could not be read")
            yield {"state": FAILED, "error": WENT_WRONG}
        else:
            yield {"state": "done"}

    async def _read(self, weights: Weights, ids: list[int], window: Window, viewer: str) -> NDArray[np.float32]:
        async with self._turns[viewer], self._places:
            logits = await asyncio.wrap_future(self._engine.run(lambda _: window_logits(weights.model, ids, window)))
        if not np.isfinite(logits).all():
            raise FloatingPointError("the network's output is not finite")
        return logits


def _bytes(logits: NDArray[np.float32]) -> bytes:
    return logits.astype("<f4", copy=False).tobytes()
