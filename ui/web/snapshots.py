r"""Runs that kept snapshots of their weights, to watch a network learn.

    GET /learning/runs
    {"runs": [{"id": "quick", "source": "shipped", "name": "quick", "state": "finished", "trouble": "", "kind": "gpt", "n_params": 617568,
     "n_layer": 4, "n_head": 4, "block_size": 64, "steps": 1800, "train_chars": 0, "dropout": 0.0, "corpus": "Tiny Shakespeare",
     "vocabulary": ["\n", " ", ...], "best_step": 1800,
     "snapshots": [{"step": 0, "key": "ab12cd34", "loss": 4.19, "val_loss": 4.18, "trouble": ""}, ...]}, ...]}

Shipped runs come first, then those of the runs folder, newest first; runs without snapshots are left out. "source" is shipped or run.
"train_chars" is how many characters of the training text the run learns from, 0 for all. A key is that of a model: /write, /next,
/attention and /models/{key} take it. A snapshot that is missing or cannot be used has an empty key and says why in "trouble". "loss" is
that of the last batch before the step. "val_loss" is that of the weights that the snapshot holds, before they were rounded to float16: of
their running average, where the run keeps one; null where there was no evaluation. "best_step" is the step with the lowest such loss of all
evaluations. Where a run's files do not say what it is, "trouble" has the reason, and what is not known is null.

    GET /learning/runs/{source}/{run}/curve
    {"steps": {"step": [5, 10, ...], "loss": [4.1, 3.9, ...]}, "evaluations": {"step": [0, 150, ...], "val_loss": [4.18, ...]},
     "best_step": 1800, "samples": [{"step": 0, "text": "..."}, ...]}

The run's curve, thinned: each training loss is the mean since the step before it in the list. "val_loss" and "best_step" are as above; the
best and the last evaluation are always there.

    POST /learning/heads
    {"source": "shipped", "run": "quick", "text": "ROMEO:\nBut, soft!"}

What each head of each snapshot does with a text: a line of JSON for the text, and one for each snapshot as soon as it has read it.

    {"text": "ROMEO:\nBut, soft!", "from": 0, "total": 16, "notice": "", "uniform": {"entropy": 2.8, ...}}
    {"step": 0, "key": "ab12cd34", "stats": [[{"entropy": 1.2, ..., "label": "mixed", "excess": 0.1}, ...], ...]}
    {"step": 9, "key": "", "trouble": "..."}
    {"state": "done"}

The last state is done or failed (with "error"). Text and measures are as in /attention. Closing the connection stops it. "viewer" is
optional, as in /write.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.attention import most_shown, read
from model.catalogue import RUN, SHIPPED, Catalogue, Entry
from model.errors import WENT_WRONG, CheckpointError, ParameterError, SoliloquyError, UnknownModelError
from model.head_measures import Description, uniform
from model.machine import in_fresh_thread
from model.network.kinds import kind_of
from model.serving.admission import Admission, Ticket
from model.serving.engine import Engine
from model.serving.request import DONE, FAILED
from model.training.job import UNDER_WAY, Job, n_parameters
from model.training.jobs import Jobs
from model.training.snapshots import snapshot_steps
from ui.web.client_log import log_fault
from ui.web.fields import read_text_or_newline, read_viewer
from ui.web.http import Body, takes_json
from ui.web.loading import load, run
from ui.web.shared_answers import SharedAnswers
from ui.web.shared_work import SharedWork
from ui.web.stream import Line, LineStream, for_its_client

CURVE_POINTS = 500  # about as many as a chart has room for
SNAPSHOTS_AT_ONCE = 8  # read for all viewers
MAX_KEPT_STATS = 512  # texts times snapshots, the latest asked for
NO_SUCH_RUN = "There is no such run, or no longer. Choose another one."
DAMAGED = "The files of this run are damaged."
NO_SNAPSHOTS = "This run kept no snapshots. Train one with the setting snapshots above 0."

Stats = list[list[Description]]


@dataclass(frozen=True)
class Question:
    """A text for all snapshots of a run.

    Attributes:
        text: the part that is read.
        start: index of its first character in the whole text, of `total` characters.
    """

    text: str
    start: int
    total: int
    notice: str
    snapshots: dict[int, Entry]


class Snapshots:
    """The handlers, and what they have in common. For the event loop's thread."""

    def __init__(self, engine: Engine, catalogue: Catalogue, jobs: Jobs):
        self._engine, self._catalogue, self._jobs = engine, catalogue, jobs
        self._shipped = {job.id: job for job in map(Job, catalogue.shipped_runs())}
        self._answers, self._admission = SharedAnswers(), Admission(SNAPSHOTS_AT_ONCE, "read")
        self._kept: OrderedDict[tuple[str, str], Stats] = OrderedDict()  # by key of the snapshot and text; the latest comes last
        self._reading: SharedWork[tuple[str, str], Stats] = SharedWork()
        self.heads = takes_json({"source", "run", "text"}, self._heads)

    @for_its_client
    async def runs(self, http: HTTPRequest) -> Response:
        """Answers GET /learning/runs."""
        return await self._answers.give(http, ("runs",), self._runs_json)

    @for_its_client
    async def curve(self, http: HTTPRequest) -> Response:
        """Answers GET /learning/runs/{source}/{run}/curve.

        Raises:
            UnknownModelError: there is no such run.
        """
        source, run = http.path_params["source"], http.path_params["run"]
        job = await asyncio.to_thread(self.find, source, run)
        return await self._answers.give(http, ("curve", source, run), lambda: _curve_json(job))

    @for_its_client
    async def _heads(self, body: Body, http: HTTPRequest) -> Response:
        source, name = body.get("source"), body.get("run")
        if not isinstance(source, str) or not isinstance(name, str):
            raise ParameterError("Name a run by its source and its id, as texts.")
        question = await asyncio.to_thread(self._question, source, name, body.get("text", ""))
        ticket = self._admission.admit(read_viewer(body, http))
        return LineStream(self._lines(question, ticket, http), ticket.leave)

    def _question(self, source: str, name: str, typed: object) -> Question:
        """
        Raises:
            UnknownModelError: there is no such run.
            ParameterError: it has no snapshots or no heads, or the text cannot be read.
            CheckpointError: none of its snapshots can be used.
        """
        self.find(source, name)
        snapshots = self._catalogue.snapshots(source, name)
        if not snapshots:
            raise ParameterError(NO_SNAPSHOTS)
        usable = next((entry for entry in snapshots.values() if not entry.trouble), None)
        if usable is None:
            raise CheckpointError(next(iter(snapshots.values())).trouble)
        assert usable.config
        assert usable.tokenizer
        most = most_shown(usable.config)
        text, notice = read_text_or_newline(typed, usable.tokenizer)
        return Question(text[-most:], max(len(text) - most, 0), len(text), notice, snapshots)

    async def _lines(self, question: Question, ticket: Ticket, http: HTTPRequest) -> AsyncGenerator[Line]:
        text = question.text
        try:
            base = await asyncio.to_thread(in_fresh_thread, lambda: uniform(text))
            yield {"text": text, "from": question.start, "total": question.total, "notice": question.notice, "uniform": base}
            for step, entry in question.snapshots.items():
                async with ticket.turn():
                    line = await self._line(step, entry, text)
                yield line
        except SoliloquyError as error:
            yield {"state": FAILED, "error": str(error)}
        except Exception as error:
            log_fault(http, error)
            yield {"state": FAILED, "error": WENT_WRONG}
        else:
            yield {"state": DONE}

    async def _line(self, step: int, entry: Entry, text: str) -> Line:
        """What the heads of a snapshot do, or why it cannot be used.

        Raises:
            BusyError: it cannot be read now.
        """
        try:
            return {"step": step, "key": entry.key, "stats": await self._stats(entry, text)}
        except (CheckpointError, UnknownModelError) as error:
            return {"step": step, "key": "", "trouble": str(error)}

    async def _stats(self, entry: Entry, text: str) -> Stats:
        """
        Raises:
            SoliloquyError: the snapshot cannot be used.
        """
        if entry.trouble:
            raise CheckpointError(entry.trouble)
        key = entry.key, text
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        return await self._reading.result(key, lambda: self._read(*key))

    async def _read(self, key: str, text: str) -> Stats:
        weights = await load(self._engine, key)
        ids = weights.tokenizer.encode(text)
        self._kept[key, text] = stats = await run(self._engine, weights, lambda _: read(weights.model, ids, text).stats)
        while len(self._kept) > MAX_KEPT_STATS:
            self._kept.popitem(last=False)
        return stats

    def find(self, source: str, run: str) -> Job:
        """A run. May read files.

        Raises:
            UnknownModelError: there is no such run.
        """
        job = self._shipped.get(run) if source == SHIPPED else self._jobs.find(run) if source == RUN else None
        if job is None:
            raise UnknownModelError(NO_SUCH_RUN)
        return job

    def _runs_json(self) -> dict[str, Any]:
        shipped, runs = (
            [(source, job, self._catalogue.snapshots(source, job.id)) for job in jobs]
            for source, jobs in ((SHIPPED, self._shipped.values()), (RUN, self._jobs.all()))
        )
        shipped.sort(key=lambda found: -len(found[2]))  # the first one is shown first: that with the most steps to look at
        return {"runs": [_run_json(source, job, snapshots) for source, job, snapshots in (*shipped, *runs) if snapshots]}


def _run_json(source: str, job: Job, snapshots: dict[int, Entry]) -> dict[str, Any]:
    job.curve.read()
    validation, missing = _validation(job), {} if source == SHIPPED else _missing(job, snapshots)
    steps = sorted(snapshots.keys() | missing.keys())
    troubles = missing | {step: entry.trouble for step, entry in snapshots.items()}
    return {
        "id": job.id,
        "source": source,
        "name": job.name,
        "state": job.state(),
        **_about(job),
        "best_step": job.curve.best_step(validation),
        "snapshots": [
            {
                "step": step,
                "key": "" if troubles[step] else snapshots[step].key,
                "loss": loss,
                "val_loss": val_loss,
                "trouble": troubles[step],
            }
            for step, (loss, val_loss) in zip(steps, job.curve.losses_at(steps, validation), strict=True)
        ],
    }


def _missing(job: Job, snapshots: dict[int, Entry]) -> dict[int, str]:
    """The steps so far of which the run should have a snapshot and has none, with words for each. A run that ships keeps only some."""
    try:
        settings = job.settings()
    except CheckpointError:
        return {}
    reached = job.curve.step - (job.state() in UNDER_WAY)  # the snapshot of a step is written after its losses
    planned = snapshot_steps(settings.recipe, n_parameters(settings.network))
    missing = [step for step in planned if step <= reached and step not in snapshots]
    return {step: f"runs/{job.id}/snapshots/{step}.safetensors is missing." for step in missing}


def _validation(job: Job) -> str:
    """The column of the validation loss of the weights that the run's snapshots hold."""
    try:
        return "val_loss_average" if job.settings().recipe.average > 0 else "val_loss"
    except CheckpointError:
        return "val_loss"


def _about(job: Job) -> dict[str, Any]:
    """What the run's files say of its network and recipe."""
    names = ("kind", "n_params", "n_layer", "n_head", "block_size", "steps", "train_chars", "dropout", "corpus")
    try:
        settings, tokenizer = job.settings(), job.run.plan().tokenizer
    except CheckpointError as error:
        return {"trouble": job.public(str(error)) or DAMAGED, **dict.fromkeys(names), "vocabulary": []}
    network, recipe = settings.network, settings.recipe
    return {
        "trouble": "",
        "kind": kind_of(network),
        "n_params": n_parameters(network),
        "n_layer": getattr(network, "n_layer", None),
        "n_head": getattr(network, "n_head", None),
        "block_size": network.block_size,
        "steps": recipe.steps,
        "train_chars": recipe.train_chars,
        "dropout": getattr(network, "dropout", 0.0),
        "corpus": settings.corpus.get("name"),
        "vocabulary": [*tokenizer.vocabulary],
    }


def _curve_json(job: Job) -> dict[str, Any]:
    job.curve.read()
    return job.curve.overview(CURVE_POINTS, _validation(job))
