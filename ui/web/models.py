"""The model in use: told to pages, which follow when it changes, and exchanged for a run's or for the one that the app began with.

    GET /model

    {"key": "e63aab5d", "run": null, "facts": ["shakespeare", "10.7 M parameters", "CPU", "bfloat16"], "page": {...}, "heads": {...}}

"key" is the beginning of the weights' sha256: another one is another model. Each answer of the app tells it in the header X-Model, so that
a page sees that the model has changed; POST /write and GET /train/runs tell it as "model" too. "page" is what the Sample tab is told of the
model (vocabulary, start, weights, stored samples), "heads" what the Attention tab is told. "run" is the id of the run that it is of.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.config import MAX_SCORE_CHARS
from model.machine import in_fresh_thread
from model.precision import ready_to_write, set_up_writing
from model.serving.engine import Engine, precision_name
from model.training.job import Job
from model.weights import Weights, load_tensors, load_weights
from ui.first_screen import first_screen
from ui.web.http import add_get


class InUse:
    """The model in use. For the event loop's thread.

    Attributes:
        run: id of the run that it is of; None for the model that the app began with.
        step: after which it is of that run.
    """

    def __init__(self, engine: Engine):
        self._engine, self._first = engine, engine.weights
        self.run: str | None = None
        self.step: int | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def key(self) -> str:
        """Another one for another model."""
        return self._engine.weights.key

    async def use(self, job: Job) -> None:
        """Writes with a run's best weights from now on; texts under way are finished with the model that they were begun with.

        The precision is chosen between two rounds of writing, which it must not disturb, nor be disturbed by.

        Raises:
            CheckpointError: the weights cannot be used, and why.
        """
        async with self._one_at_a_time:
            loaded = await asyncio.to_thread(lambda: in_fresh_thread(lambda: _load(job, self._first)))
            chosen = await asyncio.wrap_future(self._engine.run(partial(_make_ready, loaded)))
            await asyncio.to_thread(self._engine.use, chosen)
            self.run, self.step = job.id, chosen.about.get("best", {}).get("step")

    async def go_back(self) -> None:
        """Writes with the model that the app began with."""
        async with self._one_at_a_time:
            if self._engine.weights is not self._first:
                await asyncio.to_thread(self._engine.use, self._first)
            self.run = self.step = None


def _load(job: Job, like: Weights) -> Weights:
    """A run's best weights, from safetensors and checked.

    Raises:
        CheckpointError: says which file is wrong, and how.
    """
    with job.snapshot() as folder:
        weights = load_weights(folder, like.model.device)
        best_path = folder / "best.safetensors"
        best = load_tensors(best_path)[1] if best_path.exists() else {}
    return replace(weights, name=job.name, about=weights.about | ({"best": best} if best else {}))


def _make_ready(loaded: Weights, current: Weights) -> Weights:
    """Weights in the precision in which they write faster; the current ones go on in theirs."""
    try:
        return replace(loaded, model=in_fresh_thread(lambda: ready_to_write(loaded.model, precision_name(loaded))))
    finally:
        set_up_writing(current.model.dtype)


def add_model(server: FastAPI, engine: Engine, in_use: InUse) -> None:
    """Adds the route."""

    async def model(http: HTTPRequest) -> Response:
        weights = engine.weights
        told = {
            "key": weights.key,
            "run": in_use.run,
            "facts": facts(weights, in_use.step),
            "page": page_of(weights),
            "heads": weights.heads,
        }
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    add_get(server, "/model", model)


def facts(weights: Weights, step: int | None = None) -> list[str]:
    """What the header says of a model, of a run after some step."""
    model = weights.model
    device = "GPU" if model.device.type == "cuda" else "CPU"
    precision = str(model.dtype).removeprefix("torch.")
    name = weights.name if step is None else f"{weights.name}, step {step:,}"
    return [name, f"{model.n_params() / 1e6:.1f} M parameters", device, precision]


def page_of(weights: Weights) -> dict[str, Any]:
    """What the scripts are told of a model."""
    tokenizer = weights.tokenizer
    about = {
        "name": weights.name,
        "hash": weights.key,
        "precision": str(weights.model.dtype).removeprefix("torch."),
        "block_size": weights.model.config.block_size,
        "val_loss": weights.val_loss,
    }
    return {
        "vocabulary": list(tokenizer.vocabulary),
        "start": tokenizer.decode(tokenizer.encode_prompt("")),  # of a text without a prompt
        "most_to_score": MAX_SCORE_CHARS,
        "weights": about,
        "stored": first_screen(weights),
    }
