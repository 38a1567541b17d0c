"""What the answers of a network are rewarded for: the score of a reward model, or the verdict of the skills' rules."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from model.assistant.pairs import row_text
from model.assistant.reward import RewardModel
from model.assistant.rollouts import Rollouts
from model.evaluation import EVAL_ROWS
from model.weights import ASSISTANT_FOLDER, KEY_DIGITS, WEIGHTS_FOLDER, Origin

RULE, LEARNED = "rule", "learned"  # kinds of reward
SHIPPED_REWARD = WEIGHTS_FOLDER / ASSISTANT_FOLDER / "reward"


class Reward(Protocol):
    """What answers are rewarded for. Only differences between answers to one request count."""

    def about(self) -> dict[str, str]:
        """As in "about" in config.json: its "kind" and, of a reward model, which weights it has."""
        ...

    def __call__(self, rollouts: Rollouts, dtype: torch.dtype) -> Tensor:
        """The reward of each answer, (B,), in float32 on the CPU.

        Args:
            dtype: precision of matrix products.
        """
        ...


class RuleReward:
    """The verdict of the skills' rules: 1 for an answer that obeys its request and stops, 0 for others."""

    def about(self) -> dict[str, str]:
        """As `Reward.about`."""
        return {"kind": RULE}

    def __call__(self, rollouts: Rollouts, dtype: torch.dtype) -> Tensor:
        """As `Reward`."""
        return torch.tensor(rollouts.obeys, dtype=torch.float32)


class LearnedReward:
    """The score of a reward model. An answer that was cut off is scored as if it had ended there."""

    def __init__(self, model: RewardModel, name: str):
        self.model, self.origin = model, Origin(model.sha256[:KEY_DIGITS], model.sha256, name)

    @classmethod
    def load(cls, folder: Path) -> LearnedReward:
        """The reward of the model in a folder.

        Raises:
            CheckpointError: as `RewardModel.load`.
        """
        return cls(RewardModel.load(folder), folder.resolve().name)

    def about(self) -> dict[str, str]:
        """As `Reward.about`."""
        return {"kind": LEARNED, **asdict(self.origin)}

    def __call__(self, rollouts: Rollouts, dtype: torch.dtype) -> Tensor:
        """As `Reward`."""
        self.model.network.compute_dtype = dtype
        texts = map(row_text, rollouts.requests, rollouts.answers)
        rows = [torch.tensor(self.model.tokenizer.encode(text)) for text in texts]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # so that a pass has rows of about one length
        scores = torch.zeros(len(rows))
        for first in range(0, len(rows), EVAL_ROWS):
            chosen = order[first : first + EVAL_ROWS]
            lengths = torch.tensor([len(rows[i]) for i in chosen])
            ids = torch.nn.utils.rnn.pad_sequence([rows[i] for i in chosen], batch_first=True)
            device = self.model.network.device
            scores[chosen] = self.model.scores(ids.to(device), lengths.to(device)).cpu()
        return scores
