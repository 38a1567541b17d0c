r"""What the heads do with a text, for drawing.

    POST /attention
    {"model": "e63aab5d", "text": "ROMEO:\nBut, soft!", "heads_off": [[0, 2], ["mlp", 3], ["positions"]]}

Reads a text once, with the given parts of the network switched off (none by default), and answers with a key for the routes below and
the numbers. A part is a head, [layer, head], the MLP of a layer, or the position embedding. What is off adds nothing to the residual
stream.

    {"key": "5f0c...", "model": "e63aab5d", "text": "ROMEO:\nBut, soft!", "from": 0, "total": 16, "notice": "",
     "heads_off": [[0, 2], ["mlp", 3], ["positions"]], "n_layer": 6, "n_head": 6, "head_dim": 64, "vocab_size": 65,
     "precision": "bfloat16", "loss": 1.93,
     "stats": [[{"entropy": 1.2, "distance": 4.1, "previous": 0.3, ..., "label": "previous", "excess": 0.28}, ...], ...],
     "uniform": {"entropy": 2.8, "distance": 7.5, "previous": 0.2, ...}}

"text" is what is shown of the text, in the model's vocabulary: of a longer text the last characters that fit the model's block, from
index "from" of "total". It is read as a text of its own. An empty text is read as a newline. "loss" is the mean over all characters
shown but the first, in nats (null if there is only one). "stats" has the measures of `model.attention` for each layer and head,
"uniform" what uniform attention would have; null where the text has nothing to measure. "precision" is what the model multiplies
matrices in. Attention itself is computed in float32 from queries and keys in that precision, so that a row sums to 1 within 1e-5; while
it writes, the model does the same, and rounds weights only where it multiplies values with them. A head that is off is shown with the
weights that it would have used.

    GET /attention/5f0c.../weights

All weights, for drawing: a byte each, 255 sqrt(weight), rounded to a multiple of 5. For each layer, each head, the causal half row by
row: row i has i + 1 bytes; n_layer * n_head * n (n + 1) / 2 in all. These, "logits", "lens" and "cell" are gzipped for clients that
accept it.

    GET /attention/5f0c.../head/3/1          the weights of layer 3, head 1, exactly: float32, little-endian, the causal half likewise
    GET /attention/5f0c.../average/3         likewise, the mean over the heads of layer 3
    GET /attention/5f0c.../logits            the model's logits after each character: float32, little-endian, (n, vocab_size)
    GET /attention/5f0c.../lens              the logit lens: float32, little-endian, (n_layer + 1, n, vocab_size) in C order. Logits of the
                                             next character from the stream after the embeddings and after each block; the last are the
                                             model's
    GET /attention/5f0c.../cell/3/1/9/4      how the weight that row 9 gives to column 4 is computed, and what the head does with it:

    {"q": [...], "k": [...], "product": -3.1, "scaled": -0.39, "row_max": 2.4, "row_sum": 1.7, "weight": 0.036,
     "v": [...], "output": [...], "written": [...], "contribution": [...]}

scaled = product / sqrt(head_dim); weight = exp(scaled - row_max) / row_sum. "v" is the value of column 4, "output" the sum of all
columns' values, each times its weight. The layer's output matrix turns it into "written", which the head adds to the residual stream at
row 9: a number for each channel, to six digits. "contribution" is column 4's part of that. A head that is off would have written it.

What a key names never changes, so browsers may keep it. The server forgets it after a while: it then answers 404, and the text has to be
sent again. The same text, parts and model have the same key. "model" and "viewer" are optional, as in /write. A model without attention
is refused with 400.
"""

from __future__ import annotations

import asyncio
import gzip
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.attention import Reading, most_shown
from model.errors import WENT_WRONG, ParameterError, SoliloquyError
from model.parts import Head, check_parts
from model.serving.engine import Engine
from model.weights import Weights
from ui.web.client_log import log_fault
from ui.web.fields import read_index, read_model_key, read_text_or_newline, read_viewer
from ui.web.http import Body, Respond, model_header, refusal, takes_json
from ui.web.loading import load
from ui.web.numbers import bytes_response, floats_response
from ui.web.readings import Kept, Question, Readings, zipped
from ui.web.stream import for_its_client

KEEP_S = 86_400  # how long browsers may keep an answer
FORGOTTEN = "This attention is no longer remembered. Read the text again."

Part = Callable[[Kept, HTTPRequest], Response]  # one part of a reading; runs beside the event loop


class Attention:
    """The handlers, and what they have in common: the texts that were read."""

    def __init__(self, engine: Engine):
        self._engine, self._readings = engine, Readings(engine)
        self.read = takes_json({"model", "text", "heads_off"}, self._read)
        self.weights, self.head, self.average = self._part(weights_part), self._part(head_part), self._part(average_part)
        self.logits, self.lens, self.cell = self._part(logits_part), self._part(lens_part), self._part(cell_part)

    @for_its_client
    async def _read(self, body: Body, http: HTTPRequest) -> Response:
        question = read_question(body, await load(self._engine, read_model_key(body)))
        try:
            kept = await self._readings.read(question, read_viewer(body, http))
        except SoliloquyError:
            raise
        except Exception as error:
            log_fault(http, error)
            return refusal(WENT_WRONG, 500)
        return JSONResponse(question_json(question, kept.reading), headers=model_header(question.weights.key))

    def _part(self, part: Part) -> Respond:
        """The handler for one part of a reading."""

        async def answer(http: HTTPRequest) -> Response:
            kept = self._readings.find(key := http.path_params["key"])
            if kept is None:
                return refusal(FORGOTTEN, 404)
            headers = {"Cache-Control": f"private, max-age={KEEP_S}, immutable", "ETag": f'W/"{key}"', **model_header(kept.model)}
            if headers["ETag"] in http.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            response = await asyncio.to_thread(part, kept, http)
            response.headers.update(headers)
            return response

        return answer


def read_question(body: Body, weights: Weights) -> Question:
    """What a request asks for.

    Raises:
        ParameterError: the text is not a text, is too long, or nothing is left of it; the model has no heads; a part does not exist.
    """
    most = most_shown(weights.model.config)
    off = check_parts(body.get("heads_off", []), weights.model.config)
    text, notice = read_text_or_newline(body.get("text", ""), weights.tokenizer)
    return Question(text[-most:], max(len(text) - most, 0), len(text), notice, off, weights)


def question_json(question: Question, reading: Reading) -> dict[str, object]:
    """The answer to a question."""
    return {
        "key": question.key,
        "model": question.weights.key,
        "text": question.text,
        "from": question.start,
        "total": question.total,
        "notice": question.notice,
        "heads_off": question.off,
        "n_layer": reading.n_layer,
        "n_head": reading.n_head,
        "head_dim": reading.queries.shape[-1],
        "vocab_size": question.weights.model.config.vocab_size,
        "precision": reading.precision,
        "loss": reading.loss,
        "stats": reading.stats,
        "uniform": reading.uniform,
    }


def weights_part(kept: Kept, http: HTTPRequest) -> Response:
    """All weights as bytes."""
    return unzipped_where_needed(kept.drawn, kept.reading.weights.shape, http)


def head_part(kept: Kept, http: HTTPRequest) -> Response:
    """One head's weights.

    Raises:
        ParameterError: there is no such head.
    """
    layer, head = _read_head(kept.reading, http)
    return floats_response(kept.reading.weights[layer, head])


def average_part(kept: Kept, http: HTTPRequest) -> Response:
    """A layer's weights, the mean of its heads.

    Raises:
        ParameterError: there is no such layer.
    """
    return floats_response(kept.reading.weights[_read_place(http, "layer", kept.reading.n_layer)].mean(0))


def logits_part(kept: Kept, http: HTTPRequest) -> Response:
    """The model's logits: the last of the lens. Without the others they take a seventh of the shipped model's lens."""
    return unzipped_where_needed(kept.logits, kept.reading.lens.shape[1:], http)


def lens_part(kept: Kept, http: HTTPRequest) -> Response:
    """The logit lens."""
    return unzipped_where_needed(kept.lens, kept.reading.lens.shape, http)


def cell_part(kept: Kept, http: HTTPRequest) -> Response:
    """How one weight is computed, from the vectors that the network compared, and what the head writes with it.

    Raises:
        ParameterError: there is no such cell.
    """
    reading = kept.reading
    layer, head = _read_head(reading, http)
    row, column = (_read_place(http, name, reading.n_chars) for name in ("row", "column"))
    if column > row:
        raise ParameterError(f"Row {row} has columns 0 to {row}, not {column}: no character attends to a later one.")
    q, keys = reading.queries[layer, head, row], reading.keys[layer, head, : row + 1]
    products = keys.astype(np.float64) @ q
    scaled = products / math.sqrt(len(q))
    weight, value = reading.row(layer, head, row)[column], reading.values[layer, head, column]
    output = reading.output(layer, head, row)
    written, contribution = reading.project(layer, head, np.stack([output, weight * value]))
    answer = JSONResponse(
        {
            "q": q.tolist(),
            "k": keys[column].tolist(),
            "product": float(products[column]),
            "scaled": float(scaled[column]),
            "row_max": float(scaled.max()),
            "row_sum": float(np.exp(scaled - scaled.max()).sum()),
            "weight": float(weight),
            "v": value.tolist(),
            "output": output.tolist(),
            "written": _six_digits(written),
            "contribution": _six_digits(contribution),
        }
    )
    answer.headers["Vary"] = "Accept-Encoding"
    if accepts_gzip(http):
        answer.body = zipped(bytes(answer.body))
        answer.headers.update({"Content-Encoding": "gzip", "Content-Length": str(len(answer.body))})
    return answer


def accepts_gzip(http: HTTPRequest) -> bool:
    """Whether a client can read a compressed answer."""
    return "gzip" in http.headers.get("accept-encoding", "")


def unzipped_where_needed(content: bytes, shape: Sequence[int], http: HTTPRequest) -> Response:
    """An array that is kept gzipped, as the client can read it."""
    vary = {"Vary": "Accept-Encoding"}
    if accepts_gzip(http):
        return bytes_response(content, shape, vary | {"Content-Encoding": "gzip"})
    return bytes_response(gzip.decompress(content), shape, vary)


def _six_digits(values: NDArray[np.float32]) -> list[float]:
    """Numbers to be drawn: all their digits would take twice the bytes."""
    return [float(f"{value:.6g}") for value in values]


def _read_head(reading: Reading, http: HTTPRequest) -> Head:
    return _read_place(http, "layer", reading.n_layer), _read_place(http, "head", reading.n_head)


def _read_place(http: HTTPRequest, name: str, n: int) -> int:
    """An index from the address, 0 to n - 1.

    Raises:
        ParameterError: it is none of them.
    """
    typed = http.path_params[name]
    index = read_index(typed)
    if not 0 <= index < n:
        raise ParameterError(f"There is no {name} {typed[:40]!r}: there are {n}, counted from 0.")
    return index
