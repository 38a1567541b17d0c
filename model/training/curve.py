"""The metrics of a run as columns, read while another process writes them: each line once, however many viewers there are.

The names of the columns come from the lines: each task has its own metrics.
"""

from __future__ import annotations

import math
import os
import secrets
import sys
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import fmean
from typing import IO, Any

from model.errors import CheckpointError
from model.files import check_is_file
from model.training.record import MAX_DAMAGED_LINES, MAX_LINE_BYTES, METRICS, SAMPLES, Line, parse_line, pieces, read_lines
from model.training.run import Run

MAX_LINES = 400_000  # of one run, in memory; later lines are not shown
MAX_COLUMNS = 32  # of each kind of line; further names are ignored
NOISY = ("loss", "grad_norm")


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

    def add(self, number: int, line: Line) -> None:
        """Adds a line. A name that no earlier line had begins a new column."""
        values = {name: float(value) for name, value in line.items() if name != "step" and _is_number(value)}
        for name in values:
            if name not in self.values and len(self.values) < MAX_COLUMNS:
                self.values[name] = array("d", [math.nan]) * len(self)
        self.lines.append(number)
        self.steps.append(line["step"])
        for name, column in self.values.items():
            column.append(values.get(name, math.nan))

    def last(self, name: str) -> float | None:
        """The newest number in a column; None if there is none."""
        column = self.values.get(name)
        return column[-1] if column and math.isfinite(column[-1]) else None

    def number(self, line: int, *names: str) -> float | None:
        """The number in a line, counted from 0, in the first of these columns that has one there; None if none has."""
        found = (self.values[name][line] for name in names if name in self.values and line < len(self))
        return next((value for value in found if math.isfinite(value)), None)

    def since(self, number: int) -> dict[str, list[float | None]]:
        """Lines from a number on, as JSON values."""
        first = bisect_left(self.lines, number)
        columns = {name: [value if math.isfinite(value) else None for value in column[first:]] for name, column in self.values.items()}
        return {"step": list(self.steps[first:]), **columns}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max  # false for NaN as well


class Curve:
    """All metrics of a run so far.

    Args:
        every: 1 keeps each step. A larger number keeps every so many steps one, with the mean loss and gradient norm since the one before.

    Attributes:
        edition: changes when lines disappear, as when a killed run is resumed from its checkpoint: viewers then have to read all lines
            again.
        n_lines: the number of lines, of both kinds.
        damaged: how many lines are left out because they cannot be read.
    """

    def __init__(self, run: Run, every: int = 1):
        self._run, self._every = run, every
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self.edition, self.n_lines, self.damaged = secrets.token_hex(4), 0, 0
        self.steps, self.evaluations = Columns("loss", "elapsed_s"), Columns("val_loss")
        self._read_bytes, self._file = 0, 0
        self._steps_to_thin: list[Line] = []

    def read(self) -> None:
        """Reads the new lines. While the file cannot be read, what was read before stays."""
        path = self._run.metrics_path
        with self._lock:
            try:
                check_is_file(path)
                with path.open("rb") as file:
                    self._read(file)
            except FileNotFoundError:
                if self._read_bytes:
                    self._forget()
            except (OSError, CheckpointError):
                return

    def _read(self, file: IO[bytes]) -> None:
        stat = os.fstat(file.fileno())
        if stat.st_size < self._read_bytes or (self._file and stat.st_ino != self._file):
            self._forget()
        self._file = stat.st_ino
        file.seek(self._read_bytes)
        for piece in pieces(file):
            is_whole = piece.endswith(b"\n") or len(piece) == MAX_LINE_BYTES
            if not is_whole or self.damaged == MAX_DAMAGED_LINES:  # the last line may still be being written
                return
            self._read_bytes += len(piece)
            if self.n_lines < MAX_LINES:
                self._add(piece)

    def _add(self, piece: bytes) -> None:
        line = parse_line(piece, METRICS)
        if line is None:
            self.damaged += 1
            return
        if "loss" not in line:
            self.evaluations.add(self.n_lines, line)
        else:
            self._steps_to_thin.append(line)
            if len(self._steps_to_thin) < self._every:
                return
            self.steps.add(self.n_lines, _thinned(self._steps_to_thin))
            self._steps_to_thin = []
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
        samples = self._samples() if wanted else []
        return found | {"samples": [sample for sample in samples if sample["step"] in wanted]}

    def overview(self, points: int, validation: str) -> dict[str, Any]:
        """The curve for one small chart, as JSON values: the training loss at no more than so many steps, each with the mean since the one
        before; the validation losses, thinned alike, but always with the lowest and the last one; the step of the lowest; and the samples.

        Args:
            validation: as in `losses_at`.
        """
        everything = self.since(0)
        steps, evaluations = everything["steps"], everything["evaluations"]
        every = -(-len(steps["step"]) // points) or 1
        ends = range(len(steps["step"]), 0, -every)
        losses = [[loss for loss in steps["loss"][max(0, end - every) : end] if loss is not None] for end in ends]
        means = [round(fmean(some), 6) if some else None for some in losses]
        measured, plain = evaluations["step"], evaluations["val_loss"]
        chosen = [plain[i] if loss is None else loss for i, loss in enumerate(evaluations.get(validation, plain))]
        best = min(((loss, i) for i, loss in enumerate(chosen) if loss is not None), default=None)
        every = -(-len(measured) // points) or 1
        kept = sorted({*range(0, len(measured), every), *range(len(measured))[-1:], *([best[1]] if best else [])})
        known = {measured[i] for i in kept}
        return {
            "steps": {"step": [steps["step"][end - 1] for end in reversed(ends)], "loss": means[::-1]},
            "evaluations": {"step": [measured[i] for i in kept], "val_loss": [chosen[i] for i in kept]},
            "best_step": measured[best[1]] if best else None,
            "samples": [sample for sample in everything["samples"] if sample["step"] in known],
        }

    def best_step(self, validation: str) -> int | None:
        """The step with the lowest validation loss in a column (see `losses_at`); None before the first evaluation."""
        with self._lock:
            found = ((self.evaluations.number(i, validation, "val_loss"), step) for i, step in enumerate(self.evaluations.steps))
            return min(((loss, step) for loss, step in found if loss is not None), default=(0.0, None))[1]

    def losses_at(self, steps: Sequence[int], validation: str) -> list[tuple[float | None, float | None]]:
        """The losses near each step: of the last batch that was learned before it (before the first: of the first), and on the validation
        text at that very step.

        Args:
            validation: the column of the validation loss. Where it has none, as at step 0, "val_loss" counts.
        """
        with self._lock:
            before = [max(0, bisect_right(self.steps.steps, step) - 1) for step in steps]
            at = [bisect_left(self.evaluations.steps, step) for step in steps]
            return [
                (
                    self.steps.number(i, "loss"),
                    self.evaluations.number(j, validation, "val_loss") if self.evaluations.steps[j : j + 1] == array("q", [step]) else None,
                )
                for step, i, j in zip(steps, before, at, strict=True)
            ]

    def _samples(self) -> list[Line]:
        """All samples so far; none while they cannot be read."""
        try:
            return read_lines(self._run.samples_path, SAMPLES)[0]
        except CheckpointError:
            return []

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
        """Mean time of the last steps, evaluations and checkpoints included; None before there are two steps that say when they were
        done."""
        elapsed, steps = self.steps.values["elapsed_s"][-over - 1 :], self.steps.steps[-over - 1 :]
        if len(steps) < 2 or steps[-1] <= steps[0]:
            return None
        pace = (elapsed[-1] - elapsed[0]) / (steps[-1] - steps[0])
        return pace if math.isfinite(pace) and pace > 0 else None


def _thinned(lines: list[Line]) -> Line:
    """One line for several steps: the last one's, with the mean of what varies from batch to batch."""
    means = {name: fmean(line[name] for line in lines) for name in NOISY if all(name in line for line in lines)} if len(lines) > 1 else {}
    return lines[-1] | {name: round(mean, 6) for name, mean in means.items()}
