"""Random chunks of a training text: what goes into a network in one batch, and what should come out.

    POST /learning/chunks
    {"batch_size": 4, "block_size": 8, "seed": 1337}

    {"batch_size": 4, "block_size": 8, "seed": 1337, "characters": 1003854, "starts": [76049, ...],
     "x": [[24, 43, ...], ...], "y": [[43, 58, ...], ...], "texts": ["Let's hea", ...]}

The chunks are those that the lecture's code draws with this seed, from the first nine tenths of the corpus. With a "text" they are drawn
from its first nine tenths, in the vocabulary of "model". "texts" have a character more than the chunks: the last target. All settings are
optional; "viewer" is, as in /write.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, fields
from typing import Any

import torch
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.config import ChunkConfig
from model.data import random_chunks, train_chars
from model.errors import ParameterError
from model.serving.admission import Admission
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from ui.web.corpus import CorpusReader
from ui.web.encode import encode_text
from ui.web.fields import read_model_key, read_viewer
from ui.web.http import NO_STORE, Body, Respond, takes_json
from ui.web.loading import find_tokenizer
from ui.web.stream import for_its_client

SETTINGS = tuple(field.name for field in fields(ChunkConfig))


def chunks(engine: Engine, corpus: CorpusReader) -> Respond:
    """The handler."""
    admission = Admission(1, "converted")  # as in encode.py

    @for_its_client
    async def answer(body: Body, http: HTTPRequest) -> Response:
        config = ChunkConfig(**{name: body[name] for name in SETTINGS if name in body})
        model = read_model_key(body)
        if "text" in body:
            _, tokenizer = await find_tokenizer(engine, model)
            with admission.admit(read_viewer(body, http)) as ticket:
                async with ticket.turn():
                    content = await asyncio.to_thread(_of_text, body["text"], tokenizer, config)
        elif model is not None:
            raise ParameterError("A model is for a text: the chunks of the corpus are in the corpus's own vocabulary.")
        else:
            known = await corpus.read()
            content = _chunks_json(known.ids[: known.n_train], known.tokenizer, config)
        return JSONResponse(content, headers=NO_STORE)

    return takes_json({"model", "text", *SETTINGS}, answer)


def _of_text(typed: object, tokenizer: CharTokenizer, config: ChunkConfig) -> dict[str, Any]:
    _, ids, _ = encode_text(typed, tokenizer)
    return _chunks_json(torch.tensor(ids[: train_chars(len(ids))], dtype=torch.long), tokenizer, config)


def _chunks_json(ids: torch.Tensor, tokenizer: CharTokenizer, config: ChunkConfig) -> dict[str, Any]:
    starts, x, y = random_chunks(ids, config)
    rows = torch.cat([x, y[:, -1:]], dim=1)
    return {
        **asdict(config),
        "characters": len(ids),
        "starts": starts.tolist(),
        "x": x.tolist(),
        "y": y.tolist(),
        "texts": [tokenizer.decode(row) for row in rows.tolist()],
    }
