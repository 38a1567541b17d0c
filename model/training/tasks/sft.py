"""Supervised fine-tuning: the answers to requests, from a trained parent model (Ouyang et al., "Training language models to follow
instructions with human feedback", 2022, step 1).

The loss counts the characters of the answer and the stop sign after it; the request is only read.

    python -m model train --task sft --from weights/shakespeare --pairs pairs.jsonl --run obey
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.assistant.pairs import IGNORE, STOP, Pairs, make_rows, pad, read_pairs
from model.config import NetworkConfig, TrainConfig
from model.data import read_raw
from model.errors import CheckpointError, CorpusError
from model.evaluation import EVAL_ROWS
from model.files import check_is_file
from model.network import Network
from model.tokenizer import CharTokenizer
from model.training.presets import SFT, FromParent
from model.training.run import Metrics, Run
from model.training.samples import SAMPLE_CHARS, write_sample
from model.training.tasks.task import Rows, Task, evaluating
from model.weights import Weights

PAIRS_FILE = "pairs.jsonl"  # the run's own copy


class FineTune(Task):
    """Learns nine tenths of the pairs; the last tenth is for evaluation.

    Args:
        parent: "key", "sha256" and "name" of the parent model.
        weights: of the parent; None for a run that has a checkpoint.

    Raises:
        CorpusError: pairs have characters that the model does not know, or do not fit its context.
    """

    name: ClassVar[str] = SFT

    def __init__(
        self,
        pairs: Pairs,
        config: NetworkConfig,
        tokenizer: CharTokenizer,
        recipe: TrainConfig,
        parent: dict[str, str],
        weights: dict[str, Tensor] | None,
    ):
        super().__init__(config, tokenizer, recipe)
        self.pairs, self.parent, self.weights = pairs, parent, weights
        train, held_out = pairs.split()
        rows = make_rows(pairs.pairs, tokenizer, config.block_size, pairs.name)
        self.rows, self.held_out_rows, self.asked = rows[: len(train)], rows[len(train) :], held_out[0]

    @classmethod
    def start(cls, parent: Weights, pairs: Pairs, changes: FromParent, recipe: TrainConfig) -> FineTune:
        """The task of a new run."""
        if "\n" not in parent.tokenizer.vocabulary:
            raise CorpusError(f"{parent.name} does not know the newline, which separates request and answer. Choose another parent.")
        known = {"key": parent.key, "sha256": parent.sha256, "name": parent.name}
        config = changes.network(parent.model.config)
        return cls(pairs, config, parent.tokenizer, recipe, known, parent.model.state_dict())

    @classmethod
    def resume(cls, run: Run, parent: Weights | None = None) -> FineTune:
        """The task of a run that was started before.

        Args:
            parent: only needed before the first checkpoint, which holds the weights.

        Raises:
            CheckpointError: config.json is not that of such a run; or there is no checkpoint, and `parent` is missing or not the run's.
            CorpusError: the run's copy of the pairs is missing, damaged or was changed.
        """
        plan = run.plan()
        try:
            known = {name: str(plan.about["parent"][name]) for name in ("key", "sha256", "name")}
            name, sha256 = plan.about["pairs"]["name"], plan.about["pairs"]["sha256"]
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{run.folder / 'config.json'} is not that of a fine-tuning run ({error}).") from None
        path, weights = run.folder / PAIRS_FILE, None
        if not run.has_checkpoint():
            weights = _weights_of(known, parent, run)
        check_is_file(path)
        pairs = read_pairs(name, read_raw(path, "pairs"), str(path))
        if pairs.sha256 != sha256:
            raise CorpusError(f"{path} was changed since the run was started. Restore it, or start a new run.")
        return cls(pairs, plan.network, plan.tokenizer, plan.recipe, known, weights)

    def make_network(self) -> Network:
        network = super().make_network()
        if self.weights is not None:
            network.load_state_dict(self.weights)
        return network

    def about(self) -> dict[str, Any]:
        pairs = {"name": self.pairs.name, "pairs": len(self.pairs.pairs), "sha256": self.pairs.sha256}
        return {"task": self.name, "parent": self.parent, "pairs": pairs}

    def files(self) -> dict[str, bytes]:
        return {PAIRS_FILE: self.pairs.content}

    def batch(self, step: int, network: Network) -> Rows:
        """Inputs and targets, each (batch_size, longest row). Each epoch shuffles the pairs."""
        numbers = np.arange(step * self.recipe.batch_size, (step + 1) * self.recipe.batch_size)
        n = len(self.rows)
        orders = {epoch: np.random.default_rng([self.recipe.seed, epoch]).permutation(n) for epoch in sorted({*(numbers // n).tolist()})}
        return pad([self.rows[orders[number // n][number % n]] for number in numbers.tolist()])

    def weight(self, rows: Rows) -> int:
        """Characters of the answers, stop signs included."""
        return int((rows[1] != IGNORE).sum())

    def loss(self, network: Network, rows: Rows, generator: torch.Generator) -> Tensor:
        inputs, targets = rows
        logits = network(inputs, generator=generator)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE)

    @torch.no_grad()
    def evaluate(self, network: Network, each: Callable[[], None]) -> Metrics:
        """On the held-out pairs: mean loss of the answers' characters, and "exact", the share of answers that the network writes without
        a mistake at temperature 0.

        At temperature 0 it writes an answer exactly if its likeliest character is the right one at each place of the answer, given the
        right characters before: so one pass tells, and nothing has to be written.
        """
        total, n_chars, exact = 0.0, 0, 0
        with evaluating(network):
            for first in range(0, len(self.held_out_rows), EVAL_ROWS):
                each()
                inputs, targets = (t.to(network.device) for t in pad(self.held_out_rows[first : first + EVAL_ROWS]))
                logits = network(inputs)
                total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum").item()
                n_chars += self.weight((inputs, targets))
                exact += int(((logits.argmax(-1) == targets) | (targets == IGNORE)).all(1).sum())
        return {"val_loss": round(total / n_chars, 6), "exact": round(exact / len(self.held_out_rows), 6)}

    def sample(self, network: Network) -> dict[str, Any]:
        """The first held-out request, and the network's answer to it: up to the stop sign, or to the end of the context."""
        prompt = self.asked.prompt
        most = min(SAMPLE_CHARS, self.config.block_size + 1 - len(prompt))
        answer = write_sample(network, self.tokenizer, self.recipe.seed, prompt, most, STOP)
        return {"text": f"{self.asked.request}\n{answer}"}


def _weights_of(known: dict[str, str], parent: Weights | None, run: Run) -> dict[str, Tensor]:
    """The first weights of a run that has no checkpoint yet.

    Raises:
        CheckpointError: the parent is missing or another one.
    """
    wanted = f"{known['name']} (sha256 {known['sha256'][:12]}...)"
    if parent is None:
        raise CheckpointError(
            f"{run.folder} has no checkpoint yet, so it starts again from its parent, {wanted}. Name the parent with --from."
        )
    if parent.sha256 != known["sha256"]:
        raise CheckpointError(
            f"{run.folder} has no checkpoint yet and was started from {wanted}, not from {parent.name} (sha256 {parent.sha256[:12]}...). "
            "Name the right parent with --from, or start a new run."
        )
    return parent.model.state_dict()
