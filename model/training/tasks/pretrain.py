"""Pretraining: the next character of a text, from random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import NetworkConfig, TrainConfig
from model.data import Batches, Corpus, check_part, split
from model.errors import CheckpointError, CorpusError
from model.evaluation import mean_loss
from model.network import Network
from model.tokenizer import CharTokenizer
from model.training.run import Metrics, Run
from model.training.samples import write_sample
from model.training.tasks.task import Rows, Task


class Pretrain(Task):
    """Learns the first nine tenths of a text; the last tenth is for evaluation.

    Args:
        corpus: the text. Its characters are the vocabulary.
        network: the shape of the network; its vocab_size is replaced by the corpus's.

    Raises:
        CorpusError: the text, or the part of it that is used, is too short for the context.
    """

    name: ClassVar[str] = "pretrain"
    is_shared = True

    def __init__(self, corpus: Corpus, network: NetworkConfig, recipe: TrainConfig):
        tokenizer = CharTokenizer.from_text(corpus.text)
        super().__init__(replace(network, vocab_size=len(tokenizer)), tokenizer, recipe)
        self.corpus = corpus
        train_ids, self.validation_ids = split(torch.tensor(tokenizer.encode(corpus.text)), network.block_size)
        check_part(recipe.train_chars, network.block_size)
        train_ids = train_ids[: recipe.train_chars or None]  # the validation text stays whole, so that all losses can be compared
        self.batches = Batches(train_ids, recipe.batch_size, network.block_size, recipe.seed, recipe.input_noise)

    @classmethod
    def resume(cls, run: Run, corpus: Corpus) -> Pretrain:
        """The task of a run that was started before.

        Raises:
            CheckpointError: config.json is not that of such a run.
            CorpusError: the corpus is not the one that the run was started with.
        """
        plan = run.plan()
        try:
            name, sha256 = plan.about["corpus"]["name"], plan.about["corpus"]["sha256"]
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{run.folder / 'config.json'} does not name the text that the run was started with ({error}).") from None
        if sha256 != corpus.sha256:
            raise CorpusError(f"{run.folder} was started with another text ({name}). Resume it with that one (--corpus).")
        return cls(corpus, plan.network, plan.recipe)

    def about(self) -> dict[str, Any]:
        return {"corpus": {"name": self.corpus.name, "characters": len(self.corpus.text), "sha256": self.corpus.sha256}}

    def batch(self, step: int, network: Network) -> Rows:
        """Inputs and targets, each (batch_size, block_size)."""
        return self.batches(step)

    def weight(self, rows: Rows) -> int:
        return len(rows[0])

    def loss(self, network: Network, rows: Rows, generator: torch.Generator) -> Tensor:
        inputs, targets = rows
        logits = network(inputs, generator=generator)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def evaluate(self, network: Network, each: Callable[[], None]) -> Metrics:
        """Mean loss over the last tenth of the text, in nats per character."""
        return {"val_loss": round(mean_loss(network, self.validation_ids, each=each), 6)}

    def sample(self, network: Network) -> dict[str, Any]:
        return {"text": write_sample(network, self.tokenizer, self.recipe.seed)}
