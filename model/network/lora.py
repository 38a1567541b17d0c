"""Low-rank adapters: fine-tuning that learns a few small matrices and leaves the network's own weights as they are.

Each matrix W of each block becomes W + (alpha / rank) B A, with A (rank, in) and B (out, rank). Only A and B are learned, so a step needs
no gradient of W, and what is stored is a fraction of the network. B begins at zero, so that training begins at the network itself.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021). Departure: every matrix in the blocks has an adapter, not
only those of the attention.

    network = with_adapters(parent, parent.config, LoRAConfig(rank=16), generator)
    network.learned()         # A and B alone; train them
    writer = merged(network)  # a plain GPT again
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import GPTConfig, LoRAConfig
from model.network import without_values
from model.network.gpt import GPT
from model.network.kinds import make_network
from model.network.linear import Linear, finish

NAMES = ("lora_A", "lora_B")


class LoRALinear(Linear):
    """A linear layer with an adapter. It is never packed: to write fast, merge the network first.

    Args:
        plain: the layer without it. Its parameters are shared, and no longer learned.
        generator: random number generator for A; None for PyTorch's default.
    """

    def __init__(self, plain: Linear, config: LoRAConfig, generator: torch.Generator | None = None):
        super().__init__(plain.in_features, plain.out_features, bias=plain.bias is not None, device="meta")
        self.weight, self.bias = plain.weight, plain.bias
        self.requires_grad_(False)
        self.scale = config.alpha / config.rank
        device, bound = plain.weight.device, plain.in_features**-0.5
        first = torch.empty(config.rank, plain.in_features).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(first.to(device))
        self.lora_B = nn.Parameter(torch.zeros(plain.out_features, config.rank, device=device))

    def forward(self, x: Tensor, activation: str = "", plus: Tensor | None = None) -> Tensor:
        """As `Linear.forward`."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        low = F.linear(x, self.lora_A.to(x.dtype)) * self.scale  # (..., rank)
        return finish(F.linear(x, self.weight.to(x.dtype), bias) + F.linear(low, self.lora_B.to(x.dtype)), activation, plus)

    __call__ = forward

    def merged_weight(self) -> Tensor:
        """W + (alpha / rank) B A."""
        return torch.addmm(self.weight, self.lora_B, self.lora_A, alpha=self.scale)


def add_adapters(network: GPT, config: LoRAConfig, generator: torch.Generator | None = None) -> None:
    """Gives every matrix of every block an adapter, and freezes all else that a plain GPT has: what a subclass adds is learned, too. The
    network's outputs stay what they are.

    Args:
        generator: random number generator for the first weights, on the CPU.
    """
    with without_values():
        frozen = GPT(network.config).state_dict().keys()
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in frozen)
    for module in [*network.transformer.h.modules()]:
        for name, child in [*module.named_children()]:
            if type(child) is Linear:
                setattr(module, name, LoRALinear(child, config, generator))


def with_adapters(parent: GPT, config: GPTConfig, shape: LoRAConfig, generator: torch.Generator) -> GPT:
    """A network to fine-tune, with a copy of the parent's weights. A parent with adapters (of the same shape) hands them on; otherwise they
    are new. So is what the parent lacks, if `config` describes a subclass of GPT.

    Args:
        generator: random number generator for what is new.
    """
    network = make_network(config, generator)
    assert isinstance(network, GPT)
    add_adapters(network, shape, generator)
    network.load_state_dict(parent.state_dict(), strict=False)
    return network


def _adapted(network: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    return ((name, module) for name, module in network.named_modules() if isinstance(module, LoRALinear))


@torch.no_grad()
def merged(network: GPT) -> GPT:
    """A network without adapters that computes the same, in eval mode, in a few hundredths of a second. It shares the weights that have no
    adapter.

    Merged matrices are rounded to float16, as weights are on disk: only such matrices can be packed in float32 (`model.network.linear`).
    """
    tensors = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(NAMES)}
    tensors |= {f"{name}.weight": module.merged_weight().half().float() for name, module in _adapted(network)}
    with without_values():
        plain = make_network(network.config)
    assert isinstance(plain, GPT)
    plain.load_state_dict(tensors, assign=True)
    plain.compute_dtype = network.compute_dtype
    return plain.eval().requires_grad_(False)
