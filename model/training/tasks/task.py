"""What every task offers to the trainer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from model.config import NetworkConfig, TrainConfig
from model.network import Network
from model.network.kinds import make_network
from model.tokenizer import CharTokenizer
from model.training.optim import schedule
from model.training.run import Metrics

Rows = tuple[Tensor, ...]  # what a pass reads: tensors with one row per text, split along it into micro-batches


class Task(ABC):
    """What a run teaches: its first weights, batches, loss and evaluation. The trainer has the loop, the averages and the checkpoints.

    Everything random is a function of (recipe.seed, step), so that a resumed run repeats the numbers of an uninterrupted one.

    Attributes:
        name: the key of the task in config.json; a file without one is a pretraining run's.
        config: the shape of the network, vocabulary included.
        diverged: a loss of more than so many times that of uniform guessing is that of a run that has diverged.
        is_shared: whether several processes may share the rows of a pass: each row counts by itself, and is not written by the network.
    """

    name: ClassVar[str]
    diverged: ClassVar[float] = 3
    is_shared: ClassVar[bool] = False

    def __init__(self, config: NetworkConfig, tokenizer: CharTokenizer, recipe: TrainConfig):
        self.config, self.tokenizer, self.recipe = config, tokenizer, recipe

    def make_network(self) -> Network:
        """The network with its first weights, on the CPU."""
        return make_network(self.config, torch.Generator().manual_seed(self.recipe.seed))

    def about(self) -> dict[str, Any]:
        """What config.json's "about" says of the task, beside recipe and precision."""
        return {}

    def files(self) -> dict[str, bytes]:
        """Files that the run keeps, by name, so that it can be resumed."""
        return {}

    @property
    def chance_loss(self) -> float:
        """The loss of uniform guessing. A run whose loss gets far above it has diverged."""
        return math.log(max(2, self.config.vocab_size))

    def rate(self, step: int) -> float:
        """Learning rate at a step, as a share of the highest."""
        return schedule(step, self.recipe)

    @abstractmethod
    def batch(self, step: int, network: Network) -> Rows:
        """The rows of an optimizer step, which may depend on what the network writes by then."""

    @abstractmethod
    def weight(self, rows: Rows) -> int:
        """How much some rows of a batch count in the mean over the batch."""

    @abstractmethod
    def loss(self, network: Network, rows: Rows, generator: torch.Generator) -> Tensor:
        """Mean loss of some rows, a scalar.

        Args:
            generator: for dropout.
        """

    def measured(self) -> Metrics:
        """What was measured on the batch that was just learned, beside its loss."""
        return {}

    @abstractmethod
    def evaluate(self, network: Network, each: Callable[[], None]) -> Metrics:
        """Metrics on held-out data. The lowest "val_loss" of a run marks its best weights.

        Args:
            each: called before each pass; an exception from it ends the evaluation.
        """

    @abstractmethod
    def sample(self, network: Network) -> dict[str, Any]:
        """A "text" from the network, always with the same dice, so that two samples of a run differ by what it has learned alone. May hold
        more JSON values, for samples.jsonl."""


@contextmanager
def evaluating(network: Network) -> Iterator[None]:
    """The network in evaluation mode; afterwards its mode is what it was."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


def shuffled(n: int, batch_size: int, step: int, seed: int) -> list[int]:
    """Which of n examples are learned at a step. Each epoch takes all of them in an order of its own."""
    numbers = np.arange(step * batch_size, (step + 1) * batch_size)
    orders = {epoch: np.random.default_rng([seed, epoch]).permutation(n) for epoch in sorted({*(numbers // n).tolist()})}
    return [int(orders[number // n][number % n]) for number in numbers.tolist()]
