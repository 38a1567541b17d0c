"""Several processes that train one run: they take the steps of one, and whatever ends one of them, nothing is lost."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.config import GPTConfig, NetworkConfig, TrainConfig
from model.data import Corpus
from model.errors import TrainingError
from model.network.dropout import SharedRows
from model.training.presets import PRESETS
from model.training.processes import Processes
from model.training.run import Run
from model.training.tasks.embed import Embed
from model.training.tasks.policy import Reinforce
from model.training.tasks.pretrain import Pretrain
from model.training.tasks.reward import LearnReward
from model.training.trainer import Trainer
from tests.support.killing import PATIENCE_S, ROOT, metrics_of, synthetic_text, wait_for_more_lines

CPU = torch.device("cpu")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
SETTINGS = ("--preset", "tiny", "--precision", "float32", "--dropout", "0.2", "--input-noise", "0.05", "--corpus", "corpus.txt")
ADAMW = ("--optimizer", "adamw", "--learning-rate", "0.003", "--embedding-learning-rate", "0.003")


class OneOfTwo(Processes):
    """A process whose gradients and losses are not summed with another's."""

    def parallel(self, module: Any) -> Any:
        return module

    def averaging(self, module: Any, now: bool) -> Any:
        return torch.enable_grad()

    def total(self, number: float, device: torch.device) -> float:
        return number


LADDER = [key for key in PRESETS if key.startswith("ladder-")][-1]


@pytest.mark.parametrize("network", [GPTConfig(n_layer=2, n_head=2, n_embd=32, block_size=32), PRESETS[LADDER].network])
def test_the_parts_of_two_processes_have_the_loss_and_the_gradients_of_the_whole(tmp_path: Path, network: NetworkConfig) -> None:
    """Each drops what one process would drop, and a pass of a single row is read by one of them."""
    assert isinstance(network, NetworkConfig)
    network = replace(network, n_embd=32, block_size=32, dropout=0.3)
    recipe = TrainConfig(steps=4, batch_size=6, micro_batch_size=5, grad_clip=1e9, optimizer="adamw")
    corpus = Corpus("synthetic", synthetic_text())
    losses, gradients = [], []
    for processes in (Processes(), OneOfTwo(0, 2), OneOfTwo(1, 2)):
        trainer = Trainer(Run(tmp_path), Pretrain(corpus, network, recipe), CPU, torch.float32, processes)
        trainer.optimizers = []  # which would clear the gradients
        losses.append(trainer.optimize()["loss"])
        gradients.append({name: p.grad for name, p in trainer.model.named_parameters()})
    assert losses[0] == pytest.approx(losses[1] + losses[2], abs=2e-6)
    for name, whole in gradients[0].items():
        torch.testing.assert_close((gradients[1][name] + gradients[2][name]) / 2, whole, rtol=1e-4, atol=1e-6)


def test_rows_are_shared_without_gaps() -> None:
    for n in range(1, 9):
        found = []
        for rank in range(3):
            rows, counts = Processes(rank, 3).part((torch.arange(n),), SharedRows())
            assert len(rows[0]) >= 1  # all take part in each pass
            found += rows[0].tolist() if counts else []
        assert found == [*range(n)]


@pytest.mark.parametrize("task", [Embed, LearnReward, Reinforce])
def test_tasks_whose_rows_belong_together_are_refused(tmp_path: Path, task: Any) -> None:
    assert not task.is_shared
    shared = Pretrain(Corpus("synthetic", synthetic_text()), GPTConfig(n_layer=1, n_head=1, n_embd=8, block_size=8), TrainConfig(steps=1))
    shared.is_shared = False
    with pytest.raises(TrainingError, match="Several processes cannot share the task pretrain: train it without torchrun"):
        Trainer.start(Run(tmp_path), shared, CPU, torch.float32, Processes(0, 2))
    assert not Run(tmp_path).exists()


def train(folder: Path, run: str, *arguments: str, processes: int = 1) -> subprocess.Popen[str]:
    begin = [*TORCHRUN, "--nproc-per-node", str(processes), "-m", "--"] if processes > 1 else [sys.executable, "-m"]
    command = [*begin, "model", "train", "--run", run, *SETTINGS, *arguments]
    return start(folder, command)


def start(folder: Path, command: list[str]) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def output_of(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=PATIENCE_S)[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "corpus.txt").write_text(synthetic_text())
    return tmp_path


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(folder: Path) -> None:
    settings = ("--steps", "20", "--eval-interval", "10", "--batch-size", "7", "--micro-batch-size", "3", *ADAMW)
    for name, processes in (("one", 1), ("two", 2)):
        process = train(folder, name, *settings, processes=processes)
        output = output_of(process)
        assert process.returncode == 0, output
        assert output.count("parameters") == 1  # one of them speaks
    one, two = (metrics_of(folder / "runs" / name) for name in ("one", "two"))
    assert len(one) == 23
    for mine, other in zip(one, two, strict=True):
        assert other == {key: pytest.approx(value, abs=1.1e-6) for key, value in mine.items()}  # they are logged with six decimals
    assert Run(folder / "runs/one").samples() == Run(folder / "runs/two").samples()


@pytest.mark.slow
def test_stopped_or_killed_processes_lose_nothing(folder: Path) -> None:
    """One of two is killed with -9, and the run is resumed as it says; the first is asked to stop, then killed: each time it goes on with
    the numbers of an uninterrupted run."""
    settings = ("--steps", "160", "--eval-interval", "20")
    whole = train(folder, "whole", *settings, processes=2)
    output_of(whole)
    run = folder / "runs" / "parts"
    process = train(folder, "parts", *settings, processes=2)

    def end(process: subprocess.Popen[str], which: int, how: signal.Signals) -> str:
        wait_for_more_lines(run / "metrics.jsonl", 30, process)
        first = Run(run).process()["pid"]
        pids = [first, *(pid for pid in children(process.pid) if pid != first)]
        os.kill(pids[which], how)
        return output_of(process)

    said = end(process, 1, signal.SIGKILL)
    assert "error: One of the 2 processes that train together has ended. Stopped after step" in said
    reached = Run(run).load()[1]["step"]
    assert reached == max(line["step"] for line in Run(run).metrics())  # the first wrote a checkpoint of the last step
    resume = said.split("Resume with: ")[1].splitlines()[0]
    assert shlex.split(resume)[:3] == ["torchrun", "--nproc-per-node", "2"]
    again = [*TORCHRUN, *shlex.split(resume)[1:]]
    process = start(folder, again)
    said = end(process, 0, signal.SIGINT)
    assert process.returncode == 0, said
    assert "Stopped after step" in said
    end(start(folder, again), 0, signal.SIGKILL)
    assert "Best validation loss" in output_of(start(folder, again))
    assert metrics_of(run) == metrics_of(folder / "runs" / "whole")
    assert Run(run).samples() == Run(folder / "runs" / "whole").samples()


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
