"""Trains a small network, kills it with -9 at random moments and resumes it, and compares it with an uninterrupted run.

python -m tests.support.killing --kills 10
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from model.training.run import Run

ROOT = Path(__file__).parent.parent.parent
SETTINGS = ("--preset", "tiny", "--precision", "float32", "--eval-interval", "10", "--dropout", "0.2", "--input-noise", "0.05")
STEPS = 120
STOPPED_STATUS = 130
PATIENCE_S = 300.0  # far more than a stop takes, even on a busy machine


def synthetic_text(characters: int = 20_000) -> str:
    """A text with some structure, from a fixed seed."""
    rng = random.Random(0)
    words = ["the", "king", "and", "of", "my", "lord", "is", "not", "what", "thou", "art", "shall", "I", "to", "be"]
    text = ""
    while len(text) < characters:
        text += " ".join(rng.choices(words, k=rng.randint(3, 9))) + rng.choice([".\n", ",\n", "?\n\n"])
    return text[:characters]


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """All metrics but the times, which differ from run to run."""
    return [{key: value for key, value in line.items() if key != "elapsed_s"} for line in Run(folder).metrics()]


def start_training(folder: Path, run: str, *arguments: str) -> subprocess.Popen[str]:
    """`python -m model train` in a folder that holds corpus.txt."""
    return _start(folder, run, "--corpus", "corpus.txt", *arguments)


def _start(folder: Path, run: str, *arguments: str) -> subprocess.Popen[str]:
    return _type(folder, shlex.join([sys.executable, "-m", "model", "train", "--run", run, *arguments]))


def _type(folder: Path, command: str) -> subprocess.Popen[str]:
    """Types a command line into a shell in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        f"exec {command}", shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def stop_and_paste(folder: Path, run: Path, *arguments: str) -> list[int]:
    """Starts a long run and presses Ctrl-C; then pastes the command that it prints to resume, and presses Ctrl-C again. Returns the step of
    the checkpoint after each. The files that the arguments name have to be in `folder`.

    Args:
        run: folder of the run, relative to `folder`.
    """
    stopped, metrics = [], folder / run / "metrics.jsonl"
    options = ["--runs", str(run.parent), "--steps", "100000", "--eval-interval", "10"]
    command = shlex.join([sys.executable, "-m", "model", "train", "--run", run.name, *arguments, *options])
    for _ in range(2):
        process = _type(folder, command)
        wait_for_more_lines(metrics, 15, process)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE_S)
        if process.returncode != STOPPED_STATUS:
            raise RuntimeError(output)
        stopped.append(Run(folder / run).load()[1]["step"])
        command = output.split("Resume with: ")[1].splitlines()[0]
    return stopped


def train_killing_at_random(folder: Path, kills: int, rng: random.Random) -> int:
    """`kill_and_resume` with a pretraining run."""
    (folder / "corpus.txt").write_text(synthetic_text())
    corpus = ("--corpus", "corpus.txt")
    return kill_and_resume(folder, kills, rng, (*corpus, *SETTINGS, "--steps", str(STEPS)), (*corpus, "--resume"))


def kill_and_resume(folder: Path, kills: int, rng: random.Random, begin: tuple[str, ...], resume: tuple[str, ...]) -> int:
    """Makes the runs `whole` and `killed` in a folder, and returns how many kills hit a living trainer.

    Args:
        begin, resume: arguments of `python -m model train` that start and resume the run.
    """
    began = time.monotonic()
    whole = _start(folder, "whole", *begin)
    output, _ = whole.communicate()
    if whole.returncode:
        raise RuntimeError(output)
    takes_s = time.monotonic() - began
    lines = len(metrics_of(folder / "runs" / "whole"))
    path = folder / "runs" / "killed" / "metrics.jsonl"
    hits = 0
    while True:
        begun = (folder / "runs" / "killed" / "config.json").exists()
        process = _start(folder, "killed", *(resume if begun else begin))
        if hits < kills:
            wait_for_more_lines(path, rng.randint(1, max(1, lines // (kills + 1))), process)
            time.sleep(rng.uniform(0, 0.02 * takes_s))
            process.send_signal(signal.SIGKILL)
        output, _ = process.communicate()
        if process.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(output)
        hits += process.returncode == -signal.SIGKILL
        if process.returncode == 0:
            return hits


def wait_for_more_lines(path: Path, more: int, process: subprocess.Popen[str]) -> None:
    """Waits until a run has logged some more lines. A resumed run first drops the lines that it repeats."""

    def count() -> int:
        return path.read_bytes().count(b"\n") if path.exists() else 0

    lowest = count()
    while process.poll() is None and count() < lowest + more:
        lowest = min(lowest, count())
        time.sleep(0.005)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="how often to kill the trainer")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hits = train_killing_at_random(folder, options.kills, random.Random(options.seed))
        same = metrics_of(folder / "runs" / "killed") == metrics_of(folder / "runs" / "whole")
        last = metrics_of(folder / "runs" / "killed")[-1]
    print(f"killed {hits} times in {STEPS} steps; metrics {'equal' if same else 'DIFFER'}; last line {last}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
