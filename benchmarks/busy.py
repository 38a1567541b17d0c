"""Writing on a machine whose processors others keep busy: a fixed number of threads beside the number that the engine finds.

    python -m benchmarks.busy                     4 and 64 rows, idle and beside two busy processes
    python -m benchmarks.busy --rows 4 --seconds 1 --rounds 1

The engine writes texts of 250 characters, one after the other, for some seconds with each fixed number of threads and then with the number
that it finds (model/serving/threads.py), in turn. Beside them run as many endless loops as there are threads at most, at normal
priority, as a video call or a recorder would be.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import torch

from model.limits import MAX_SAMPLES
from model.machine import MAX_THREADS, in_fresh_thread, thread_counts
from model.precision import ready_to_write
from model.program import run_program
from model.sampling import SamplingParams
from model.serving.engine import Engine, precision_name
from model.serving.threads import Threads
from model.weights import SHIPPED_WEIGHTS, load_weights

Result = TypeVar("Result")

CHARS = 250
FOUND = "found"
TARGETS = {"idle": 0.97, "busy": 0.80}  # of the best fixed number


class Fixed(Threads):
    """Always the same number of threads."""

    def run(self, rows: int, step: Callable[[], Result]) -> Result:
        """Runs a step."""
        torch.set_num_threads(self._counts[0])
        return step()


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Endless loops beside."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def write(engine: Engine, rows: int, seconds: float) -> float:
    """Characters per second of `rows` rows in step."""
    sizes = [min(MAX_SAMPLES, rows - first) for first in range(0, rows, MAX_SAMPLES)]
    began, chars = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        params = [replace(SamplingParams(max_new_chars=CHARS), samples=size, seed=number) for number, size in enumerate(sizes)]
        requests = [engine.submit("\n", each, f"viewer {number}", remember=False) for number, each in enumerate(params)]
        while not all(request.finished for request in requests):
            time.sleep(0.002)
        chars += rows * CHARS
    return chars / spent


def measure(engine: Engine, rows: int, seconds: float, rounds: int) -> dict[str, float]:
    """Characters per second for each fixed number of threads, and for what the engine finds: the mean over all rounds."""
    writer = engine._writers[engine.default_key]
    ways: dict[str, Threads] = {str(n): Fixed([n]) for n in thread_counts(MAX_THREADS)} | {FOUND: writer._threads}
    speeds: Counter[str] = Counter()
    for _ in range(rounds):
        for name, way in ways.items():
            writer._threads = way
            speeds[name] += write(engine, rows, seconds) / rounds
    return speeds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[4, 64])
    parser.add_argument("--seconds", type=float, default=6, help="for each way, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    weights = in_fresh_thread(lambda: load_weights(SHIPPED_WEIGHTS, torch.device("cpu")))
    weights = replace(weights, model=in_fresh_thread(lambda: ready_to_write(weights.model, precision_name(weights))))
    engine = Engine(weights)
    print(f"torch {torch.__version__}, at most {MAX_THREADS} threads, {weights.model.dtype}; characters per second, all rows together\n")
    names = [*map(str, thread_counts(MAX_THREADS)), FOUND]
    print(f"{'rows':>4} {'beside':>7} " + " ".join(f"{name:>8}" for name in names) + "   found / best fixed")
    missed = 0
    for rows in options.rows:
        for load, loops in (("idle", 0), ("busy", MAX_THREADS)):
            with busy_processes(loops):
                write(engine, rows, options.seconds / 3)  # warm, and for the load to be there
                speeds = measure(engine, rows, options.seconds, options.rounds)
            best = max(speed for name, speed in speeds.items() if name != FOUND)
            missed += speeds[FOUND] / best < TARGETS[load]
            shown = " ".join(f"{speeds[name]:>8,.0f}" for name in names)
            print(f"{rows:>4} {load:>7} {shown}   {speeds[FOUND] / best:.2f} (target {TARGETS[load]:.2f})", flush=True)
    engine.close()
    print(f"\n{missed} targets missed" if missed else "\nall targets met")
    return 0


if __name__ == "__main__":
    run_program(main)
