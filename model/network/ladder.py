"""The networks on the way to a GPT, as the lecture writes them.

Source: A. Karpathy, "Let's build GPT: from scratch, in code, spelled out" (2023). Each keeps the lecture's names, and has the common
`forward` of `model.network.Network`.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from model.config import BigramConfig, Head, NetworkConfig
from model.network import Capture, Network


class Bigram(Network):
    """The lecture's first network: a table of logits. Row i holds what comes after character i, whatever came before it.

    Args:
        config: its shape.
        generator: draws the first weights; None takes PyTorch's own.
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
        heads_off: Collection[Head] = (),
        generator: torch.Generator | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """As `Network.forward`. There is no cache, and there are no heads."""
        self.refuse_attention(cache, capture, heads_off)
        return self.token_embedding_table(ids[:, -1:] if last_only else ids).float()  # (B, T, V)

    @staticmethod
    def floats_per_char(config: NetworkConfig) -> int:
        return 3 * config.vocab_size
