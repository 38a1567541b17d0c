"""The corpus of the Learning tab: Tiny Shakespeare, what it consists of, and where its validation text begins.

    GET /learning/corpus
    {"name": "Tiny Shakespeare", "characters": 1115394, "vocabulary": ["\\n", " ", ...], "counts": [40000, 169892, ...],
     "parts": [{"name": "training", "characters": 1003854, "begins": "First Citizen:\\n...", "ends": "..."}, {"name": "validation", ...}]}

"counts" are those of the characters of the vocabulary. The first request reads the corpus, or downloads it (see `model.data`). Without a
corpus, the answer is {"trouble": "..."}, which says where to put it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from torch import Tensor

from model.data import load_corpus, train_chars
from model.errors import CorpusError
from model.files import without_folder
from model.tokenizer import CharTokenizer
from ui.web.http import NO_STORE
from ui.web.stream import for_its_client, result_of

NAME = "Tiny Shakespeare"
RETRY_S = 10.0  # after a failure; the file may have been put in its place meanwhile
EXCERPT_CHARS = 160
REMEDY = "Point SOLILOQUY_CORPUS at a copy of Tiny Shakespeare, or unset it: then it is downloaded on first use."


@dataclass(frozen=True)
class EncodedCorpus:
    """A corpus and its characters' ids in its own vocabulary, as a model that learns from it has them.

    Attributes:
        ids: of all characters, (n,).
    """

    text: str
    tokenizer: CharTokenizer
    ids: Tensor

    @property
    def n_train(self) -> int:
        """The length of the training text."""
        return train_chars(len(self.text))


class CorpusReader:
    """Reads the corpus once, when somebody first asks for it. For the event loop's thread."""

    def __init__(self) -> None:
        self._reading: asyncio.Future[EncodedCorpus] | None = None
        self._not_before = 0.0  # when to try again

    async def read(self) -> EncodedCorpus:
        """The corpus.

        Raises:
            CorpusError: there is none; says where to put it.
        """
        failed = self._reading is not None and self._reading.done() and self._reading.exception() is not None
        if self._reading is None or (failed and time.monotonic() > self._not_before):
            self._reading = asyncio.ensure_future(asyncio.to_thread(_read))
            self._reading.add_done_callback(self._wait_before_next)
        return await result_of(self._reading)

    def _wait_before_next(self, _: object) -> None:
        self._not_before = time.monotonic() + RETRY_S

    @for_its_client
    async def answer(self, http: HTTPRequest) -> Response:
        """Answers GET /learning/corpus."""
        try:
            content = await asyncio.to_thread(_corpus_json, await self.read())
        except CorpusError as error:
            content = {"trouble": str(error)}
        return JSONResponse(content, headers=NO_STORE)


def _read() -> EncodedCorpus:
    """
    Raises:
        CorpusError: without the folders of this machine, for anyone may ask.
    """
    try:
        text = load_corpus().text
    except CorpusError as error:
        given = os.environ.get("SOLILOQUY_CORPUS", "")
        words = without_folder(str(error), Path(given).parent).replace(str(Path.home()), "~")
        raise CorpusError(words if "SOLILOQUY_CORPUS" in words else f"{words} {REMEDY}") from None
    tokenizer = CharTokenizer.from_text(text)
    return EncodedCorpus(text, tokenizer, torch.tensor(tokenizer.encode(text)))


def _corpus_json(corpus: EncodedCorpus) -> dict[str, Any]:
    text, n_train = corpus.text, corpus.n_train
    counts = Counter(text)
    return {
        "name": NAME,
        "characters": len(text),
        "vocabulary": corpus.tokenizer.vocabulary,
        "counts": [counts[char] for char in corpus.tokenizer.vocabulary],
        "parts": [_part_json("training", text[:n_train]), _part_json("validation", text[n_train:])],
    }


def _part_json(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "characters": len(text), "begins": text[:EXCERPT_CHARS], "ends": text[-EXCERPT_CHARS:]}
