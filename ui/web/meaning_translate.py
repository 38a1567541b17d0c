"""The encoder-decoder beside a GPT: both have learned to rewrite a text by the same rule, and show how they do it.

    GET /meaning/translators
    {"tasks": [{"id": "reversal", "title": "Reversal", "about": "...", "examples": ["..."], "max_beams": 8, "networks": {
      "encoder-decoder": {"trouble": "", "n_params": 1075712, "longest": 32, "most": 64, "n_layer": 2, "n_head": 4, "figures": {...}},
      "gpt": {...}}}, ...]}

"longest" and "most" are characters of a text: as the network was trained, and as it can read. "figures" is what was measured of it
(`model.meaning.translates`), or null. Where a network cannot be used, "trouble" says why, and the rest is null.

    POST /meaning/translate
    {"task": "reversal", "text": "honest", "beams": 1}
    {"task": "reversal", "source": "honest", "notice": "", "beams": 1, "right": "tsenoh", "networks": {
      "encoder-decoder": {"trouble": "", "text": "tsenoh", "ended": true, "is_right": true, "source": "honest\\n", "target": "tsenoh\\n",
        "steps": [{"top": [["t", 0.98], ...], "beams": [["t", -0.02, -1], ...]}, ...],
        "attention": {"encoder": {"shape": [2, 4, 7, 7], "weights": "//8A..."}, "decoder": {...}, "cross": {...}}},
      "gpt": {...}}}

"source" is the text in the networks' vocabulary, and "right" what the rule makes of it. A network reads its "source" and has written its
"target", both with their end sign, a newline; the last step wrote its last character. A step has the likeliest characters, and the beams
that were kept: each a text, its log-probability, and its place in the step before. Weights of attention are base64 of uint16,
little-endian: 65,535 is 1. Row t of "decoder" and "cross" is the step that wrote character t. A GPT has "decoder" alone, over the source
and what is written after it.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.catalogue import Catalogue
from model.config import EncoderDecoderConfig, GPTConfig, check_score_text
from model.errors import CheckpointError, ParameterError
from model.limits import MAX_BEAMS
from model.meaning.rules import RULES, Rule
from model.meaning.translates import read_translates
from model.meaning.translator import Translation, Translator
from model.network.kinds import count_parameters
from model.serving.admission import Admission
from model.serving.engine import Engine
from model.training.record import Cached
from model.weights import WEIGHTS_FILES
from ui.web.fields import left_out_notice, read_viewer
from ui.web.http import NO_STORE, Body, takes_json
from ui.web.shared_answers import SharedAnswers
from ui.web.shared_work import SharedWork
from ui.web.stream import for_its_client

ENCODER_DECODER, GPT = "encoder-decoder", "gpt"
FOLDERS = {ENCODER_DECODER: "{rule}", GPT: "{rule}-gpt"}  # in weights/meaning
KEPT_ANSWERS = 64  # a class asks for the examples again and again
GZIP_LEVEL = 1  # most weights are nothing, whatever the level
FULL_WEIGHT = 65_535
NOT_THERE = "This network cannot be used. {why}"

Key = tuple[str, ...]


class Network:
    """A shipped network that rewrites texts by a rule; its weights are read when they are first used.

    Args:
        kind: ENCODER_DECODER or GPT.
    """

    def __init__(self, catalogue: Catalogue, rule: Rule, kind: str):
        self.folder = catalogue.meaning_folder(FOLDERS[kind].format(rule=rule.id))
        self._cached = Cached(self.folder / WEIGHTS_FILES[0], lambda: Translator.load(self.folder))

    def get(self) -> Translator:
        """The network.

        Raises:
            CheckpointError: it is missing or damaged; the message names files and not where they are.
        """
        try:
            return self._cached.get()
        except CheckpointError as error:
            raise CheckpointError(NOT_THERE.format(why=str(error).replace(str(self.folder), self.folder.name))) from None

    def about(self) -> dict[str, Any]:
        """What GET /meaning/translators says of it."""
        try:
            network = self.get()
        except CheckpointError as error:
            return dict.fromkeys(("n_params", "longest", "most", "n_layer", "n_head", "figures")) | {"trouble": str(error)}
        config = network.network.config
        assert isinstance(config, (EncoderDecoderConfig, GPTConfig))  # no others translate
        return {
            "trouble": "",
            "n_params": count_parameters(config),
            "longest": network.longest,
            "most": network.most,
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "figures": self._figures(),
        }

    def _figures(self) -> dict[str, Any] | None:
        try:
            return read_translates(self.folder)
        except CheckpointError:
            return None


@dataclass(frozen=True)
class Question:
    """A text to rewrite, in the vocabulary of the networks that can do it, and why others cannot."""

    rule: Rule
    source: str
    notice: str
    beams: int
    able: dict[str, Translator]
    troubles: dict[str, str]

    @property
    def key(self) -> Key:
        """The same for questions that have the same answer."""
        return self.rule.id, self.source, self.notice, str(self.beams), *(network.sha256 for network in self.able.values())


class Translate:
    """The handlers. For the event loop's thread."""

    def __init__(self, engine: Engine, catalogue: Catalogue):
        self._engine = engine
        self._networks = {(rule.id, kind): Network(catalogue, rule, kind) for rule in RULES.values() for kind in FOLDERS}
        self._loading: SharedWork[Path, Translator] = SharedWork()
        self._translating: SharedWork[Key, bytes] = SharedWork()
        self._kept: OrderedDict[Key, bytes] = OrderedDict()  # answers, gzipped; the latest come last
        self._answers = SharedAnswers()
        self._admission = Admission(1, "translated")
        self.translate = takes_json({"task", "text", "beams"}, self._translate)

    @for_its_client
    async def translators(self, http: HTTPRequest) -> Response:
        """Answers GET /meaning/translators."""
        return await self._answers.give(http, ("translators",), lambda: {"tasks": [*map(self._task_json, RULES.values())]})

    def _task_json(self, rule: Rule) -> dict[str, Any]:
        return {
            "id": rule.id,
            "title": rule.title,
            "about": rule.about,
            "examples": [*rule.examples],
            "max_beams": MAX_BEAMS,
            "networks": {kind: self._networks[rule.id, kind].about() for kind in FOLDERS},
        }

    @for_its_client
    async def _translate(self, body: Body, http: HTTPRequest) -> Response:
        """Answers POST /meaning/translate.

        Raises:
            ParameterError: there is no such task, the text is empty, too long or has none of the vocabulary's characters, or the number of
                beams is out of range.
            CheckpointError: none of the networks can be used.
            BusyError: too many texts are being translated already.
        """
        question = await self._read(body)
        if question.key not in self._kept:
            with self._admission.admit(read_viewer(body, http)) as ticket:
                async with ticket.turn():
                    if question.key not in self._kept:  # by somebody who had the turn before
                        self._kept[question.key] = await self._translating.result(question.key, lambda: self._make(question))
            while len(self._kept) > KEPT_ANSWERS:
                self._kept.popitem(last=False)
        gzipped = self._kept[question.key]
        headers = NO_STORE | {"Vary": "Accept-Encoding"}
        if "gzip" in http.headers.get("accept-encoding", ""):
            return Response(gzipped, headers=headers | {"Content-Encoding": "gzip"}, media_type="application/json")
        return Response(gzip.decompress(gzipped), headers=headers, media_type="application/json")

    async def _read(self, body: Body) -> Question:
        """
        Raises:
            ParameterError, CheckpointError: as `_translate`.
        """
        task, text, beams = body.get("task"), body.get("text"), body.get("beams", 1)
        if (rule := RULES.get(task) if isinstance(task, str) else None) is None:
            raise ParameterError(f"The task must be one of these: {', '.join(RULES)}.", "task")
        if not isinstance(text, str):
            raise ParameterError("The text must be a text.", "text")
        check_score_text(text)
        if type(beams) is not int or not 1 <= beams <= MAX_BEAMS:
            raise ParameterError(f"beams must be a whole number from 1 to {MAX_BEAMS}.", "beams")
        able, troubles = await self._load(rule)
        source, left_out = next(iter(able.values())).tokenizer.normalise(text)
        notice = left_out_notice(left_out)
        if not source.strip():
            raise ParameterError(f"There is no text to translate. {notice}".rstrip(), "text")
        return Question(rule, source, notice, beams, able, troubles)

    async def _load(self, rule: Rule) -> tuple[dict[str, Translator], dict[str, str]]:
        """The networks that can be used, by kind, and why the others cannot.

        Raises:
            CheckpointError: none can.
        """
        able, troubles = dict[str, Translator](), dict[str, str]()
        for kind in FOLDERS:
            network = self._networks[rule.id, kind]
            try:
                able[kind] = await self._loading.result(network.folder, partial(asyncio.to_thread, network.get))
            except CheckpointError as error:
                troubles[kind] = str(error)
        if not able:
            raise CheckpointError(troubles[ENCODER_DECODER])
        return able, troubles

    async def _make(self, question: Question) -> bytes:
        """The answer to a question, gzipped.

        Raises:
            ParameterError: the text is too long for every network that can be used, or has a newline.
        """
        networks = dict[str, dict[str, Any]]()
        refusals = list[ParameterError]()
        right = question.rule.answer(question.source)
        for kind, network in question.able.items():
            try:
                networks[kind] = await self._run(network, question, right)
            except ParameterError as error:
                refusals.append(error)
                networks[kind] = {"trouble": str(error)}
        if len(refusals) == len(question.able):
            raise refusals[0]
        content = {
            "task": question.rule.id,
            "source": question.source,
            "notice": question.notice,
            "beams": question.beams,
            "right": right,
            "networks": networks | {kind: {"trouble": why} for kind, why in question.troubles.items()},
        }
        return await asyncio.to_thread(lambda: gzip.compress(json.dumps(content, allow_nan=False).encode(), GZIP_LEVEL))

    async def _run(self, network: Translator, question: Question, right: str) -> dict[str, Any]:
        """The answer of one network. A long search takes seconds, so each of its passes is a piece of the engine's work of its own, and
        others write in between; nothing more is done when nobody waits for it any more.

        Raises:
            ParameterError: as `Translator.translate`.
            BusyError: too much work waits already.
        """
        is_left = threading.Event()

        def do(work: Callable[[], Any]) -> Any:
            if is_left.is_set():
                raise asyncio.CancelledError
            return self._engine.run(lambda _: work()).result()

        try:
            return await asyncio.to_thread(lambda: _translation_json(network.translate(question.source, question.beams, do), right))
        finally:
            is_left.set()


def _translation_json(made: Translation, right: str) -> dict[str, Any]:
    weights = {name: getattr(made.attention, name) for name in ("encoder", "decoder", "cross")}
    return {
        "trouble": "",
        "text": made.text,
        "ended": made.ended,
        "is_right": made.ended and made.text == right,
        "source": made.source,
        "target": made.target,
        "steps": [
            {
                "top": [[char, round(p, 6)] for char, p in step.top],
                "beams": [[beam.text, round(beam.log_probability, 4), beam.parent] for beam in step.beams],
            }
            for step in made.steps
        ],
        "attention": {name: _weights_json(array) for name, array in weights.items() if array is not None},
    }


def _weights_json(weights: NDArray[np.float32]) -> dict[str, Any]:
    numbers = np.rint(weights * FULL_WEIGHT).astype("<u2")
    return {"shape": [*weights.shape], "weights": base64.b64encode(numbers.tobytes()).decode()}
