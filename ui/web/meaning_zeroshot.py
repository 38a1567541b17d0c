"""Zero-shot: what a model knows without ever having been trained on a label, read from the likelihood of texts.

    GET /meaning/zeroshot
    {"kinds": [{"id": "thou", "title": "thou wilt, you will", "about": "...", "source": "rule", "reach": "far", "counted": true,
                "right": "Thou never wilt see the king.", "wrong": "Thou never will see the king."}, ...],
     "models": [{"id": "shakespeare", "name": "shakespeare", "group": "shipped", "key": "53cb7a27", "run": null, "step": null,
                 "parameters": 10745088, "val_loss": 1.4132, "n": 1700,
                 "mean": {"right": 0.96, "low": 0.95, "high": 0.97},
                 "kinds": {"thou": {"n": 100, "right": 0.99, "low": 0.95, "high": 1.0}, ...}}, ...],
     "speakers": {...}, "max_speech_chars": 200, "trouble": ""}

"models" are those that `python -m model zeroshot --all --save` measured, in this order: "chance" and "n-gram" (groups of their own, without
a key), then by "group": "ladder" from the bigram on, "shipped", "assistant", "meaning", and "snapshot", by run and step ("run" and "step"
are null for others). "mean" is the mean of the kinds that are "counted"; the others were found to be beyond the shipped model and are shown
beside. "source" of a kind is "rule", its pairs are made from lists of words, or "plays", from the last tenth of the corpus; "reach" is
"near" if a few characters before the difference decide, or "far". "right" and "wrong" are an example. Where the results are missing or
damaged, "models" is empty, "speakers" is null and "trouble" says why.

    POST /meaning/pairs
    {"kind": "thou", "from": 0, "model": "53cb7a27"}
    {"model": "53cb7a27", "kind": "thou", "from": 0, "n": 100, "pairs": [
       {"context": "\\n\\n", "right": {"text": "Thou ...", "log_probs": [-2.1, ...], "sum": -31.2}, "wrong": {...}, "from": 5,
        "ngram": {"right": -33.1, "wrong": -32.0}}, ...]}

The next PAIRS_AT_ONCE pairs of a kind, from the first on, and the log-probability (nats) of each character of both texts after the context;
"from" of a pair is the first character where the texts differ. "ngram" has the sums under the n-gram model, or is null without a corpus.
The model prefers the text with the larger "sum". The pairs of kinds from "plays" need the corpus: without it, {"error": ...} says where to
put it.

    POST /meaning/choices
    {"beginning": "The king is ", "endings": ["dead.", "a cabbage."], "model": "53cb7a27"}
    {"model": "53cb7a27", "beginning": "The king is ", "notice": "",
     "endings": [{"text": "dead.", "log_probs": [-1.2, ...], "sum": -6.1, "per_character": -1.2, "alone": -14.0, "corrected": 7.9}, ...],
     "orders": {"sum": [0, 1], "per_character": [0, 1], "corrected": [1, 0]}}

2 to 8 endings. "alone" is an ending's log-probability after a newline alone, without its leading spaces; "corrected" is "sum" minus
"alone". "orders" has the endings from the best to the worst by each of the three.

    POST /meaning/speakers
    {"text": "What light through yonder window breaks?", "model": "53cb7a27"}
    {"model": "53cb7a27", "text": "...", "notice": "", "speakers": [{"name": "ROMEO", "log_probs": [...], "sum": -88.0}, ...]}

The text's likelihood as a speech of each of ten speakers, who speak most in the text that the shipped model learned from: from the
likeliest; the text has at most "max_speech_chars" characters. This is memory of those speakers; "speakers" of GET /meaning/zeroshot has how
often it is right, there and elsewhere:

    {"names": ["ROMEO", ...],
     "trained": {"candidates": 10, "n": 150, "right": 0.43, "low": 0.35, "high": 0.51, "chance": 0.1},
     "held_out": {the same}, "examples": {the same}}

"trained": speeches of the training text, among those ten. "held_out": speeches of the last tenth, among five of its speakers, by name
alone; the model has met four of them before. "examples": speeches of the last tenth, between two speakers of whom the context has a speech
each. Each answer is right about as often, so always giving the same one gains nothing. Intervals are Wilson's. "model" and "viewer" are
optional, as in /write.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.config import check_prompt, check_score_text
from model.data import train_chars
from model.errors import CheckpointError, CorpusError, ParameterError
from model.meaning.choices import Choice, check_endings, choose, orders
from model.meaning.likelihood import Read, log_probs
from model.meaning.minimal_pairs import KINDS, Kind, Pair, make_pairs
from model.meaning.ngram import NGram
from model.meaning.speakers import NAMES, heading
from model.meaning.zeroshot import ngram_sum, pair_log_probs, read_zeroshot
from model.serving.admission import Admission
from model.serving.engine import Engine
from ui.web.corpus import CorpusReader
from ui.web.fields import check_known, left_out_notice, read_model_key, read_viewer
from ui.web.http import NO_STORE, Body, model_header, takes_json
from ui.web.loading import load, run
from ui.web.shared_answers import SharedAnswers
from ui.web.shared_work import SharedWork
from ui.web.stream import for_its_client

PAIRS_AT_ONCE = 6
MAX_SPEECH_CHARS = 200  # with a name, it fits the context of the shipped model
NOT_THERE = "There are no results. {why}"
DIGITS = 4  # of numbers in answers


@dataclass(frozen=True)
class Made:
    """The pairs of each kind, and the n-gram model; without a corpus, those that are made by rule, no n-gram model, and why."""

    pairs: dict[str, list[Pair]]
    ngram: NGram | None
    trouble: str = ""


class ZeroShot:
    """The handlers. For the event loop's thread.

    Args:
        corpus: of which pairs are made.
        folder: with the results.
    """

    def __init__(self, engine: Engine, corpus: CorpusReader, folder: Path):
        self._engine, self._corpus, self._folder = engine, corpus, folder
        self._made: Made | None = None
        self._making: SharedWork[str, Made] = SharedWork()
        self._answers = SharedAnswers()
        self._admission = Admission(1, "compared")
        self.pairs = takes_json({"kind", "from", "model"}, self._pairs)
        self.choices = takes_json({"beginning", "endings", "model"}, self._choices)
        self.speakers = takes_json({"text", "model"}, self._speakers)

    @for_its_client
    async def about(self, http: HTTPRequest) -> Response:
        """Answers GET /meaning/zeroshot."""
        return await self._answers.give(http, ("zeroshot",), lambda: about_json(self._folder))

    @for_its_client
    async def _pairs(self, body: Body, http: HTTPRequest) -> Response:
        """Answers POST /meaning/pairs.

        Raises:
            ParameterError: there is no such kind, or no such pair.
            CorpusError: pairs of this kind are made from the plays, which are missing.
            UnknownCharacterError: the model's vocabulary lacks characters of the pairs.
        """
        kind, made = _read_kind(body), await self._result()
        if kind.id not in made.pairs:
            raise CorpusError(made.trouble)
        pairs, first = made.pairs[kind.id], body.get("from", 0)
        if type(first) is not int or not 0 <= first < len(pairs):
            raise ParameterError(f"from must be a whole number from 0 to {len(pairs) - 1}.", "from")
        some = pairs[first : first + PAIRS_AT_ONCE]
        weights = await load(self._engine, read_model_key(body))
        with self._admission.admit(read_viewer(body, http)) as ticket:
            async with ticket.turn():
                found = await run(self._engine, weights, lambda weights: pair_log_probs(weights, some))
        told = await asyncio.to_thread(_pairs_json, some, found, made.ngram)
        content = {"model": weights.key, "kind": kind.id, "from": first, "n": len(pairs), "pairs": told}
        return JSONResponse(content, headers=NO_STORE | model_header(weights.key))

    @for_its_client
    async def _choices(self, body: Body, http: HTTPRequest) -> Response:
        """Answers POST /meaning/choices.

        Raises:
            ParameterError: the beginning or the endings are not what they should be.
        """
        typed, beginning = check_endings(body.get("endings")), body.get("beginning", "")
        check_prompt(beginning)
        weights = await load(self._engine, read_model_key(body))
        read = [weights.tokenizer.normalise(text) for text in (beginning, *typed)]
        for i, (text, left_out) in enumerate(read[1:], 1):
            check_known(f"ending {i}", text, left_out, "endings")
        beginning, *endings = (text for text, _ in read)
        check_prompt(beginning)  # some characters become several
        check_endings(endings)
        with self._admission.admit(read_viewer(body, http)) as ticket:
            async with ticket.turn():
                chosen = await run(self._engine, weights, lambda weights: choose(weights.model, weights.tokenizer, beginning, endings))
        content = {
            "model": weights.key,
            "beginning": beginning,
            "notice": left_out_notice([*dict.fromkeys(char for _, left_out in read for char in left_out)]),
            "endings": [*map(_choice_json, chosen)],
            "orders": orders(chosen),
        }
        return JSONResponse(content, headers=NO_STORE | model_header(weights.key))

    @for_its_client
    async def _speakers(self, body: Body, http: HTTPRequest) -> Response:
        """Answers POST /meaning/speakers.

        Raises:
            ParameterError: the text is not a text, empty or too long.
            UnknownCharacterError: the model's vocabulary lacks characters of the speakers' names.
        """
        weights = await load(self._engine, read_model_key(body))
        typed = body.get("text")
        check_score_text(typed)
        text, left_out = weights.tokenizer.normalise(str(typed))
        check_known("the speech", text, left_out, "text")
        if not text.strip():
            raise ParameterError("The speech is empty. Write what somebody says.", "text")
        if len(text) > MAX_SPEECH_CHARS:
            raise ParameterError(f"The speech has {len(text):,} characters; the maximum is {MAX_SPEECH_CHARS}. Shorten it.", "text")
        encode = weights.tokenizer.encode
        reads = [Read(encode(heading(name)), encode(text)) for name in NAMES]
        with self._admission.admit(read_viewer(body, http)) as ticket:
            async with ticket.turn():
                found = await run(self._engine, weights, lambda weights: log_probs(weights.model, reads))
        speakers = [{"name": name} | _text_json(own) for name, own in zip(NAMES, found, strict=True)]
        speakers.sort(key=lambda speaker: -speaker["sum"])
        content = {"model": weights.key, "text": text, "notice": left_out_notice(left_out), "speakers": speakers}
        return JSONResponse(content, headers=NO_STORE | model_header(weights.key))

    async def _result(self) -> Made:
        """The pairs and the n-gram model, made once when somebody first asks for them with a corpus in place."""
        if self._made:
            return self._made
        try:
            corpus = await self._corpus.read()
        except CorpusError as error:
            return Made(await asyncio.to_thread(lambda: _by_kind(make_pairs(None))), None, str(error))
        self._made = await self._making.result("pairs", lambda: asyncio.to_thread(_make, corpus.text))
        return self._made


def about_json(folder: Path) -> dict[str, Any]:
    """The kinds of pairs, and what was measured."""
    told = {"kinds": [*map(_kind_json, KINDS)], "max_speech_chars": MAX_SPEECH_CHARS}
    try:
        measured = read_zeroshot(folder)
    except CheckpointError as error:
        why = str(error).replace(str(folder), folder.name)
        return told | {"models": [], "speakers": None, "trouble": NOT_THERE.format(why=why)}
    return told | {"models": measured["models"], "speakers": {"names": NAMES} | measured["speakers"], "trouble": ""}


def _make(text: str) -> Made:
    return Made(_by_kind(make_pairs(text)), NGram(text[: train_chars(len(text))]))


def _by_kind(pairs: list[Pair]) -> dict[str, list[Pair]]:
    return {kind: [*some] for kind, some in groupby(pairs, key=lambda pair: pair.kind)}


def _read_kind(body: Body) -> Kind:
    """
    Raises:
        ParameterError: there is no such kind.
    """
    kinds = {kind.id: kind for kind in KINDS}
    if not isinstance(id := body.get("kind"), str) or id not in kinds:
        raise ParameterError(f"The kind must be one of {', '.join(kinds)}.", "kind")
    return kinds[id]


def _kind_json(kind: Kind) -> dict[str, Any]:
    right, wrong = kind.example
    reach = "far" if kind.is_far else "near"
    told = {"id": kind.id, "title": kind.title, "about": kind.about, "source": kind.source, "reach": reach}
    return told | {"counted": kind.is_counted, "right": right, "wrong": wrong}


def _pairs_json(pairs: list[Pair], found: list[NDArray[np.float32]], ngram: NGram | None) -> list[dict[str, Any]]:
    """Some pairs, with what `pair_log_probs` found of them."""
    return [_pair_json(pair, *texts, ngram) for pair, texts in zip(pairs, zip(found[::2], found[1::2], strict=True), strict=True)]


def _pair_json(pair: Pair, right: NDArray[np.float32], wrong: NDArray[np.float32], ngram: NGram | None) -> dict[str, Any]:
    texts = {"right": pair.right, "wrong": pair.wrong}
    return {
        "context": pair.context,
        "right": {"text": pair.right} | _text_json(right),
        "wrong": {"text": pair.wrong} | _text_json(wrong),
        "from": next(i for i in range(len(pair.right)) if pair.right[: i + 1] != pair.wrong[: i + 1]),
        "ngram": {name: round(ngram_sum(ngram, pair.context, text), DIGITS) for name, text in texts.items()} if ngram else None,
    }


def _choice_json(choice: Choice) -> dict[str, Any]:
    numbers = {"per_character": choice.per_character, "alone": choice.alone, "corrected": choice.corrected}
    return {"text": choice.text} | _text_json(choice.log_probs) | {name: round(number, DIGITS) for name, number in numbers.items()}


def _text_json(log_probs: NDArray[np.float32]) -> dict[str, Any]:
    return {"log_probs": [round(float(each), DIGITS) for each in log_probs], "sum": round(float(log_probs.sum()), DIGITS)}
