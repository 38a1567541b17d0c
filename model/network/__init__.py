"""What every network offers, so that the rest of the project can write with it, train it and show it.

A network is one `nn.Module` with one `forward` for training, writing, capture and ablation. `model.network.kinds` lists those that
exist. Networks differ in what they keep (`keeps_cache`) and in what they can show (`shows`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from model.config import NO_HEADS, Head, NetworkConfig
from model.errors import ParameterError

if TYPE_CHECKING:
    from model.network.kv_cache import KVCache, Rows

ATTENTION, LENS, HEADS = "attention", "lens", "heads"  # what a network can show: its weights, its layers' bets, itself with heads off


@dataclass
class Capture:
    """Pass one to `Network.forward` to collect what the pass computes.

    Attributes:
        attention: for each layer the weights after softmax, (B, n_head, T, n_keys), in float32 whatever the model multiplies in: they
            are computed, and multiplied with the values, in float32.
        queries: for each layer, (B, n_head, T, head_dim), before scaling.
        keys: for each layer, (B, n_head, n_keys, head_dim).
        stream: the residual stream after the embeddings and after each block, n_layer + 1 times (B, T, C). `GPT.logits` of
            one of them is the logit lens (nostalgebraist, "interpreting GPT: the logit lens", 2020).
    """

    attention: list[Tensor] = field(default_factory=list)
    queries: list[Tensor] = field(default_factory=list)
    keys: list[Tensor] = field(default_factory=list)
    stream: list[Tensor] = field(default_factory=list)


class Network(nn.Module):
    """The base of all networks.

    Attributes:
        config: its shape.
        keeps_cache: whether `forward` takes a key/value cache. Without one, each new character costs a pass over the window.
        shows: which of ATTENTION, LENS and HEADS it can show.
        compute_dtype: the precision of matrix products; None uses the parameters' own.
    """

    config: NetworkConfig
    keeps_cache: ClassVar[bool] = False
    shows: ClassVar[frozenset[str]] = frozenset()
    compute_dtype: torch.dtype | None = None

    def forward(
        self,
        ids: Tensor,
        *,
        cache: KVCache | Rows | None = None,
        capture: Capture | None = None,
        heads_off: Collection[Head] = (),
        generator: torch.Generator | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Logits of the next character at every position.

        Args:
            ids: (B, T), characters as numbers. With a cache they follow what is cached, row by row.
            cache: keys and values of earlier characters; the new ones are added to it.
            capture: filled with what the pass computes.
            heads_off: heads whose output is replaced by zero; their weights are captured all the same.
            generator: for dropout, which acts in training mode only.
            last_only: logits of the last position alone.

        Returns:
            (B, T, V) in float32, or (B, 1, V) with last_only.

        Raises:
            ValueError: more characters than the block holds.
            ParameterError: a head in `heads_off` does not exist, or the network cannot show what `capture` asks for.
        """
        raise NotImplementedError

    def pack(self, in_blocks: bool = False) -> Network:
        """Prepares the matrices for writing (see `model.network.linear`); the parameters must not change afterwards."""
        return self

    def make_cache(self, seats: int) -> KVCache:
        """An empty cache for up to `seats` texts. Only for networks that keep one."""
        raise NotImplementedError

    def cache_bytes_per_seat(self) -> int:
        """Memory that one text takes in the cache once its block is full; 0 for networks without a cache."""
        return 0

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The precision that matrices are multiplied in."""
        return self.compute_dtype or next(self.parameters()).dtype

    def n_params(self) -> int:
        """Number of parameters; shared ones count once."""
        return sum(parameter.numel() for parameter in self.parameters())

    @staticmethod
    def floats_per_char(config: NetworkConfig) -> int:
        """Numbers that a training pass keeps per character for the backward pass, estimated from above."""
        raise NotImplementedError

    def refuse_attention(self, cache: object, capture: object, heads_off: Collection[Head]) -> None:
        """For networks that have neither cache nor heads.

        Raises:
            ParameterError: one of them is asked for.
        """
        if cache is not None or capture is not None or heads_off:
            raise ParameterError(NO_HEADS)
