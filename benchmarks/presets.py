"""One press of Start for each preset of the lecture, over real HTTP: how long until its validation loss is reached.

    python -m benchmarks.presets                     quick and lesson, one after the other: about 20 minutes on two cores
    python -m benchmarks.presets --preset quick
    python -m benchmarks.presets --preset quick --steps 10 --corpus FILE      to see that it runs

The app is started with an empty folder of runs, the admin logs in, sends what the page sends, and asks for the curve as a page does.
The time runs from the press: the trainer's start, evaluations and checkpoints count. The losses are the run's own, over the whole
validation text. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model.program import run_program
from tests.support.admin import PASSWORD, Admin, runs_ended
from tests.support.server import running_app

TARGETS = {"quick": (2.0, 2 * 60), "lesson": (1.60, 20 * 60)}  # nats per character, within so many seconds
LOOK_S = 1.0
UNDER_WAY = ("running", "stopping")


@contextmanager
def lecturer() -> Iterator[Admin]:
    """An app with no runs, and the right to train."""
    os.environ["ADMIN_PASSWORD"] = PASSWORD
    with tempfile.TemporaryDirectory() as name, runs_ended(Path(name)), running_app("--device", "cpu", "--runs", name) as url:
        yield Admin.logged_in(url)


def press(admin: Admin, preset: str, steps: int | None, corpus: str | None) -> tuple[dict[str, Any], list[tuple[float, int, float]]]:
    """Trains a preset to its end; returns the run, and of each evaluation seconds since the press, step and loss."""
    began, seen = time.monotonic(), []
    run = admin.do("/train/start", preset=preset, settings={} if steps is None else {"steps": steps}, corpus=corpus)["run"]
    while True:
        told = admin.curve(run["id"])
        now = time.monotonic() - began
        for step, *losses in list(zip(*told["evaluations"].values(), strict=True))[len(seen) :]:
            seen.append((now, step, min(loss for loss in losses if loss is not None)))
        if told["run"]["state"] not in UNDER_WAY:
            return told["run"], seen
        time.sleep(LOOK_S)


def report(preset: str, run: dict[str, Any], seen: list[tuple[float, int, float]]) -> None:
    """Prints the curve and whether the target was met."""
    target, limit_s = TARGETS[preset]
    print(f"\n{preset}: {run['state']}, {run['n_params'] / 1e6:.1f} M parameters, {run['precision']}, {run['chars_per_s']:,} characters/s")
    print(f"{'seconds':>8} {'step':>6} {'validation loss':>16}")
    for seconds, step, loss in seen:
        print(f"{seconds:>8.0f} {step:>6,} {loss:>16.4f}")
    reached = next((seconds for seconds, _, loss in seen if loss <= target), None)
    when = "not reached" if reached is None else f"{'' if reached <= limit_s else 'too late, '}after {reached:.0f} s"
    print(f"{target} within {limit_s} s: {when}")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=TARGETS, action="append", help="one of them; may be repeated (default: all)")
    parser.add_argument("--steps", type=int, help="optimizer steps (default: the preset's)")
    parser.add_argument("--corpus", type=Path, help="a text to train on (default: Tiny Shakespeare)")
    options = parser.parse_args()
    with lecturer() as admin:
        corpus = admin.upload(options.corpus.read_bytes()) if options.corpus else None
        for preset in options.preset or TARGETS:
            report(preset, *press(admin, preset, options.steps, corpus))


if __name__ == "__main__":
    run_program(main)
