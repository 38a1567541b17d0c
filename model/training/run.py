"""A training run on disk.

    config.json           network, vocabulary, recipe, corpus
    metrics.jsonl         a line per step, and one per evaluation
    last.safetensors      everything that a resumed run needs; previous.safetensors is the one before
    best.safetensors      the weights with the lowest validation loss so far

Batches, dropout and schedule are functions of the seed and the step, so a checkpoint holds weights, running average, optimizer
state and the step, and no generator state. On resuming, lines of later steps than the checkpoint's are cut off and
written again, with the same numbers.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from model.checkpoint import load_tensors, save_tensors, write_atomically
from model.errors import CheckpointError

Metrics = dict[str, float | int]


class Run:
    """The folder of one run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.metrics_path = folder / "metrics.jsonl"

    def has_checkpoint(self) -> bool:
        """True where there is something to resume."""
        return any((self.folder / name).exists() for name in ("last.safetensors", "previous.safetensors"))

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
        last, previous, fresh = (self.folder / f"{name}.safetensors" for name in ("last", "previous", "fresh"))
        save_tensors(fresh, tensors, metadata)
        if last.exists():
            os.replace(last, previous)
        os.replace(fresh, last)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any], str]:
        """The newest checkpoint that can be read, and a word on it where it is not the newest there was.

        Raises:
            CheckpointError: neither can be read.
        """
        try:
            return *load_tensors(self.folder / "last.safetensors"), ""
        except CheckpointError as error:
            problem = error
        try:
            tensors, metadata = load_tensors(self.folder / "previous.safetensors")
        except CheckpointError as error:
            raise CheckpointError(f"{problem} The checkpoint before it cannot be used either: {error}") from error
        return tensors, metadata, f"{problem} Going on from the checkpoint before it (step {metadata['step']})."

    def forget_after(self, step: int) -> None:
        """Drops metrics of later steps than a checkpoint's."""
        kept = [json.dumps(line) for line in self.metrics() if line["step"] <= step]
        write_atomically(self.metrics_path, "".join(line + "\n" for line in kept).encode())
