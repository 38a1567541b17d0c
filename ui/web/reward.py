"""The reward model: its scores of an answer, and the comparisons on which its accuracy was measured.

    POST /assistant/reward
    {"request": "Insult me.", "answer": "Thou art a traitor."}

    {"request": "Insult me.", "chars": "Thou art a traitor.", "scores": [-0.3, ...], "score": 2.1, "notice": "",
     "rule": {"skill": "insult", "obeys": true, "why": "has a word of abuse: “traitor”"}}

"chars" is the answer in the model's vocabulary, and "scores" has one number for each of its characters: the score read there, where the
model was not trained. "score" is that of the whole answer, after the stop sign. Scores have no zero and no unit; the difference of two,
for answers to the same request, is the logit of the probability that the first is better. "rule" is null for a request that asks for no
skill.

    GET /assistant/comparisons
    {"comparisons": [{"request": "Insult me.", "a": "I thank you.", "b": "Thou art a traitor.", "better": "b"}, ...],
     "curve": [{"kind": "rule", "comparisons": 50, "n": 400, "accuracy": 0.71, "low": 0.66, "high": 0.75}, ...],
     "accuracy": {"n": 400, "accuracy": 0.93, "low": 0.9, "high": 0.95}, "range": [-4.1, 5.2], "trouble": ""}

These comparisons were made by rule and kept back from training. The curve has the accuracy of models that learned from so many
comparisons: "rule", all of them made by rule; "votes", with 300 votes among them of which a tenth is wrong. Intervals are Wilson's. "range"
has the 5 % and 95 % quantiles of the scores of these answers. Where the model is missing or damaged, "trouble" says so, and "accuracy" and
"range" are null.
"""

from __future__ import annotations

import asyncio
import zlib
from pathlib import Path
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.assistant.comparisons import HELD_OUT_FILE, Comparison, load_comparisons
from model.assistant.pairs import is_text
from model.assistant.reward import RewardModel, read_measured
from model.assistant.skills import judge, skill_of
from model.config import check_score_text
from model.errors import CheckpointError, ParameterError, SoliloquyError
from model.serving.admission import Admission
from model.serving.engine import Engine
from model.training.record import Cached
from model.weights import WEIGHTS_FILES
from ui.web.fields import check_known, left_out_notice, read_viewer
from ui.web.http import NO_STORE, Body, takes_json
from ui.web.shared_answers import SharedAnswers
from ui.web.shared_work import SharedWork
from ui.web.stream import for_its_client

NOT_THERE = "The reward model cannot be used. {why}"


class Reward:
    """The handlers. For the event loop's thread.

    Args:
        folder: of the shipped reward model.
    """

    def __init__(self, engine: Engine, folder: Path):
        self._engine, self._folder = engine, folder
        self._model = Cached(folder / WEIGHTS_FILES[0], lambda: RewardModel.load(folder))
        self._loading: SharedWork[Path, RewardModel] = SharedWork()
        self._answers = SharedAnswers()
        self._admission = Admission(1, "scored")
        self.score = takes_json({"request", "answer"}, self._score)

    @for_its_client
    async def comparisons(self, http: HTTPRequest) -> Response:
        """Answers GET /assistant/comparisons."""
        return await self._answers.give(http, ("comparisons",), lambda: comparisons_json(self._folder))

    @for_its_client
    async def _score(self, body: Body, http: HTTPRequest) -> Response:
        """Answers POST /assistant/reward.

        Raises:
            ParameterError: request or answer is not a text that can stand in a row, or they are too long.
            CheckpointError: the model is missing or damaged.
            BusyError: too many texts are being scored already.
        """
        typed = {name: _read_text(body, name) for name in ("request", "answer")}
        try:
            model = await self._loading.result(self._folder, lambda: asyncio.to_thread(self._model.get))
        except CheckpointError as error:
            raise CheckpointError(NOT_THERE.format(why=_public(error, self._folder))) from None
        read = {name: model.tokenizer.normalise(text) for name, text in typed.items()}
        for name, (text, left_out) in read.items():
            check_known(f"the {name}", text, left_out, name)
        request, answer = (_checked(name, text) for name, (text, _) in read.items())
        with self._admission.admit(read_viewer(body, http)) as ticket:
            async with ticket.turn():
                scores = await asyncio.wrap_future(self._engine.run(lambda _: model.score(request, answer)))
        all_left_out = dict.fromkeys(char for _, chars in read.values() for char in chars)
        rule, skill = judge(request, answer), skill_of(request)
        content = {
            "request": request,
            "chars": answer,
            "scores": [round(score, 4) for score in scores.after_each],
            "score": round(scores.score, 4),
            "notice": left_out_notice([*all_left_out]),
            "rule": {"skill": skill.id, "obeys": rule.obeys, "why": rule.why} if skill and rule else None,
        }
        return JSONResponse(content, headers=NO_STORE)


def _read_text(body: Body, name: str) -> str:
    """
    Raises:
        ParameterError: it is not a text, or too long.
    """
    text = body.get(name)
    if not isinstance(text, str):
        raise ParameterError(f"The {name} must be a text.", name)
    check_score_text(text)
    return text


def _checked(name: str, text: str) -> str:
    """
    Raises:
        ParameterError: the text cannot stand in a row.
    """
    if not text.strip():
        raise ParameterError(f"The {name} is empty.", name)
    if not is_text(text):
        raise ParameterError(f"The {name} begins or ends with a newline or has an empty line, which is the stop sign.", name)
    return text


def comparisons_json(folder: Path) -> dict[str, Any]:
    """The comparisons kept back from a reward model, and what was measured on them."""
    try:
        measured = read_measured(folder)
        kept_back = load_comparisons(folder / HELD_OUT_FILE).comparisons
    except SoliloquyError as error:
        return {"comparisons": [], "curve": [], "accuracy": None, "range": None, "trouble": NOT_THERE.format(why=_public(error, folder))}
    return {"comparisons": [*map(_comparison_json, kept_back)], **measured, "trouble": ""}


def _comparison_json(comparison: Comparison) -> dict[str, str]:
    """A comparison whose better answer comes first or second, by a coin that shows the same each time."""
    is_first = zlib.crc32(repr(comparison).encode()) % 2 == 0
    a, b = (comparison.better, comparison.worse) if is_first else (comparison.worse, comparison.better)
    return {"request": comparison.request, "a": a, "b": b, "better": "a" if is_first else "b"}


def _public(error: SoliloquyError, folder: Path) -> str:
    """A message that names files and not where they are."""
    return str(error).replace(str(folder), folder.name)
