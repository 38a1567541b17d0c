"""The metrics of a run as columns, read while another process goes on writing them: each line once, however many ask."""

from __future__ import annotations

import json
import math
import os
import secrets
import threading
from array import array
from bisect import bisect_left
from typing import Any

from model.training.run import Run, read_lines

MAX_LINES = 400_000  # of one run, in memory; what comes after is not shown

STEP_NAMES = ("loss", "learning_rate", "grad_norm", "elapsed_s")
EVALUATION_NAMES = ("val_loss", "val_loss_average")


class Columns:
    """Numbers of lines of one kind.

    Attributes:
        lines: each one's number in the file, from 0.
        steps: each one's step.
    """

    def __init__(self, names: tuple[str, ...]):
        self.lines, self.steps = array("q"), array("q")
        self.values = {name: array("d") for name in names}

    def __len__(self) -> int:
        return len(self.lines)

    def add(self, number: int, line: dict[str, Any]) -> None:
        """Adds a line. What it does not have is no number."""
        step, values = int(line["step"]), [float(line.get(name, math.nan)) for name in self.values]  # first: a bad line adds nothing
        self.lines.append(number)
        self.steps.append(step)
        for column, value in zip(self.values.values(), values, strict=True):
            column.append(value)

    def since(self, number: int) -> dict[str, list[float | None]]:
        """Lines from a number on, as JSON values."""
        first = bisect_left(self.lines, number)
        columns = {name: [value if math.isfinite(value) else None for value in column[first:]] for name, column in self.values.items()}
        return {"step": list(self.steps[first:]), **columns}


class Curve:
    """All that a run has measured so far.

    Attributes:
        edition: another one when lines that were there are gone, as when a run that was killed is resumed from its checkpoint: who
            read them has to read all again.
        n_lines: how many lines there are, of both kinds.
    """

    def __init__(self, run: Run):
        self._run = run
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self.edition, self.n_lines = secrets.token_hex(4), 0
        self.steps, self.evaluations = Columns(STEP_NAMES), Columns(EVALUATION_NAMES)
        self._read_bytes, self._file = 0, 0

    def read(self) -> None:
        """Reads what is new."""
        with self._lock:
            try:
                with self._run.metrics_path.open("rb") as file:
                    self._read(file)
            except FileNotFoundError:
                if self.n_lines:
                    self._forget()

    def _read(self, file: Any) -> None:
        stat = os.fstat(file.fileno())
        if stat.st_size < self._read_bytes or (self._file and stat.st_ino != self._file):
            self._forget()
        self._file = stat.st_ino
        file.seek(self._read_bytes)
        new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.splitlines():
            if self.n_lines < MAX_LINES:
                self._add(line)

    def _add(self, line: bytes) -> None:
        try:
            metrics = json.loads(line)
            (self.steps if "loss" in metrics else self.evaluations).add(self.n_lines, metrics)
        except (ValueError, KeyError, TypeError, OverflowError):  # cut short by a crash
            return
        self.n_lines += 1

    def since(self, number: int, edition: str | None = None) -> dict[str, Any]:
        """Lines from a number on as JSON values, with the sample of each evaluation among them; from the first on, for who has lines of
        another edition."""
        with self._lock:
            if edition is not None and edition != self.edition:
                number = 0
            evaluations = self.evaluations.since(number)
            told = {
                "from": number,
                "edition": self.edition,
                "next": self.n_lines,
                "steps": self.steps.since(number),
                "evaluations": evaluations,
            }
        wanted = set(evaluations["step"])
        samples = read_lines(self._run.samples_path) if wanted else []
        return told | {"samples": [sample for sample in samples if sample.get("step") in wanted]}

    @property
    def step(self) -> int:
        """Steps done."""
        return self.steps.steps[-1] if len(self.steps) else 0

    @property
    def best(self) -> tuple[float, int] | None:
        """The lowest validation loss and its step, if there was an evaluation."""
        pairs = (
            (loss, step)
            for column in self.evaluations.values.values()
            for loss, step in zip(column, self.evaluations.steps, strict=True)
            if math.isfinite(loss)
        )
        return min(pairs, default=None)

    def seconds_per_step(self, over: int) -> float | None:
        """How long a step takes, evaluations and checkpoints included, over the last ones; None before there are two."""
        elapsed, steps = self.steps.values["elapsed_s"][-over - 1 :], self.steps.steps[-over - 1 :]
        return (elapsed[-1] - elapsed[0]) / (steps[-1] - steps[0]) if len(steps) > 1 else None
