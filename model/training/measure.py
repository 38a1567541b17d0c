"""Measures how long the parts of a training take on this machine, on characters drawn at random: what they say takes no time."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from model.config import GPTConfig, TrainConfig
from model.data import Corpus
from model.evaluation import mean_loss
from model.training.pace import Pace
from model.training.run import Run
from model.training.samples import write_sample
from model.training.trainer import Trainer

STEPS_S = 3.0  # of steps to measure ...
LEAST_STEPS = 3  # ... and as many of slow ones
MANY_STEPS = 1_000_000
TEXT_CHARS = 40_000
FIRST_CHARACTER = 0x4E00  # from here on more stand in a row than a vocabulary may have


def measure_pace(network: GPTConfig, recipe: TrainConfig, device: torch.device) -> Pace:
    """Trains for some seconds, and forgets it."""
    alphabet = [chr(FIRST_CHARACTER + place) for place in range(network.vocab_size)]
    text = "".join(alphabet) + "".join(random.Random(0).choices(alphabet, k=max(TEXT_CHARS, 20 * network.block_size)))
    recipe = replace(recipe, steps=MANY_STEPS)  # a schedule knows nothing of what comes after its end
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer.start(Run(Path(folder)), network, recipe, Corpus("random", text), device)
        start_s = time.process_time()  # of this process, whose modules had to be loaded too
        trainer.optimize()  # the first also sets up memory
        count, spent_s = 0, 0.0
        while count < LEAST_STEPS or spent_s < STEPS_S:
            spent_s += _seconds(trainer.optimize)
            count += 1
        loss_s = _seconds(lambda: mean_loss(trainer.model, trainer.validation_ids))
        checkpoint_s = _seconds(lambda: write_sample(trainer.model, trainer.tokenizer, recipe.seed)) + _seconds(trainer.save)
    return Pace(start_s, spent_s / count, loss_s / len(trainer.validation_ids), checkpoint_s)


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
