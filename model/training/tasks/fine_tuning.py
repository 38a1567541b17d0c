"""What all fine-tuning tasks have in common: they begin with a trained parent, and learn adapters (`model.network.lora`) alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from model.config import GPTConfig, TrainConfig
from model.errors import CheckpointError, ParameterError
from model.network import Network
from model.network.gpt import GPT
from model.network.lora import merged, with_adapters
from model.training.presets import FromParent
from model.training.run import Run
from model.training.tasks.task import Task
from model.weights import Adapter, Origin, Weights, find_folder, load_weights, read_adapter


@dataclass(frozen=True)
class Start:
    """What a fine-tuning run begins with.

    Attributes:
        weights: what the network is a copy of at first: the parent. When a run is resumed from a checkpoint, which holds the adapters,
            the parent's base is enough.
        config: the shape of the network to train.
    """

    parent: Origin
    adapter: Adapter
    weights: Weights
    config: GPTConfig

    @classmethod
    def of(cls, parent: Weights, changes: FromParent) -> Start:
        """The start of a new run.

        Args:
            parent: loaded with `merge=False`: if it has adapters, they are trained on, and their base stays what it is.

        Raises:
            ParameterError: the parent is not a GPT.
        """
        if type(parent.model.config) is not GPTConfig:
            raise ParameterError(f"{parent.name} is not a GPT but a network of the kind {parent.kind}. Only a GPT can be fine-tuned.")
        adapter = parent.adapter or Adapter(changes.shape(), parent.origin)
        return cls(parent.origin, adapter, parent, changes.network(parent.model.config))

    @classmethod
    def resume(cls, run: Run, needs_parent: bool = False) -> Start:
        """The start of a run that was started before. Its parent is found by its sha256.

        Args:
            needs_parent: whether `weights` are those of the parent even if there is a checkpoint.

        Raises:
            CheckpointError: config.json is not that of such a run, or the model that is needed is not found.
        """
        plan = run.plan()
        try:
            parent = Origin(**plan.about["parent"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{run.folder / 'config.json'} is not that of a fine-tuning run ({error}).") from None
        adapter = read_adapter(run.folder, plan.about)
        if adapter is None or not isinstance(plan.network, GPTConfig):
            raise CheckpointError(f"{run.folder / 'config.json'} is not that of a fine-tuning run: it describes no adapters.")
        is_enough = run.has_checkpoint() and not needs_parent
        folder = find_folder(adapter.base if is_enough else parent, run.folder)
        return cls(parent, adapter, load_weights(folder, merge=False), plan.network)


class FineTuning(Task):
    """A task that begins with a trained parent and learns adapters."""

    def __init__(self, start: Start, recipe: TrainConfig):
        super().__init__(start.config, start.weights.tokenizer, recipe)
        self.start = start

    def make_network(self) -> GPT:
        parent = self.start.weights.model
        assert isinstance(parent, GPT)
        generator = torch.Generator().manual_seed(self.recipe.seed)
        return with_adapters(parent, self.start.config, self.start.adapter.shape, generator)

    def about(self) -> dict[str, Any]:
        return {"task": self.name, "parent": asdict(self.start.parent), **self.start.adapter.about()}


def as_writer(network: Network) -> GPT:
    """A network with adapters made ready to write many characters: merged, cast to the precision of its products and packed."""
    assert isinstance(network, GPT)
    writer = merged(network)
    writer.compute_dtype = None
    return writer.to(network.dtype).pack()
