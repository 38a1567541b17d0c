"""A run as its viewers see it: what was asked for, how far it is, and whether a process still trains it.

job.json      what the run was started with, and its name on the page; a run from the terminal has none
corpus.txt    its text, if that came through the page
log.txt       the output of the trainer

Whatever is in the files of a run, it is listed: a run that says neither in config.json nor in job.json what it is, as damaged, with the
reason.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from model import clock
from model.config import NetworkConfig, TrainConfig
from model.errors import CheckpointError, ParameterError
from model.files import check_is_file, clean_name, is_readable, printable, shown_name, without_folder, write_atomically
from model.limits import MAX_NAME_CHARS, MAX_RUNS
from model.network.kinds import GPT_KIND, KINDS, count_parameters, kind_of
from model.training.curve import Curve
from model.training.presets import PRETRAIN, recipe_of
from model.training.process import Process
from model.training.record import JOB, Cached, read_record
from model.training.run import CORPUS_FILE, LOG_FILE, Run
from model.weights import BEST_FILE, WEIGHTS_FILES, WEIGHTS_FOLDER, copied

RUNNING, STOPPING, STOPPED, FINISHED, FAILED, DIED, DAMAGED = "running", "stopping", "stopped", "finished", "failed", "died", "damaged"
UNDER_WAY = (RUNNING, STOPPING)

LAST_LINES = 20  # of the log
LAST_BYTES = 8_192
PACE_STEPS = 200  # the speed is a mean over so many
SHARE_S = 2.0  # the share of a processor is a mean over at least so long


n_parameters = lru_cache(maxsize=MAX_RUNS)(count_parameters)  # a poll asks for those of all runs


@dataclass(frozen=True)
class Settings:
    """What a run learns, and how.

    Attributes:
        corpus: "name", "characters" and "own"; of a fine-tuning run the name of what it learns from, and maybe how much that is.
        parent: "key" and "name" of the model that it was started from, and "sha256" as soon as the trainer has read it; None for a run
            that began with random weights.
        precision: None until the trainer has chosen one.
    """

    network: NetworkConfig
    recipe: TrainConfig
    corpus: dict[str, Any]
    task: str = PRETRAIN
    parent: dict[str, str] | None = None
    precision: str | None = None


class ProcessorShare:
    """What part of the time that a process was ready to run it really ran. Low where other programs keep the processors busy."""

    def __init__(self) -> None:
        self._since: tuple[Process, float, float] | None = None
        self._share: float | None = None
        self._measuring = threading.Lock()  # several threads ask

    def of(self, process: Process) -> float | None:
        """A number from 0 to 1 over the last seconds; None while that is not known."""
        with self._measuring:
            if (now := process.processor_s()) is None:
                return None
            if self._since is None or self._since[0] != process:
                self._since, self._share = (process, *now), None
            ran, waited = (after - before for after, before in zip(now, self._since[1:], strict=True))
            if ran + waited >= SHARE_S:
                self._since, self._share = (process, *now), round(ran / (ran + waited), 2)
            return self._share


class Job:
    """One folder of runs/."""

    def __init__(self, folder: Path):
        self.id, self.folder, self.run = printable(folder.name), folder, Run(folder)
        self.job_path, self.log_path, self.corpus_path = (folder / name for name in ("job.json", LOG_FILE, CORPUS_FILE))
        self.curve = Curve(self.run)
        self._asked = Cached(self.job_path, lambda: read_record(self.job_path, JOB))
        self._noting = threading.Lock()
        self._processor = ProcessorShare()

    def asked(self) -> dict[str, Any]:
        """What the run was started with: "name", "preset", "settings", "corpus", "kind", "network", "recipe", "threads", "created"; of a
        fine-tuning run also "task", "parent" and "inputs" (options of the command line); and "asked_to_stop" once it is to end. Empty if
        job.json is damaged."""
        try:
            return self._asked.get()
        except CheckpointError:
            return {}

    def note(self, **facts: Any) -> None:
        """Changes job.json; None removes a fact.

        Raises:
            CheckpointError: job.json is damaged, or cannot be written.
        """
        with self._noting:
            kept = {key: value for key, value in (self._asked.get() | facts).items() if value is not None}
            write_atomically(self.job_path, json.dumps(kept).encode())

    def note_stop(self, process: Process) -> None:
        """Records that a process was asked to stop just now."""
        self.note(asked_to_stop=asdict(process) | {"at": round(clock.seconds(), 1)})

    def asked_to_stop(self) -> float | None:
        """When the process that trains, or was the last to, was asked to stop, by `model.clock`; None if it was not. A stop of an earlier
        process of the same run does not count."""
        asked, noted = self.asked().get("asked_to_stop", {}), self.run.process()
        if any(name not in asked or asked[name] != noted.get(name) for name in ("pid", "began")):
            return None
        return asked.get("at")

    def process(self) -> Process | None:
        """The process that trains the run now, if any."""
        noted = self.run.process()
        if "pid" not in noted or "began" not in noted or "ended" in noted:
            return None
        process = Process(noted["pid"], noted["began"])
        return process if process.alive else None

    def state(self) -> str:
        """running, stopping, stopped, finished, failed (with an error message), died (without one) or damaged."""
        asked_to_stop = self.asked_to_stop() is not None
        if self.process():
            return STOPPING if asked_to_stop else RUNNING
        try:
            steps = self.settings().recipe.steps
        except CheckpointError:
            return DAMAGED
        self.curve.read()
        noted, evaluated = self.run.process(), self.curve.evaluations.steps
        if evaluated and evaluated[-1] == steps:
            return FINISHED
        if "error" in noted:
            return FAILED
        return STOPPED if asked_to_stop or "ended" in noted or not noted else DIED

    def settings(self) -> Settings:
        """What the run learns and how, as the trainer recorded it or, before it did, as it was asked for.

        Raises:
            CheckpointError: the run is damaged: its files do not say that.
        """
        if self._is_closed:
            raise CheckpointError(f"The folder {self.folder} cannot be read. Its owner can change its rights.")
        if self.run.exists():
            plan, asked = self.run.plan(), self.asked()
            learned: dict[str, Any] = next((plan.about[name] for name in ("comparisons", "pairs", "corpus") if name in plan.about), {})
            corpus = learned | asked.get("corpus", {})
            task, parent = plan.about.get("task", PRETRAIN), plan.about.get("parent")
            parent = parent and parent | asked.get("parent", {})  # whose name on the page is not that of its folder
            return Settings(plan.network, plan.recipe, corpus, task, parent, plan.about["precision"])
        asked = self._asked.get()
        try:
            _, network, recipe, corpus = (asked[name] for name in ("preset", "network", "recipe", "corpus"))
            task, shape = asked.get("task", PRETRAIN), KINDS[asked.get("kind", GPT_KIND)].config(**network)
            return Settings(shape, recipe_of(task, recipe), corpus, task, asked.get("parent"))
        except (KeyError, TypeError, ParameterError) as error:
            raise CheckpointError(f"{self.job_path} does not say what the run learns ({error}).") from None

    @property
    def is_run(self) -> bool:
        """Whether the folder holds a run, or cannot be looked into. Other folders are left alone."""
        return self.run.exists() or os.path.lexists(self.job_path) or self._is_closed

    @property
    def _is_closed(self) -> bool:
        """Whether its folder cannot be looked into."""
        return os.path.isdir(self.folder) and not is_readable(self.folder)

    @property
    def has_corpus(self) -> bool:
        """Whether its folder has its text."""
        return os.path.isfile(self.corpus_path)

    @property
    def has_weights(self) -> bool:
        """Whether it has weights that can be used."""
        return any(os.path.isfile(self.folder / name) for name in WEIGHTS_FILES)

    def copied(self) -> contextlib.AbstractContextManager[Path]:
        """A copy of its weights and config.json as they are now, whatever the trainer writes meanwhile.

        Raises:
            CheckpointError: it cannot be made.
        """
        return copied(self.folder)

    @property
    def name(self) -> str:
        """Its name on the page."""
        return shown_name(self.asked().get("name"), self.id)

    @property
    def created(self) -> float:
        """When it was started, in seconds since 1970."""
        try:
            return self.asked().get("created") or round(self.folder.stat().st_mtime, 1)
        except OSError:  # deleted just now
            return 0.0

    def about(self) -> dict[str, Any]:
        """What anyone may see of it, as JSON values; "as_preset": whether all its settings are its preset's. Of a damaged run some are
        None."""
        curve = self.curve
        curve.read()
        best, state, process = curve.best, self.state(), self.process()
        return {
            "id": self.id,
            "name": self.name,
            "state": state,
            "preset": self.asked().get("preset"),
            "as_preset": self.asked().get("settings") == {},
            "created": self.created,
            "command": self.command(),
            "step": curve.step,
            "loss": curve.steps.last("loss"),
            "best_loss": best[0] if best else None,
            "best_step": best[1] if best else None,
            "elapsed_s": curve.steps.last("elapsed_s") or 0.0,
            "is_loading": process is not None and self._is_loading(),
            "processor_share": self._processor.of(process) if process else None,
            "has_weights": self.has_weights and state != DAMAGED,
            "why": self.public(self.damage() if state == DAMAGED else str(self.run.process().get("error", ""))),
            "notice": self._notice(state),
            **self._settings_json(state),
        }

    def _settings_json(self, state: str) -> dict[str, Any]:
        try:
            settings = self.settings()
        except CheckpointError:
            unknown = ("network", "recipe", "corpus", "task", "parent", "precision", "kind", "n_params", "steps", "chars_per_s", "left_s")
            return dict.fromkeys(unknown)
        network, recipe, pace = settings.network, settings.recipe, self.curve.seconds_per_step(PACE_STEPS)
        reads_windows = settings.task == PRETRAIN  # of a known length; other tasks' rows have any length
        return asdict(settings) | {
            "kind": kind_of(network),
            "n_params": n_parameters(network),
            "steps": recipe.steps,
            "chars_per_s": round(recipe.batch_size * network.block_size / pace) if pace and reads_windows else None,
            "left_s": round(pace * (recipe.steps - self.curve.step), 1) if pace and state in UNDER_WAY else None,
        }

    def damage(self) -> str:
        """Why the run is damaged, with paths on the machine; "" if it is not."""
        try:
            self.settings()
        except CheckpointError as error:
            return str(error)
        return ""

    def _is_loading(self) -> bool:
        """Whether the process that trains has not measured anything yet: it loads its modules, its text and its checkpoint."""
        try:
            return self.run.metrics_path.stat().st_mtime_ns <= self.run.process_path.stat().st_mtime_ns
        except OSError:
            return True

    def _notice(self, state: str) -> str:
        """What is worth knowing, although the run is not damaged: what the trainer said, and what is missing or left out because it is
        damaged."""
        notices = [str(self.run.process().get("notice", ""))]
        if self.curve.damaged:
            notices.append(f"{self.run.metrics_path.name} is damaged: {self.curve.damaged:,} of its lines are left out of the curve.")
        if self.run.exists():  # before that, a damaged job.json makes a damaged run
            try:
                self._asked.get()
            except CheckpointError as error:
                notices.append(f"{error} The run can be used without that file.")
        if state not in UNDER_WAY and self.curve.best and not self.has_weights:
            notices.append(f"{BEST_FILE} is missing, so this model cannot be used.")
        return without_folder(" ".join(words for words in notices if words), self.folder)

    def public(self, words: str) -> str:
        """What went wrong, with files named as in the folder of the run; "" if that still names a path on the machine."""
        words = without_folder(words, self.folder).replace(str(self.folder), self.id)
        return "" if "/" in words or "\\" in words else words

    def trouble(self) -> dict[str, Any]:
        """What went wrong, with paths on the machine: the trainer's error and the last lines of its log."""
        return {"error": self.damage() or self.run.process().get("error", ""), "last_lines": self.last_lines()}

    def last_lines(self) -> list[str]:
        """The end of the log; of a progress bar only the last state."""
        try:
            check_is_file(self.log_path)
            with self.log_path.open("rb") as file:
                file.seek(max(0, self.log_path.stat().st_size - LAST_BYTES))
                text = file.read(LAST_BYTES).decode("utf-8", errors="replace")
        except (OSError, CheckpointError):
            return []
        lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
        return [line for line in lines if line][-LAST_LINES:]

    def arguments(self, resume: bool) -> list[str]:
        """The arguments of `python -m model` that train the run."""
        asked = self.asked()
        chosen = ["--run", self.id, *(("--corpus", str(self.corpus_path)) if self.has_corpus else ())]
        if resume:
            return ["train", *chosen, "--resume"]
        return ["train", "--preset", asked["preset"], *chosen, *flags(asked.get("inputs", {})), *flags(asked.get("settings", {}))]

    def command(self) -> str:
        """The command line that trains the same run; "" for a run from the terminal."""
        if "preset" not in self.asked():
            return ""
        return shlex.join(["python", "-m", "model", *map(self._public_path, self.arguments(resume=False))])

    def _public_path(self, part: str) -> str:
        """A part of a command line; a path on the machine as it is seen from the app's folder."""
        if not os.path.isabs(part):
            return part
        for folder, name in ((self.folder.parent, "runs"), (WEIGHTS_FOLDER, WEIGHTS_FOLDER.name)):
            if Path(part).is_relative_to(folder):
                return str(Path(name) / Path(part).relative_to(folder))
        return Path(part).name


def flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings as command-line arguments."""
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def check_name(name: object) -> str:
    """A name for the page, cleaned.

    Raises:
        ParameterError: it is not text, too long, or nothing of it can be seen.
    """
    cleaned = clean_name(name) if isinstance(name, str) else ""
    if not 0 < len(cleaned) <= MAX_NAME_CHARS:
        raise ParameterError(f"A name is 1 to {MAX_NAME_CHARS} characters that can be seen.")
    return cleaned
