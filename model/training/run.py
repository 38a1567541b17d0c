"""A training run on disk.

    config.json           network, vocabulary, recipe, corpus
    metrics.jsonl         a line per step, and one per evaluation
    last.safetensors      everything that a resumed run needs; previous.safetensors is the one before
    best.safetensors      the weights with the lowest validation loss so far
    lock                  held by the process that trains

Batches, dropout and schedule are functions of the seed and the step, so a checkpoint holds weights, running average, optimizer
state and the step, and no generator state. On resuming, lines of later steps than the checkpoint's are cut off and
written again, with the same numbers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from model.checkpoint import load_tensors, save_tensors
from model.errors import CheckpointError, TrainingError
from model.files import write_atomically

Metrics = dict[str, float | int]

CHECKPOINTS = ("last", "fresh", "previous")  # `fresh` stands there for a moment, between being written and becoming `last`


class Run:
    """The folder of one run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.metrics_path = folder / "metrics.jsonl"

    def exists(self) -> bool:
        """True where a run was started."""
        return (self.folder / "config.json").exists()

    def has_checkpoint(self) -> bool:
        """True where a run got as far as a checkpoint."""
        return any((self.folder / f"{name}.safetensors").exists() for name in CHECKPOINTS)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keeps other processes off the run for as long as this one lives.

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
            yield
        finally:
            lock.release()

    def log(self, metrics: Metrics) -> None:
        """Adds a line of metrics."""
        try:
            with self.metrics_path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(metrics) + "\n")
        except OSError as error:
            raise CheckpointError(
                f"{self.metrics_path} could not be written ({error.strerror}). Resume the run when that is mended."
            ) from error

    def metrics(self) -> list[Metrics]:
        """All whole lines so far; a line that a crash cut short is passed over."""
        if not self.metrics_path.exists():
            return []
        lines = []
        for line in self.metrics_path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return lines

    def save(self, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Writes a checkpoint and keeps the one before."""
        last, fresh, previous = (self.folder / f"{name}.safetensors" for name in CHECKPOINTS)
        save_tensors(fresh, tensors, metadata)
        if last.exists():
            os.replace(last, previous)
        os.replace(fresh, last)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any], str]:
        """The newest checkpoint that can be read, and a word on it where it is not the last one.

        A damaged file is put aside, so that the next checkpoint does not push it over the good one.

        Raises:
            CheckpointError: none can be read.
        """
        last, *others = (self.folder / f"{name}.safetensors" for name in CHECKPOINTS)
        problems = []
        try:
            return *load_tensors(last), ""
        except CheckpointError as error:
            problems.append(str(error))
        readable = []
        for path in others:
            try:
                readable.append(load_tensors(path))
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
        for path in self.folder.glob("*.part"):
            path.unlink()
        kept = [json.dumps(line) for line in self.metrics() if line["step"] <= step]
        write_atomically(self.metrics_path, "".join(line + "\n" for line in kept).encode())
