"""The lecture's ladder: the networks that lead up to a GPT, each with what it adds to the one before.

Source: A. Karpathy, "Let's build GPT: from scratch, in code, spelled out" (2023), and the history of its repository
(ng-video-lecture). They keep the lecture's names. Departures: shapes come from `config`, and what the lecture edits in place is a class
of its own here, so that all rungs can be trained and compared. Attention scores are scaled by head_size ** -0.5; the lecture
used n_embd ** -0.5 until a later correction.

Shapes: B rows, T characters, C channels (n_embd), V vocabulary, head_size = C / n_head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import (
    BigramConfig,
    FeedForwardConfig,
    HeadConfig,
    HeadsConfig,
    LayerNormConfig,
    NoResidualConfig,
    ResidualConfig,
    SmallGPTConfig,
)
from model.network.window import Dropout, WindowNetwork

# 1. A table of which character follows which.


class Bigram(WindowNetwork):
    """A table of logits. Row i has the logits after character i, whatever precedes it."""

    config: BigramConfig

    def build(self) -> None:
        self.token_embedding_table = nn.Embedding(self.config.vocab_size, self.config.vocab_size)

    def predict(self, idx: Tensor) -> Tensor:
        return self.token_embedding_table(idx)  # (B, T, V)


# 2. Characters have a position and can look back: one head of self-attention.


class Head(nn.Module):
    """One head of self-attention."""

    def __init__(self, n_embd: int, head_size: int):
        super().__init__()
        self.key = nn.Linear(n_embd, head_size, bias=False)
        self.query = nn.Linear(n_embd, head_size, bias=False)
        self.value = nn.Linear(n_embd, head_size, bias=False)

    def weights(self, x: Tensor) -> Tensor:
        T = x.shape[1]
        k, q = self.key(x), self.query(x)  # (B, T, head_size)
        wei = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5  # (B, T, T)
        tril = torch.tril(torch.ones(T, T, device=x.device))
        wei = wei.masked_fill(tril == 0, float("-inf"))
        return F.softmax(wei, dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        return self.weights(x) @ self.value(x)  # (B, T, head_size)


class Embedded(WindowNetwork):
    """Embeddings of character and position, layers that each rung chooses, and a linear layer that gives the logits."""

    config: HeadConfig

    def build(self) -> None:
        self.token_embedding_table = nn.Embedding(self.config.vocab_size, self.config.n_embd)
        self.position_embedding_table = nn.Embedding(self.config.block_size, self.config.n_embd)
        self.lm_head = nn.Linear(self.config.n_embd, self.config.vocab_size)

    def predict(self, idx: Tensor) -> Tensor:
        tok_emb = self.token_embedding_table(idx)  # (B, T, C)
        pos_emb = self.position_embedding_table(torch.arange(idx.shape[1], device=idx.device))  # (T, C)
        x = self.layers(tok_emb + pos_emb)  # (B, T, C)
        return self.lm_head(x)  # (B, T, V)

    def layers(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class OneHead(Embedded):
    """One head, as wide as the embeddings."""

    def build(self) -> None:
        super().build()
        self.sa_head = Head(self.config.n_embd, self.config.n_embd)

    def layers(self, x: Tensor) -> Tensor:
        return self.sa_head(x)


# 3. Several heads side by side.


class MultiHeadAttention(nn.Module):
    """Heads in parallel, their outputs side by side."""

    def __init__(self, config: HeadsConfig):
        super().__init__()
        head_size = config.n_embd // config.n_head
        self.heads = nn.ModuleList(Head(config.n_embd, head_size) for _ in range(config.n_head))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([h(x) for h in self.heads], dim=-1)  # (B, T, C)


class FourHeads(Embedded):
    """Four heads, each a quarter as wide."""

    config: HeadsConfig

    def build(self) -> None:
        super().build()
        self.sa_heads = MultiHeadAttention(self.config)

    def layers(self, x: Tensor) -> Tensor:
        return self.sa_heads(x)


# 4. Each character thinks about what it has gathered.


class FeedForward(nn.Module):
    """A linear layer and a non-linearity, for each character on its own."""

    def __init__(self, n_embd: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_embd, n_embd), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class HeadsAndFeedForward(FourHeads):
    """Communication, then computation."""

    config: FeedForwardConfig

    def build(self) -> None:
        super().build()
        self.ffwd = FeedForward(self.config.n_embd)

    def layers(self, x: Tensor) -> Tensor:
        x = self.sa_heads(x)
        return self.ffwd(x)


# 5. The same, three times in a row.


class Block(nn.Module):
    """Communication, then computation."""

    def __init__(self, config: FeedForwardConfig):
        super().__init__()
        self.sa = MultiHeadAttention(config)
        self.ffwd = FeedForward(config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        x = self.sa(x)
        x = self.ffwd(x)
        return x


class NoResidual(Embedded):
    """Blocks one after the other."""

    config: NoResidualConfig

    def build(self) -> None:
        super().build()
        self.blocks = nn.Sequential(*[Block(self.config) for _ in range(self.config.n_layer)])

    def layers(self, x: Tensor) -> Tensor:
        return self.blocks(x)


# 6. A residual stream that each block reads from and adds to.


class ProjectedAttention(MultiHeadAttention):
    """Heads in parallel, and a projection back into the residual stream."""

    def __init__(self, config: HeadsConfig):
        super().__init__(config)
        self.proj = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(super().forward(x))


class WideFeedForward(nn.Module):
    """Four times as wide inside, and a projection back into the residual stream."""

    def __init__(self, n_embd: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.ReLU(), nn.Linear(4 * n_embd, n_embd))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class ResidualBlock(nn.Module):
    """Communication, then computation, each added to what was there."""

    def __init__(self, config: FeedForwardConfig):
        super().__init__()
        self.sa = ProjectedAttention(config)
        self.ffwd = WideFeedForward(config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.sa(x)
        x = x + self.ffwd(x)
        return x


class Residual(Embedded):
    """Blocks with residual connections."""

    config: ResidualConfig

    def build(self) -> None:
        super().build()
        self.blocks = nn.Sequential(*[ResidualBlock(self.config) for _ in range(self.config.n_layer)])

    def layers(self, x: Tensor) -> Tensor:
        return self.blocks(x)


# 7. Each branch reads normalised channels.


class NormBlock(ResidualBlock):
    """A block that normalises what its two branches read."""

    def __init__(self, config: FeedForwardConfig):
        super().__init__(config)
        self.ln1 = nn.LayerNorm(config.n_embd)
        self.ln2 = nn.LayerNorm(config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.sa(self.ln1(x))
        x = x + self.ffwd(self.ln2(x))
        return x


class LayerNorm(Embedded):
    """Blocks with layer norm, and one more layer norm at the end."""

    config: LayerNormConfig

    def build(self) -> None:
        super().build()
        self.blocks = nn.Sequential(*[NormBlock(self.config) for _ in range(self.config.n_layer)])
        self.ln_f = nn.LayerNorm(self.config.n_embd)

    def layers(self, x: Tensor) -> Tensor:
        return self.ln_f(self.blocks(x))


# 8. Dropout, and more of everything.


class DropoutHead(Head):
    """A head that drops some of its attention weights."""

    def __init__(self, n_embd: int, head_size: int, dropout: float):
        super().__init__(n_embd, head_size)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.weights(x)) @ self.value(x)


class DropoutAttention(nn.Module):
    """Heads with dropout, and dropout after the projection."""

    def __init__(self, config: SmallGPTConfig):
        super().__init__()
        head_size = config.n_embd // config.n_head
        self.heads = nn.ModuleList(DropoutHead(config.n_embd, head_size, config.dropout) for _ in range(config.n_head))
        self.proj = nn.Linear(config.n_embd, config.n_embd)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.cat([h(x) for h in self.heads], dim=-1)  # (B, T, C)
        return self.dropout(self.proj(out))


class DropoutFeedForward(nn.Module):
    """The wide feed-forward network, and dropout after its projection."""

    def __init__(self, n_embd: int, dropout: float):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.ReLU(), nn.Linear(4 * n_embd, n_embd), Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class DropoutBlock(nn.Module):
    """A block with dropout in its heads and at the end of both branches."""

    def __init__(self, config: SmallGPTConfig):
        super().__init__()
        self.sa = DropoutAttention(config)
        self.ffwd = DropoutFeedForward(config.n_embd, config.dropout)
        self.ln1 = nn.LayerNorm(config.n_embd)
        self.ln2 = nn.LayerNorm(config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.sa(self.ln1(x))
        x = x + self.ffwd(self.ln2(x))
        return x


class SmallGPT(Embedded):
    """The network at the end of the lecture's notebook."""

    config: SmallGPTConfig

    def build(self) -> None:
        super().build()
        self.blocks = nn.Sequential(*[DropoutBlock(self.config) for _ in range(self.config.n_layer)])
        self.ln_f = nn.LayerNorm(self.config.n_embd)

    def layers(self, x: Tensor) -> Tensor:
        return self.ln_f(self.blocks(x))
