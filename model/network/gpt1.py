"""The network of GPT-1: each block normalises what it passes on, where GPT-2's normalises what its branches read.

Post-LayerNorm, as in "Attention Is All You Need": `ln_1` and `ln_2` stand in the residual stream itself, after each addition, so there is
no way through the network that bypasses them. The last block ends with a norm, so there is none before the output head. All else is as in
`model.network.gpt`: learned positions, tied head, GELU (here in the tanh form that both papers' code has).

Source: Radford et al., "Improving Language Understanding by Generative Pre-Training" (2018). Departures: those of `model.network.gpt`, and
GPT-2's initialisation, so that the place of the norm is all that differs between the two kinds.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from model.config import GPT1Config
from model.network.gpt import GPT, Block, Pass


class PostNormBlock(Block):
    """Transformer block that normalises after each addition."""

    def forward(self, x: Tensor, shared: Pass) -> Tensor:
        x = self.ln_1(self.attn(x, x, shared))
        return self.ln_2(self.mlp(x, x, shared))

    __call__ = forward


class GPT1(GPT):
    """A character-level GPT with GPT-1's blocks."""

    block: ClassVar[type[Block]] = PostNormBlock

    def __init__(self, config: GPT1Config, generator: torch.Generator | None = None):
        super().__init__(config, generator)
        self.transformer.ln_f = nn.Identity()  # the last block ends with a norm
