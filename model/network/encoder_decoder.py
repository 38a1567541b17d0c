"""The Transformer with an encoder and a decoder, as in the 2017 paper: it reads a source and writes a target.

The encoder sees the whole source at once. The decoder writes the target from left to right; each of its blocks first attends to what is
written so far (causal), then to what the encoder made of the source (cross-attention). All three kinds of attention are the same module,
`Attention`: they differ in what is read and in what may be seen.

Source: Vaswani et al., "Attention Is All You Need" (2017): normalisation after each residual sum (post-LN), sinusoids for positions, ReLU,
biases, and one matrix for both embeddings and the output head, scaled by the square root of its width where characters are read. Departure:
dropout is "locked", as in `model.network.gpt`.

Shapes: B rows, S characters of the source, T of the target, C channels (n_embd), V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import EncoderDecoderConfig, NetworkConfig
from model.network import Network
from model.network.gpt import LayerNorm, causal_mask, explicit_attention, locked_dropout
from model.network.linear import Linear

FEED_FORWARD = 4  # times the width


@dataclass
class Seen:
    """Collects attention weights after softmax, one tensor per block.

    Attributes:
        encoder: (B, n_head, S, S).
        decoder: (B, n_head, T, T).
        cross: (B, n_head, T, S).
    """

    encoder: list[Tensor] = field(default_factory=list)
    decoder: list[Tensor] = field(default_factory=list)
    cross: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class Memory:
    """What the encoder made of some sources.

    Attributes:
        states: (B, S, C).
        mask: 0 where a source has a character and -inf behind its end, (B, 1, 1, S).
    """

    states: Tensor
    mask: Tensor

    def repeated(self, rows: int) -> Memory:
        """The memory of a single source, for several targets."""
        return Memory(self.states.expand(rows, -1, -1), self.mask)


@dataclass(frozen=True)
class Drop:
    """Dropout of one forward pass."""

    share: float  # 0 outside training
    generator: torch.Generator | None

    def __call__(self, x: Tensor) -> Tensor:
        return locked_dropout(x, self.share, self.generator) if self.share else x


def sinusoids(n: int, n_embd: int, device: torch.device) -> Tensor:
    """The paper's position encodings, (n, n_embd): sines in the even channels and cosines in the odd ones, with wavelengths from 2 pi to
    10,000 times 2 pi."""
    positions = torch.arange(n, device=device, dtype=torch.float32)[:, None]
    rates = torch.exp(torch.arange(0, n_embd, 2, device=device, dtype=torch.float32) * (-math.log(10_000.0) / n_embd))
    angles = positions * rates  # (n, n_embd / 2, rounded up)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :n_embd]


class Attention(nn.Module):
    """Multi-head attention of a stream to another, or to itself."""

    def __init__(self, config: EncoderDecoderConfig):
        super().__init__()
        self.n_head = config.n_head
        self.query = Linear(config.n_embd, config.n_embd)
        self.key_value = Linear(config.n_embd, 2 * config.n_embd)
        self.project = Linear(config.n_embd, config.n_embd)

    def forward(self, x: Tensor, read: Tensor, mask: Tensor, seen: list[Tensor] | None) -> Tensor:
        """
        Args:
            x: the stream that attends, (B, T, C).
            read: the stream that it attends to, (B, S, C).
            mask: 0 where it may look and -inf elsewhere; can be broadcast to (B, n_head, T, S).
            seen: where the weights go, if they are captured.
        """
        (B, T, C), S = x.shape, read.shape[1]
        q = self.query(x).view(B, T, self.n_head, -1).transpose(1, 2)  # (B, n_head, T, head_dim)
        k, v = self.key_value(read).view(B, S, 2, self.n_head, -1).permute(2, 0, 3, 1, 4)
        y, weights = explicit_attention(q, k, v, mask)
        if seen is not None:
            seen.append(weights)
        return self.project(y.transpose(1, 2).reshape(B, T, C))

    __call__ = forward


class FeedForward(nn.Module):
    """Feed-forward network: expansion to four times the width, ReLU, projection back."""

    def __init__(self, config: EncoderDecoderConfig):
        super().__init__()
        self.expand = Linear(config.n_embd, FEED_FORWARD * config.n_embd)
        self.project = Linear(FEED_FORWARD * config.n_embd, config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.expand(x, "relu"))

    __call__ = forward


class EncoderBlock(nn.Module):
    """Attention to the source, then the feed-forward network, each followed by residual sum and norm."""

    def __init__(self, config: EncoderDecoderConfig):
        super().__init__()
        self.attention = Attention(config)
        self.ln_1 = LayerNorm(config.n_embd, bias=True)
        self.mlp = FeedForward(config)
        self.ln_2 = LayerNorm(config.n_embd, bias=True)

    def forward(self, x: Tensor, mask: Tensor, seen: Seen | None, drop: Drop) -> Tensor:
        x = self.ln_1(x + drop(self.attention(x, x, mask, seen.encoder if seen else None)))
        return self.ln_2(x + drop(self.mlp(x)))

    __call__ = forward


class DecoderBlock(nn.Module):
    """Attention to the target so far, attention to the source, then the feed-forward network, each followed by residual sum and norm."""

    def __init__(self, config: EncoderDecoderConfig):
        super().__init__()
        self.attention = Attention(config)
        self.ln_1 = LayerNorm(config.n_embd, bias=True)
        self.cross = Attention(config)
        self.ln_2 = LayerNorm(config.n_embd, bias=True)
        self.mlp = FeedForward(config)
        self.ln_3 = LayerNorm(config.n_embd, bias=True)

    def forward(self, x: Tensor, causal: Tensor, memory: Memory, seen: Seen | None, drop: Drop) -> Tensor:
        x = self.ln_1(x + drop(self.attention(x, x, causal, seen.decoder if seen else None)))
        x = self.ln_2(x + drop(self.cross(x, memory.states, memory.mask, seen.cross if seen else None)))
        return self.ln_3(x + drop(self.mlp(x)))

    __call__ = forward


class EncoderDecoder(Network):
    """A Transformer with encoder and decoder.

    Args:
        config: the network's shape.
        generator: random number generator for the initial weights; None for PyTorch's default.
    """

    config: EncoderDecoderConfig
    writes: ClassVar[bool] = False
    instead: ClassVar[str] = "an encoder and decoder, which translates texts and continues none"

    def __init__(self, config: EncoderDecoderConfig, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.encoder = nn.ModuleList(EncoderBlock(config) for _ in range(config.n_layer))
        self.decoder = nn.ModuleList(DecoderBlock(config) for _ in range(config.n_layer))
        self._init_weights(generator)

    @torch.no_grad()
    def _init_weights(self, generator: torch.Generator | None) -> None:
        """Glorot and Bengio's (2010), as in the authors' own code; the embedding so that its scaled rows have the sinusoids' magnitude."""
        for name, parameter in self.named_parameters():
            if name == "embedding.weight":
                parameter.normal_(0.0, self.config.n_embd**-0.5, generator=generator)
            elif parameter.dim() == 2:
                nn.init.xavier_uniform_(parameter, generator=generator)
            elif name.endswith("bias"):
                parameter.zero_()

    def forward(  # type: ignore[override]  # the only network that reads two texts
        self, source: Tensor, target: Tensor, lengths: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Logits of the next character of the target at each of its positions.

        Args:
            source: ids, (B, S).
            target: ids of what is written so far, the start sign first, (B, T).
            lengths: characters of each source, (B,); None: all have S. What comes after them is not seen.
            generator: random number generator for dropout, which is active only in training mode.

        Returns:
            (B, T, V) in float32.

        Raises:
            ValueError: source or target do not fit in the block.
        """
        return self.decode(target, self.encode(source, lengths, generator=generator), generator=generator)

    def encode(
        self, source: Tensor, lengths: Tensor | None = None, *, seen: Seen | None = None, generator: torch.Generator | None = None
    ) -> Memory:
        """What the encoder makes of some sources. Arguments and errors are those of `forward`; `seen` is filled if given."""
        drop = self._drop(generator)
        x = drop(self._embed(source))
        places = torch.arange(source.shape[1], device=source.device)
        hidden = places >= (lengths[:, None] if lengths is not None else len(places))  # (B or 1, S), by broadcasting
        mask = torch.zeros(hidden.shape, dtype=x.dtype, device=x.device).masked_fill_(hidden, -torch.inf).view(-1, 1, 1, len(places))
        for block in self.encoder:
            x = block(x, mask, seen, drop)
        return Memory(x, mask)

    def decode(self, target: Tensor, memory: Memory, *, seen: Seen | None = None, generator: torch.Generator | None = None) -> Tensor:
        """The logits of `forward`, from what the encoder made of the sources."""
        drop = self._drop(generator)
        x = drop(self._embed(target))
        causal = causal_mask(target.shape[1], x)
        for block in self.decoder:
            x = block(x, causal, memory, seen, drop)
        return F.linear(x, self.embedding.weight.to(x.dtype)).float()

    def _embed(self, ids: Tensor) -> Tensor:
        """Characters and positions, (B, T, C)."""
        T = ids.shape[1]
        if T > self.config.block_size:  # noqa: SIM300 (T is not a constant)
            raise ValueError(f"{T} characters do not fit in a block of {self.config.block_size}")
        x = self.embedding(ids) * math.sqrt(self.config.n_embd) + sinusoids(T, self.config.n_embd, ids.device)
        return x.to(self.dtype)

    def _drop(self, generator: torch.Generator | None) -> Drop:
        return Drop(self.config.dropout if self.training else 0.0, generator)

    @staticmethod
    def floats_per_char(config: NetworkConfig) -> int:
        """As `Network.floats_per_char`, for a character of the source and one of the target together."""
        assert isinstance(config, EncoderDecoderConfig)
        in_blocks = 5 * FEED_FORWARD * config.n_embd + 9 * config.n_head * config.block_size
        return config.n_layer * (30 * config.n_embd + in_blocks) + 3 * config.vocab_size
