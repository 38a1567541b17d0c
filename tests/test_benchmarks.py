"""Each benchmark that the README names runs at its smallest size. The figures are not checked: they are the machine's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.killing import synthetic_text
from tests.support.server import ROOT
from tests.test_readme import BENCHMARKS

CORPUS = "--corpus", "corpus.txt"
SMALLEST = {
    "attack": ("--seconds", "1"),
    "attention_view": ("--reads", "1", "--moves", "3"),
    "beside": ("--preset", "tiny", "--presses", "2", "--every", "0.5", "--alone", "1", *CORPUS),
    "busy": ("--rows", "2", "--seconds", "0.3", "--rounds", "1"),
    "decode": ("--rows", "1", "--ragged", "16", "--chars", "20", "--rounds", "1"),
    "learning": ("--presses", "1", "--steps", "2"),
    "lecture": ("--scenes", "2", "--rounds", "1"),
    "load": ("--rounds", "1"),
    "meaning": ("--questions", "1"),
    "models": ("--viewers", "2", "--chars", "20", "--models", "3"),
    "page": ("--moves", "3", "--samples", "5", "--chars", "40"),
    "presets": ("--preset", "quick", "--steps", "5", *CORPUS),
    "soak": ("--minutes", "1"),  # the shortest that shows how memory goes; a fault is a failure
    "start": ("--rounds", "1"),
    "train": ("--steps", "1", "--batch-size", "1", *CORPUS),
    "viewers": ("--viewers", "2", "--samples", "1", "--chars", "20", "--usual", "1"),
    "wall": ("--phones", "3", "--chars", "20", "--followers", "3", "--addresses", "2"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name != "reward_curve"])  # see tests/test_reward.py
def test_it_runs_at_its_smallest_size(name: str, tmp_path: Path) -> None:
    if name in ("attack", "beside", "models", "soak", "viewers", "wall") and not sys.platform.startswith("linux"):
        pytest.skip("memory and processor time are read from /proc")
    (tmp_path / "corpus.txt").write_text(synthetic_text())
    arguments = [str(tmp_path / word) if word == "corpus.txt" else word for word in SMALLEST[name]]
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout
