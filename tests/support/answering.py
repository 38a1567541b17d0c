"""A small network that answers requests, and rewards for what it can learn: for tests of reinforcement learning."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from model.assistant.pairs import IGNORE, STOP, prompt_of
from model.assistant.rewards import Reward
from model.assistant.rollouts import Rollouts
from model.config import GPTConfig, PolicyConfig
from model.data import TINY_SHAKESPEARE_ALPHABET
from model.network.gpt import GPT
from model.tokenizer import CharTokenizer
from model.training.presets import FromParent
from model.training.tasks.fine_tuning import Start
from model.training.tasks.policy import Reinforce
from model.weights import Weights

REQUESTS = ["Insult me.", "Greet me.", "Shout: good night", "Echo: lord"]
CORPUS = {"name": "plays", "characters": 100, "sha256": "ef" * 32}
RECIPE = {"steps": 12, "batch_size": 16, "micro_batch_size": 8, "group_size": 4, "eval_interval": 4, "optimizer": "adamw"}
RECIPE |= {"learning_rate": 0.005, "warmup_steps": 0, "decay_share": 0.0, "average": 0.0, "snapshots": 0}


def answering() -> Weights:
    """A small network that has learned to answer with a few random letters and the stop sign."""
    tokenizer, rng = CharTokenizer(TINY_SHAKESPEARE_ALPHABET), random.Random(0)
    config = GPTConfig(block_size=160, vocab_size=len(tokenizer), n_layer=1, n_head=2, n_embd=32)
    network = GPT(config, torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    for _ in range(60):
        texts = [f"{prompt_of(rng.choice(REQUESTS))}{''.join(rng.choices('abcdE', k=rng.randint(1, 6)))}{STOP}" for _ in range(16)]
        rows = [torch.tensor(tokenizer.encode(text)) for text in texts]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=IGNORE)
        logits = network(ids[:, :-1].clamp(min=0))
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=IGNORE).backward()
        optimizer.step()
        optimizer.zero_grad()
    return Weights("parent", network.eval().requires_grad_(False), tokenizer, {}, "ab" * 32)


class Given:
    """A reward that a function gives to each answer."""

    def __init__(self, of: Callable[[str], float]):
        self.of = of

    def about(self) -> dict[str, str]:
        """As `Reward.about`."""
        return {"kind": "rule"}

    def __call__(self, rollouts: Rollouts, dtype: torch.dtype) -> Tensor:
        """As `Reward`."""
        return torch.tensor([self.of(answer) for answer in rollouts.answers])


HAVE_E = Given(lambda answer: answer.count("E") / max(1, len(answer)))


def learner(parent: Weights, reward: Reward = HAVE_E, **settings: Any) -> Reinforce:
    """The task of a short run."""
    return Reinforce(Start.of(parent, FromParent(dropout=0.0, rank=4)), PolicyConfig(**RECIPE | settings), CORPUS, REQUESTS, reward)
