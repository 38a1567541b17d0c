"""Training for whoever watches, and for the admin, who acts.

Everybody:

    GET  /train/presets                                 presets, settings with range and help, limits, the corpus unless another is sent
    GET  /train/runs                                    all runs, the newest first, with the key of the model in use
    GET  /train/runs/{id}/metrics?from=N&edition=E      the curve from line N on, the samples in it, and the run

The admin alone, with "Authorization: Bearer ..." (ui/lock.py):

    POST /train/corpus                                  ui/corpora.py
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
from dataclasses import Field, asdict, fields
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

from model.config import GPTConfig, TrainConfig
from model.data import MAX_CORPUS_BYTES, TINY_SHAKESPEARE, TINY_SHAKESPEARE_ALPHABET, TINY_SHAKESPEARE_CHARS, load_corpus
from model.errors import ParameterError, SoliloquyError, TrainingError
from model.training.job import MAX_NAME_CHARS, Job
from model.training.jobs import MAX_RUNS, MAX_STEPS, NETWORK_SETTINGS, Jobs, read_settings
from model.training.needs import count_parameters
from model.training.presets import DEFAULT_PRESET, PRESETS
from model.training.samples import SAMPLE_CHARS, SAMPLE_TEMPERATURE
from ui import corpora as texts
from ui.answers import Asked, add_get, add_post, read_index, refusal
from ui.in_use import InUse
from ui.lock import Lock
from ui.zipped import zip_weights

log = logging.getLogger(__name__)

FRESH_S = 1.0  # how long an answer is given to all who ask for the same
MAX_ANSWERS = 256  # kept that long
GZIP_FROM_BYTES = 1_024
UNKNOWN_RUN = "There is no such run."
NOT_CONFIRMED = "To delete a run, send its id once more."

Make = Callable[[], dict[str, Any]]
Act = Callable[[Job, Asked], Awaitable[object]]


class Answers:
    """What was answered a moment ago, for those who ask the same. For the event loop's thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], tuple[float, bytes, bytes]] = OrderedDict()
        self._making = asyncio.Lock()

    async def give(self, http: HTTPRequest, key: tuple[str, ...], make: Make) -> Response:
        """An answer as JSON, made beside the event loop unless it is at hand."""
        if (kept := self._find(key)) is None:
            async with self._making:  # one at a time: those who come meanwhile find it made
                if (kept := self._find(key)) is None:
                    kept = time.monotonic(), *await asyncio.to_thread(_encode, make)
                    self._kept[key] = kept
                    while len(self._kept) > MAX_ANSWERS:
                        self._kept.popitem(last=False)
        _, plain, zipped = kept
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
        if zipped and "gzip" in http.headers.get("accept-encoding", ""):
            return Response(zipped, headers=headers | {"Content-Encoding": "gzip"}, media_type="application/json")
        return Response(plain, headers=headers, media_type="application/json")

    def _find(self, key: tuple[str, ...]) -> tuple[float, bytes, bytes] | None:
        kept = self._kept.get(key)
        if kept and time.monotonic() - kept[0] < FRESH_S:
            return kept
        self._kept.pop(key, None)
        return None

    def forget(self) -> None:
        """Something was done: what was answered before is no longer so."""
        self._kept.clear()


def _encode(make: Make) -> tuple[bytes, bytes]:
    plain = json.dumps(make(), allow_nan=False).encode()
    return plain, gzip.compress(plain, 5) if len(plain) >= GZIP_FROM_BYTES else b""


def add_training(server: FastAPI, jobs: Jobs, lock: Lock, in_use: InUse) -> None:
    """Adds the routes."""
    answers, corpora = Answers(), texts.Corpora()
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
        key = asked.get("corpus")
        n_chars = TINY_SHAKESPEARE_CHARS if key is None else len(corpora.find(key).text)
        wanted = asked.get("preset", DEFAULT_PRESET), asked.get("settings", {})
        try:
            measured = await asyncio.to_thread(jobs.measure_pace, *wanted)
        except TrainingError:  # a run is under way, or was started just now
            return JSONResponse({"takes_s": None})
        answers.forget()
        return JSONResponse({"takes_s": round(measured.takes_s(read_settings(*wanted)[1], n_chars), 1)})

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
        return await answers.give(http, ("presets",), lambda: tell_presets(jobs))

    async def runs(http: HTTPRequest) -> Response:
        return await answers.give(http, ("runs",), lambda: tell_runs(jobs, in_use))

    async def metrics(http: HTTPRequest) -> Response:
        asked = http.path_params["run"], http.query_params.get("from", "0"), http.query_params.get("edition", "")
        since = read_index(asked[1])
        if since < 0:
            raise ParameterError("from must be a whole number from 0 on.")
        job = await asyncio.to_thread(jobs.find, asked[0])
        if job is None:
            return refusal(UNKNOWN_RUN, 404)
        return await answers.give(http, asked, lambda: tell_metrics(job, since, asked[2]))

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


def tell_presets(jobs: Jobs) -> dict[str, Any]:
    """What can be chosen. The page has no ranges of its own."""
    presets = []
    for key, preset in PRESETS.items():
        pace = jobs.known_pace(preset.network, preset.recipe)
        presets.append(
            {
                "id": key,
                "about": preset.about,
                "network": {name: value for name, value in asdict(preset.network).items() if name in NETWORK_SETTINGS},
                "recipe": asdict(preset.recipe),
                "n_params": count_parameters(preset.network),
                "takes_s": round(pace.takes_s(preset.recipe, TINY_SHAKESPEARE_CHARS), 1) if pace else None,  # on that corpus
            }
        )
    described = [(f, "network") for f in fields(GPTConfig) if f.name in NETWORK_SETTINGS] + [(f, "recipe") for f in fields(TrainConfig)]
    return {
        "presets": presets,
        "default": DEFAULT_PRESET,
        "settings": [_describe(field, group) for field, group in described],
        "corpus": {"name": TINY_SHAKESPEARE, "characters": TINY_SHAKESPEARE_CHARS, "alphabet": [*TINY_SHAKESPEARE_ALPHABET]},
        "sample": {"characters": SAMPLE_CHARS, "temperature": SAMPLE_TEMPERATURE},
        "limits": {"corpus_bytes": MAX_CORPUS_BYTES, "name_chars": MAX_NAME_CHARS, "steps": MAX_STEPS, "runs": MAX_RUNS},
        "ephemeral": "SPACE_ID" in os.environ,  # a Space's disk is empty again when it restarts
    }


def _describe(field: Field[Any], group: str) -> dict[str, Any]:
    known = field.metadata
    return {
        "name": field.name,
        "flag": f"--{field.name.replace('_', '-')}",
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
        except (AttributeError, KeyError, TypeError, ValueError, OSError):
            log.exception("the run %s cannot be told", ascii(job.id))
    return {"runs": told, "model": in_use.key, "in_use": in_use.run}


def tell_metrics(job: Job, since: int, edition: str) -> dict[str, Any]:
    """The curve from a line on; from the first, to who has lines of another edition."""
    run = job.about()
    if edition != job.curve.edition:
        since = 0
    return {"run": run, "from": since, **job.curve.since(since)}
