"""Lines of the plays by meaning: the map of all lines, the nearest ones to any sentence, and how similar two sentences are.

    GET /meaning/neighbours
    {"n": 6000, "plays": ["Coriolanus", ...], "speakers": ["ROMEO", ...],
     "lines": {"text": ["Speak, speak.", ...], "position": [76, ...], "play": [0, ...], "speaker": [3, ...], "x": [-0.1, ...], "y": [...]},
     "recall": {"n": 353, "methods": {"embedding": {"recall": {"1": 0.1, "5": 0.3, "10": 0.45}, "mrr": 0.2}, "tfidf": ..., "mean": ...,
                "length": ..., "chance": ...}, "long": {"n": 141, "methods": ...},
                "random": {"embedding": {"median": 0.1, "high": 0.4}, ...}},
     "random": {"embedding": {"median": 0.76, "high": 0.91}, "tfidf": ...}, "sentence_chars": 200, "missing": "", "trouble": ""}

"lines" has one column for each fact. "play" and "speaker" are places in those lists, "position" is that of the line in the corpus, and "x"
and "y" are its place on the map, from -1 to 1. "recall" is what `python -m model recall` measured (see `model.meaning.recall`), or null.
"random" says what two random lines are like: the median of their cosines, and what 95 % of them are below.
The index has no text: without the corpus, "text" is null, and "missing" says where to put it. Where the embedding or its index cannot be
used, there are no lines, and "trouble" says why.

    POST /meaning/nearest
    {"text": "I will kill him"}
    {"text": "I will kill him", "notice": "", "x": 0.2, "y": -0.4, "embedding": [{"line": 812, "score": 0.83, "text": "...", "play": "...",
     "speaker": "...", "position": 40321}, ...], "tfidf": [...], "missing": ""}

The nearest lines come first, by the cosine of the embeddings and by that of the TF-IDF vectors of their characters; "line" is a place in
the columns above. "tfidf" is null without the corpus. "x" and "y" are the place of the sentence on the map. "text" is the sentence in the
vocabulary of the embedding, and "notice" names the characters that were left out.

    POST /meaning/similarity
    {"a": "I will kill him", "b": "He must die"}
    {"a": "...", "b": "...", "notice": "", "embedding": 0.61, "tfidf": 0.05, "mean": 0.94, "missing": ""}

Three cosines: of the embeddings, of the TF-IDF vectors (null without the corpus), and of the mean states of the GPT that the embedding was
trained from (null if its weights are missing).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.catalogue import Catalogue
from model.errors import CheckpointError, CorpusError, ParameterError, SoliloquyError
from model.limits import MAX_SENTENCE_CHARS
from model.meaning.embedder import EMBEDDING, Embedder, MeanStates
from model.meaning.index import INDEX_FILE, Index, one_line
from model.meaning.recall import read_recall
from model.serving.admission import Admission
from model.serving.engine import Engine
from model.training.record import Cached
from model.weights import SHIPPED_WEIGHTS, WEIGHTS_FILES, Weights
from ui.web.corpus import CorpusReader
from ui.web.fields import left_out_notice, read_viewer
from ui.web.http import NO_STORE, Body, takes_json
from ui.web.loading import load, run
from ui.web.shared_answers import SharedAnswers
from ui.web.shared_work import SharedWork
from ui.web.stream import for_its_client

Content = TypeVar("Content")

NEAREST = 8
DIGITS = 4  # of a score and of a place on the map
NOT_THERE = "The embedding cannot be used. {why}"


@dataclass(frozen=True)
class Found:
    """The index, and why its lines have no text; "" if they have."""

    index: Index
    missing: str


class Neighbours:
    """The handlers. For the event loop's thread.

    Args:
        corpus: the text that the index points into.
    """

    def __init__(self, engine: Engine, catalogue: Catalogue, corpus: CorpusReader):
        self._engine, self._catalogue, self._corpus = engine, catalogue, corpus
        self._folder = catalogue.meaning_folder(EMBEDDING)
        self._embedder = Cached(self._folder / WEIGHTS_FILES[0], lambda: Embedder.load(self._folder))
        self._indices: dict[bool, Cached[Index]] = {}  # with and without text
        self._loading: SharedWork[str, Any] = SharedWork()
        self._answers = SharedAnswers()
        self._admission = Admission(1, "compared")
        self.nearest = takes_json({"text"}, self._nearest)
        self.similarity = takes_json({"a", "b"}, self._similarity)

    @for_its_client
    async def about(self, http: HTTPRequest) -> Response:
        """Answers GET /meaning/neighbours."""
        try:
            found, trouble = await self._find(), ""
        except CheckpointError as error:
            found, trouble = None, str(error)
        missing = found.missing if found else ""
        return await self._answers.give(http, ("neighbours", missing, trouble), lambda: about_json(self._catalogue, found, trouble))

    @for_its_client
    async def _nearest(self, body: Body, http: HTTPRequest) -> Response:
        """Answers POST /meaning/nearest.

        Raises:
            ParameterError: there is no sentence, or it is too long.
            CheckpointError: the embedding or its index cannot be used.
            BusyError: too many sentences are being compared already.
        """
        typed = _read_sentence(body, "text")
        embedder, found = await self._load_embedder(), await self._find()
        text, left_out = _in_vocabulary(typed, "text", embedder)
        with self._admission.admit(read_viewer(body, http)) as ticket:
            async with ticket.turn():
                (vector,) = await asyncio.wrap_future(self._engine.run(lambda _: embedder.embed([text])))
                content = await asyncio.to_thread(nearest_json, found, text, vector)
        return JSONResponse({"text": text, "notice": left_out_notice(left_out), **content}, headers=NO_STORE)

    @for_its_client
    async def _similarity(self, body: Body, http: HTTPRequest) -> Response:
        """Answers POST /meaning/similarity.

        Raises:
            ParameterError, CheckpointError, BusyError: as `_nearest`.
        """
        typed = {name: _read_sentence(body, name) for name in ("a", "b")}
        embedder, found = await self._load_embedder(), await self._find()
        read = {name: _in_vocabulary(sentence, name, embedder) for name, sentence in typed.items()}
        a, b = (text for text, _ in read.values())
        with self._admission.admit(read_viewer(body, http)) as ticket:
            async with ticket.turn():
                embedding = await asyncio.wrap_future(self._engine.run(lambda _: _cosine(embedder.embed([a, b]))))
                mean = await self._mean_similarity(a, b)
                tfidf = None if found.missing else await asyncio.to_thread(lambda: found.index.tfidf.similarity(a, b))
        left_out = dict.fromkeys(char for _, chars in read.values() for char in chars)
        scores = {"embedding": embedding, "tfidf": tfidf, "mean": mean}
        content = {name: score if score is None else round(score, DIGITS) for name, score in scores.items()}
        return JSONResponse({"a": a, "b": b, "notice": left_out_notice([*left_out]), **content, "missing": found.missing}, headers=NO_STORE)

    async def _mean_similarity(self, a: str, b: str) -> float | None:
        """By the mean states of the GPT that the embedding was trained from; None if it cannot be used."""
        entries = await asyncio.to_thread(self._catalogue.entries)
        base = next((entry for entry in entries if entry.id == SHIPPED_WEIGHTS.name and not entry.trouble), None)
        if base is None:
            return None

        def compare(weights: Weights) -> float:
            return _cosine(MeanStates.of(weights).embed([a, b]))

        return await run(self._engine, await load(self._engine, base.key), compare)

    async def _load_embedder(self) -> Embedder:
        return await self._get(EMBEDDING, self._embedder)

    async def _find(self) -> Found:
        """The index, with the text of its lines where there is a corpus.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        try:
            return Found(await self._load_index((await self._corpus.read()).text), "")
        except CorpusError as error:
            return Found(await self._load_index(None), str(error))

    async def _load_index(self, text: str | None) -> Index:
        """
        Raises:
            CorpusError: the text is another than that of the index.
            CheckpointError: the index is missing or damaged.
        """
        has_text = text is not None
        if has_text not in self._indices:
            self._indices[has_text] = Cached(self._folder / INDEX_FILE, partial(Index.load, self._folder, text))
        return await self._get(f"{INDEX_FILE}, text: {has_text}", self._indices[has_text])

    async def _get(self, key: str, cached: Cached[Content]) -> Content:
        """What a file holds, read once for all who ask.

        Raises:
            CheckpointError: without the place of the folder on this machine.
        """
        try:
            return await self._loading.result(key, lambda: asyncio.to_thread(cached.get))
        except CheckpointError as error:
            raise CheckpointError(NOT_THERE.format(why=str(error).replace(str(self._folder), self._folder.name))) from None


def about_json(catalogue: Catalogue, found: Found | None, trouble: str) -> dict[str, Any]:
    """The lines of the index, and what was measured."""
    try:
        recall = read_recall(catalogue.meaning_folder(EMBEDDING))
    except SoliloquyError:
        recall = None
    index = found.index if found else None
    return {
        "n": len(index) if index else 0,
        "plays": [*index.plays] if index else [],
        "speakers": [*index.speakers] if index else [],
        "lines": _lines_json(index) if index else None,
        "recall": recall,
        "random": index.random if index else {},
        "sentence_chars": MAX_SENTENCE_CHARS,
        "missing": found.missing if found else "",
        "trouble": trouble,
    }


def _lines_json(index: Index) -> dict[str, Any]:
    x, y = ([round(value, DIGITS) for value in column.tolist()] for column in index.map.T)
    return {
        "text": [one_line(index.line(i).text or "") for i in range(len(index))] if index.text else None,
        "position": index.position.tolist(),
        "play": index.play.tolist(),
        "speaker": index.speaker.tolist(),
        "x": x,
        "y": y,
    }


def nearest_json(found: Found, text: str, vector: torch.Tensor) -> dict[str, Any]:
    """The nearest lines to a sentence, and its place on the map.

    Args:
        vector: the embedding of the sentence, (128,).
    """
    index = found.index
    x, y = index.place(vector)
    return {
        "x": round(x, DIGITS),
        "y": round(y, DIGITS),
        "embedding": [_near_json(index, *near) for near in index.nearest(vector, NEAREST)],
        "tfidf": None if found.missing else [_near_json(index, *near) for near in index.tfidf.nearest(text, NEAREST)],
        "missing": found.missing,
    }


def _near_json(index: Index, i: int, score: float) -> dict[str, Any]:
    line = index.line(i)
    about = {"text": line.text and one_line(line.text), "play": line.play, "speaker": line.speaker, "position": line.position}
    return {"line": i, "score": round(score, DIGITS), **about}


def _cosine(vectors: torch.Tensor) -> float:
    """Of two vectors of unit length, (2, n)."""
    return float(vectors[0] @ vectors[1])


def _read_sentence(body: Body, name: str) -> str:
    """
    Raises:
        ParameterError: it is not a text, or too long.
    """
    text = body.get(name)
    if not isinstance(text, str):
        raise ParameterError("A sentence must be a text.", name)
    _check_length(text, name)
    return text


def _in_vocabulary(typed: str, name: str, embedder: Embedder) -> tuple[str, list[str]]:
    """A sentence in the vocabulary of the embedding, and the characters that were left out.

    Raises:
        ParameterError: nothing is left of it, or some of its characters became several and it is too long.
    """
    text, left_out = embedder.tokenizer.normalise(typed)
    text = one_line(text)
    _check_length(text, name)
    if not text:
        raise ParameterError(f"Type a sentence. {left_out_notice(left_out)}".rstrip(), name)
    return text, left_out


def _check_length(text: str, name: str) -> None:
    if len(text) > MAX_SENTENCE_CHARS:
        raise ParameterError(f"The sentence has {len(text):,} characters; the maximum is {MAX_SENTENCE_CHARS}.", name)
