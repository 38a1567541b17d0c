"""A training run on disk.

    config.json           network, vocabulary, recipe, corpus
    metrics.jsonl         a line per step, and one per evaluation
    samples.jsonl         a line per evaluation: what the network then writes, always with the same dice
    last.safetensors      everything that a resumed run needs; previous.safetensors is the one before
    best.safetensors      the weights with the lowest validation loss so far
    lock                  held by the process that trains
    process.json          which process that is or was, and how it ended, if it could still say so

Batches, dropout and schedule are functions of the seed and the step, so a checkpoint holds weights, running average, optimizer
state and the step, and no generator state. On resuming, lines of later steps than the checkpoint's are cut off and
written again, with the same numbers.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from model.errors import CheckpointError, SoliloquyError, TrainingError
from model.files import write_atomically
from model.training.process import Process
from model.weights import load_tensors, save_tensors

Metrics = dict[str, float | int]
Check = Callable[[Path, dict[str, Tensor]], None]

CHECKPOINTS = ("last", "fresh", "previous")  # `fresh` stands there for a moment, between being written and becoming `last`


class Run:
    """The folder of one run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.metrics_path = folder / "metrics.jsonl"
        self.samples_path = folder / "samples.jsonl"
        self.process_path = folder / "process.json"

    def exists(self) -> bool:
        """True where a run was started."""
        return (self.folder / "config.json").exists()

    def has_checkpoint(self) -> bool:
        """True where a run got as far as a checkpoint."""
        return any((self.folder / f"{name}.safetensors").exists() for name in CHECKPOINTS)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Keeps other processes off the run for as long as this one lives, and notes which one it is and how it ends.

        Raises:
            TrainingError: another one is at it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise TrainingError(f"{self.folder} is being trained by another process. Give another name (--run).") from None
        try:
            self.note_process(Process.find(os.getpid()))
            yield
        except SoliloquyError as error:
            self._note_error(str(error))
            raise
        else:
            with contextlib.suppress(CheckpointError):  # all that matters is on disk already
                self.note(ended=round(time.time(), 1))
        finally:
            lock.release()

    def note_process(self, process: Process) -> None:
        """Notes which process trains from now on."""
        write_atomically(self.process_path, json.dumps({"pid": process.pid, "began": process.began}).encode())

    def note(self, **facts: str | float) -> None:
        """Adds to what is noted of the process: "notice", "error" or, once it is done, "ended"."""
        write_atomically(self.process_path, json.dumps(self.process() | facts).encode())

    def _note_error(self, words: str) -> None:
        """Notes why the process ended; on a full disk, over what stood there."""
        try:
            self.note(error=words)
        except CheckpointError:
            with (
                contextlib.suppress(OSError, CheckpointError),
                self.process_path.open("r+b") as file,
            ):
                file.write(json.dumps(self.process() | {"error": words}).encode())  # longer than before, by the error

    def process(self) -> dict[str, Any]:
        """What is noted of the process that trains, or was the last to."""
        return read_json(self.process_path)

    def log(self, metrics: Metrics) -> None:
        """Adds a line of metrics."""
        self._add(self.metrics_path, metrics)

    def log_sample(self, step: int, text: str) -> None:
        """Adds what the network writes at a step."""
        self._add(self.samples_path, {"step": step, "text": text})

    def _add(self, path: Path, line: dict[str, Any]) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise CheckpointError(f"{path} could not be written ({error.strerror}). Resume the run when that is mended.") from error

    def metrics(self) -> list[Metrics]:
        """All lines so far."""
        return read_lines(self.metrics_path)

    def samples(self) -> list[dict[str, Any]]:
        """All samples so far: step and text."""
        return read_lines(self.samples_path)

    def save(self, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Writes a checkpoint and keeps the one before."""
        last, fresh, previous = (self.folder / f"{name}.safetensors" for name in CHECKPOINTS)
        save_tensors(fresh, tensors, metadata | {"checksum": _checksum(tensors)})
        if last.exists():
            os.replace(last, previous)
        os.replace(fresh, last)

    def load(self, check: Check = lambda path, tensors: None) -> tuple[dict[str, Tensor], dict[str, Any], str]:
        """The newest checkpoint that can be used, and a word on it where it is not the last one.

        A damaged file is put aside, so that the next checkpoint does not push it over the good one.

        Args:
            check: raises a CheckpointError for tensors that cannot be used.

        Raises:
            CheckpointError: none can be used.
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
            raise CheckpointError(f"No checkpoint can be used. {' '.join(problems)}")
        if last.exists():
            os.replace(last, self.folder / "damaged.safetensors")
        tensors, metadata = max(readable, key=lambda checkpoint: checkpoint[1]["step"])
        return tensors, metadata, f"{problems[0]} Going on from the checkpoint before it (step {metadata['step']})."

    def forget_after(self, step: int) -> None:
        """Drops metrics of later steps than a checkpoint's, and files that a kill left half written."""
        for name in ("*.safetensors.*.part", "*.jsonl.*.part"):
            for path in self.folder.glob(name):
                path.unlink(missing_ok=True)
        for path in (self.metrics_path, self.samples_path):
            kept = [json.dumps(line) for line in read_lines(path) if line["step"] <= step]
            write_atomically(path, "".join(line + "\n" for line in kept).encode())


def _load_whole(path: Path, check: Check) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, metadata = load_tensors(path)
    if metadata.get("checksum") not in (None, _checksum(tensors)):
        raise CheckpointError(f"{path} is damaged: its tensors are not those that were written.")
    check(path, tensors)
    return tensors, metadata


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """Another one if a bit of a tensor is another."""
    found = 0
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data, found)
    return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file's whole lines; none if there is no file. A line that a crash cut short is passed over."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one if there is none.

    Raises:
        CheckpointError: there is a file, and it cannot be read now.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from error
    return content if isinstance(content, dict) else {}
