"""Training: anyone may watch, the admin acts.

Anyone:

    GET  /train/presets                                 presets, settings with range and help, limits, the default corpus, whether a
                                                        reward model ships; for the admin "runs", the folder of runs as a shell reads
                                                        it, if it is not the default
    GET  /train/runs                                    all runs, newest first; "recording", the training of the shipped model, like a run,
                                                        or null; the default model; how samples are drawn; "trouble" says why no run can
                                                        be started, or is empty
    GET  /train/runs/{run}/metrics?from=N&edition=E     the curve from line N on, its samples, and the run; also the recording's

The admin alone, with "Authorization: Bearer ..." (ui/web/admin.py):

    POST /train/corpus                                  ui/web/corpora.py
    POST /train/start               {"preset": "quick", "settings": {"steps": 500}, "corpus": null, "name": "my first"}; where the preset
                                                        fine-tunes, also "parent", the key of a model (null: the one that ships for it),
                                                        "corpus" is null or a text of pairs or comparisons, one JSON object a line,
                                                        and the task policy has a "reward": "rule", "shipped" or a run's id
    POST /train/pace                {"preset": "quick", "settings": {}, "corpus": null}     {"takes_s": 81.3, "why": ""}, measured; null
                                                        where it cannot be, and why
    POST /train/runs/{run}/stop     {"firmly": false}   saves a checkpoint first; firmly, or after a minute, kills the run
    POST /train/runs/{run}/resume   {}
    POST /train/runs/{run}/rename   {"name": "..."}
    POST /train/runs/{run}/delete   {"id": "..."}       the id once more
    POST /train/runs/{run}/use      {}                  makes its best weights the default model
    POST /train/shipped/use         {}                  back to the model that the app was started with
    GET  /train/runs/{run}/log                          {"error": "...", "last_lines": [...]}
    GET  /train/runs/{run}/weights                      its best weights and config.json, zipped

An action is answered by {"run": {...}}, the run as in the list, or {}; an unknown run by 404. A run whose files do not say what it is has
the state "damaged", the reason in "why", and null for what is not known. "processor_share" is what part of the time that it was ready
a run has really run, lately: with a low one it waits for other programs.

Pages poll for the curve and keep what they have. Everyone who asks for the same within a second is given the same bytes, made once, so a
class costs little more than one viewer. A stream would save a request every few seconds, but would hold a connection per viewer and end
with the app; a poll finds the run again, whatever happened meanwhile. "edition" changes when lines were taken back (a killed run continues
from its checkpoint): then all lines are sent again, from "from" 0.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import Field
from pathlib import Path
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

from model.data import TINY_SHAKESPEARE, TINY_SHAKESPEARE_ALPHABET, TINY_SHAKESPEARE_CHARS, Corpus, load_corpus
from model.errors import ParameterError, TrainingError
from model.limits import MAX_CORPUS_BYTES, MAX_NAME_CHARS
from model.training.beginning import RULE, Beginning, Given
from model.training.estimate import Pace
from model.training.job import Job
from model.training.jobs import Jobs, Measurement, read_asked, read_settings
from model.training.presets import DEFAULT_PRESET, EMBED, POLICY, PRESETS, PRETRAIN, REWARD, SFT, TRANSLATE
from model.training.recording import Recording
from model.training.run import DEFAULT_RUNS
from model.training.samples import SAMPLE_TEMPERATURE
from model.weights import ASSISTANT_FOLDER, SHIPPED_WEIGHTS, WEIGHTS_FOLDER
from ui.web.admin import Lock
from ui.web.corpora import Corpora
from ui.web.fields import read_index
from ui.web.http import NO_STORE, Body, Respond, download_header, refusal, takes_json
from ui.web.models import Models, run_of
from ui.web.shared_answers import SharedAnswers
from ui.web.stream import for_its_client
from ui.web.weights_zip import zip_weights

UNKNOWN_RUN = "There is no such run."
PARENTS = {  # ids, by task
    SFT: SHIPPED_WEIGHTS.name,
    REWARD: f"{ASSISTANT_FOLDER}/supervised",
    POLICY: f"{ASSISTANT_FOLDER}/supervised",
    EMBED: SHIPPED_WEIGHTS.name,
}
SHIPPED_REWARD, REWARD_WEIGHTS = "shipped", WEIGHTS_FOLDER / ASSISTANT_FOLDER / "reward"
NOT_CONFIRMED = "To delete a run, send its id again."

Act = Callable[[Job, Body], Awaitable[object]]


class Training:
    """The handlers, and what they have in common. For the event loop's thread."""

    def __init__(self, jobs: Jobs, models: Models, lock: Lock):
        self._jobs, self._models, self._lock, self._corpora, self._answers = jobs, models, lock, Corpora(), SharedAnswers()
        self._recording = Recording(SHIPPED_WEIGHTS)
        self._measurer = ThreadPoolExecutor(1, thread_name_prefix="pace")  # one measurement at a time
        self._newest_measurement = 0
        self.upload = self._corpora.upload
        self.start = takes_json({"preset", "settings", "corpus", "name", "parent", "reward"}, self._start)
        self.pace = takes_json({"preset", "settings", "corpus"}, self._pace)
        self.use_shipped = takes_json((), self._use_shipped)
        self.stop = self._action({"firmly"}, self._stop)
        self.resume = self._action((), lambda job, _: asyncio.to_thread(jobs.resume, job))
        self.rename = self._action({"name"}, lambda job, body: asyncio.to_thread(jobs.rename, job, body.get("name")))
        self.delete = self._action({"id"}, self._delete)
        self.use = self._action((), lambda job, _: models.use_run(job.id))

    @for_its_client
    async def presets(self, http: HTTPRequest) -> Response:
        """What can be chosen for a run."""
        if not self._lock.admits(http):
            return await self._answers.give(http, ("presets",), presets_json)
        folder = self._jobs.folder
        runs = {} if folder == DEFAULT_RUNS.absolute() else {"runs": shlex.quote(str(folder))}
        return await self._answers.give(http, ("presets", "admin"), lambda: presets_json() | runs)

    @for_its_client
    async def runs(self, http: HTTPRequest) -> Response:
        """All runs."""
        return await self._answers.give(
            http, ("runs", self._models.default_key), lambda: runs_json(self._jobs, self._models, self._recording)
        )

    @for_its_client
    async def metrics(self, http: HTTPRequest) -> Response:
        """A run's curve.

        Raises:
            ParameterError: from is not a whole number.
        """
        since, edition = read_index(http.query_params.get("from", "0")), http.query_params.get("edition", "")
        if since < 0:
            raise ParameterError("from must be a whole number from 0.")
        job = self._recording if http.path_params["run"] == self._recording.id else await self._find(http)
        if job is None:
            return refusal(UNKNOWN_RUN, 404)
        if edition != job.curve.edition:  # any other edition: all lines are sent
            since, edition = 0, ""
        since = min(since, job.curve.n_lines)
        return await self._answers.give(http, ("metrics", job.id, since, edition), lambda: metrics_json(job, since, edition))

    async def log(self, http: HTTPRequest) -> Response:
        """The end of a run's log."""
        job = await self._find(http)
        if job is None:
            return refusal(UNKNOWN_RUN, 404)
        return JSONResponse(await asyncio.to_thread(job.trouble), headers=NO_STORE)

    async def weights(self, http: HTTPRequest) -> Response:
        """A run's best weights.

        Raises:
            CheckpointError: there are none yet, or they are damaged.
        """
        job = await self._find(http)
        if job is None:
            return refusal(UNKNOWN_RUN, 404)
        pieces = await asyncio.to_thread(zip_weights, job)
        headers = NO_STORE | download_header(f"soliloquy-{job.id}.zip")
        return StreamingResponse(pieces, headers=headers, media_type="application/zip")

    async def _find(self, http: HTTPRequest) -> Job | None:
        return await asyncio.to_thread(self._jobs.find, http.path_params["run"])

    async def _start(self, body: Body, http: HTTPRequest) -> Response:
        preset, settings, key, name = body.get("preset", DEFAULT_PRESET), body.get("settings", {}), body.get("corpus"), body.get("name")
        task = read_asked(preset, settings, name)[0].task  # says what is wrong before a text is loaded
        if task in (PRETRAIN, TRANSLATE):
            for given in ("parent", "reward"):
                if body.get(given) is not None:
                    raise ParameterError(f"A training from random weights has no {given}. Leave it out.", given)
        if task == TRANSLATE:
            if key is not None:
                raise ParameterError("Translations are made by rule and need no text. Leave it out.", "corpus")
            job = await asyncio.to_thread(self._jobs.translate, preset, settings, name)
        elif task == PRETRAIN:
            corpus = await asyncio.to_thread(load_corpus) if key is None else self._corpora.find(key)
            job = await asyncio.to_thread(self._jobs.start, preset, settings, corpus, key is not None, name)
        else:
            text = None if key is None else self._corpora.find(key)
            beginning = await asyncio.to_thread(self._beginning, task, body, text)
            job = await asyncio.to_thread(self._jobs.fine_tune, preset, settings, beginning, name)
        self._answers.forget()
        return await _job_response(job)

    def _beginning(self, task: str, body: Body, text: Corpus | None) -> Beginning:
        """What a fine-tuning run is started from.

        Raises:
            ParameterError: there is no such reward.
            UnknownModelError: there is no such parent.
        """
        parent = self._models.find_parent(body.get("parent"), PARENTS[task])
        given = Given(text.name, text.text.encode()) if text else None
        return Beginning(parent, given, self._reward(body.get("reward")) if task == POLICY else body.get("reward"))

    def _reward(self, asked: object) -> str | Path:
        """A reward: the rule, or the folder of a reward model; None is the one that ships.

        Raises:
            ParameterError: there is no such reward.
        """
        if asked == RULE:
            return RULE
        if asked in (None, SHIPPED_REWARD) and REWARD_WEIGHTS.is_dir():
            return REWARD_WEIGHTS
        job = self._jobs.find(asked) if isinstance(asked, str) else None
        if job is None or not job.has_weights or job.about()["task"] != REWARD:
            raise ParameterError("There is no such reward model. Choose the rule, or train a reward model first.", "reward")
        return job.folder

    @for_its_client
    async def _pace(self, body: Body, http: HTTPRequest) -> Response:
        self._newest_measurement = mine = self._newest_measurement + 1
        corpus = None if body.get("corpus") is None else self._corpora.find(body["corpus"])
        n_chars = len(corpus.text) if corpus else TINY_SHAKESPEARE_CHARS
        vocab_size = await asyncio.to_thread(lambda: len(corpus.alphabet if corpus else TINY_SHAKESPEARE_ALPHABET))
        preset, settings = body.get("preset", DEFAULT_PRESET), body.get("settings", {})
        recipe = read_settings(preset, settings)[0].recipe
        measurement = Measurement()

        def measure() -> Pace | None:
            is_newest = mine == self._newest_measurement  # otherwise the settings were changed since
            return self._jobs.measure_pace(preset, settings, vocab_size, measurement) if is_newest else None

        try:
            pace, why = await asyncio.get_running_loop().run_in_executor(self._measurer, measure), ""
        except TrainingError as error:
            pace, why = None, str(error)
        finally:
            measurement.cancel()  # the client hung up; has no effect on one that is over
        return JSONResponse({"takes_s": round(pace.takes_s(recipe, n_chars), 1) if pace else None, "why": why})

    async def _use_shipped(self, body: Body, http: HTTPRequest) -> Response:
        await self._models.use_first()
        self._answers.forget()
        return JSONResponse({})

    async def _stop(self, job: Job, body: Body) -> None:
        if not isinstance(firmly := body.get("firmly", False), bool):
            raise ParameterError("firmly must be true or false.")
        await asyncio.to_thread(self._jobs.stop, job, firmly)

    async def _delete(self, job: Job, body: Body) -> None:
        if body.get("id") != job.id:
            raise ParameterError(NOT_CONFIRMED)
        await asyncio.to_thread(self._jobs.delete, job)

    def _action(self, names: Collection[str], act: Act) -> Respond:
        """The handler of an action on a run."""

        async def respond(body: Body, http: HTTPRequest) -> Response:
            job = await self._find(http)
            if job is None:
                return refusal(UNKNOWN_RUN, 404)
            await act(job, body)
            self._answers.forget()
            return await _job_response(job)

        return takes_json(names, respond)


async def _job_response(job: Job) -> Response:
    return JSONResponse({"run": await asyncio.to_thread(job.about)} if os.path.exists(job.folder) else {})


def presets_json() -> dict[str, Any]:
    """Presets, settings and limits. The page has no ranges of its own."""
    presets = [
        {
            "id": key,
            "about": preset.about,
            "group": preset.group,
            "task": preset.task,
            "network": {f.name: getattr(preset.network, f.name) for f in preset.network_settings()},
            "recipe": {f.name: getattr(preset.recipe, f.name) for f in preset.recipe_settings()},
        }
        for key, preset in PRESETS.items()
    ]
    settings: dict[tuple[str, str], Field[Any]] = {}
    for preset in (PRESETS[DEFAULT_PRESET], *PRESETS.values()):
        for group, some in (("network", preset.network_settings()), ("recipe", preset.recipe_settings())):
            settings |= {(group, f.name): f for f in some if (group, f.name) not in settings}
    return {
        "presets": presets,
        "default": DEFAULT_PRESET,
        "has_reward": REWARD_WEIGHTS.is_dir(),
        "settings": [_setting_json(field, group) for (group, _), field in settings.items()],
        "corpus": {"name": TINY_SHAKESPEARE, "characters": TINY_SHAKESPEARE_CHARS, "alphabet": [*TINY_SHAKESPEARE_ALPHABET]},
        "limits": {"corpus_bytes": MAX_CORPUS_BYTES, "name_chars": MAX_NAME_CHARS},
        "ephemeral": "SPACE_ID" in os.environ,  # the disk of a Space is empty again after a restart
    }


def _setting_json(field: Field[Any], group: str) -> dict[str, Any]:
    metadata = field.metadata
    return {
        "name": field.name,
        "group": group,
        "help": metadata["help"],
        "type": type(field.default).__name__,
        "low": metadata["low"],
        "high": metadata["high"],
        "choices": metadata["choices"],
    }


def runs_json(jobs: Jobs, models: Models, recording: Recording) -> dict[str, Any]:
    """All runs."""
    default = models.default
    return {
        "runs": [job.about() for job in jobs.all()],
        "recording": recording.about() if recording.is_there else None,
        "trouble": jobs.trouble(),
        "model": models.default_key,
        "in_use": run_of(default),
        "step_in_use": default.step,
        "sample_temperature": SAMPLE_TEMPERATURE,
    }


def metrics_json(job: Job | Recording, since: int, edition: str) -> dict[str, Any]:
    """The curve from a line on, or from the first if the reader has lines of another edition."""
    return {"run": job.about(), **job.curve.since(since, edition)}
