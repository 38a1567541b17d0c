"""Pre- and post-norm: the two blocks, and the runs that show how each trains.

    GET /meaning/norm
    {"norms": [{"id": "post-norm", "title": "Post-norm", "about": "GPT-1: ...", "key": "96e5e20c", "trouble": "", "n_params": 1198848,
     "n_layer": 6, "file": "model/network/gpt1.py", "lines": [{"number": 29, "text": "    def forward(self, ..."}, ...]}, ...],
     "bigram_loss": 2.5,
     "runs": [{"id": "post-norm-no-warmup", "source": "shipped", "name": "post-norm-no-warmup", "norm": "post-norm", "trouble": "",
     "state": "finished", "steps": 1200, "warmup_steps": 0, "learning_rate": 0.001, "train": {"step": [3, ...],
     "loss": [4.2, ...]}, "val": {"step": [0, ...], "loss": [4.2, ...]}, "sample": "..."}, ...]}

A norm's "id" is the preset of POST /train/start. "key" is that of a model in GET /models, or "" where the weights cannot be used; "trouble"
then says why. Shipped runs come first, then the newest of the runs folder; "source" is shipped or run. Losses are in nats per character,
thinned to means; "bigram_loss" is the lecture's bigram's. "sample" is what the network wrote at its last evaluation, always with the
same dice. Where a run's files do not say what it is, "trouble" has the reason.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.catalogue import MEANING, RUN, SHIPPED, Catalogue, Entry
from model.config import GPTConfig
from model.errors import CheckpointError
from model.lecture import LOSSES
from model.meaning.norms import NORMS, RUNS, Norm
from model.network.kinds import count_parameters
from model.training.job import Job
from model.training.jobs import Jobs
from model.training.presets import PRESETS
from ui.web.http import Respond
from ui.web.shared_answers import SharedAnswers
from ui.web.stream import for_its_client

CURVE_POINTS = 300  # about as many as a chart has room for
MAX_SHOWN = 8  # of the runs folder
MAX_SAMPLE_CHARS = 400
NOTHING_YET = "Nothing was measured yet."
UNREADABLE = "Its files do not say what it is."


def norms(catalogue: Catalogue, jobs: Jobs) -> Respond:
    """The handler."""
    answers, shipped = SharedAnswers(), [(norm, Job(catalogue.meaning_folder(name))) for name, norm in RUNS.items()]

    def make() -> dict[str, Any]:
        found = [(SHIPPED, norm, job) for norm, job in shipped if job.run.exists()]
        own = [(RUN, norm, job) for job in jobs.all() if (norm := _norm_of(job))]
        entries = {entry.id: entry for entry in catalogue.entries()}
        return {
            "norms": [_norm_json(norm, entries.get(f"{MEANING}/{norm.id}")) for norm in NORMS],
            "bigram_loss": LOSSES["bigram"],
            "runs": [_run_json(*each) for each in (*found, *own[:MAX_SHOWN])],
        }

    @for_its_client
    async def answer(http: HTTPRequest) -> Response:
        return await answers.give(http, ("norms",), make)

    return answer


def _norm_of(job: Job) -> str:
    """The norm that a run was started with, as the page starts it; "" for other runs."""
    preset = job.asked().get("preset")
    return preset if preset in {norm.id for norm in NORMS} else ""


def _norm_json(norm: Norm, entry: Entry | None) -> dict[str, Any]:
    network = PRESETS[norm.id].network
    assert isinstance(network, GPTConfig)
    trouble = entry.trouble if entry else f"The weights of this network are missing. Restore the folder weights/meaning/{norm.id}."
    return {
        "id": norm.id,
        "title": norm.title,
        "about": norm.about,
        "key": entry.key if entry and not trouble else "",
        "trouble": trouble,
        "n_params": count_parameters(network),
        "n_layer": network.n_layer,
        "file": norm.file.as_posix(),
        "lines": [{"number": number, "text": text} for number, text in norm.lines()],
    }


def _run_json(source: str, norm: str, job: Job) -> dict[str, Any]:
    try:
        settings = job.settings()
    except CheckpointError as error:
        return {"id": job.id, "source": source, "name": job.name, "norm": norm, "trouble": job.public(str(error)) or UNREADABLE}
    job.curve.read()
    curve = job.curve.overview(CURVE_POINTS, "val_loss")
    sample = next((text for line in reversed(curve["samples"]) if isinstance(text := line.get("text"), str)), "")
    return {
        "id": job.id,
        "source": source,
        "name": job.name,
        "norm": norm,
        "trouble": "" if curve["evaluations"]["step"] else NOTHING_YET,
        "state": job.state(),
        "steps": settings.recipe.steps,
        "warmup_steps": settings.recipe.warmup_steps,
        "learning_rate": settings.recipe.learning_rate,
        "train": curve["steps"],
        "val": {"step": curve["evaluations"]["step"], "loss": curve["evaluations"]["val_loss"]},
        "sample": sample[:MAX_SAMPLE_CHARS],
    }
