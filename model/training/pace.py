"""How long a training takes on this machine, from the runs that were trained on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from model.config import GPTConfig, TrainConfig
from model.errors import ParameterError
from model.training.job import Job
from model.training.needs import count_parameters

ENOUGH_STEPS = 20  # to take a run's speed from
SHAPE = ("n_layer", "n_head", "n_embd", "block_size")
PASSES = ("batch_size", "micro_batch_size", "optimizer")


class Estimate(NamedTuple):
    """Seconds for a whole run, and whether a run of the same shape took them, or one of another shape was scaled."""

    seconds: float
    measured: bool


def estimate(network: GPTConfig, recipe: TrainConfig, jobs: Iterable[Job]) -> Estimate | None:
    """How long a run would take; None if nothing was trained here yet.

    Args:
        jobs: of this machine, the one to be taken first at the beginning.
    """
    scaled = None
    for job in jobs:
        job.curve.read()
        pace = job.curve.seconds_per_step(len(job.curve.steps))
        settings = job.settings()
        if pace is None or job.curve.step < ENOUGH_STEPS:
            continue
        if _same(settings, network, recipe):
            return Estimate(pace * recipe.steps, True)
        if scaled is None:
            with contextlib.suppress(TypeError, ParameterError):  # a config.json that somebody has changed
                before, passes = GPTConfig(**settings["network"]), TrainConfig(**settings["recipe"])
                scaled = Estimate(pace * recipe.steps * _work(network, recipe) / _work(before, passes), False)
    return scaled


def _same(settings: dict[str, dict[str, Any]], network: GPTConfig, recipe: TrainConfig) -> bool:
    before = settings["network"], settings["recipe"]
    now = network, recipe
    return all(
        settings.get(name) == getattr(chosen, name)
        for settings, chosen, names in zip(before, now, (SHAPE, PASSES), strict=True)
        for name in names
    )


def _work(network: GPTConfig, recipe: TrainConfig) -> int:
    """What a step costs, in no unit: characters times parameters."""
    return count_parameters(network) * recipe.batch_size * network.block_size
