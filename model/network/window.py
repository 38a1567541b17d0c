"""Networks that keep no cache: they read the whole window for every character."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.network import Capture, Network
from model.network.dropout import kept
from model.parts import Part


class Dropout(nn.Module):
    """Dropout as in `nn.Dropout`, drawn from the generator that `Network.forward` is given."""

    generator: torch.Generator | None = None

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.p):
            return x
        return x * kept(x, x.shape, self.p, self.generator).div_(1 - self.p)


class WindowNetwork(Network):
    """Base class of networks made of PyTorch's own modules, without a cache and without heads to show. A subclass has two methods:
    `build` makes the modules, `predict` uses them.

    Args:
        config: the network's shape.
        generator: random number generator for the initial weights; None for PyTorch's default.
    """

    def __init__(self, config: NetworkConfig, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        self.build()
        self._init_weights(generator)

    def build(self) -> None:
        """Makes the modules."""
        raise NotImplementedError

    def predict(self, idx: Tensor) -> Tensor:
        """Logits of the next character at every position, from the ids of characters: (B, T) to (B, T, V)."""
        raise NotImplementedError

    @torch.no_grad()
    def _init_weights(self, generator: torch.Generator | None) -> None:
        """PyTorch's default weights, as in the lecture, drawn from a generator."""
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                module.weight.normal_(generator=generator)
            elif isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                for parameter in module.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)

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
        if ids.shape[1] > self.config.block_size:
            raise ValueError(f"{ids.shape[1]} characters do not fit in a block of {self.config.block_size}")
        if self.training:
            for module in self.modules():
                if isinstance(module, Dropout):
                    module.generator = generator
        logits = self.predict(ids)
        return (logits[:, -1:] if last_only else logits).float()

    @staticmethod
    def floats_per_char(config: NetworkConfig) -> int:
        """As `Network.floats_per_char`, for blocks of attention and feed-forward, as far as the network has any."""
        n_embd, n_head, n_layer = getattr(config, "n_embd", 0), getattr(config, "n_head", 1), getattr(config, "n_layer", 1)
        return n_layer * (18 * n_embd + 3 * n_head * config.block_size) + 3 * (n_embd + config.vocab_size)
