"""Training in processes of their own, one at a time: started, found again, stopped, resumed.

A training is the public command line, `python -m model train`, in a session of its own, so that it goes on when the app ends or is
killed. All that is known of it lies in its folder (see `model.training.job`), so that an app that starts later finds it. What it says
goes to a file: a pipe would fill up and hold it, or break.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from model.config import GPTConfig, TrainConfig
from model.data import TINY_SHAKESPEARE, Corpus, check_length
from model.errors import CheckpointError, ParameterError, TrainingError
from model.files import write_atomically
from model.training.job import FINISHED, MAX_NAME_CHARS, Job, check_name, flags
from model.training.memory import check_memory, training_threads
from model.training.pace import Pace, depends_on
from model.training.presets import PRESETS
from model.training.process import Process

log = logging.getLogger(__name__)

ROOT = Path(__file__).parent.parent.parent  # where `python -m model` is found

MAX_RUNS = 100
MAX_EVALUATIONS = 10_000  # of one run: each writes a sample
MAX_STEPS = 200_000  # of one run: the page shows each
CLAIM_S = 20.0  # how long one start waits for another, which takes milliseconds
STOP_PATIENCE_S = 60.0  # for a step, or what an evaluation has under way, and a checkpoint; after that a run is killed
MEASURING_S = 120.0  # the longest that measuring a pace may take
DELETED = ".deleted-"
SECRETS = ("ADMIN_PASSWORD", "HF_TOKEN")  # none of the trainer's business

NETWORK_SETTINGS = {f.name for f in fields(GPTConfig) if f.name != "vocab_size"}
RECIPE_SETTINGS = {f.name for f in fields(TrainConfig)}


class Jobs:
    """The runs of a folder.

    Args:
        folder: runs/. Two apps may share it.
    """

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self._jobs: dict[str, Job] = {}
        self._children: list[subprocess.Popen[bytes]] = []
        self._paces: dict[tuple[object, ...], Pace] = {}
        self._measuring = threading.Lock()
        self._measurer: subprocess.Popen[bytes] | None = None
        self._looking = threading.Lock()
        for leftover in self.folder.glob(f"{DELETED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        for job in self.all():
            if (process := job.process()) and (asked := job.asked_to_stop()):
                self._kill_later(process, max(0.0, asked + STOP_PATIENCE_S - time.time()))

    def all(self) -> list[Job]:
        """All runs, the newest first. A folder that is a link elsewhere is none."""
        self._children = [child for child in self._children if child.poll() is None]  # the dead are let go
        try:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")]
        except FileNotFoundError:
            names = []
        with self._looking:
            found = {name: self._jobs.get(name) or Job(self.folder / name) for name in names}
            self._jobs = {name: job for name, job in found.items() if job.is_run}
            runs = [*self._jobs.values()]
        return sorted(runs, key=_created, reverse=True)

    def find(self, run: str) -> Job | None:
        """A run by its id. What comes from outside is compared with the folders that there are, and never made a path."""
        known = self._jobs.get(run)
        if known and known.is_run:
            return known
        return next((job for job in self.all() if job.id == run), None)

    def running(self) -> Job | None:
        """The run that is being trained."""
        return next((job for job in self.all() if job.process()), None)

    def start(self, preset: object, settings: object, corpus: Corpus, own_text: bool = False, name: object = None) -> Job:
        """Starts a new run.

        Args:
            settings: those that differ from the preset's.
            own_text: whether the corpus is a text of the user's, to be kept with the run; else it is the one that the trainer takes.
            name: what the page calls it; None makes one up.

        Raises:
            ParameterError: there is no such preset or setting, a setting is outside its range, or the memory does not suffice.
            CorpusError: the corpus is too short for the context.
            TrainingError: another run is being trained; names it.
            CheckpointError: the disk cannot be written to.
        """
        network, recipe, typed = read_settings(preset, settings)
        network = replace(network, vocab_size=len(corpus.alphabet))
        check_length(len(corpus.text), network.block_size)
        _check_length_of_run(recipe)
        check_memory(network, recipe, len(corpus.text))
        shown = check_name(name) if name is not None else f"{preset}, {corpus.name}"[:MAX_NAME_CHARS]
        with self._starting():
            if len(self.all()) >= MAX_RUNS:
                raise TrainingError(f"There are {MAX_RUNS} runs, the most that are kept. Delete some and start again.")
            job = Job(self.folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")
            try:
                if own_text:
                    write_atomically(job.corpus_path, corpus.text.encode())
                job.note(
                    name=shown,
                    preset=preset,
                    settings=typed,
                    network=asdict(network),
                    recipe=asdict(recipe),
                    corpus={"name": corpus.name, "characters": len(corpus.text), "own": own_text},
                    threads=training_threads(network),
                    created=round(time.time(), 1),
                )
                self._launch(job, resume=False)
            except CheckpointError:
                shutil.rmtree(job.folder, ignore_errors=True)  # nothing of a run that did not begin is left
                raise
        return job

    def resume(self, job: Job) -> None:
        """Goes on with a run that is not trained any more.

        Raises:
            TrainingError: it has all its steps, it is of the terminal on a text of its own, or a run is being trained.
        """
        with self._starting():
            if job.state() == FINISHED:
                raise TrainingError(f"{job.name} has all its steps. Start a new run with more of them.")
            if "preset" not in job.asked() and job.settings()["corpus"].get("name") != TINY_SHAKESPEARE:
                raise TrainingError(f"{job.name} was started in a terminal on a text that lies elsewhere. Resume it there, with --corpus.")
            self._launch(job, resume=job.run.exists())

    def known_pace(self, network: GPTConfig, recipe: TrainConfig) -> Pace | None:
        """How long the parts of such a training take, if that was measured."""
        return self._paces.get(depends_on(network, recipe))

    def measure_pace(self, preset: object, settings: object, vocab_size: int) -> Pace:
        """How long the parts of such a training take here, in a process like a trainer's, unless it is known. Takes some seconds.

        Args:
            vocab_size: different characters of the corpus.

        Raises:
            ParameterError: as `start`.
            TrainingError: a run is being trained, beside which nothing can be measured; or it could not be measured.
        """
        network, recipe, typed = read_settings(preset, settings)
        network = replace(network, vocab_size=vocab_size)
        check_memory(network, recipe, 0)
        with self._measuring:
            if known := self.known_pace(network, recipe):
                return known
            if busy := self.running():
                raise TrainingError(f"{busy.name} is being trained: how long another run takes can be measured once it is done.")
            pace = self._measure(["--preset", str(preset), "--vocab-size", str(vocab_size), *flags(typed)], training_threads(network))
            if self.running():  # of another app, or of a terminal: beside it everything takes longer
                raise TrainingError("A run was started meanwhile.")
            self._paces[depends_on(network, recipe)] = pace
            return pace

    def _measure(self, arguments: list[str], threads: int) -> Pace:
        command = [sys.executable, "-m", "model", "pace", *arguments]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=trainers_environment(threads),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,  # it steps back with its session, which must not be the app's
        ) as child:
            self._measurer = child
            Process.find(child.pid).step_back()
            try:
                told = json.loads(child.communicate(timeout=MEASURING_S)[0])
                return Pace(**{field.name: told[field.name] for field in fields(Pace)})
            except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
                raise TrainingError("How long it takes could not be measured.") from error
            finally:
                child.kill()
                self._measurer = None

    def stop(self, job: Job, firmly: bool = False) -> None:
        """Asks a run to write a checkpoint and end; kills it if it has not after a while, or at once. Takes no time itself.

        Raises:
            TrainingError: it is not being trained.
        """
        process = job.process()
        if process is None:
            raise TrainingError(f"{job.name} is not being trained.")
        process.signal(signal.SIGKILL if firmly else signal.SIGTERM)
        if not firmly:
            self._kill_later(process, STOP_PATIENCE_S)
        with contextlib.suppress(CheckpointError):  # a full disk keeps nothing from being stopped
            job.note_stop(process)

    def rename(self, job: Job, name: object) -> None:
        """Calls a run something else on the page. Its folder stays.

        Raises:
            ParameterError: it is no name.
        """
        job.note(name=check_name(name))

    def delete(self, job: Job) -> None:
        """Deletes a run with all its files.

        Raises:
            TrainingError: it is being trained.
            CheckpointError: it cannot be deleted.
        """
        with self._alone():
            if job.process():
                raise TrainingError(f"{job.name} is being trained. Stop it first.")
            gone = self.folder / f"{DELETED}{job.id}-{secrets.token_hex(2)}"
            try:
                job.folder.rename(gone)  # at once: no half of it is ever listed
                shutil.rmtree(gone)
            except OSError as error:
                raise CheckpointError(f"{job.name} could not be deleted: {error.strerror}.") from error

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """The right to start a run while none is being trained, among all processes.

        Raises:
            TrainingError: one is; names it.
        """
        with self._alone():
            if busy := self.running():
                raise TrainingError(
                    f"{busy.name} is being trained, and one run is trained at a time. Stop it first, or wait until it is done."
                )
            yield

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps others from starting, resuming or deleting."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock")
            lock.acquire(timeout=CLAIM_S)
        except Timeout:
            raise TrainingError("Another run is being started. Try again in a moment.") from None
        except OSError as error:
            raise CheckpointError(f"{self.folder} cannot be written to: {error.strerror}.") from error
        try:
            yield
        finally:
            lock.release()

    def _launch(self, job: Job, resume: bool) -> None:
        if measurer := self._measurer:  # whoever starts does not wait for it
            measurer.kill()
        command = [sys.executable, "-m", "model", *job.arguments(resume), "--runs", str(self.folder)]
        threads = job.asked().get("threads") or training_threads(GPTConfig(**job.settings()["network"]))
        try:
            with job.log_path.open("ab") as output:
                child = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=trainers_environment(threads),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise CheckpointError(f"{job.name} could not be started: {error.strerror}.") from error
        process = Process.find(child.pid)
        process.step_back()
        job.run.note_process(process)
        self._children.append(child)
        log.info("started %s as process %d", job.id, child.pid)

    def _kill_later(self, process: Process, after_s: float) -> None:
        """Kills a process that does not end by itself."""
        timer = threading.Timer(after_s, process.signal, [signal.SIGKILL])
        timer.daemon = True
        timer.start()


def trainers_environment(threads: int) -> dict[str, str]:
    """The environment of a process that trains."""
    return {key: value for key, value in os.environ.items() if key not in SECRETS} | {
        "OMP_NUM_THREADS": str(threads),
        "GOMP_SPINCOUNT": "0",  # helpers that wait leave the processor to others: beside other work small steps took an eighth
        "PYTHONUNBUFFERED": "1",
        "TQDM_MININTERVAL": "60",  # a line of the log a minute, not ten a second
    }


def read_settings(preset: object, settings: object) -> tuple[GPTConfig, TrainConfig, dict[str, Any]]:
    """Network and recipe of a preset with some settings changed, and those that really differ.

    Raises:
        ParameterError: there is no such preset or setting, or one is outside its range.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ParameterError(f"There is no preset {str(preset)[:40]!r}; there are {', '.join(PRESETS)}.")
    if not isinstance(settings, dict):
        raise ParameterError("The settings must be given as a JSON object, name by name.")
    if unknown := settings.keys() - NETWORK_SETTINGS - RECIPE_SETTINGS:
        raise ParameterError(f"There is no setting {str(min(unknown))[:40]!r}.")
    base = PRESETS[preset]
    network = replace(base.network, **{key: value for key, value in settings.items() if key in NETWORK_SETTINGS})
    recipe = replace(base.recipe, **{key: value for key, value in settings.items() if key in RECIPE_SETTINGS})
    before, after = asdict(base.network) | asdict(base.recipe), asdict(network) | asdict(recipe)
    return network, recipe, {key: value for key, value in after.items() if value != before[key]}


def _check_length_of_run(recipe: TrainConfig) -> None:
    """
    Raises:
        ParameterError: a run would be longer than the page can show.
    """
    if recipe.steps > MAX_STEPS:
        raise ParameterError(f"A run that is started here may have {MAX_STEPS:,} steps, not {recipe.steps:,}. Train it in a terminal.")
    if recipe.steps // recipe.eval_interval > MAX_EVALUATIONS:
        raise ParameterError(f"This would be more than {MAX_EVALUATIONS:,} evaluations. Take an eval_interval of more steps.")


def _created(job: Job) -> tuple[float, str]:
    return float(job.asked().get("created") or job.folder.stat().st_mtime), job.id
