"""One run as those see it who watch: what was asked for, how far it is, and whether anybody still trains it.

job.json      what the run was started with and what is shown of it; a run from the terminal has none
corpus.txt    its text, if that came through the page
log.txt       what the trainer said
"""

from __future__ import annotations

import contextlib
import json
import logging
import shlex
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from model.config import GPTConfig
from model.errors import CheckpointError, ParameterError
from model.files import write_atomically
from model.training.curve import Curve
from model.training.memory import count_parameters
from model.training.process import Process
from model.training.run import Run, read_json
from model.weights import WEIGHTS_FILES

RUNNING, STOPPING, STOPPED, FINISHED, FAILED, DIED = "running", "stopping", "stopped", "finished", "failed", "died"
UNDER_WAY = (RUNNING, STOPPING)

MAX_NAME_CHARS = 60
LAST_LINES = 20  # of the log
LAST_BYTES = 8_192
PACE_STEPS = 200  # over which the speed is taken


class Job:
    """One folder of runs/."""

    def __init__(self, folder: Path):
        self.id, self.folder, self.run = folder.name, folder, Run(folder)
        self.job_path, self.log_path, self.corpus_path = (folder / name for name in ("job.json", "log.txt", "corpus.txt"))
        self.curve = Curve(self.run)
        self._noting = threading.Lock()
        self._told = ""

    def asked(self) -> dict[str, Any]:
        """What it was started with: "name", "preset", "settings", "corpus", "network", "recipe", "threads", "created" and, where it is
        to end, "asked_to_stop"."""
        return read_json(self.job_path)

    def note(self, **facts: Any) -> None:
        """Changes what is noted; None takes a fact away."""
        with self._noting:
            kept = {key: value for key, value in (self.asked() | facts).items() if value is not None}
            write_atomically(self.job_path, json.dumps(kept).encode())

    def note_stop(self, process: Process) -> None:
        """Notes that a process was asked to stop just now."""
        self.note(asked_to_stop=asdict(process) | {"at": round(time.time(), 1)})

    def asked_to_stop(self) -> float | None:
        """When the process that trains, or was the last to, was asked to stop; None if it was not. Another one of the same run was not."""
        asked, noted = self.asked().get("asked_to_stop"), self.run.process()
        if not isinstance(asked, dict) or any(asked.get(name) != noted.get(name) for name in ("pid", "began")):
            return None
        return float(asked["at"])

    def process(self) -> Process | None:
        """The process that trains it now."""
        noted = self.run.process()
        pid, began = noted.get("pid"), noted.get("began")
        if not isinstance(pid, int) or not isinstance(began, str) or "ended" in noted:
            return None
        process = Process(pid, began)
        return process if process.alive else None

    def state(self) -> str:
        """running, stopping, stopped, finished, failed (it said why) or died (it could not)."""
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
        """Network, recipe and corpus, as the trainer wrote them down or, before it did, as they were asked for."""
        asked = self.asked()
        config = self._config
        about = config.get("about", {})
        corpus = about.get("corpus", {}) | asked.get("corpus", {})
        network, recipe = config.get("network") or asked.get("network", {}), about.get("recipe") or asked.get("recipe", {})
        return {"network": network, "recipe": recipe, "corpus": corpus}

    @property
    def _config(self) -> dict[str, Any]:
        """The content of config.json, once it is there; it does not change."""
        return self._written_config if self.run.exists() else {}

    @cached_property
    def _written_config(self) -> dict[str, Any]:
        return read_json(self.folder / "config.json")

    def tell_once(self, log: logging.Logger, words: str) -> None:
        """Logs what is wrong with its files, not each time that somebody looks."""
        if words != self._told:
            self._told = words
            log.warning(words)

    @property
    def is_run(self) -> bool:
        """Whether the folder holds a run. Others are left alone."""
        return self.run.exists() or self.job_path.exists()

    @property
    def has_weights(self) -> bool:
        """Whether there are weights to use."""
        return any((self.folder / name).exists() for name in WEIGHTS_FILES)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Path]:
        """A folder with its weights and config.json as they are now, whatever the trainer writes meanwhile.

        Raises:
            CheckpointError: it cannot be made.
        """
        with tempfile.TemporaryDirectory() as name:
            for file in ("config.json", *WEIGHTS_FILES):
                try:
                    if (self.folder / file).exists():
                        shutil.copyfile(self.folder / file, Path(name) / file)
                except OSError as error:
                    raise CheckpointError(f"{self.folder / file} could not be read ({error.strerror}).") from error
            yield Path(name)

    @property
    def name(self) -> str:
        """What it is called on the page."""
        return str(self.asked().get("name") or self.id)

    def about(self) -> dict[str, Any]:
        """All that everybody may know, as JSON values."""
        asked, settings, curve = self.asked(), self.settings(), self.curve
        curve.read()
        recipe, network = settings["recipe"], settings["network"]
        steps, best = recipe.get("steps", 0), curve.best
        state = self.state()
        pace = curve.seconds_per_step(PACE_STEPS)
        return {
            "id": self.id,
            "name": self.name,
            "state": state,
            "preset": asked.get("preset"),
            "created": asked.get("created") or round(self.folder.stat().st_mtime, 1),
            **settings,
            "n_params": self._n_params(network),
            "precision": self._config.get("about", {}).get("precision"),
            "command": self.command(),
            "step": curve.step,
            "steps": steps,
            "loss": curve.steps.values["loss"][-1] if len(curve.steps) else None,
            "best_loss": best[0] if best else None,
            "best_step": best[1] if best else None,
            "elapsed_s": curve.steps.values["elapsed_s"][-1] if len(curve.steps) else 0.0,
            "chars_per_s": round(recipe["batch_size"] * network["block_size"] / pace) if pace else None,
            "left_s": round(pace * (steps - curve.step), 1) if pace and state in UNDER_WAY else None,
            "has_weights": self.has_weights,
            "why": self._public_error(),
            "notice": str(self.run.process().get("notice", "")).replace(str(self.folder), f"runs/{self.id}"),
        }

    def _public_error(self) -> str:
        """Why it ended, where that tells of no place on the machine."""
        error = str(self.run.process().get("error", ""))
        return "" if "/" in error or "\\" in error else error

    def trouble(self) -> dict[str, Any]:
        """What went wrong, for whoever may see the machine's paths: the trainer's error and the last lines of its log."""
        return {"error": self.run.process().get("error", ""), "last_lines": self.last_lines()}

    def last_lines(self) -> list[str]:
        """The end of the log; of a progress bar only its last state."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(0, self.log_path.stat().st_size - LAST_BYTES))
                text = file.read().decode("utf-8", errors="replace")
        except OSError:
            return []
        lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
        return [line for line in lines if line][-LAST_LINES:]

    def arguments(self, resume: bool) -> list[str]:
        """What follows `python -m model`."""
        asked = self.asked()
        chosen = ["--run", self.id, *(("--corpus", str(self.corpus_path)) if self.corpus_path.exists() else ())]
        if resume:
            return ["train", *chosen, "--resume"]
        return ["train", "--preset", asked["preset"], *chosen, *flags(asked.get("settings", {}))]

    def command(self) -> str:
        """The command line that the run amounts to; "" for a run from the terminal."""
        if "preset" not in self.asked():
            return ""
        arguments = [part if part != str(self.corpus_path) else f"runs/{self.id}/corpus.txt" for part in self.arguments(resume=False)]
        return shlex.join(["python", "-m", "model", *arguments])

    def _n_params(self, network: Mapping[str, Any]) -> int | None:
        try:
            return self._counted
        except (TypeError, ParameterError):  # a config.json that is none
            return None

    @cached_property
    def _counted(self) -> int:
        return count_parameters(GPTConfig(**self.settings()["network"]))


def flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings as they are typed in a terminal."""
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def check_name(name: object) -> str:
    """A name to be shown.

    Raises:
        ParameterError: it is none.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise ParameterError(f"A name is a text of 1 to {MAX_NAME_CHARS} characters on one line.")
    return name.strip()
