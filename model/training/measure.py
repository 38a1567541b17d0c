"""Measures how long the parts of a training take on this machine, on random characters: the time does not depend on the text."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from model.config import NetworkConfig, TrainConfig
from model.data import Corpus
from model.evaluation import mean_loss
from model.training.estimate import Pace
from model.training.run import Run
from model.training.tasks.pretrain import Pretrain
from model.training.trainer import Trainer

STEPS_S = 3.0  # measure steps for this long ...
LEAST_STEPS = 3  # ... and at least so many slow ones
MANY_STEPS = 1_000_000
TEXT_CHARS = 40_000
FIRST_CHARACTER = 0x4E00  # from here on Unicode has more consecutive characters than a vocabulary may have


def measure_pace(network: NetworkConfig, recipe: TrainConfig, device: torch.device) -> Pace:
    """Trains for a few seconds and discards the result."""
    alphabet = [chr(FIRST_CHARACTER + place) for place in range(network.vocab_size)]
    text = "".join(alphabet) + "".join(random.Random(0).choices(alphabet, k=max(TEXT_CHARS, 20 * network.block_size)))
    task = Pretrain(Corpus("random", text), network, replace(recipe, steps=MANY_STEPS))  # so that the schedule does not end
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer.start(Run(Path(folder)), task, device)
        start_s = time.process_time()  # of this process, which had to load its modules too
        trainer.optimize()  # the first step also sets up memory
        count, spent_s = 0, 0.0
        while count < LEAST_STEPS or spent_s < STEPS_S:
            spent_s += _seconds(trainer.optimize)
            count += 1
        loss_s = _seconds(lambda: mean_loss(trainer.model, task.validation_ids))
        checkpoint_s = _seconds(lambda: task.sample(trainer.model)) + _seconds(trainer.save)
    return Pace(start_s, spent_s / count, loss_s / len(task.validation_ids), checkpoint_s)


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
