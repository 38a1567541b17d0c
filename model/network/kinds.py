"""The networks that exist, by the name that stands as "kind" in a `config.json`. A file without one is a GPT's."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from model.config import BigramConfig, GPTConfig, NetworkConfig
from model.network import Network
from model.network.gpt import GPT
from model.network.ladder import Bigram


@dataclass(frozen=True)
class Kind:
    """A network and its settings."""

    config: type[NetworkConfig]
    network: type[Network]


GPT_KIND = "gpt"
KINDS = {GPT_KIND: Kind(GPTConfig, GPT), "bigram": Kind(BigramConfig, Bigram)}


def kind_of(config: NetworkConfig) -> str:
    """The name of a shape's kind."""
    return next(name for name, kind in KINDS.items() if type(config) is kind.config)


def make_network(config: NetworkConfig, generator: torch.Generator | None = None) -> Network:
    """A network of this shape with first weights.

    Args:
        generator: draws the weights; None takes PyTorch's own.
    """
    return KINDS[kind_of(config)].network(config, generator)


def count_parameters(config: NetworkConfig) -> int:
    """Parameters of a network of this shape, without making it."""
    with torch.device("meta"):
        return make_network(config).n_params()
