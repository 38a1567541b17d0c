"""The metrics of a run as columns, read while another process writes them: each line once, however many viewers there are.

The names of the columns come from the lines: each task has its own metrics.
"""

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

MAX_LINES = 400_000  # of one run, in memory; later lines are not shown
MAX_COLUMNS = 32  # of each kind of line; further names are ignored


class Columns:
    """The numbers in the lines of one kind.

    Attributes:
        lines: the number of each line in the file, from 0.
        steps: the step of each line.
        values: the other numbers by name; NaN where a line has none.
    """

    def __init__(self, *names: str):
        self.lines, self.steps = array("q"), array("q")
        self.values = {name: array("d") for name in names}

    def __len__(self) -> int:
        return len(self.lines)

    def add(self, number: int, line: dict[str, Any]) -> None:
        """Adds a line. A name that no earlier line had begins a new column."""
        step = int(line["step"])
        values = {name: float(value) for name, value in line.items() if name != "step" and isinstance(value, (int, float))}
        for name in values:
            if name not in self.values and len(self.values) < MAX_COLUMNS:
                self.values[name] = array("d", [math.nan]) * len(self)
        self.lines.append(number)
        self.steps.append(step)
        for name, column in self.values.items():
            column.append(values.get(name, math.nan))

    def last(self, name: str) -> float | None:
        """The newest number in a column; None if there is none."""
        column = self.values.get(name)
        return column[-1] if column and math.isfinite(column[-1]) else None

    def since(self, number: int) -> dict[str, list[float | None]]:
        """Lines from a number on, as JSON values."""
        first = bisect_left(self.lines, number)
        columns = {name: [value if math.isfinite(value) else None for value in column[first:]] for name, column in self.values.items()}
        return {"step": list(self.steps[first:]), **columns}


class Curve:
    """All metrics of a run so far.

    Attributes:
        edition: changes when lines disappear, as when a killed run is resumed from its checkpoint: viewers then have to read all lines
            again.
        n_lines: the number of lines, of both kinds.
    """

    def __init__(self, run: Run):
        self._run = run
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self.edition, self.n_lines = secrets.token_hex(4), 0
        self.steps, self.evaluations = Columns("loss", "elapsed_s"), Columns("val_loss")
        self._read_bytes, self._file = 0, 0

    def read(self) -> None:
        """Reads the new lines."""
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
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # cut short by a crash
            return
        self.n_lines += 1

    def since(self, number: int, edition: str | None = None) -> dict[str, Any]:
        """Lines from a number on as JSON values, with the sample of each evaluation among them; all lines, if the caller's are of another
        edition."""
        with self._lock:
            if edition is not None and edition != self.edition:
                number = 0
            evaluations = self.evaluations.since(number)
            found = {
                "from": number,
                "edition": self.edition,
                "next": self.n_lines,
                "steps": self.steps.since(number),
                "evaluations": evaluations,
            }
        wanted = set(evaluations["step"])
        samples = read_lines(self._run.samples_path) if wanted else []
        return found | {"samples": [sample for sample in samples if sample.get("step") in wanted]}

    @property
    def step(self) -> int:
        """Steps done."""
        return self.steps.steps[-1] if len(self.steps) else 0

    @property
    def best(self) -> tuple[float, int] | None:
        """The lowest validation loss and its step; None before the first evaluation."""
        pairs = (
            (loss, step)
            for name, column in self.evaluations.values.items()
            for loss, step in zip(column, self.evaluations.steps, strict=True)
            if name.startswith("val_loss") and math.isfinite(loss)
        )
        return min(pairs, default=None)

    def seconds_per_step(self, over: int) -> float | None:
        """Mean time of the last steps, evaluations and checkpoints included; None before there are two steps."""
        elapsed, steps = self.steps.values["elapsed_s"][-over - 1 :], self.steps.steps[-over - 1 :]
        return (elapsed[-1] - elapsed[0]) / (steps[-1] - steps[0]) if len(steps) > 1 else None
