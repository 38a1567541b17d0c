"""What the heads do with a text, for whoever draws it.

    POST /attention
    {"text": "ROMEO:\\nBut, soft!", "heads_off": [[0, 2], [3, 1]]}

Reads a text once, with the given heads switched off (none, if that is left out), and answers with what to ask for and the numbers:

    {"key": "5f0c...", "text": "ROMEO:\\nBut, soft!", "from": 0, "total": 16, "notice": "", "heads_off": [[0, 2], [3, 1]],
     "n_layer": 6, "n_head": 6, "head_dim": 64, "vocab_size": 65, "precision": "bfloat16", "loss": 1.93,
     "stats": [[{"entropy": 1.2, "distance": 4.1, "previous": 0.3, ..., "label": "previous", "excess": 0.28}, ...], ...],
     "uniform": {"entropy": 2.8, "distance": 7.5, "previous": 0.2, ...}}

"text" is what is shown of the text in the model's vocabulary: of a longer one the last characters that fit the model's block, from index
"from" of "total". It is read as a text of its own. An empty text is read as a newline. "loss" is the mean of all
characters shown but the first, in nats (null if there is one alone). "stats" has the measures of `model.attention` for each
layer and head, "uniform" what attention that looks everywhere alike would have; null where the text has nothing to measure.
"precision" is what the running model multiplies matrices in. Attention itself is computed in float32 from queries and keys in that
precision, so that a row sums to 1 within 1e-5; while it writes, the model does the same, and rounds weights only where it multiplies
values with them. A head that is off is shown with the weights that it would have used.

    GET /attention/5f0c.../weights

All weights, for drawing: a byte each, round(255 sqrt(weight)). For each layer, each head, the causal half row by row: row i has
i + 1 bytes; n_layer * n_head * n (n + 1) / 2 in all. Gzipped for those who take it.

    GET /attention/5f0c.../head/3/1          the weights of layer 3, head 1, exactly: float32, little-endian, the causal half likewise
    GET /attention/5f0c.../average/3         likewise, the mean over the heads of layer 3
    GET /attention/5f0c.../lens              the logit lens: float32, little-endian, (n_layer + 1, n, vocab_size) in C order. Logits of the
                                             next character from the stream as the embeddings begin it and after each block; the last
                                             are the model's
    GET /attention/5f0c.../cell/3/1/9/4      how the weight that row 9 gives to column 4 comes about:

    {"q": [...], "k": [...], "product": -3.1, "scaled": -0.39, "row_max": 2.4, "row_sum": 1.7, "weight": 0.036}

scaled = product / sqrt(head_dim); weight = exp(scaled - row_max) / row_sum.

What a key names never changes and may be kept by browsers. It is forgotten after a while: 404, and the text is to be sent again. The same
text and heads have the same key. POST takes "viewer", as /write does. What is refused is answered by a status and {"error": "..."}.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import logging
import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.attention import Reading, most_shown, read
from model.config import (
    MAX_CAPTURE_BYTES,
    MAX_CAPTURES,
    MAX_VIEWER_WAITING,
    MAX_WAITING_REQUESTS,
    MAX_WAITING_WORK,
    GPTConfig,
    Head,
    check_heads,
)
from model.errors import BusyError, ParameterError, SoliloquyError
from model.serving.engine import Engine
from model.weights import Weights
from ui.web.http import Asked, add_get, add_post, read_index, read_viewer, refusal, while_connected
from ui.web.progress import View, read_text

log = logging.getLogger(__name__)

EMPTY = "An empty text is read as a newline, from which the lecture starts."
READINGS_AT_ONCE = MAX_WAITING_WORK // 4  # of all texts; the rest of the engine's queue is for others
GZIP_LEVEL = 1  # halves the weights of 256 characters in 18 ms; level 6 takes 60 ms for 4 % more, level 9 380 ms
FORMAT = 1  # of what the routes answer: browsers keep answers, and another format makes other keys
KEEP_S = 86_400  # how long browsers may keep an answer
FORGOTTEN = "This attention is no longer remembered. Read the text again."
WENT_WRONG = "Something went wrong while reading. The server's log says what; please try again."


@dataclass(frozen=True)
class Question:
    """A text to read, and how.

    Attributes:
        text: what is shown of it.
        start: index of its first character in the whole text, of `total` characters.
        weights: they read it, whichever come meanwhile.
    """

    text: str
    start: int
    total: int
    notice: str
    heads_off: tuple[Head, ...]
    weights: Weights

    @property
    def key(self) -> str:
        """The same for all who ask the same of the same model."""
        asked = [FORMAT, self.weights.sha256, str(self.weights.model.dtype), self.text, self.heads_off]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Kept:
    """What is remembered of a text that was read.

    Attributes:
        drawn: all weights as bytes, gzipped.
    """

    reading: Reading
    drawn: bytes

    @property
    def n_bytes(self) -> int:
        return self.reading.n_bytes + len(self.drawn)


Tell = Callable[[Kept, HTTPRequest], Response]  # runs beside the event loop


def add_attention(server: FastAPI, engine: Engine) -> None:
    """Adds the routes."""
    reader = Reader(engine)

    async def attention(asked: Asked, http: HTTPRequest) -> Response:
        question = read_question(asked, engine.weights)
        task = reader.read(question, viewer := read_viewer(asked, http))
        try:
            await while_connected(http.receive, lambda: asyncio.wait([task]))
        finally:
            reader.leave(question, viewer)
        if not task.done():  # the client is gone, and nobody reads this
            return Response(status_code=408)
        try:
            return JSONResponse(introduce(question, task.result().reading))
        except SoliloquyError:
            raise
        except Exception:
            log.exception("a text could not be read")
            return refusal(WENT_WRONG, 500)

    async def answer(tell: Tell, http: HTTPRequest) -> Response:
        kept = reader.find(key := http.path_params["key"])
        if kept is None:
            return refusal(FORGOTTEN, 404)
        headers = {"Cache-Control": f"private, max-age={KEEP_S}, immutable", "ETag": f'W/"{key}"'}
        if headers["ETag"] in http.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        response = await asyncio.to_thread(tell, kept, http)
        response.headers.update(headers)
        return response

    add_post(server, "/attention", {"text", "heads_off"}, attention)
    for path, tell in ROUTES.items():
        add_get(server, f"/attention/{{key}}/{path}", partial(answer, tell))


def read_question(asked: Asked, weights: Weights) -> Question:
    """What was asked for.

    Raises:
        ParameterError: the text is none, is too long, or nothing is left of it; or a head does not exist.
    """
    heads_off = check_heads(asked.get("heads_off", []), weights.model.config)
    if (typed := asked.get("text", "")) == "":
        text, notice = weights.tokenizer.decode(weights.tokenizer.encode_prompt("")), EMPTY
    else:
        text, notice = read_text(typed, weights)
    most = most_shown(weights.model.config)
    return Question(text[-most:], max(len(text) - most, 0), len(text), notice, heads_off, weights)


def introduce(question: Question, reading: Reading) -> View:
    """The answer to a question."""
    config = question.weights.model.config
    assert isinstance(config, GPTConfig)  # others are refused
    return {
        "key": question.key,
        "text": question.text,
        "from": question.start,
        "total": question.total,
        "notice": question.notice,
        "heads_off": question.heads_off,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "head_dim": config.n_embd // config.n_head,
        "vocab_size": config.vocab_size,
        "precision": reading.precision,
        "loss": reading.loss,
        "stats": reading.stats,
        "uniform": reading.uniform,
    }


class Reader:
    """Reads texts, each once however many ask for it, and remembers the latest. For the event loop's thread.

    Args:
        engine: reads them, each between two rounds of writing.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        self._places = asyncio.Semaphore(READINGS_AT_ONCE)
        self._kept: OrderedDict[str, Kept] = OrderedDict()  # the one that was asked for last comes last
        self._tasks: dict[str, asyncio.Task[Kept]] = {}
        self._waiting: Counter[str] = Counter()  # of each key
        self._viewers: Counter[str] = Counter()  # of each viewer

    def find(self, key: str) -> Kept | None:
        """What is remembered under a key."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def read(self, question: Question, viewer: str) -> asyncio.Task[Kept]:
        """The reading of a text, under way or done. Whoever asks has to `leave` in the end.

        Raises:
            BusyError: too many texts are read already.
        """
        if self._viewers[viewer] >= MAX_VIEWER_WAITING:
            raise BusyError(f"{self._viewers[viewer]} of your texts are being read already. Try again when they are done.")
        if self._viewers.total() >= MAX_WAITING_REQUESTS:
            raise BusyError(f"{self._viewers.total()} texts are being read already. Try again in a minute.")
        self._viewers[viewer] += 1
        self._waiting[key := question.key] += 1
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._find_or_read(question))
        return self._tasks[key]

    def leave(self, question: Question, viewer: str) -> None:
        """Somebody waits no more; what nobody waits for is not read."""
        for counter, name in ((self._viewers, viewer), (self._waiting, question.key)):
            counter[name] -= 1
            if not counter[name]:
                del counter[name]
        if question.key not in self._waiting:
            self._tasks.pop(question.key).cancel()  # one that is done takes no notice

    async def _find_or_read(self, question: Question) -> Kept:
        if kept := self.find(question.key):
            return kept
        ids = question.weights.tokenizer.encode(question.text)
        async with self._places:
            work = partial(read, question.weights.model, ids, question.text, question.heads_off)
            reading = await asyncio.wrap_future(self._engine.run(lambda _: work()))
        kept = Kept(reading, await asyncio.to_thread(draw, reading.weights))
        self._keep(question.key, kept)
        return kept

    def _keep(self, key: str, kept: Kept) -> None:
        self._kept[key] = kept
        while len(self._kept) > MAX_CAPTURES or sum(other.n_bytes for other in self._kept.values()) > MAX_CAPTURE_BYTES:
            self._kept.popitem(last=False)


def draw(weights: NDArray[np.float32]) -> bytes:
    """Weights as bytes, gzipped: the square root lets small ones be seen, and tells them apart."""
    return gzip.compress(np.rint(255 * np.sqrt(weights)).astype(np.uint8).tobytes(), GZIP_LEVEL, mtime=0)


def tell_weights(kept: Kept, http: HTTPRequest) -> Response:
    """All weights as bytes."""
    if "gzip" in http.headers.get("accept-encoding", ""):
        response = _numbers(kept.drawn, kept.reading.weights.shape)
        response.headers["Content-Encoding"] = "gzip"
    else:
        response = _numbers(gzip.decompress(kept.drawn), kept.reading.weights.shape)
    response.headers["Vary"] = "Accept-Encoding"
    return response


def tell_head(kept: Kept, http: HTTPRequest) -> Response:
    """One head's weights.

    Raises:
        ParameterError: there is no such head.
    """
    layer, head = _read_head(kept.reading, http)
    return _floats(kept.reading.weights[layer, head])


def tell_average(kept: Kept, http: HTTPRequest) -> Response:
    """A layer's weights, the mean of its heads.

    Raises:
        ParameterError: there is no such layer.
    """
    return _floats(kept.reading.weights[_read_place(http, "layer", kept.reading.n_layer)].mean(0))


def tell_lens(kept: Kept, http: HTTPRequest) -> Response:
    """The logit lens."""
    return _floats(kept.reading.lens)


def tell_cell(kept: Kept, http: HTTPRequest) -> Response:
    """How one weight comes about, from the vectors that the network compared.

    Raises:
        ParameterError: there is no such cell.
    """
    reading = kept.reading
    layer, head = _read_head(reading, http)
    row, column = (_read_place(http, name, reading.n_chars) for name in ("row", "column"))
    if column > row:
        raise ParameterError(f"Row {row} sees columns 0 to {row}, not {column}: no character looks at a later one.")
    q, keys = reading.queries[layer, head, row], reading.keys[layer, head, : row + 1]
    products = keys.astype(np.float64) @ q
    scaled = products / math.sqrt(len(q))
    return JSONResponse(
        {
            "q": q.tolist(),
            "k": keys[column].tolist(),
            "product": float(products[column]),
            "scaled": float(scaled[column]),
            "row_max": float(scaled.max()),
            "row_sum": float(np.exp(scaled - scaled.max()).sum()),
            "weight": float(reading.row(layer, head, row)[column]),
        }
    )


ROUTES: dict[str, Tell] = {
    "weights": tell_weights,
    "head/{layer}/{head}": tell_head,
    "average/{layer}": tell_average,
    "lens": tell_lens,
    "cell/{layer}/{head}/{row}/{column}": tell_cell,
}


def _read_head(reading: Reading, http: HTTPRequest) -> Head:
    return _read_place(http, "layer", reading.n_layer), _read_place(http, "head", reading.n_head)


def _read_place(http: HTTPRequest, name: str, n: int) -> int:
    """An index in an address, 0 to n - 1.

    Raises:
        ParameterError: it is none.
    """
    typed = http.path_params[name]
    index = read_index(typed)
    if not 0 <= index < n:
        raise ParameterError(f"There is no {name} {typed[:40]!r}: there are {n}, counted from 0.")
    return index


def _floats(values: NDArray[Any]) -> Response:
    return _numbers(values.astype("<f4", copy=False).tobytes(), values.shape)


def _numbers(content: bytes, shape: tuple[int, ...]) -> Response:
    return Response(content, headers={"X-Soliloquy-Shape": ",".join(map(str, shape))}, media_type="application/octet-stream")
