"""Runs in processes of their own, one at a time: started, found again, stopped, resumed.

A run is a process of the public command line, `python -m model train`, in a session of its own, so that it continues when the app ends or
is killed. Everything known about it is in its folder (see `model.training.job`), so that an app that starts later finds it. Its output
goes to a file: a pipe would fill up and block it, or break.
"""

from __future__ import annotations

import contextlib
import errno
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

from model import clock
from model.attached import attached
from model.config import GPTConfig, NetworkConfig, TrainConfig, TranslateConfig
from model.data import TINY_SHAKESPEARE, Corpus, check_length, check_part, load_corpus
from model.errors import CheckpointError, ParameterError, TrainingError
from model.files import clear_place, write_atomically
from model.limits import MAX_EVALUATIONS, MAX_NAME_CHARS, MAX_RUNS, MAX_STEPS
from model.machine import MAX_THREADS
from model.meaning.rules import RULES, VOCABULARY
from model.meaning.translator import check_room
from model.network.kinds import kind_of
from model.training.beginning import GIVEN_FILE, Beginning
from model.training.estimate import Pace, check_memory, pace_key, training_threads
from model.training.job import FINISHED, Job, check_name, flags
from model.training.presets import PRESETS, PRETRAIN, FromParent, Preset
from model.training.process import Process
from model.training.run import CORPUS_FILE, NOT_WRITABLE

log = logging.getLogger(__name__)

ROOT = Path(__file__).parent.parent.parent  # where `python -m model` is found

LOCK_TIMEOUT_S = 20.0  # how long one start waits for another, which takes milliseconds
STOP_PATIENCE_S = 60.0  # for a step, or the current pass of an evaluation, and a checkpoint; after that a run is killed
MEASURING_S = 60.0  # the longest that measuring a pace may take
TOO_BUSY_TO_MEASURE = "The time could not be measured: other programs keep the processor busy."
NOT_MEASURED = "Only the time of a pretraining run can be measured."
MEASURED_LATER = "The time will be estimated when the current run ends."
DELETED = ".deleted-"
NO_FOLDER = "The folder of training runs cannot be read ({why}). Start the app with another one (--runs)."
SECRETS = ("ADMIN_PASSWORD", "HF_TOKEN")  # not passed on to the trainer


class Measurement:
    """A measurement of a pace. Any thread may cancel it at any time, also before its process has begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._cancelled = False

    def begin(self, child: subprocess.Popen[bytes]) -> None:
        """It is measured by this process."""
        with self._lock:
            self._child = child
            if self._cancelled:
                child.terminate()

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            self._cancelled = True
            if self._child:
                self._child.terminate()


class Jobs:
    """The runs of a folder.

    Args:
        folder: runs/. Several apps may share it.
    """

    def __init__(self, folder: Path):
        self.folder = folder.absolute()
        self._jobs: dict[str, Job] = {}
        self._children: list[subprocess.Popen[bytes]] = []
        self._paces: dict[tuple[object, ...], Pace] = {}
        self._measuring = threading.Lock()
        self._measurement: Measurement | None = None  # the one that is under way
        self._looking = threading.Lock()
        for name in self._subfolders():
            if name.startswith(DELETED):
                shutil.rmtree(self.folder / name, ignore_errors=True)
        for job in self.all():
            if (process := job.process()) and (asked := job.asked_to_stop()) is not None:
                left_s = asked + STOP_PATIENCE_S - clock.seconds()  # larger than the patience only where the file is not ours
                self._kill_later(process, min(max(0.0, left_s), STOP_PATIENCE_S))

    def all(self) -> list[Job]:
        """All runs, newest first. Symbolic links are left out."""
        self._children = [child for child in self._children if child.poll() is None]  # reaps those that have ended
        names = [name for name in self._subfolders() if not name.startswith(".")]
        with self._looking:
            found = {name: self._jobs.get(name) or Job(self.folder / name) for name in names}
            self._jobs = {name: job for name, job in found.items() if job.is_run}
            runs = [*self._jobs.values()]
        return sorted(runs, key=lambda job: (job.created, job.id), reverse=True)

    def trouble(self) -> str:
        """Why no run can be started; "" if one can. A folder that does not exist is made by the first start."""
        try:
            with os.scandir(self.folder):
                pass
        except FileNotFoundError:
            pass
        except OSError as error:
            return NO_FOLDER.format(why=error.strerror)
        there = next(folder for folder in (self.folder, *self.folder.parents) if os.path.lexists(folder))
        may = os.access(there, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)
        return "" if may else NOT_WRITABLE.format(folder=self.folder, why=os.strerror(errno.EACCES))

    def _subfolders(self) -> list[str]:
        try:
            with os.scandir(self.folder) as entries:
                return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def find(self, run: str) -> Job | None:
        """A run by its id. The id is compared with the names of existing folders, and never made into a path."""
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
            own_text: whether the corpus is the user's own text, to be kept with the run; otherwise it is the trainer's default.
            name: for the page; None derives one.

        Raises:
            ParameterError: there is no such preset or setting, a setting is outside its range, or there is not enough memory.
            CorpusError: the corpus is too short for the context.
            TrainingError: another run, which is named, is being trained.
            CheckpointError: the disk cannot be written to.
        """
        chosen, typed, shown = read_asked(preset, settings, name)
        assert isinstance(chosen.network, NetworkConfig)
        network = replace(chosen.network, vocab_size=len(corpus.alphabet))
        check_length(len(corpus.text), network.block_size)
        check_part(chosen.recipe.train_chars, network.block_size)
        check_memory(network, chosen.recipe, len(corpus.text))
        job = self._new()
        job_json = self._facts(chosen, typed, network) | {
            "name": shown or f"{preset}, {corpus.name}"[:MAX_NAME_CHARS],
            "preset": preset,
            "corpus": {"name": corpus.name, "characters": len(corpus.text), "own": own_text},
        }
        return self._begin(job, job_json, {CORPUS_FILE: corpus.text.encode()} if own_text else {})

    def fine_tune(self, preset: object, settings: object, beginning: Beginning, name: object = None) -> Job:
        """Starts a new run that goes on from a model.

        Args, Raises: as `start`, and as `Beginning.check`.
        """
        chosen, typed, shown = read_asked(preset, settings, name)
        assert isinstance(chosen.network, FromParent)
        beginning.check(chosen.task)
        assert isinstance(beginning.parent.config, GPTConfig)
        network = chosen.network.network(beginning.parent.config)
        check_memory(network, chosen.recipe, 0)
        job = self._new()
        job_json = self._facts(chosen, typed, network) | {
            "name": shown or f"{preset}, {beginning.parent.name}"[:MAX_NAME_CHARS],
            "preset": preset,
            "inputs": beginning.inputs(chosen.task, job.folder),
            **beginning.about(chosen.task),
        }
        return self._begin(job, job_json, {GIVEN_FILE: beginning.given.content} if beginning.given else {})

    def translate(self, preset: object, settings: object, name: object = None) -> Job:
        """Starts a new run that learns a rule of translation, from random strings or from Tiny Shakespeare.

        Args, Raises: as `start`; CorpusError also if Tiny Shakespeare is needed and not there.
        """
        chosen, typed, shown = read_asked(preset, settings, name)
        recipe = chosen.recipe
        assert isinstance(chosen.network, NetworkConfig)
        assert isinstance(recipe, TranslateConfig)
        network, rule = replace(chosen.network, vocab_size=len(VOCABULARY)), RULES[recipe.rule]
        check_room(network, recipe.longest)
        check_memory(network, recipe, 0)
        if rule.reads_lines:
            load_corpus()
        job_json = self._facts(chosen, typed, network) | {
            "name": shown or str(preset),
            "preset": preset,
            "task": chosen.task,
            "corpus": {"name": rule.learned, "own": False},
        }
        return self._begin(self._new(), job_json, {})

    def _new(self) -> Job:
        """A run that has no folder yet."""
        return Job(self.folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")

    @staticmethod
    def _facts(preset: Preset, typed: dict[str, Any], network: NetworkConfig) -> dict[str, Any]:
        """What job.json says of every run."""
        return {
            "settings": typed,
            "kind": kind_of(network),
            "network": asdict(network),
            "recipe": asdict(preset.recipe),
            "threads": training_threads(network),
            "created": round(time.time(), 1),
        }

    def _begin(self, job: Job, job_json: dict[str, Any], files: dict[str, bytes]) -> Job:
        """Makes a run's folder and starts its process.

        Args:
            files: in its folder, by name.
        """
        with self._starting():
            if len(self.all()) >= MAX_RUNS:
                raise TrainingError(f"There are {MAX_RUNS} runs already, and no more are kept. Delete some, then start again.")
            try:
                for name, content in files.items():
                    write_atomically(job.folder / name, content)
                job.note(**job_json)
                self._launch(job, resume=False)
            except CheckpointError:
                shutil.rmtree(job.folder, ignore_errors=True)  # a run that did not begin leaves nothing behind
                raise
        return job

    def resume(self, job: Job) -> None:
        """Resumes a run that is no longer being trained.

        Raises:
            TrainingError: it has finished, only a terminal can resume it, or a run is being trained.
            CheckpointError: it is damaged.
        """
        with self._starting():
            settings = job.settings()
            if job.state() == FINISHED:
                raise TrainingError(f"{job.name} has already finished. Start a new run with more steps.")
            if settings.task == PRETRAIN and not job.has_corpus and settings.corpus.get("name") != TINY_SHAKESPEARE:
                raise TrainingError(f"The text of {job.name} is not in its folder. Resume it in a terminal, with --corpus.")
            if job.run.is_locked():  # process.json, which says that nobody trains it, may be damaged
                raise TrainingError(f"{job.name} is being trained.")
            self._launch(job, resume=job.run.exists())

    def known_pace(self, network: NetworkConfig, recipe: TrainConfig) -> Pace | None:
        """The pace of such a training, if it was measured."""
        return self._paces.get(pace_key(network, recipe))

    def measure_pace(self, preset: object, settings: object, vocab_size: int, measurement: Measurement | None = None) -> Pace:
        """The pace of such a training on this machine, measured in a process like a trainer's unless it is known. Takes some seconds.

        Args:
            vocab_size: different characters of the corpus.
            measurement: with which another thread can cancel it.

        Raises:
            ParameterError: as `start`.
            TrainingError: a run is being trained, which would slow the measurement; or the measurement failed, or was cancelled; or the
                preset is not one of pretraining.
        """
        measurement = measurement or Measurement()
        chosen, typed = read_settings(preset, settings)
        recipe = chosen.recipe
        if chosen.task != PRETRAIN or not isinstance(chosen.network, NetworkConfig):
            raise TrainingError(NOT_MEASURED)
        network = replace(chosen.network, vocab_size=vocab_size)
        check_memory(network, recipe, 0)
        with self._measuring:
            if known := self.known_pace(network, recipe):
                return known
            if self.running():
                raise TrainingError(MEASURED_LATER)
            arguments = ["--preset", str(preset), "--vocab-size", str(vocab_size), *flags(typed)]
            pace = self._measure(arguments, training_threads(network), measurement)
            if self.running():  # started by another app or in a terminal: everything takes longer beside it
                raise TrainingError(MEASURED_LATER)
            self._paces[pace_key(network, recipe)] = pace
            return pace

    def _measure(self, arguments: list[str], threads: int, measurement: Measurement) -> Pace:
        with attached(
            ["pace", *arguments],
            cwd=ROOT,
            env=trainers_environment(threads),
            stdout=subprocess.PIPE,
            start_new_session=True,  # its whole session gets a low priority, so it must not be the app's
        ) as child:
            self._measurement = measurement
            measurement.begin(child)
            Process.find(child.pid).lower_priority()
            try:
                measured = json.loads(child.communicate(timeout=MEASURING_S)[0])
                return Pace(**{field.name: measured[field.name] for field in fields(Pace)})
            except subprocess.TimeoutExpired as error:
                raise TrainingError(TOO_BUSY_TO_MEASURE) from error
            except (ValueError, KeyError) as error:
                raise TrainingError("The time could not be measured.") from error
            finally:
                child.kill()
                self._measurement = None

    def stop(self, job: Job, firmly: bool = False) -> None:
        """Asks a run to write a checkpoint and end, and kills it if it has not ended after a while. Returns at once.

        Args:
            firmly: kill it now, without a checkpoint.

        Raises:
            TrainingError: it is not being trained.
        """
        process = job.process()
        if process is None:
            raise TrainingError(f"{job.name} is not being trained.")
        process.signal(signal.SIGKILL if firmly else signal.SIGTERM)
        if not firmly:
            self._kill_later(process, STOP_PATIENCE_S)
        with contextlib.suppress(CheckpointError):  # a full disk must not prevent a stop
            job.note_stop(process)

    def rename(self, job: Job, name: object) -> None:
        """Changes a run's name on the page. Its folder stays.

        Raises:
            ParameterError: the name is not valid.
            CheckpointError: job.json is damaged, or cannot be written.
        """
        job.note(name=check_name(name))

    def delete(self, job: Job) -> None:
        """Deletes a run with all its files.

        Raises:
            TrainingError: it is being trained.
            CheckpointError: it cannot be deleted.
        """
        with self._alone():
            if job.process() or job.run.is_locked():
                raise TrainingError(f"{job.name} is being trained. Stop it first.")
            gone = self.folder / f"{DELETED}{job.folder.name}-{secrets.token_hex(2)}"
            try:
                job.folder.rename(gone)  # atomic: no half-deleted run is ever listed
            except OSError as error:
                raise CheckpointError(f"{job.name} could not be deleted: {error.strerror}.") from error
            try:
                shutil.rmtree(gone)
            except OSError as error:
                raise CheckpointError(
                    f"{job.name} is no longer listed, but not all of its files could be deleted: {error.strerror}. Delete {gone} by hand."
                ) from error

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """Keeps other processes from starting a run, while none is being trained.

        Raises:
            TrainingError: a run, which is named, is being trained.
        """
        with self._alone():
            if busy := self.running():
                raise TrainingError(
                    f"{busy.name} is being trained. Only one run trains at a time: stop it first, or wait until it has ended."
                )
            yield

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other processes from starting, resuming or deleting a run."""
        if trouble := self.trouble():
            raise TrainingError(trouble)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock")
            lock.acquire(timeout=LOCK_TIMEOUT_S)
        except Timeout:
            raise TrainingError("Another run is being started. Try again in a moment.") from None
        except OSError as error:
            raise CheckpointError(NOT_WRITABLE.format(folder=self.folder, why=error.strerror)) from error
        try:
            yield
        finally:
            lock.release()

    def _launch(self, job: Job, resume: bool) -> None:
        if measurement := self._measurement:  # a start does not wait for a measurement
            measurement.cancel()
        command = [sys.executable, "-m", "model", *job.arguments(resume), "--runs", str(self.folder)]
        asked = job.asked().get("threads", 0)
        threads = min(asked, MAX_THREADS) if asked >= 1 else training_threads(job.settings().network)
        clear_place(job.log_path)
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
        process.lower_priority()
        try:
            job.run.note_process(process)
        except CheckpointError:
            child.kill()  # nobody would find it
            child.wait()
            raise
        self._children.append(child)
        log.info("started %s as process %d", job.id, child.pid)

    def _kill_later(self, process: Process, after_s: float) -> None:
        """Kills a process after some seconds, if it is still alive and ours."""

        def kill() -> None:
            with contextlib.suppress(TrainingError):
                process.signal(signal.SIGKILL)

        timer = threading.Timer(after_s, kill)
        timer.daemon = True
        timer.start()


def trainers_environment(threads: int) -> dict[str, str]:
    """The environment of a process that trains."""
    return {key: value for key, value in os.environ.items() if key not in SECRETS} | {
        "OMP_NUM_THREADS": str(threads),
        "GOMP_SPINCOUNT": "0",  # waiting threads yield the processor: beside other work small steps took an eighth of the time
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",  # of its log, whatever the terminal's is
        "TQDM_MININTERVAL": "60",  # a line of the log a minute, not ten a second
    }


def read_settings(preset: object, settings: object) -> tuple[Preset, dict[str, Any]]:
    """A preset with some settings changed, and the settings that really differ.

    Raises:
        ParameterError: there is no such preset or setting, or a value is outside its range.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ParameterError(f"There is no preset {str(preset)[:40]!r}; there are {', '.join(PRESETS)}.")
    if not isinstance(settings, dict):
        raise ParameterError("The settings must be a JSON object of names and values.")
    before, after = PRESETS[preset], PRESETS[preset].changed(settings)
    old, new = (vars(each.network) | vars(each.recipe) for each in (before, after))
    return after, {key: value for key, value in new.items() if value != old[key]}


def read_asked(preset: object, settings: object, name: object) -> tuple[Preset, dict[str, Any], str | None]:
    """What is asked for a new run, as far as that is known without its text: as `read_settings`, and its name, None if it was given none.

    Raises:
        ParameterError: as `Jobs.start`.
    """
    chosen, typed = read_settings(preset, settings)
    _check_length_of_run(chosen.recipe)
    return chosen, typed, None if name is None else check_name(name)


def _check_length_of_run(recipe: TrainConfig) -> None:
    """
    Raises:
        ParameterError: a run has more steps or evaluations than the page can show.
    """
    if recipe.steps > MAX_STEPS:
        raise ParameterError(
            f"A run on this page can have up to {MAX_STEPS:,} steps, not {recipe.steps:,}. Start a longer one in a terminal."
        )
    if recipe.steps // recipe.eval_interval > MAX_EVALUATIONS:
        raise ParameterError(f"This run would have more than {MAX_EVALUATIONS:,} evaluations. Choose a larger eval_interval.")
