"""How long a training takes on this machine, from the runs of the same shape that were trained on it. Those of other shapes tell little: a
small network spends its time between the products, a large one in them."""

from __future__ import annotations

from collections.abc import Iterable

from model.config import GPTConfig, TrainConfig
from model.training.job import Job

ENOUGH_STEPS = 20  # to take a run's speed from
SHAPE = ("n_layer", "n_head", "n_embd", "block_size")
PASSES = ("batch_size", "micro_batch_size", "optimizer")


def measured_s(network: GPTConfig, recipe: TrainConfig, jobs: Iterable[Job]) -> float | None:
    """Seconds for a whole run; None if none of its shape was trained here yet.

    Args:
        jobs: of this machine, the one to be taken first at the beginning.
    """
    for job in jobs:
        settings = job.settings()
        same_network = all(settings["network"].get(name) == getattr(network, name) for name in SHAPE)
        same_passes = all(settings["recipe"].get(name) == getattr(recipe, name) for name in PASSES)
        if same_network and same_passes:
            job.curve.read()
            pace = job.curve.seconds_per_step(len(job.curve.steps))
            if pace is not None and job.curve.step >= ENOUGH_STEPS:
                return pace * recipe.steps
    return None
