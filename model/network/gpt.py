"""The GPT: GPT-2 as in nanoGPT, at the size used in the lecture.

Learned position embeddings, pre-LayerNorm, exact GELU, no biases, and an output head tied to the token embedding. A model that comes from
elsewhere may have biases, another activation or a head of its own (`model.formats`). Names follow nanoGPT
(`transformer.h.0.attn.c_attn.weight`, ...), so that weights can be exchanged with nanoGPT and Hugging Face's `GPT2LMHeadModel`.

Source: A. Karpathy, "Let's build GPT: from scratch, in code, spelled out" and nanoGPT; Radford et al., "Language Models are
Unsupervised Multitask Learners" (2019). Departures:

- Dropout is "locked": one mask per row and channel, shared across time steps (Gal and Ghahramani 2016; Merity et al. 2017), on the
  embeddings and on both branches of every block. It regularises at no measurable cost. On a CPU, a mask per character and per attention
  weight costs more than the network itself.
- Parameters keep their precision and are cast where they are used, so that training keeps float32 weights and multiplies in
  bfloat16 without a second copy.

The modules of a block bypass PyTorch's hooks (`__call__ = forward`). Nothing here needs hooks: `Capture` collects intermediate results.
When a single row is decoded, the hooks would take a tenth of the time.

Shapes: B rows, T characters, C channels (n_embd), V vocabulary, n_keys keys, head_dim = C / n_head.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import GPTConfig, NetworkConfig
from model.network import ATTENTION, HEADS, LENS, Capture, Network
from model.network.dropout import kept
from model.network.kv_cache import Ahead, KVCache, Rows, Slots
from model.network.linear import Linear, Product, as_input, packed
from model.parts import MLP, POSITIONS, Part, check_parts


@dataclass
class Pass:
    """State shared by the blocks of one forward pass."""

    slots: Slots | None
    capture: Capture | None
    off: Collection[Part]
    dropout: float  # 0 outside training
    generator: torch.Generator | None

    def drop(self, x: Tensor) -> Tensor:
        """Applies dropout during training."""
        return locked_dropout(x, self.dropout, self.generator) if self.dropout else x

    def branch(self, stream: Tensor, linear: Linear, x: Tensor) -> Tensor:
        """Projects the output of a branch with the branch's last matrix and adds it to the residual stream."""
        return stream + self.drop(linear(x)) if self.dropout else linear(x, plus=stream)


class LayerNorm(nn.Module):
    """Layer normalisation with a gain, and with a bias only if asked for."""

    def __init__(self, n_embd: int, bias: bool):
        super().__init__()
        self.shape = (n_embd,)
        self.weight = nn.Parameter(torch.ones(n_embd))
        self.bias = nn.Parameter(torch.zeros(n_embd)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return torch.layer_norm(x, self.shape, *as_input(x, self.weight, self.bias), 1e-5)

    __call__ = forward


def locked_dropout(x: Tensor, p: float, generator: torch.Generator | None) -> Tensor:
    """Dropout with one mask per row and channel, shared across time steps, (B, T, C).

    Args:
        generator: random number generator; None for PyTorch's default.
    """
    return x * kept(x, (x.shape[0], 1, x.shape[2]), p, generator).div_(1 - p)


def causal_mask(n: int, like: Tensor) -> Tensor:
    """0 on and below the diagonal, -inf above it, (n, n)."""
    return torch.full((n, n), -torch.inf, dtype=like.dtype, device=like.device).triu_(1)


def explicit_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Attention step by step, as written in the lecture: the output, (B, n_head, T, head_dim), and the weights, (B, n_head, T, n_keys)."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # (B, n_head, T, n_keys)
    weights = torch.softmax(scores + (causal_mask(q.shape[2], q) if mask is None else mask), dim=-1)
    return weights @ v, weights


class CausalSelfAttention(nn.Module):
    """All heads of a layer."""

    def __init__(self, config: GPTConfig, layer: int):
        super().__init__()
        self.layer = layer
        self.n_head = config.n_head
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = Linear(config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor, stream: Tensor, shared: Pass) -> Tensor:
        qkv = self.c_attn(x)
        if shared.slots is not None and shared.slots.compiled and shared.capture is None and not qkv.requires_grad:
            y = shared.slots.attend(self.layer, qkv)
        else:
            y = self.attend_by_pytorch(qkv, shared)
        if shared.off:
            off = [head for head in range(self.n_head) if (self.layer, head) in shared.off]
            by_head = y.view(*y.shape[:2], self.n_head, -1)
            y = by_head.index_fill(2, torch.tensor(off, dtype=torch.long, device=y.device), 0.0).view_as(y)
        return shared.branch(stream, self.c_proj, y)

    __call__ = forward

    def attend_by_pytorch(self, qkv: Tensor, shared: Pass) -> Tensor:
        """The output of all heads, (B, T, C), from queries, keys and values, (B, T, 3 C), by PyTorch's operators."""
        B, T, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        qkv = qkv.view(B, T, 3, self.n_head, C // self.n_head).permute(2, 0, 3, 1, 4)
        q, kv = qkv.select(0, 0), qkv.narrow(0, 1, 2)  # (B, n_head, T, head_dim), (2, B, n_head, T, head_dim)
        if shared.slots is None:
            y = self.attend(q, kv[0], kv[1], None, shared.capture)
        else:
            shared.slots.store(self.layer, kv)
            seen = shared.slots.seen(self.layer, kv)
            if len(seen) == 1:
                _, k, v, mask = seen[0]
                y = self.attend_rows(q, k, v, mask, shared.capture)
            else:
                y = torch.cat([self.attend_rows(q[rows], k, v, mask, shared.capture) for rows, k, v, mask in seen])
        return y.transpose(1, 2).reshape(B, T, C)

    def attend_rows(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, capture: Capture | None) -> Tensor:
        """As `attend`, for one or several rows of one query per seat. Several are given as further heads, which share a head's keys: unlike
        several queries of a head, they are computed as one alone is, to the last bit."""
        if len(q) == len(k):
            return self.attend(q, k, v, mask, capture)
        seats, n_head, head_dim = len(k), k.shape[1], k.shape[3]
        q = q.reshape(seats, -1, n_head, head_dim).transpose(1, 2).reshape(seats, -1, 1, head_dim)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
        return y.view(seats, n_head, -1, head_dim).transpose(1, 2).reshape(-1, n_head, 1, head_dim)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, capture: Capture | None) -> Tensor:
        """Computes attention step by step if the weights are captured, and with PyTorch's fused kernel otherwise.

        Training on a CPU is an exception: in bfloat16, the backward pass of the fused kernel takes more than twice as long as the explicit
        one (0.65 s against 0.24 s for a step of 64 x 256 characters on two cores, PyTorch 2.13).
        """
        training_on_cpu = torch.is_grad_enabled() and q.device.type == "cpu"
        if capture is None and not training_on_cpu:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        if capture is None:
            return explicit_attention(q, k, v, mask)[0]
        # The fused kernel computes its sums and its softmax in float32; weights in bfloat16 would differ from the ones it uses.
        y, weights = explicit_attention(q.float(), k.float(), v.float(), mask)
        capture.attention.append(weights)
        capture.queries.append(q)
        capture.keys.append(k)
        capture.values.append(v)
        return y.to(q.dtype)


class FeedForward(nn.Module):
    """Feed-forward network: expansion to four times the width, activation, projection back."""

    def __init__(self, config: GPTConfig, layer: int):
        super().__init__()
        self.layer = layer
        self.activation = config.activation
        self.c_fc = Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = Linear(4 * config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor, stream: Tensor, shared: Pass) -> Tensor:
        if shared.off and (MLP, self.layer) in shared.off:
            return stream
        return shared.branch(stream, self.c_proj, self.c_fc(x, self.activation))

    __call__ = forward


class Block(nn.Module):
    """Transformer block: communication, then computation, each with a residual connection."""

    def __init__(self, config: GPTConfig, layer: int):
        super().__init__()
        self.ln_1 = LayerNorm(config.n_embd, config.bias)
        self.attn = CausalSelfAttention(config, layer)
        self.ln_2 = LayerNorm(config.n_embd, config.bias)
        self.mlp = FeedForward(config, layer)

    def forward(self, x: Tensor, shared: Pass) -> Tensor:
        x = self.attn(self.ln_1(x), x, shared)
        return self.mlp(self.ln_2(x), x, shared)

    __call__ = forward


class Transformer(nn.Module):
    """Embeddings, blocks and the final LayerNorm, with nanoGPT's names."""

    def __init__(self, config: GPTConfig, block: type[Block] = Block):
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.h = nn.ModuleList(block(config, layer) for layer in range(config.n_layer))
        self.ln_f: nn.Module = LayerNorm(config.n_embd, config.bias)


class GPT(Network):
    """A character-level GPT.

    Args:
        config: the network's shape.
        generator: random number generator for the initial weights; None for PyTorch's default.

    Attributes:
        block: the class of its blocks.
    """

    config: GPTConfig
    block: ClassVar[type[Block]] = Block
    keeps_cache = True
    shows = frozenset({ATTENTION, LENS, HEADS})

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        self._head: Product | None = None
        self.transformer = Transformer(config, self.block)
        self.lm_head = None if config.tied_head else Linear(config.n_embd, config.vocab_size, bias=False)
        self._init_weights(generator)

    @torch.no_grad()
    def _init_weights(self, generator: torch.Generator | None) -> None:
        """GPT-2's initialisation: standard deviation 0.02, and less for projections into the residual stream, so that the stream's
        magnitude does not grow with depth."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                into_residual = name.endswith("c_proj.weight")
                parameter.normal_(0.0, 0.02 / math.sqrt(2 * self.config.n_layer) if into_residual else 0.02, generator=generator)

    def make_cache(self, seats: int) -> KVCache:
        """As `Network.make_cache`."""
        return KVCache(self.config, seats, self.dtype, self.device)

    def cache_bytes_per_seat(self) -> int:
        """As `Network.cache_bytes_per_seat`."""
        return KVCache.bytes_per_seat(self.config, self.dtype)

    @property
    def head(self) -> Tensor:
        """The matrix of the output head, (V, C)."""
        return self.transformer.wte.weight if self.lm_head is None else self.lm_head.weight

    def pack(self, in_blocks: bool = False) -> GPT:
        """As `Network.pack`."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.product = packed(module.weight, in_blocks, module.bias)
            # nn.Module looks up submodules and parameters in Python code, which takes 50 us of a step with one row.
            vars(module).update(module._modules | module._parameters)
        self._head = packed(self.head, in_blocks)
        return self

    def _apply(self, *arguments: Any, **settings: Any) -> GPT:
        """Discards the packed matrices when the parameters are moved or cast."""
        self._head = None
        for module in self.modules():
            for name in (*module._modules, *module._parameters):
                vars(module).pop(name, None)
        return super()._apply(*arguments, **settings)

    def forward(
        self,
        ids: Tensor,
        *,
        cache: KVCache | Rows | Ahead | None = None,
        capture: Capture | None = None,
        off: Collection[Part] = (),
        generator: torch.Generator | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """As `Network.forward`."""
        T = ids.shape[1]
        if T > self.config.block_size:  # noqa: SIM300 (T is not a constant)
            raise ValueError(f"{T} characters do not fit in a block of {self.config.block_size}")
        if off:
            off = check_parts(off, self.config)
        slots = cache.reserve(T) if cache is not None else None
        positions = slots.positions if slots is not None else torch.arange(T, device=ids.device)
        shared = Pass(slots, capture, off, self.config.dropout if self.training else 0.0, generator)
        transformer = self.transformer
        x = torch.embedding(transformer.wte.weight, ids)  # (B, T, C)
        if (POSITIONS,) not in off:
            x = x + torch.embedding(transformer.wpe.weight, positions)
        x = shared.drop(x.to(self.dtype))
        for block in transformer.h:
            if capture is not None:
                capture.stream.append(x)
            x = block(x, shared)
        if capture is not None:
            capture.stream.append(x)
        return self.logits(x[:, -1:] if last_only and T > 1 else x)  # (B, T, V)

    def logits(self, stream: Tensor) -> Tensor:
        """Logits of the next character from a residual stream, (..., C) to (..., V) in float32: final LayerNorm, then output head."""
        x = self.transformer.ln_f(stream)
        logits = self._head(x, "", None) if self._head else F.linear(x, self.head.to(x.dtype))
        return logits.float()

    @staticmethod
    def floats_per_char(config: NetworkConfig) -> int:
        assert isinstance(config, GPTConfig)
        return config.n_layer * (18 * config.n_embd + 3 * config.n_head * config.block_size) + 3 * config.vocab_size
