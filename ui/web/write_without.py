"""A text written with heads switched off, for whoever wants to see what becomes of it.

    POST /write_without
    {"prompt": "ROMEO:", "heads_off": [[0, 2], [3, 1]], "seed": 7, "temperature": 0.8, "length": 120, "top_k": 0, "top_p": 1}

All but the prompt may be left out; "length" is at most 300. The answer is a JSON object a line, as /write gives for one sample:

    {"prompt": "ROMEO:", "heads_off": [[0, 2], [3, 1]], "seed": 7, "temperature": 0.8, "length": 120, "top_k": 0, "top_p": 1,
     "notice": "", "state": "waiting"}
    {"state": "running", "new": ["\\nI ha"]}
    {"state": "done", "new": [""]}

The last state is done or failed (with "error"). Such a text is written by itself, in pieces between two rounds of the writing for
others. With no head off it is the text that /write gives for the same seed, on a CPU whose rows agree (see `model.precision`).
Closing the connection stops the writing. The route takes "viewer", as /write does. What is refused is answered by a status and
{"error": "..."}.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.config import MAX_VIEWER_WAITING, MAX_WAITING_REQUESTS, Head, SamplingParams, check_ablation_length, check_heads, check_prompt
from model.decode import generate_cached
from model.errors import BusyError
from model.serving.engine import Engine
from model.serving.request import DONE, FAILED, RUNNING, WAITING
from model.serving.writer import WENT_WRONG
from model.weights import Weights
from ui.web.http import Asked, LineStream, add_post, read_seed, read_viewer
from ui.web.progress import View, name_left_out

log = logging.getLogger(__name__)

TEXTS_AT_ONCE = 8  # of all viewers; each has a cache
CHARS_AT_ONCE = 8  # between two rounds of writing: about as long as a step of a full house takes

# What is sent -> the setting that it is.
SETTINGS = {"temperature": "temperature", "length": "max_new_chars", "top_k": "top_k", "top_p": "top_p"}


@dataclass(frozen=True)
class Wish:
    """A text to write, and how.

    Attributes:
        prompt: in the model's vocabulary.
        weights: they write it to its end, whichever come meanwhile.
    """

    prompt: str
    notice: str
    params: SamplingParams
    heads_off: tuple[Head, ...]
    weights: Weights


def add_writing_without(server: FastAPI, engine: Engine) -> None:
    """Adds the route."""
    texts = Texts(engine)

    async def write(asked: Asked, http: HTTPRequest) -> Response:
        return texts.write(read_wish(asked, engine.weights), read_viewer(asked, http))

    add_post(server, "/write_without", {"prompt", "heads_off", "seed", *SETTINGS}, write)


def read_wish(asked: Asked, weights: Weights) -> Wish:
    """What was asked for.

    Raises:
        ParameterError: the prompt is no text or too long, a setting is out of range, or a head does not exist.
    """
    settings = {SETTINGS[name]: value for name, value in asked.items() if name in SETTINGS}
    params = SamplingParams(seed=read_seed(asked.get("seed", "")), **settings)
    check_ablation_length(params)
    heads_off = check_heads(asked.get("heads_off", []), weights.model.config)
    check_prompt(prompt := asked.get("prompt", ""))
    text, left_out = weights.tokenizer.normalise(prompt)
    return Wish(text, name_left_out(left_out), params, heads_off, weights)


class Texts:
    """Writes texts a few at a time. For the event loop's thread.

    Args:
        engine: does the passes, each few between two rounds of writing.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        self._places = asyncio.Semaphore(TEXTS_AT_ONCE)
        self._viewers: Counter[str] = Counter()  # of each viewer, under way or waiting

    def write(self, wish: Wish, viewer: str) -> LineStream:
        """The answer to a wish.

        Raises:
            BusyError: too many texts are written already.
        """
        if self._viewers[viewer] >= MAX_VIEWER_WAITING:
            raise BusyError(f"{self._viewers[viewer]} of your texts are being written already. Try again when they are done.")
        if self._viewers.total() >= MAX_WAITING_REQUESTS:
            raise BusyError(f"{self._viewers.total()} texts are being written already. Try again in a minute.")
        self._viewers[viewer] += 1
        return LineStream(self._lines(wish), lambda: self._leave(viewer))

    def _leave(self, viewer: str) -> None:
        self._viewers[viewer] -= 1
        if not self._viewers[viewer]:
            del self._viewers[viewer]

    async def _lines(self, wish: Wish) -> AsyncGenerator[View]:
        yield introduce(wish)
        tokenizer = wish.weights.tokenizer
        writing = generate_cached(wish.weights.model, tokenizer.encode_prompt(wish.prompt), wish.params, wish.heads_off)
        try:
            async with self._places:
                while piece := await self._next(writing):
                    yield {"state": RUNNING, "new": [tokenizer.decode(piece)]}
        except BusyError as error:
            yield {"state": FAILED, "error": str(error)}
        except Exception:
            log.exception("a text could not be written")
            yield {"state": FAILED, "error": WENT_WRONG}
        else:
            yield {"state": DONE, "new": [""]}

    async def _next(self, writing: Iterator[int]) -> list[int]:
        return await asyncio.wrap_future(self._engine.run(lambda _: [*itertools.islice(writing, CHARS_AT_ONCE)]))


def introduce(wish: Wish) -> View:
    """All that makes the text, and what was left out."""
    params = wish.params
    return {
        "prompt": wish.prompt,
        "heads_off": wish.heads_off,
        "seed": params.seed,
        "temperature": params.temperature,
        "length": params.max_new_chars,
        "top_k": params.top_k,
        "top_p": params.top_p,
        "notice": wish.notice,
        "state": WAITING,
    }
