"""The assistant: its models at each stage, what can be asked of them and how often they obey, what they learned from, and the rule.

    GET /assistant
    {"models": [{"id": "base", "title": "Base", "about": "...", "key": "e63aab5d", "trouble": ""}, ...],
     "skills": [{"id": "shout", "title": "Shout", "one_answer": true, "requests": ["Shout: good night", ...]}, ...],
     "obeys": {"base": {"n": 330, "temperature": 0.8, "skills": {"shout": {"n": 30, "obeys": 27, ...}, ...}, ...}, "supervised": null, ...},
     "forgetting": {"base": 1.413, "supervised": 1.47, "reinforced": null, ...}, "answer_chars": 100, "request_chars": 150}

"key" is that of a model in GET /models, or "" where it cannot be used; "trouble" then says why. "requests" are in phrasings and with words
that no example has. "obeys" is what was measured with such requests (see `model.assistant.obeys`), or null; "forgetting" is the loss on
the plays, in nats per character, or null.

    GET /assistant/examples?skill=shout&from=8
    {"examples": [{"skill": "shout", "request": "Shout: good night", "answer": "GOOD NIGHT",
     "row": "\\n\\nShout: good night\\nGOOD NIGHT\\n\\n", "is_read": 20, "is_held_out": false}, ...],
     "n": 800, "counts": {"insult": 800, ...}, "trouble": ""}

One page of the examples that a supervised model learns from, of one skill or, without "skill", of all. The first "is_read" characters of a
row are only read; the loss counts the others. Examples that are held out are those that the validation loss is measured on. Without a
corpus there are none, and "trouble" says where to put it.

    POST /assistant/judge
    {"request": "Shout: good night", "answers": ["GOOD NIGHT", "Good night."]}
    {"skill": "shout", "verdicts": [{"obeys": true, "why": "exactly right"}, {"obeys": false, "why": "..."}]}

The rule's verdicts. A request that asks for no skill has none: then "skill" is null.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.assistant.answers import ANSWER_CHARS
from model.assistant.examples import Example, kept_back, make_examples
from model.assistant.obeys import OBEYS_FILE
from model.assistant.pairs import STOP, prompt_of
from model.assistant.skills import SKILLS, Skill, judge, skill_of
from model.catalogue import Catalogue, Entry
from model.data import TRAIN_SHARE
from model.errors import CheckpointError, CorpusError, ParameterError
from model.files import parse_json, read_file
from model.limits import MAX_NEW_CHARS, MAX_REQUEST_CHARS, MAX_SAMPLES
from model.training.record import read_lines
from model.training.run import METRICS_FILE
from model.weights import SHIPPED_WEIGHTS
from ui.web.corpus import CorpusReader
from ui.web.fields import read_index
from ui.web.http import MAX_SETTINGS_BYTES, NO_STORE, Body, takes_json
from ui.web.shared_answers import SharedAnswers
from ui.web.stream import for_its_client, result_of

REQUESTS = 12  # of each skill, to choose from
PAGE = 8  # examples
SEED = 1337
MAX_ANSWERS_BYTES = MAX_SETTINGS_BYTES + 12 * (MAX_REQUEST_CHARS + MAX_SAMPLES * MAX_NEW_CHARS)  # every character escaped as two surrogates


@dataclass(frozen=True)
class Stage:
    """A stage on the way to the assistant, and the model there."""

    id: str
    model: str  # its id in the catalogue
    title: str
    about: str


STAGES = (
    Stage("base", SHIPPED_WEIGHTS.name, "Base", "It has read the plays."),
    Stage("supervised", "assistant/supervised", "Supervised", "Then it was shown good answers."),
    Stage("reinforced", "assistant/reinforced", "Reinforced", "Then it was rewarded by the rule itself."),
    Stage("unbound", "assistant/unbound", "Without KL", "Rewarded by the reward model, with nothing to keep it near Supervised."),
)


class Assistant:
    """The handlers. For the event loop's thread."""

    def __init__(self, catalogue: Catalogue, corpus: CorpusReader):
        self._catalogue, self._corpus, self._answers = catalogue, corpus, SharedAnswers()
        self._making: asyncio.Future[list[Example]] | None = None
        self.judge = takes_json({"request", "answers"}, _judge)

    @for_its_client
    async def about(self, http: HTTPRequest) -> Response:
        """Answers GET /assistant."""
        return await self._answers.give(http, ("assistant",), lambda: about_json(self._catalogue))

    @for_its_client
    async def examples(self, http: HTTPRequest) -> Response:
        """Answers GET /assistant/examples.

        Raises:
            ParameterError: there is no such skill, or "from" is not a whole number.
        """
        skill, first = http.query_params.get("skill", ""), read_index(http.query_params.get("from", "0"))
        if skill and skill not in {skill.id for skill in SKILLS}:
            raise ParameterError(f"There is no skill {skill[:40]!r}. Choose one of those in GET /assistant, or none for all.")
        if first < 0:
            raise ParameterError("from must be a whole number from 0.")
        try:
            examples = await self._examples()
        except CorpusError as error:
            return JSONResponse({"examples": [], "n": 0, "counts": {}, "trouble": str(error)}, headers=NO_STORE)
        return JSONResponse(_page_json(examples, skill, first), headers=NO_STORE)

    async def _examples(self) -> list[Example]:
        """Made once, when somebody first asks for them.

        Raises:
            CorpusError: there is no corpus, or too little in it.
        """
        corpus = await self._corpus.read()
        if self._making is None:
            self._making = asyncio.ensure_future(asyncio.to_thread(make_examples, corpus.text, SEED))
        return await result_of(self._making)


def about_json(catalogue: Catalogue) -> dict[str, Any]:
    """The models, the skills, and what was measured."""
    entries = {entry.id: entry for entry in catalogue.entries()}
    found = {stage.id: entries.get(stage.model) for stage in STAGES}
    requests = kept_back(REQUESTS, SEED)
    return {
        "models": [_model_json(stage, found[stage.id]) for stage in STAGES],
        "skills": [_skill_json(skill, [asked.request for asked in requests if asked.skill == skill.id]) for skill in SKILLS],
        "obeys": {id: _obeys(entry) for id, entry in found.items()},
        "forgetting": _forgetting(found),
        "answer_chars": ANSWER_CHARS,
        "request_chars": MAX_REQUEST_CHARS,
    }


def _model_json(stage: Stage, entry: Entry | None) -> dict[str, Any]:
    trouble = entry.trouble if entry else f"The weights of this model are missing. Restore the folder weights/{stage.model}."
    key = entry.key if entry and not trouble else ""
    return {"id": stage.id, "title": stage.title, "about": stage.about, "key": key, "trouble": trouble}


def _skill_json(skill: Skill, requests: list[str]) -> dict[str, Any]:
    return {"id": skill.id, "title": skill.title, "one_answer": skill.one_answer, "requests": [*dict.fromkeys(requests)]}


def _obeys(entry: Entry | None) -> dict[str, Any] | None:
    """What was measured of these very weights; None if nothing was."""
    if entry is None or not entry.key:
        return None
    try:
        obeys = parse_json(read_file(entry.folder / OBEYS_FILE))
    except (CheckpointError, ValueError):
        return None
    is_of_these = isinstance(obeys, dict) and str(obeys.get("sha256", "")).startswith(entry.key)
    return obeys if is_of_these else None


def _forgetting(found: Mapping[str, Entry | None]) -> dict[str, float | None]:
    """The loss on the plays at each stage, all on the same text; the base model's was measured when the supervised one began."""
    bests = {id: entry.about.get("best") if entry else None for id, entry in found.items()}
    losses = {id: best.get("plays_loss") if isinstance(best, dict) else None for id, best in bests.items()}
    losses["base"] = _first_plays_loss(found["supervised"])
    return {id: loss if type(loss) is float else None for id, loss in losses.items()}


def _first_plays_loss(entry: Entry | None) -> float | None:
    try:
        lines, _ = read_lines(entry.folder / METRICS_FILE, {"step": int, "plays_loss": float}) if entry else ([], 0)
    except CheckpointError:
        return None
    return next((line["plays_loss"] for line in lines if "plays_loss" in line), None)


def _page_json(examples: list[Example], skill: str, first: int) -> dict[str, Any]:
    n_train = int(TRAIN_SHARE * len(examples))
    shown = [(number, example) for number, example in enumerate(examples) if skill in ("", example.skill)]
    return {
        "examples": [_example_json(example, number >= n_train) for number, example in shown[first : first + PAGE]],
        "n": len(shown),
        "counts": dict(Counter(example.skill for example in examples)),
        "trouble": "",
    }


def _example_json(example: Example, is_held_out: bool) -> dict[str, Any]:
    read = prompt_of(example.request)
    return {
        "skill": example.skill,
        "request": example.request,
        "answer": example.answer,
        "row": f"{read}{example.answer}{STOP}",
        "is_read": len(read),
        "is_held_out": is_held_out,
    }


async def _judge(body: Body, http: HTTPRequest) -> Response:
    """
    Raises:
        ParameterError: the request or an answer is not a text, or is too long, or there are too many answers.
    """
    request, answers = body.get("request"), body.get("answers")
    if not isinstance(request, str) or len(request) > MAX_REQUEST_CHARS:
        raise ParameterError(f"The request must be a text of at most {MAX_REQUEST_CHARS} characters.")
    if not isinstance(answers, list) or len(answers) > MAX_SAMPLES:
        raise ParameterError(f"The answers must be a list of at most {MAX_SAMPLES} texts.")
    if not all(isinstance(answer, str) and len(answer) <= MAX_NEW_CHARS for answer in answers):
        raise ParameterError(f"Each answer must be a text of at most {MAX_NEW_CHARS:,} characters.")
    request = request.encode(errors="replace").decode()  # a verdict may quote it, and half a surrogate pair cannot be sent
    skill = skill_of(request)
    verdicts = [judge(request, answer) for answer in answers]
    content = {"skill": skill.id if skill else None, "verdicts": [verdict._asdict() for verdict in verdicts if verdict]}
    return JSONResponse(content, headers=NO_STORE)
