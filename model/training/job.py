"""A run as its viewers see it: what was asked for, how far it is, and whether a process still trains it.

job.json      what the run was started with, and its name on the page; a run from the terminal has none
corpus.txt    its text, if that came through the page
log.txt       the output of the trainer
"""

from __future__ import annotations

import contextlib
import json
import logging
import shlex
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from model.config import NetworkConfig
from model.errors import CheckpointError, ParameterError
from model.files import write_atomically
from model.limits import MAX_NAME_CHARS
from model.network.kinds import GPT_KIND, KINDS, count_parameters
from model.training.curve import Curve
from model.training.presets import PRETRAIN
from model.training.process import Process
from model.training.run import JsonFile, Run
from model.weights import CONFIG_FILE, WEIGHTS_FILES, snapshot

RUNNING, STOPPING, STOPPED, FINISHED, FAILED, DIED = "running", "stopping", "stopped", "finished", "failed", "died"
UNDER_WAY = (RUNNING, STOPPING)

LAST_LINES = 20  # of the log
LAST_BYTES = 8_192
PACE_STEPS = 200  # the speed is a mean over so many


class Job:
    """One folder of runs/."""

    def __init__(self, folder: Path):
        self.id, self.folder, self.run = folder.name, folder, Run(folder)
        self.job_path, self.log_path, self.corpus_path = (folder / name for name in ("job.json", "log.txt", "corpus.txt"))
        self.curve = Curve(self.run)
        self._asked, self._written = JsonFile(self.job_path), JsonFile(folder / CONFIG_FILE)
        self._noting = threading.Lock()
        self._told = ""

    def asked(self) -> dict[str, Any]:
        """What the run was started with: "name", "preset", "settings", "corpus", "kind", "network", "recipe", "threads", "created"; and
        "asked_to_stop" once it is to end."""
        return self._asked.read()

    def note(self, **facts: Any) -> None:
        """Changes job.json; None removes a fact."""
        with self._noting:
            kept = {key: value for key, value in (self.asked() | facts).items() if value is not None}
            write_atomically(self.job_path, json.dumps(kept).encode())

    def note_stop(self, process: Process) -> None:
        """Records that a process was asked to stop just now."""
        self.note(asked_to_stop=asdict(process) | {"at": round(time.time(), 1)})

    def asked_to_stop(self) -> float | None:
        """When the process that trains, or was the last to, was asked to stop; None if it was not. A stop of an earlier process of the same
        run does not count."""
        asked, noted = self.asked().get("asked_to_stop"), self.run.process()
        if not isinstance(asked, dict) or any(asked.get(name) != noted.get(name) for name in ("pid", "began")):
            return None
        return float(asked["at"])

    def process(self) -> Process | None:
        """The process that trains the run now, if any."""
        noted = self.run.process()
        pid, began = noted.get("pid"), noted.get("began")
        if not isinstance(pid, int) or not isinstance(began, str) or "ended" in noted:
            return None
        process = Process(pid, began)
        return process if process.alive else None

    def state(self) -> str:
        """running, stopping, stopped, finished, failed (with an error message) or died (without one)."""
        asked_to_stop = self.asked_to_stop() is not None
        if self.process():
            return STOPPING if asked_to_stop else RUNNING
        self.curve.read()
        noted, steps = self.run.process(), self.settings()["recipe"].get("steps")
        evaluated = self.curve.evaluations.steps
        if evaluated and evaluated[-1] == steps:
            return FINISHED
        if "error" in noted:
            return FAILED
        return STOPPED if asked_to_stop or "ended" in noted or not noted else DIED

    def settings(self) -> dict[str, dict[str, Any]]:
        """Network, recipe and corpus, as the trainer recorded them or, before it did, as they were asked for. In a fine-tuning run the
        pairs take the place of the corpus."""
        asked, config, about = self.asked(), self._config, self._about
        corpus = about.get("corpus", about.get("pairs", {})) | asked.get("corpus", {})
        network, recipe = config.get("network") or asked.get("network", {}), about.get("recipe") or asked.get("recipe", {})
        return {"network": network, "recipe": recipe, "corpus": corpus}

    @property
    def task(self) -> str:
        """The name of its task."""
        return str(self._about.get("task") or self.asked().get("task") or PRETRAIN)

    @property
    def parent(self) -> dict[str, str] | None:
        """The "key", "sha256" and "name" of the model that it was started from; None for a run that began with random weights."""
        return self._about.get("parent") or self.asked().get("parent")

    @property
    def kind(self) -> str:
        """The kind of its network."""
        return str(self._config.get("kind") or self.asked().get("kind") or GPT_KIND)

    def network(self) -> NetworkConfig:
        """The shape of its network.

        Raises:
            CheckpointError: what the run's files say is not valid.
        """
        try:
            return KINDS[self.kind].config(**self.settings()["network"])
        except (KeyError, TypeError, ParameterError) as error:
            raise CheckpointError(f"{self.id}: the network in its files is not valid ({error}).") from None

    @property
    def _config(self) -> dict[str, Any]:
        """The content of config.json, once the trainer has written it."""
        return self._written.read()

    @property
    def _about(self) -> dict[str, Any]:
        return self._config.get("about", {})

    def tell_once(self, log: logging.Logger, words: str) -> None:
        """Logs a problem with its files once, not at each poll."""
        if words != self._told:
            self._told = words
            log.warning(words)

    @property
    def is_run(self) -> bool:
        """Whether the folder holds a run. Other folders are left alone."""
        return self.run.exists() or self.job_path.exists()

    @property
    def has_weights(self) -> bool:
        """Whether it has weights that can be used."""
        return any((self.folder / name).exists() for name in WEIGHTS_FILES)

    def snapshot(self) -> contextlib.AbstractContextManager[Path]:
        """A copy of its weights and config.json as they are now, whatever the trainer writes meanwhile.

        Raises:
            CheckpointError: it cannot be made.
        """
        return snapshot(self.folder)

    @property
    def name(self) -> str:
        """Its name on the page."""
        return str(self.asked().get("name") or self.id)

    def about(self) -> dict[str, Any]:
        """What anyone may see of it, as JSON values."""
        asked, settings, curve = self.asked(), self.settings(), self.curve
        curve.read()
        recipe, network = settings["recipe"], settings["network"]
        steps, best = recipe.get("steps", 0), curve.best
        state = self.state()
        pace = curve.seconds_per_step(PACE_STEPS)
        reads_windows = self.task == PRETRAIN  # of a known length; other tasks' rows have any length
        return {
            "id": self.id,
            "name": self.name,
            "state": state,
            "task": self.task,
            "parent": self.parent,
            "kind": self.kind,
            "preset": asked.get("preset"),
            "created": asked.get("created") or round(self.folder.stat().st_mtime, 1),
            **settings,
            "n_params": self._n_params,
            "precision": self._about.get("precision"),
            "command": self.command(),
            "step": curve.step,
            "steps": steps,
            "loss": curve.steps.last("loss"),
            "best_loss": best[0] if best else None,
            "best_step": best[1] if best else None,
            "elapsed_s": curve.steps.last("elapsed_s") or 0.0,
            "chars_per_s": round(recipe["batch_size"] * network["block_size"] / pace) if pace and reads_windows else None,
            "left_s": round(pace * (steps - curve.step), 1) if pace and state in UNDER_WAY else None,
            "has_weights": self.has_weights,
            "why": self._public_error(),
            "notice": str(self.run.process().get("notice", "")).replace(str(self.folder), f"runs/{self.id}"),
        }

    def _public_error(self) -> str:
        """Why it ended, unless that names a path on the machine."""
        error = str(self.run.process().get("error", ""))
        return "" if "/" in error or "\\" in error else error

    def trouble(self) -> dict[str, Any]:
        """What went wrong, with paths on the machine: the trainer's error and the last lines of its log."""
        return {"error": self.run.process().get("error", ""), "last_lines": self.last_lines()}

    def last_lines(self) -> list[str]:
        """The end of the log; of a progress bar only the last state."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(0, self.log_path.stat().st_size - LAST_BYTES))
                text = file.read().decode("utf-8", errors="replace")
        except OSError:
            return []
        lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
        return [line for line in lines if line][-LAST_LINES:]

    def arguments(self, resume: bool) -> list[str]:
        """The arguments of `python -m model` that train the run."""
        asked = self.asked()
        chosen = ["--run", self.id, *(("--corpus", str(self.corpus_path)) if self.corpus_path.exists() else ())]
        if resume:
            return ["train", *chosen, "--resume"]
        return ["train", "--preset", asked["preset"], *chosen, *flags(asked.get("settings", {}))]

    def command(self) -> str:
        """The command line that trains the same run; "" for a run from the terminal."""
        if "preset" not in self.asked():
            return ""
        arguments = [part if part != str(self.corpus_path) else f"runs/{self.id}/corpus.txt" for part in self.arguments(resume=False)]
        return shlex.join(["python", "-m", "model", *arguments])

    @property
    def _n_params(self) -> int | None:
        try:
            return self._counted
        except CheckpointError:
            return None

    @cached_property
    def _counted(self) -> int:
        return count_parameters(self.network())


def flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings as command-line arguments."""
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def clean_name(name: str) -> str:
    """A name as it is shown, on one line: without characters that cannot be seen, and with single spaces for spaces and line ends of any
    kind."""
    seen = "".join(char if char.isprintable() else " " * char.isspace() for char in name)
    return " ".join(seen.split())


def check_name(name: object) -> str:
    """A name for the page, cleaned.

    Raises:
        ParameterError: it is not text, too long, or nothing of it can be seen.
    """
    cleaned = clean_name(name) if isinstance(name, str) else ""
    if not 0 < len(cleaned) <= MAX_NAME_CHARS:
        raise ParameterError(f"A name is 1 to {MAX_NAME_CHARS} characters that can be seen.")
    return cleaned
