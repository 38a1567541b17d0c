"""A training run on disk.

    config.json           network, vocabulary, recipe, and the task with its corpus or its pairs and parent
    metrics.jsonl         a line per step, and one per evaluation
    samples.jsonl         a line per evaluation: a text from the network, always with the same dice
    last.safetensors      everything that a resumed run needs; previous.safetensors is the checkpoint before it
    best.safetensors      the weights with the lowest validation loss so far
    lock                  held by the process that trains
    process.json          which process trains or was the last to, and how it ended, if it could still record that

Batches, dropout and schedule are functions of the seed and the step, so a checkpoint holds weights, running average, optimizer
state and the step, but no generator state. A resumed run drops the lines after its checkpoint and writes them again, with the same
numbers.
"""

from __future__ import annotations

import contextlib
import json
import os
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
from model.errors import CheckpointError, ParameterError, SoliloquyError, TrainingError
from model.files import write_atomically
from model.precision import DTYPES
from model.tokenizer import CharTokenizer
from model.training.process import Process
from model.weights import load_tensors, read_config, save_tensors

Metrics = dict[str, float | int]
Check = Callable[[Path, dict[str, Tensor]], None]

CHECKPOINTS = ("last", "fresh", "previous")  # `fresh` exists for a moment, between being written and becoming `last`


@dataclass(frozen=True)
class Plan:
    """What a run was started with, from its config.json."""

    network: NetworkConfig
    tokenizer: CharTokenizer
    recipe: TrainConfig
    dtype: torch.dtype
    about: dict[str, Any]


class JsonFile:
    """A file with a JSON object, read again only after it has changed."""

    def __init__(self, path: Path):
        self.path = path
        self._cached: tuple[object, dict[str, Any]] = (None, {})  # one tuple, since several threads read

    def read(self) -> dict[str, Any]:
        """The object, not to be changed; an empty one if there is no file, or no object in it.

        Raises:
            CheckpointError: the file exists but cannot be read now.
        """
        try:
            stat = self.path.stat()
            version = stat.st_ino, stat.st_mtime_ns, stat.st_size
        except OSError:
            version = 0, 0, 0
        known, content = self._cached
        if version != known:
            content = read_json(self.path)
            self._cached = (version, content)
        return content


class Run:
    """The folder of one run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.metrics_path = folder / "metrics.jsonl"
        self.samples_path = folder / "samples.jsonl"
        self._process = JsonFile(folder / "process.json")

    def exists(self) -> bool:
        """Whether a run was started here."""
        return (self.folder / "config.json").exists()

    def has_checkpoint(self) -> bool:
        """Whether the run got as far as a checkpoint."""
        return any((self.folder / f"{name}.safetensors").exists() for name in CHECKPOINTS)

    def plan(self) -> Plan:
        """What the run was started with.

        Raises:
            CheckpointError: config.json is missing, or is not that of a run that can be resumed.
        """
        network, tokenizer, about = read_config(self.folder)
        try:
            return Plan(network, tokenizer, TrainConfig(**about["recipe"]), DTYPES[about["precision"]], about)
        except (KeyError, TypeError, ParameterError) as error:
            raise CheckpointError(f"{self.folder / 'config.json'} is not that of a run that can be resumed ({error}).") from None

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Locks the run against other processes, and records which process trains it and how that ends.

        Raises:
            TrainingError: another process trains the run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise TrainingError(f"{self.folder} is being trained by another process. Choose another name (--run).") from None
        try:
            self.note_process(Process.find(os.getpid()))
            yield
        except SoliloquyError as error:
            self._note_error(str(error))
            raise
        else:
            with contextlib.suppress(CheckpointError):  # everything that matters is already on disk
                self.note(ended=round(time.time(), 1))
        finally:
            lock.release()

    def note_process(self, process: Process) -> None:
        """Records which process trains from now on."""
        write_atomically(self._process.path, json.dumps({"pid": process.pid, "began": process.began}).encode())

    def note(self, **facts: str | float) -> None:
        """Adds to the record of the process: "notice", "error" or, once it is done, "ended"."""
        write_atomically(self._process.path, json.dumps(self.process() | facts).encode())

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
        """The record of the process that trains, or was the last to."""
        return self._process.read()

    def log(self, metrics: Metrics) -> None:
        """Appends a line of metrics."""
        self._add(self.metrics_path, metrics)

    def log_sample(self, step: int, text: str) -> None:
        """Appends the text that the network writes at a step."""
        self._add(self.samples_path, {"step": step, "text": text})

    def _add(self, path: Path, line: dict[str, Any]) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise CheckpointError(f"{path} could not be written ({error.strerror}). Fix this, then resume the run.") from error

    def metrics(self) -> list[Metrics]:
        """All lines of metrics so far."""
        return read_lines(self.metrics_path)

    def samples(self) -> list[dict[str, Any]]:
        """All samples so far: step and text."""
        return read_lines(self.samples_path)

    def save(self, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Writes a checkpoint and keeps the previous one."""
        last, fresh, previous = (self.folder / f"{name}.safetensors" for name in CHECKPOINTS)
        save_tensors(fresh, tensors, metadata | {"checksum": _checksum(tensors)})
        if last.exists():
            os.replace(last, previous)
        os.replace(fresh, last)

    def load(self, check: Check = lambda path, tensors: None) -> tuple[dict[str, Tensor], dict[str, Any], str]:
        """The newest usable checkpoint, and a notice for the user where it is not the last one, otherwise "".

        A damaged file is moved aside, so that the next checkpoint does not replace the good one with it.

        Args:
            check: raises a CheckpointError for tensors that cannot be used.

        Raises:
            CheckpointError: no checkpoint is usable.
        """
        last, *others = (self.folder / f"{name}.safetensors" for name in CHECKPOINTS)
        problems = []
        try:
            return *_load_whole(last, check), ""
        except CheckpointError as error:
            problems.append(str(error))
        readable = []
        for path in others:
            try:
                readable.append(_load_whole(path, check))
            except CheckpointError as error:
                problems.append(str(error))
        if not readable:
            raise CheckpointError(f"No checkpoint is usable. {' '.join(problems)}")
        if last.exists():
            os.replace(last, self.folder / "damaged.safetensors")
        tensors, metadata = max(readable, key=lambda checkpoint: checkpoint[1]["step"])
        return tensors, metadata, f"{problems[0]} Continuing from the checkpoint before it (step {metadata['step']})."

    def forget_after(self, step: int) -> None:
        """Drops the metrics and samples after a step, and files that a kill left half written."""
        for name in ("*.safetensors.*.part", "*.jsonl.*.part"):
            for path in self.folder.glob(name):
                path.unlink(missing_ok=True)
        for path in (self.metrics_path, self.samples_path):
            kept = [json.dumps(line) for line in read_lines(path) if line["step"] <= step]
            write_atomically(path, "".join(line + "\n" for line in kept).encode())


def _load_whole(path: Path, check: Check) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, metadata = load_tensors(path)
    if metadata.get("checksum") not in (None, _checksum(tensors)):
        raise CheckpointError(f"{path} is damaged: its checksum does not match.")
    check(path, tensors)
    return tensors, metadata


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """A checksum that changes with any bit of any tensor."""
    found = 0
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data, found)
    return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file's whole lines; none if there is no file. A line that a crash cut short is skipped."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return lines


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one if there is none.

    Raises:
        CheckpointError: the file exists but cannot be read now.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return {}
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from error
    return content if isinstance(content, dict) else {}
