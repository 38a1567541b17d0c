"""A training run on disk.

    config.json           network, vocabulary, recipe, and the task with its corpus or its pairs and parent
    metrics.jsonl         a line per step, and one per evaluation
    samples.jsonl         a line per evaluation: a text from the network, always with the same dice
    last.safetensors      everything that a resumed run needs; previous.safetensors is the checkpoint before it
    best.safetensors      the weights with the lowest validation loss so far
    snapshots/            the weights at some steps (`model.training.snapshots`), in 16 bits
    lock                  held by the process that trains
    process.json          which process trains or was the last to, and how it ended, if it could still record that

Batches, dropout and schedule are functions of the seed and the step, so a checkpoint holds weights, running average, optimizer
state and the step, but no generator state. A resumed run drops the lines after its checkpoint and writes them again, with the same
numbers.

Any of these files may be damaged. Only config.json and one checkpoint are needed to resume: whatever else cannot be used is dropped or
renamed, and said (`Run.notices`).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from model.config import NetworkConfig, TrainConfig
from model.errors import CheckpointError, SoliloquyError, TrainingError
from model.files import clear_place, is_readable, set_aside, without_folder, write_atomically
from model.precision import DTYPES
from model.tokenizer import CharTokenizer
from model.training.presets import PRETRAIN, recipe_of
from model.training.process import Process
from model.training.record import ABOUT, METRICS, PROCESS, SAMPLES, Cached, Line, check_types, read_lines, read_record
from model.weights import (
    BEST_FILE,
    CONFIG_FILE,
    SNAPSHOTS_FOLDER,
    load_tensors,
    read_config,
    save_tensors,
    snapshot_path,
    snapshot_paths,
)

DEFAULT_RUNS = Path("runs")  # where a program was started

NOT_WRITABLE = "{folder} cannot be written to: {why}. Choose another folder for runs (--runs), or free this one."

TAKEN_AWAY = (
    "{folder}, or the file lock in it, was deleted, moved or replaced during the training. That has ended, and nothing more was written."
)

Metrics = dict[str, float | int]
Check = Callable[[Path, dict[str, Tensor], int], None]

ENDING_S = 5.0  # a process that was killed holds its lock until the system has cleared it away
CHECKPOINTS = ("last", "fresh", "previous")  # `fresh` exists for a moment, between being written and becoming `last`
CHECKPOINT_FILES = tuple(f"{name}.safetensors" for name in CHECKPOINTS)
HALF_WRITTEN = ("*.safetensors.*.part", "*.jsonl.*.part", f"{SNAPSHOTS_FOLDER}/*.part")
METRICS_FILE, SAMPLES_FILE, PROCESS_FILE, LOCK_FILE, LOG_FILE = "metrics.jsonl", "samples.jsonl", "process.json", "lock", "log.txt"
CORPUS_FILE = "corpus.txt"  # the run's own text, if it came through the page


@dataclass(frozen=True)
class Plan:
    """What a run was started with, from its config.json."""

    network: NetworkConfig
    tokenizer: CharTokenizer
    recipe: TrainConfig
    dtype: torch.dtype
    about: dict[str, Any]


class Run:
    """The folder of one run.

    Attributes:
        notices: what was damaged, and what was done about it, for the user.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.metrics_path, self.samples_path, self.process_path = (folder / name for name in (METRICS_FILE, SAMPLES_FILE, PROCESS_FILE))
        self.notices: list[str] = []
        self._held: os.stat_result | None = None  # the lock, while this process holds it
        self._process = Cached(self.process_path, lambda: read_record(self.process_path, PROCESS))
        self._plan = Cached(folder / CONFIG_FILE, self._read_plan)

    def exists(self) -> bool:
        """Whether a run was started here."""
        return any(os.path.lexists(self.folder / name) for name in (CONFIG_FILE, METRICS_FILE, *CHECKPOINT_FILES))

    def has_checkpoint(self) -> bool:
        """Whether the run got as far as a checkpoint."""
        return any(os.path.lexists(self.folder / name) for name in CHECKPOINT_FILES)

    def plan(self) -> Plan:
        """What the run was started with.

        Raises:
            CheckpointError: config.json is missing, or is not that of a run that can be resumed.
        """
        return self._plan.get()

    def _read_plan(self) -> Plan:
        network, tokenizer, about = read_config(self.folder)
        try:
            check_types(about, ABOUT)
            recipe = recipe_of(about.get("task", PRETRAIN), about["recipe"])
            return Plan(network, tokenizer, recipe, DTYPES[about["precision"]], about)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self.folder / CONFIG_FILE} is not that of a run that can be resumed ({error}).") from None

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Locks the run against other processes, and records which process trains it and how that ends. A run that does not begin leaves
        no folder behind, and one whose folder was taken away writes nothing more.

        Raises:
            TrainingError: another process trains the run, or its folder was taken away.
            CheckpointError: the folder cannot be written to.
        """
        is_new = not os.path.lexists(self.folder)
        lock = self._lock()
        try:
            self._make_way()
            self.note_process(Process.find(os.getpid()))
            yield
        except SoliloquyError as error:
            if self._is_there():
                self._note_error(str(error))
            raise
        else:
            with contextlib.suppress(CheckpointError):  # everything that matters is already on disk
                self.note(ended=round(time.time(), 1))
        finally:
            is_there = self._is_there()
            self._held = None
            lock.release()
            if is_new and is_there and not self.exists():
                shutil.rmtree(self.folder, ignore_errors=True)

    def _is_there(self) -> bool:
        """Whether the folder still has the lock that this process holds, if it holds one. No other file can have its number until then."""
        if self._held is None:
            return True
        try:
            return os.path.samestat((self.folder / LOCK_FILE).stat(), self._held)
        except OSError:
            return False

    def check_is_there(self) -> None:
        """To be called before something is written, which would make the folder again.

        Raises:
            TrainingError: the folder was taken away from the process that trains the run.
        """
        if not self._is_there():
            raise TrainingError(TAKEN_AWAY.format(folder=self.folder))

    def _lock(self) -> FileLock:
        """
        Raises:
            TrainingError, CheckpointError: as `claimed`.
        """
        lock = FileLock(self.folder / LOCK_FILE)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            clear_place(self.folder / LOCK_FILE)
            lock.acquire(timeout=0)
            self._held = (self.folder / LOCK_FILE).stat()
        except Timeout:
            raise TrainingError(f"{self.folder} is being trained by another process. Choose another name (--run).") from None
        except OSError as error:
            raise CheckpointError(NOT_WRITABLE.format(folder=self.folder, why=error.strerror)) from error
        return lock

    def is_locked(self) -> bool:
        """Whether a process trains the run, whatever process.json says. Waits for one that is ending."""
        lock = FileLock(self.folder / LOCK_FILE)
        try:
            lock.acquire(timeout=ENDING_S)
        except Timeout:
            return True
        except OSError:  # what cannot be locked is not held
            return False
        lock.release()
        return False

    def _make_way(self) -> None:
        """Renames what is in the place of a file that a trainer writes, but is no file or cannot be read.

        Raises:
            CheckpointError: it cannot be renamed.
        """
        if os.path.lexists(path := self.folder / SNAPSHOTS_FOLDER) and not (os.path.isdir(path) and is_readable(path)):
            self.notices.append(f"{SNAPSHOTS_FOLDER} could not be read. It was renamed to {set_aside(path).name}.")
        for name in (METRICS_FILE, SAMPLES_FILE, PROCESS_FILE, BEST_FILE, *CHECKPOINT_FILES):
            if os.path.lexists(path := self.folder / name) and not (os.path.isfile(path) and is_readable(path)):
                self.notices.append(f"{name} could not be read. It was renamed to {set_aside(path).name}.")

    def note_process(self, process: Process) -> None:
        """Records which process trains from now on."""
        clear_place(self._process.path)
        write_atomically(self._process.path, json.dumps({"pid": process.pid, "began": process.began}).encode())

    def note(self, **facts: str | float) -> None:
        """Adds to the record of the process: "notice", "error" or, once it is done, "ended"."""
        self.check_is_there()
        write_atomically(self._process.path, json.dumps(self.process() | facts).encode())

    def add_notice(self, words: str) -> None:
        """Adds to the notices during the training. Where they cannot be written, they are only kept here."""
        self.notices.append(without_folder(words, self.folder))
        with contextlib.suppress(CheckpointError):
            self.note(notice=" ".join(self.notices))

    def _note_error(self, words: str) -> None:
        """Records why the process ended; on a full disk, by overwriting the record in place."""
        try:
            self.note(error=words)
        except CheckpointError:
            with (
                contextlib.suppress(OSError, CheckpointError),
                self._process.path.open("r+b") as file,
            ):
                file.write(json.dumps(self.process() | {"error": words}).encode())  # longer than the old record, by the error

    def process(self) -> dict[str, Any]:
        """The record of the process that trains, or was the last to; empty if it cannot be read."""
        try:
            return self._process.get()
        except CheckpointError:
            return {}

    def log(self, metrics: Metrics) -> None:
        """Appends a line of metrics."""
        self._add(self.metrics_path, metrics)

    def log_sample(self, step: int, sample: dict[str, Any]) -> None:
        """Appends the "text" that the network writes at a step, and what else the task says of it."""
        self._add(self.samples_path, {"step": step, **sample})

    def _add(self, path: Path, line: dict[str, Any]) -> None:
        self.check_is_there()
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise CheckpointError(f"{path} could not be written ({error.strerror}). Fix this, then resume the run.") from error

    def metrics(self) -> list[Metrics]:
        """All lines of metrics so far."""
        return read_lines(self.metrics_path, METRICS)[0]

    def samples(self) -> list[Line]:
        """All samples so far: step and text."""
        return read_lines(self.samples_path, SAMPLES)[0]

    def save(self, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Writes a checkpoint and keeps the previous one."""
        self.check_is_there()
        last, fresh, previous = (self.folder / name for name in CHECKPOINT_FILES)
        save_tensors(fresh, tensors, metadata | {"crc32": _crc32(tensors, metadata)})
        if last.exists():
            os.replace(last, previous)
        os.replace(fresh, last)

    def save_snapshot(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Writes the weights of a step, in float16."""
        self.check_is_there()
        path = snapshot_path(self.folder, step)
        clear_place(path)
        save_tensors(path, {name: tensor.half() for name, tensor in tensors.items()}, {"step": step})

    def load(self, check: Check = lambda path, tensors, step: None) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The newest usable checkpoint, with "step", "best" and "elapsed_s".

        A damaged file is renamed, so that the next checkpoint does not replace the good one with it.

        Args:
            check: raises a CheckpointError for tensors that cannot be used at the step of the checkpoint.

        Raises:
            CheckpointError: no checkpoint is usable.
        """
        last, fresh, previous = (self.folder / name for name in CHECKPOINT_FILES)
        problems = []
        try:
            return _load_whole(last, check)
        except CheckpointError as error:
            problems.append(str(error))
        readable = {}
        for path in (fresh, previous):
            try:
                readable[path] = _load_whole(path, check)
            except CheckpointError as error:
                problems.append(str(error))
        if not readable:
            raise CheckpointError(f"No checkpoint is usable. {' '.join(problems)}")
        if os.path.lexists(last):
            set_aside(last)
        newest = max(readable, key=lambda path: readable[path][1]["step"])
        tensors, metadata = readable[newest]
        if newest == fresh:  # a kill came before it became `last`; nothing is lost
            with contextlib.suppress(OSError):  # it can be read under this name, too
                os.replace(fresh, last)
        else:
            problem = without_folder(problems[0], self.folder)
            self.notices.append(f"{problem} Continuing from the checkpoint before it (step {metadata['step']:,}).")
        return tensors, metadata

    def forget_after(self, step: int, with_evaluation: bool = True) -> None:
        """Drops the metrics, samples and snapshots after a step, lines that are damaged, and files that a kill left half written.

        Args:
            with_evaluation: whether the evaluation of that very step is kept.
        """
        half_written = [path for name in HALF_WRITTEN for path in self.folder.glob(name)]
        for path in (*half_written, *(path for at, path in snapshot_paths(self.folder).items() if at > step)):
            with contextlib.suppress(OSError):
                path.unlink()

        def is_kept(line: Line) -> bool:
            return line["step"] < step or (line["step"] == step and (with_evaluation or "loss" in line))

        kept = {}
        for path, types in ((self.metrics_path, METRICS), (self.samples_path, SAMPLES)):
            lines, damaged = read_lines(path, types)
            kept[path] = [line for line in lines if is_kept(line)]
            write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept[path]).encode())
            if damaged:
                self.notices.append(f"{path.name} was damaged. {_counted(damaged, 'line')} could not be read and {_was(damaged)} dropped.")
        metrics, sampled = kept[self.metrics_path], {line["step"] for line in kept[self.samples_path]}
        if missing := max(0, step) - len({line["step"] for line in metrics if "loss" in line}):
            self.notices.append(f"{_counted(missing, 'step')} of {step:,} {_was(missing)} lost from the curve.")
        if missing := len({line["step"] for line in metrics if "val_loss" in line} - sampled):
            self.notices.append(f"{_counted(missing, 'sample')} {_was(missing)} lost.")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _load_whole(path: Path, check: Check) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """
    Raises:
        CheckpointError: the checkpoint is damaged.
    """
    tensors, metadata = load_tensors(path)
    known = metadata.pop("crc32", None)
    if known not in (None, _crc32(tensors, metadata)):
        raise CheckpointError(f"{path} is damaged: its checksum does not match.")
    step, best, elapsed_s = (metadata.get(name) for name in ("step", "best", "elapsed_s"))
    if type(step) is not int or step < 0 or not isinstance(best, float) or not isinstance(elapsed_s, float | int):
        raise CheckpointError(f"{path} is damaged: it does not say at which step it was written.")
    if math.isnan(best) or not math.isfinite(elapsed_s):
        raise CheckpointError(f"{path} is damaged: its loss or its time is not a number.")
    check(path, tensors, step)
    return tensors, metadata


def _crc32(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> int:
    """A checksum that changes with any bit of any tensor, of its name and of the metadata."""
    found = zlib.crc32(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        found = zlib.crc32(name.encode(), found)
        found = zlib.crc32(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data, found)
    return found
