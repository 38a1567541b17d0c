"""Training for whoever watches, and for the admin, who acts.

Everybody:

    GET  /train/presets                                 presets, settings with range and help, limits, the corpus unless another is sent
    GET  /train/runs                                    all runs, the newest first; the model in use; how samples are drawn
    GET  /train/runs/{id}/metrics?from=N&edition=E      the curve from line N on, the samples in it, and the run

The admin alone, with "Authorization: Bearer ..." (ui/web/admin.py):

    POST /train/corpus                                  ui/web/train_corpus.py
    POST /train/start               {"preset": "quick", "settings": {"steps": 500}, "corpus": null, "name": "my first"}
    POST /train/pace                {"preset": "quick", "settings": {}, "corpus": null}     {"takes_s": 81.3}, measured; null beside a run
    POST /train/runs/{id}/stop      {"firmly": false}   a checkpoint first; firmly, or after a minute, kills it
    POST /train/runs/{id}/resume    {}
    POST /train/runs/{id}/rename    {"name": "..."}
    POST /train/runs/{id}/delete    {"id": "..."}       the id once more
    POST /train/runs/{id}/use       {}                  writes with its best weights from now on
    POST /train/shipped/use         {}                  back to the model that the app began with
    GET  /train/runs/{id}/log                           {"error": "...", "last_lines": [...]}
    GET  /train/runs/{id}/weights                       its best weights and config.json, zipped

What the admin does is answered by {"run": {...}}, the run as in the list, or {}. An unknown run is answered by 404.

Pages ask for the curve again and again, and keep what they have. All who ask for the same within a second are given the same bytes, made
once, so that a class costs little more than one of it. A stream of lines would save a question every few seconds, but would hold a
connection for each who looks on, and end when the app does; a question finds the run again, whatever happened meanwhile. "edition"
changes when lines were taken back (a run that was killed goes on from its checkpoint): then all lines come again, from "from" 0.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import Field, fields
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

from model.config import GPTConfig, TrainConfig
from model.data import MAX_CORPUS_BYTES, TINY_SHAKESPEARE, TINY_SHAKESPEARE_ALPHABET, TINY_SHAKESPEARE_CHARS, load_corpus
from model.errors import ParameterError, SoliloquyError, TrainingError
from model.training.job import MAX_NAME_CHARS, Job
from model.training.jobs import Jobs, read_settings
from model.training.presets import DEFAULT_PRESET, FIXED, pretraining_presets
from model.training.samples import SAMPLE_TEMPERATURE
from ui.web import train_corpus as texts
from ui.web.admin import Lock
from ui.web.http import Asked, add_get, add_post, read_index, refusal
from ui.web.models import InUse
from ui.web.train_weights import zip_weights

log = logging.getLogger(__name__)

FRESH_S = 1.0  # how long an answer is given to all who ask for the same
MAX_ANSWERS_BYTES = 64 * 2**20  # kept that long
MAKERS = 2  # answers that are made at a time; the threads are there for others too
GZIP_FROM_BYTES = 1_024
UNKNOWN_RUN = "There is no such run."
NOT_CONFIRMED = "To delete a run, send its id once more."

Key = tuple[str | int, ...]
Kept = tuple[float, bytes, bytes]  # when it was made, the answer, and the answer zipped
Make = Callable[[], dict[str, Any]]
Act = Callable[[Job, Asked], Awaitable[object]]


class Answers:
    """What was answered a moment ago, for those who ask the same. For the event loop's thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()  # what was made last comes last
        self._making: dict[Key, asyncio.Task[Kept]] = {}
        self._few = asyncio.Semaphore(MAKERS)
        self._age = 0  # another one each time that something was done

    async def give(self, http: HTTPRequest, key: Key, make: Make) -> Response:
        """An answer as JSON, made beside the event loop unless it is at hand, or is being made for somebody else."""
        key = (self._age, *key)
        self._drop_old()
        if (kept := self._kept.get(key)) is None:
            if key not in self._making:
                self._making[key] = asyncio.create_task(self._make(key, make))
            kept = await asyncio.shield(self._making[key])
        _, plain, zipped = kept
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
        if zipped and "gzip" in http.headers.get("accept-encoding", ""):
            return Response(zipped, headers=headers | {"Content-Encoding": "gzip"}, media_type="application/json")
        return Response(plain, headers=headers, media_type="application/json")

    async def _make(self, key: Key, make: Make) -> Kept:
        try:
            async with self._few:
                plain, zipped = await asyncio.to_thread(_encode, make)
            kept = time.monotonic(), plain, zipped
            if key[0] == self._age:
                self._kept[key] = kept
            return kept
        finally:
            del self._making[key]

    def _drop_old(self) -> None:
        oldest = time.monotonic() - FRESH_S
        while self._kept:
            key, (made, _, _) = next(iter(self._kept.items()))
            if made > oldest and sum(len(plain) + len(zipped) for _, plain, zipped in self._kept.values()) <= MAX_ANSWERS_BYTES:
                return
            del self._kept[key]

    def forget(self) -> None:
        """Something was done: what was answered before is no longer so."""
        self._kept.clear()
        self._age += 1


def _encode(make: Make) -> tuple[bytes, bytes]:
    plain = json.dumps(make(), allow_nan=False).encode()
    return plain, gzip.compress(plain, 5) if len(plain) >= GZIP_FROM_BYTES else b""


def add_training(server: FastAPI, jobs: Jobs, lock: Lock, in_use: InUse) -> None:
    """Adds the routes."""
    answers, corpora = Answers(), texts.Corpora()
    measuring, newest = asyncio.Lock(), 0
    _add_watching(server, jobs, in_use, answers)
    _add_files(server, jobs, lock, corpora)

    async def start(asked: Asked, http: HTTPRequest) -> Response:
        key = asked.get("corpus")
        corpus = await asyncio.to_thread(load_corpus) if key is None else corpora.find(key)
        wanted = asked.get("preset", DEFAULT_PRESET), asked.get("settings", {}), corpus, key is not None, asked.get("name")
        job = await asyncio.to_thread(jobs.start, *wanted)
        answers.forget()
        return await _tell(job)

    async def pace(asked: Asked, http: HTTPRequest) -> Response:
        nonlocal newest
        newest = mine = newest + 1
        kept = None if asked.get("corpus") is None else corpora.find(asked["corpus"])
        n_chars = len(kept.text) if kept else TINY_SHAKESPEARE_CHARS
        vocab_size = await asyncio.to_thread(lambda: len(kept.alphabet if kept else TINY_SHAKESPEARE_ALPHABET))
        preset, settings = asked.get("preset", DEFAULT_PRESET), asked.get("settings", {})
        _, recipe, _ = read_settings(preset, settings)
        async with measuring:  # here, not in the threads that all share
            if mine != newest:  # whoever asked has changed something since
                return JSONResponse({"takes_s": None})
            try:
                measured = await asyncio.to_thread(jobs.measure_pace, preset, settings, vocab_size)
            except TrainingError:  # a run is under way, or was started just now
                return JSONResponse({"takes_s": None})
        return JSONResponse({"takes_s": round(measured.takes_s(recipe, n_chars), 1)})

    async def go_back(asked: Asked, http: HTTPRequest) -> Response:
        await in_use.go_back()
        answers.forget()
        return JSONResponse({})

    async def stop(job: Job, asked: Asked) -> None:
        if not isinstance(firmly := asked.get("firmly", False), bool):
            raise ParameterError("firmly must be true or false.")
        await asyncio.to_thread(jobs.stop, job, firmly)

    async def delete(job: Job, asked: Asked) -> None:
        if asked.get("id") != job.id:
            raise ParameterError(NOT_CONFIRMED)
        await asyncio.to_thread(jobs.delete, job)

    actions: dict[str, tuple[set[str], Act]] = {
        "stop": ({"firmly"}, stop),
        "resume": (set(), lambda job, _: asyncio.to_thread(jobs.resume, job)),
        "rename": ({"name"}, lambda job, asked: asyncio.to_thread(jobs.rename, job, asked.get("name"))),
        "delete": ({"id"}, delete),
        "use": (set(), lambda job, _: in_use.use(job)),
    }
    add_post(server, "/train/start", {"preset", "settings", "corpus", "name"}, lock.logged(start), lock.refuse)
    add_post(server, "/train/pace", {"preset", "settings", "corpus"}, lock.logged(pace), lock.refuse)
    add_post(server, "/train/shipped/use", (), go_back, lock.refuse)
    for name, (names, act) in actions.items():
        add_post(server, f"/train/runs/{{run}}/{name}", names, lock.logged(_acting(jobs, answers, act)), lock.refuse)


def _acting(jobs: Jobs, answers: Answers, act: Act) -> Callable[[Asked, HTTPRequest], Awaitable[Response]]:
    async def respond(asked: Asked, http: HTTPRequest) -> Response:
        job = await asyncio.to_thread(jobs.find, http.path_params["run"])
        if job is None:
            return refusal(UNKNOWN_RUN, 404)
        await act(job, asked)
        answers.forget()
        return await _tell(job)

    return respond


async def _tell(job: Job) -> Response:
    return JSONResponse({"run": await asyncio.to_thread(job.about)} if job.folder.exists() else {})


def _add_watching(server: FastAPI, jobs: Jobs, in_use: InUse, answers: Answers) -> None:
    async def presets(http: HTTPRequest) -> Response:
        return await answers.give(http, ("presets",), tell_presets)

    async def runs(http: HTTPRequest) -> Response:
        return await answers.give(http, ("runs",), lambda: tell_runs(jobs, in_use))

    async def metrics(http: HTTPRequest) -> Response:
        since, edition = read_index(http.query_params.get("from", "0")), http.query_params.get("edition", "")
        if since < 0:
            raise ParameterError("from must be a whole number from 0 on.")
        job = await asyncio.to_thread(jobs.find, http.path_params["run"])
        if job is None:
            return refusal(UNKNOWN_RUN, 404)
        if edition != job.curve.edition:  # whatever it is: who asks is told all
            since, edition = 0, ""
        since = min(since, job.curve.n_lines)
        return await answers.give(http, ("metrics", job.id, since, edition), lambda: tell_metrics(job, since, edition))

    add_get(server, "/train/presets", presets)
    add_get(server, "/train/runs", runs)
    add_get(server, "/train/runs/{run}/metrics", metrics)


def _add_files(server: FastAPI, jobs: Jobs, lock: Lock, corpora: texts.Corpora) -> None:
    @server.api_route(texts.PATH, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    async def corpus(http: HTTPRequest) -> Response:
        try:
            return lock.refuse(http) or await lock.logged(corpora.answer)(http)
        except SoliloquyError as error:
            return refusal(str(error), 400)

    async def trouble(http: HTTPRequest) -> Response:
        job = await asyncio.to_thread(jobs.find, http.path_params["run"])
        if job is None:
            return refusal(UNKNOWN_RUN, 404)
        return JSONResponse(await asyncio.to_thread(job.trouble), headers={"Cache-Control": "no-store"})

    async def weights(http: HTTPRequest) -> Response:
        job = await asyncio.to_thread(jobs.find, http.path_params["run"])
        if job is None:
            return refusal(UNKNOWN_RUN, 404)
        pieces = await asyncio.to_thread(zip_weights, job)
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="soliloquy-{job.id}.zip"'}
        return StreamingResponse(pieces, headers=headers, media_type="application/zip")

    add_get(server, "/train/runs/{run}/log", trouble, lock.refuse)
    add_get(server, "/train/runs/{run}/weights", lock.logged(weights), lock.refuse)


def tell_presets() -> dict[str, Any]:
    """What can be chosen. The page has no ranges of its own."""
    presets = [
        {
            "id": key,
            "about": preset.about,
            "network": {f.name: getattr(preset.network, f.name) for f in preset.network_settings()},
            "recipe": {f.name: getattr(preset.recipe, f.name) for f in preset.recipe_settings()},
        }
        for key, preset in pretraining_presets().items()
    ]
    described = [(f, "network") for f in fields(GPTConfig) if f.name not in FIXED] + [(f, "recipe") for f in fields(TrainConfig)]
    return {
        "presets": presets,
        "default": DEFAULT_PRESET,
        "settings": [_describe(field, group) for field, group in described],
        "corpus": {"name": TINY_SHAKESPEARE, "characters": TINY_SHAKESPEARE_CHARS, "alphabet": [*TINY_SHAKESPEARE_ALPHABET]},
        "limits": {"corpus_bytes": MAX_CORPUS_BYTES, "name_chars": MAX_NAME_CHARS},
        "ephemeral": "SPACE_ID" in os.environ,  # a Space's disk is empty again when it restarts
    }


def _describe(field: Field[Any], group: str) -> dict[str, Any]:
    known = field.metadata
    return {
        "name": field.name,
        "group": group,
        "help": known["help"],
        "type": type(field.default).__name__,
        "low": known["low"],
        "high": known["high"],
        "choices": known["choices"],
    }


def tell_runs(jobs: Jobs, in_use: InUse) -> dict[str, Any]:
    """All runs. One whose files are damaged is left out, and logged."""
    told = []
    for job in jobs.all():
        try:
            told.append(job.about())
        except (AttributeError, KeyError, TypeError, ValueError, OSError, SoliloquyError) as error:
            job.tell_once(log, f"the run {job.id!a} cannot be told: {repr(error)!a}")
    return {"runs": told, "model": in_use.key, "in_use": in_use.run, "step_in_use": in_use.step, "sample_temperature": SAMPLE_TEMPERATURE}


def tell_metrics(job: Job, since: int, edition: str) -> dict[str, Any]:
    """The curve from a line on; from the first, to who has lines of another edition."""
    return {"run": job.about(), **job.curve.since(since, edition)}
