"""Runs of reinforcement learning: what was rewarded, and what the model made of it.

    GET /assistant/runs
    {"runs": [{"id": "unbound", "source": "shipped", "name": "unbound", "state": "finished", "trouble": "", "kl_weight": 0.0,
     "reward": "learned", "about": "...",
     "steps": {"step": [1, 2, ...], "reward": [...], "rule": [...], "kl": [...], "entropy": [...], "distinct": [...], "stopped": [...],
     "length": [...]}, "evaluations": {"step": [0, 10, ...], ...the same},
     "samples": [{"step": 0, "texts": [{"request": "Insult me.", "answer": "...", "score": 1.2, "obeys": true}, ...]}, ...]}, ...]}

Shipped runs come first, then the newest of the runs folder; "source" is shipped or run. "reward" is learned or rule; null while a run
begins. "about" is what was found in a shipped run, in words; it may be empty. "steps" are measured on the batches that the run learns from,
thinned to means; "evaluations" and "samples" on requests that are kept back, thinned to some of them, the first and the last included. Per
answer: the mean "reward", the shares that obey the "rule", have "stopped" and are "distinct" (of those to requests with many good answers),
and the mean "length". Per character, in nats: the divergence from the parent, "kl", and the "entropy". What was not measured is null. All
runs answer the same requests with the same dice. Where a run's files do not say what it is, "trouble" has the reason.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.catalogue import RUN, SHIPPED, Catalogue
from model.errors import CheckpointError
from model.files import read_file
from model.training.job import Job, Settings
from model.training.jobs import Jobs
from model.training.presets import POLICY
from ui.web.http import Respond
from ui.web.shared_answers import SharedAnswers
from ui.web.stream import for_its_client

MEASURES = ("reward", "rule", "kl", "entropy", "distinct", "stopped", "length")
CURVE_POINTS = 400  # about as many as a chart has room for
EVALUATIONS = 60  # as many as a slider has room for
MAX_SHOWN = 12  # of the runs folder
MAX_TEXTS = 64  # of an evaluation
ABOUT_FILE = "about.txt"
MAX_ABOUT_CHARS = 2_000
NOTHING_YET = "Nothing was measured yet."

Columns = dict[str, list[Any]]


def reinforcement(catalogue: Catalogue, jobs: Jobs) -> Respond:
    """The handler."""
    answers, shipped = SharedAnswers(), [*map(Job, catalogue.assistant_folders())]

    def make() -> dict[str, Any]:
        found = [(SHIPPED, job, settings) for job in shipped if (settings := _policy(job))]
        own = [(RUN, job, settings) for job in jobs.all() if (settings := _policy(job))]
        return {"runs": [_run_json(*each) for each in (*found, *own[:MAX_SHOWN])]}

    @for_its_client
    async def answer(http: HTTPRequest) -> Response:
        return await answers.give(http, ("reinforcement",), make)

    return answer


def _policy(job: Job) -> Settings | None:
    """The settings of a run of reinforcement learning; None for other runs, and for those that do not say what they are."""
    try:
        settings = job.settings()
    except CheckpointError:
        return None
    return settings if settings.task == POLICY else None


def _run_json(source: str, job: Job, settings: Settings) -> dict[str, Any]:
    job.curve.read()
    everything = job.curve.since(0)
    steps, evaluations = everything["steps"], everything["evaluations"]
    chosen = _spread(evaluations["step"])
    return {
        "id": job.id,
        "source": source,
        "name": job.name,
        "state": job.state(),
        "trouble": "" if evaluations["step"] else NOTHING_YET,
        "kl_weight": getattr(settings.recipe, "kl_weight", None),
        "reward": _reward(job),
        "about": _about(job) if source == SHIPPED else "",
        "steps": _thinned(steps),
        "evaluations": {name: [values[i] for i in chosen] for name, values in _measures(evaluations).items()},
        "samples": _samples(everything["samples"], {evaluations["step"][i] for i in chosen}),
    }


def _reward(job: Job) -> str | None:
    """What is rewarded; None until the trainer has recorded it."""
    return job.run.plan().about.get("reward", {}).get("kind") if job.run.exists() else None


def _about(job: Job) -> str:
    try:
        return read_file(job.folder / ABOUT_FILE).decode("utf-8", errors="replace").strip()[:MAX_ABOUT_CHARS]
    except CheckpointError:
        return ""


def _measures(columns: Columns) -> Columns:
    """The steps, and the columns that every run has here; None for what was not measured."""
    n = len(columns["step"])
    return {"step": columns["step"]} | {name: columns.get(name, [None] * n) for name in MEASURES}


def _thinned(columns: Columns) -> Columns:
    """At most CURVE_POINTS steps, each with the means since the one before."""
    n = len(columns["step"])
    every = -(-n // CURVE_POINTS) or 1
    ends = [*range(n, 0, -every)][::-1]
    parts = [slice(max(0, end - every), end) for end in ends]
    thinned = {name: [_mean(values[part]) for part in parts] for name, values in _measures(columns).items() if name != "step"}
    return {"step": [columns["step"][end - 1] for end in ends], **thinned}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 6) if known else None


def _spread(steps: list[int]) -> list[int]:
    """The places of at most EVALUATIONS of some steps, evenly, the first and the last included."""
    last = len(steps) - 1
    return sorted({round(last * i / (EVALUATIONS - 1)) for i in range(EVALUATIONS)}) if last >= 0 else []


def _samples(samples: list[dict[str, Any]], steps: set[int]) -> list[dict[str, Any]]:
    """The answers at some evaluations; those that are damaged are left out."""
    found = []
    for sample in samples:
        texts = sample.get("texts")
        if sample["step"] in steps and isinstance(texts, list):
            found.append({"step": sample["step"], "texts": [text for text in texts[:MAX_TEXTS] if _is_text(text)]})
    return found


def _is_text(text: Any) -> bool:
    """Whether this is a judged answer, as a task writes it to samples.jsonl."""
    if not isinstance(text, dict) or text.keys() != {"request", "answer", "score", "obeys"}:
        return False
    is_number = isinstance(text["score"], float) and math.isfinite(text["score"])
    return is_number and isinstance(text["request"], str) and isinstance(text["answer"], str) and isinstance(text["obeys"], bool)
