"""The reward network: a GPT that scores a text instead of continuing it (Ouyang et al., "Training language models to follow instructions
with human feedback", 2022, step 2; Stiennon et al., "Learning to summarize from human feedback", 2020).

It is the GPT with one output in place of the vocabulary's: a score after each character. What counts is the score after the last one. The
scores have no zero and no unit of their own; the difference of two is the logit of the probability that the first text is the better one
(Bradley and Terry, "Rank analysis of incomplete block designs", 1952).
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import RewardGPTConfig
from model.network.gpt import GPT


class RewardGPT(GPT):
    """A GPT whose `forward` gives (B, T, 1): the score of each row's text up to each character. At first all scores are 0."""

    writes: ClassVar[bool] = False
    instead: ClassVar[str] = "a reward model, which scores texts and writes none"
    shows = frozenset()

    def __init__(self, config: RewardGPTConfig, generator: torch.Generator | None = None):
        super().__init__(config, generator)
        self.score = nn.Linear(config.n_embd, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def logits(self, stream: Tensor) -> Tensor:
        """Scores from a residual stream, (..., C) to (..., 1) in float32: final LayerNorm, then the score's weights."""
        return F.linear(self.transformer.ln_f(stream).float(), self.score.weight.float())

    def scores(self, ids: Tensor, lengths: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The score of each row after its last character, (B,) in float32.

        Args:
            ids: (B, T). What comes after a row's end is not seen.
            lengths: characters of each row, (B,), at least 1.
            generator: random number generator for dropout, which is active only in training mode.
        """
        scores = self(ids, generator=generator).squeeze(-1)  # (B, T)
        return scores.gather(1, lengths[:, None] - 1).squeeze(1)
