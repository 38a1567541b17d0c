"""Training: ours beside the plain way, the same network in float32 with AdamW and dropout on every activation.

    python -m benchmarks.train                     seconds per step
    python -m benchmarks.train --seconds 300       and the validation loss of both over time
    python -m benchmarks.train --steps 1 --batch-size 1 --corpus FILE

The plain way is Hugging Face's `GPT2LMHeadModel` as nanoGPT would train it: dropout on embeddings, on attention weights and on both
branches of every block, AdamW at 1e-3. The limit is what the machine's measured matrix speed would allow for the step's products.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from benchmarks.decode import machine_speed
from model.data import Batches, load_corpus
from model.evaluation import mean_loss
from model.program import run_program
from model.training.presets import PRESETS
from model.training.run import Run
from model.training.tasks.pretrain import Pretrain
from model.training.trainer import Trainer
from tests.support.huggingface import to_hugging_face

DROPOUT = 0.2
LEARNING_RATE = 1e-3
VALIDATION_CHARS = 20_000  # of the validation text, for the curves


class PlainTraining:
    """float32, AdamW, dropout everywhere; one pass per batch."""

    def __init__(self, trainer: Trainer, task: Pretrain, batch_size: int):
        self.model: GPT2LMHeadModel = to_hugging_face(trainer.model, dropout=DROPOUT).train().requires_grad_(True)
        self.batches = Batches(task.batches.ids, batch_size, task.config.block_size, seed=0)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.1)
        self.step_number = 0

    def step(self) -> None:
        """One optimizer step."""
        x, y = self.batches(self.step_number)
        logits = self.model(x).logits
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten()).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step_number += 1

    @torch.no_grad()
    def loss(self, ids: Tensor) -> float:
        """Validation loss in whole windows."""
        self.model.eval()
        block_size = self.batches.block_size
        n = (len(ids) - 1) // block_size
        x, y = ids[: n * block_size].view(n, -1), ids[1 : n * block_size + 1].view(n, -1)
        loss = torch.nn.functional.cross_entropy(self.model(x).logits.flatten(0, 1), y.flatten()).item()
        self.model.train()
        return loss


def seconds_per_step(step: Callable[[], object], steps: int) -> float:
    """The best of some steps, after one that warms up."""
    step()
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return min(times)


def curve(name: str, step: Callable[[], object], loss: Callable[[], float], seconds: float) -> None:
    """Trains for some time and prints the validation loss against steps and time; evaluation is not counted."""
    print(f"\n{name}\n{'seconds':>8} {'steps':>6} {'validation loss':>16}")
    spent, steps, shown = 0.0, 0, 0
    while spent < seconds:
        began = time.perf_counter()
        step()
        spent += time.perf_counter() - began
        steps += 1
        if spent >= (shown + 1) * seconds / 8:
            shown = int(spent / (seconds / 8))
            print(f"{spent:>8.0f} {steps:>6} {loss():>16.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4, help="measured steps of each side; the best counts")
    parser.add_argument("--batch-size", type=int, default=64, help="windows of 256 characters per step, of both sides")
    parser.add_argument("--seconds", type=float, default=0, help="also train both for so long and print their losses")
    parser.add_argument("--corpus", type=Path, help="a text to train on (default: Tiny Shakespeare)")
    options = parser.parse_args()
    preset, corpus = PRESETS["shakespeare"], load_corpus(options.corpus)
    with tempfile.TemporaryDirectory() as folder:
        task = Pretrain(corpus, preset.network, replace(preset.recipe, batch_size=options.batch_size))
        trainer = Trainer.start(Run(Path(folder)), task, torch.device("cpu"))
    plain = PlainTraining(trainer, task, options.batch_size)
    ours_s, plain_s = seconds_per_step(trainer.optimize, options.steps), seconds_per_step(plain.step, options.steps)
    chars = options.batch_size * preset.network.block_size
    network = task.config
    products = 6 * chars * (trainer.model.n_params() + network.n_layer * network.block_size * network.n_embd)
    bound_s = products / machine_speed(trainer.model.dtype)[1]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {trainer.model.dtype}, {chars:,} characters a step")
    print(f"ours   {ours_s:6.2f} s a step (limit from the products alone {bound_s:.2f} s)")
    print(f"plain  {plain_s:6.2f} s a step, float32, AdamW, dropout {DROPOUT} on every activation")
    print(f"ratio  {plain_s / ours_s:6.2f}")
    if options.seconds:
        validation = task.validation_ids[:VALIDATION_CHARS]
        # Ours as it ships, with its own batch size; its schedule would go on much longer, so this is its beginning.
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer.start(Run(Path(folder)), Pretrain(corpus, preset.network, preset.recipe), torch.device("cpu"))
        curve(
            f"ours, {preset.recipe.batch_size} windows a step",
            trainer.optimize,
            lambda: mean_loss(trainer.model, validation),
            options.seconds,
        )
        plain = PlainTraining(trainer, task, options.batch_size)
        curve(f"plain, {options.batch_size} windows a step", plain.step, lambda: plain.loss(validation), options.seconds)


if __name__ == "__main__":
    run_program(main)
