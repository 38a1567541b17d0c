"""Sampling beside training, over real HTTP: one viewer asks for four samples of 300 characters every ten seconds.

    python -m benchmarks.beside                       the page's default preset: about ten minutes
    python -m benchmarks.beside --preset quick --presses 10
    python -m benchmarks.beside --preset sft --presses 10     a stage of the assistant: sft, reward or policy
    python -m benchmarks.beside --preset tiny --presses 2 --every 1 --alone 1 --corpus FILE

First the viewer alone, then a training alone, then both. Shown are the time from the press to the first character and to the last, how
many steps a second the training made, and the most memory that it held; steps behind which an evaluation stood are left out on both sides.
A reward model learns from fewer comparisons than its preset has: they are made before the first step.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.viewers import OURS, Visit, Work
from model.program import run_program
from model.training.presets import DEFAULT_PRESET, PRESETS
from model.training.run import PROCESS_FILE
from tests.support.admin import PASSWORD, Admin, runs_ended, wait_for
from tests.support.client import read_answer
from tests.support.server import resident_bytes, running_app

WORK = Work(samples=4, chars=300)
LATER_LIMIT = 2.0  # times as long to the first character, p95
SPEED_LIMIT = 0.6  # of the training's own speed
FIRST_STEPS = 20  # of a training, not counted: it warms up
LEAST_STEPS = 3  # of a training alone, however long they take
MADE = 500  # comparisons
BEGINS_S = 600  # within which a training makes these steps


def visit(url: str, presses: int, every_s: float) -> list[Visit]:
    """Presses Generate at a fixed interval; each visit's times count from its own press."""
    visits = []
    for number in range(presses):
        began = time.perf_counter()
        answer = read_answer(asyncio.run(OURS.press(url, number, WORK)).arrivals)
        told = OURS.judge(answer, WORK)
        visits.append(Visit(began, told.first - began, told.done - began, told.chars, told.error))
        time.sleep(max(0.0, began + every_s - time.perf_counter()))
    return visits


def steps_per_s(steps: dict[str, list[Any]], since: int, until: int, eval_interval: int) -> float:
    """The speed between two steps."""
    times = [
        later - earlier
        for step, earlier, later in zip(steps["step"][1:], steps["elapsed_s"], steps["elapsed_s"][1:], strict=False)
        if since < step <= until and (step - 1) % eval_interval
    ]
    return len(times) / sum(times)


def good(visits: list[Visit], what: str) -> list[float]:
    """A time of all visits that went well."""
    return [getattr(told, what) for told in visits if not told.error]


def quantile(values: list[float], share: float) -> float:
    """The value that a share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def show(name: str, visits: list[Visit]) -> None:
    """One line on visits."""
    errors = [told.error for told in visits if told.error]
    first, done = ([seconds * 1e3 for seconds in good(visits, what)] for what in ("first", "done"))
    print(
        f"{name:<24} first character p50 {statistics.median(first):5.0f} ms, p95 {quantile(first, 0.95):5.0f} ms; "
        f"all p50 {statistics.median(done):6.0f} ms, p95 {quantile(done, 0.95):6.0f} ms; {len(errors)} errors {errors[:1] or ''}",
        flush=True,
    )


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default=DEFAULT_PRESET, help="what is trained")
    parser.add_argument("--presses", type=int, default=20, help="of the viewer, alone and beside the training")
    parser.add_argument("--every", type=float, default=10, help="seconds from one press to the next")
    parser.add_argument("--corpus", type=Path, help="a text to train on (default: Tiny Shakespeare)")
    parser.add_argument("--alone", type=float, default=60, help="seconds for which the training is alone")
    options = parser.parse_args()
    os.environ["ADMIN_PASSWORD"] = PASSWORD
    with tempfile.TemporaryDirectory() as name, runs_ended(Path(name)), running_app("--device", "cpu", "--runs", name) as url:
        admin = Admin.logged_in(url)
        visit(url, 1, options.every)
        alone = visit(url, options.presses, options.every)
        show("viewer alone", alone)

        recipe = PRESETS[options.preset].recipe
        corpus = admin.upload(options.corpus.read_bytes()) if options.corpus else None
        settings = {"steps": 100_000, "decay_share": 0.1} | ({"made": MADE} if hasattr(recipe, "made") else {})
        run = admin.do("/train/start", preset=options.preset, settings=settings, corpus=corpus)["run"]["id"]
        wait_for(lambda: admin.run(run)["step"] >= FIRST_STEPS, BEGINS_S)
        time.sleep(options.alone)
        wait_for(lambda: admin.run(run)["step"] >= FIRST_STEPS + LEAST_STEPS, BEGINS_S)
        until = admin.run(run)["step"]
        beside = visit(url, options.presses, options.every)
        show(f"beside {options.preset}", beside)
        steps = admin.curve(run)["steps"]
        memory = resident_bytes(json.loads((Path(name) / run / PROCESS_FILE).read_bytes())["pid"], most=True)
        admin.do(f"/train/runs/{run}/stop", firmly=True)

    free = steps_per_s(steps, FIRST_STEPS, until, recipe.eval_interval)
    shared = steps_per_s(steps, until, steps["step"][-1], recipe.eval_interval)
    later = quantile(good(beside, "first"), 0.95) / quantile(good(alone, "first"), 0.95)
    print(f"training: {free:.2f} steps/s alone, {shared:.2f} beside the viewer: {shared / free:.0%} of its speed (limit {SPEED_LIMIT:.0%})")
    print(f"          {1 / free:.2f} s a step alone, {1 / shared:.2f} s beside the viewer; at most {memory / 1e6:,.0f} MB")
    print(f"first character, p95: {later:.2f} x as late (limit {LATER_LIMIT})")


if __name__ == "__main__":
    run_program(main)
