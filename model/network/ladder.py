"""The lecture's ladder: the networks that lead up to a GPT.

Source: A. Karpathy, "Let's build GPT: from scratch, in code, spelled out" (2023). They keep the lecture's names and implement
`model.network.Network`.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from model.config import BigramConfig, NetworkConfig
from model.network import Capture, Network
from model.parts import Part


class Bigram(Network):
    """The lecture's first network: a table of logits. Row i has the logits after character i, whatever precedes it.

    Args:
        config: the network's shape.
        generator: random number generator for the initial weights; None for PyTorch's default.
    """

    config: BigramConfig

    def __init__(self, config: BigramConfig, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        self.token_embedding_table = nn.Embedding(config.vocab_size, config.vocab_size)
        with torch.no_grad():
            self.token_embedding_table.weight.normal_(generator=generator)

    def forward(
        self,
        ids: Tensor,
        *,
        cache: object = None,
        capture: Capture | None = None,
        off: Collection[Part] = (),
        generator: torch.Generator | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """As `Network.forward`, without cache and heads."""
        self.refuse_attention(cache, capture, off)
        return self.token_embedding_table(ids[:, -1:] if last_only else ids).float()  # (B, T, V)

    @staticmethod
    def floats_per_char(config: NetworkConfig) -> int:
        return 3 * config.vocab_size
