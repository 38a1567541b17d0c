"""The kinds of networks, by the value of "kind" in `config.json`. A file without "kind" describes a GPT."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from model.config import (
    BigramConfig,
    EmbeddingGPTConfig,
    EncoderDecoderConfig,
    FeedForwardConfig,
    GPT1Config,
    GPTConfig,
    HeadConfig,
    HeadsConfig,
    LayerNormConfig,
    NetworkConfig,
    NoResidualConfig,
    ResidualConfig,
    RewardGPTConfig,
    SmallGPTConfig,
)
from model.network import Network, ladder, without_values
from model.network.embedding import EmbeddingGPT
from model.network.encoder_decoder import EncoderDecoder
from model.network.gpt import GPT
from model.network.gpt1 import GPT1
from model.network.reward import RewardGPT


@dataclass(frozen=True)
class Kind:
    """A kind of network: its config class and its network class."""

    config: type[NetworkConfig]
    network: type[Network]


GPT_KIND = "gpt"
KINDS = {
    GPT_KIND: Kind(GPTConfig, GPT),
    "bigram": Kind(BigramConfig, ladder.Bigram),
    "gpt-1": Kind(GPT1Config, GPT1),
    "head": Kind(HeadConfig, ladder.OneHead),
    "heads": Kind(HeadsConfig, ladder.FourHeads),
    "encoder-decoder": Kind(EncoderDecoderConfig, EncoderDecoder),
    "embedding": Kind(EmbeddingGPTConfig, EmbeddingGPT),
    "feed-forward": Kind(FeedForwardConfig, ladder.HeadsAndFeedForward),
    "no-residual": Kind(NoResidualConfig, ladder.NoResidual),
    "residual": Kind(ResidualConfig, ladder.Residual),
    "layer-norm": Kind(LayerNormConfig, ladder.LayerNorm),
    "reward": Kind(RewardGPTConfig, RewardGPT),
    "small-gpt": Kind(SmallGPTConfig, ladder.SmallGPT),
}


def kind_of(config: NetworkConfig) -> str:
    """The kind of network that a config describes, a key of `KINDS`."""
    return next(name for name, kind in KINDS.items() if type(config) is kind.config)


def make_network(config: NetworkConfig, generator: torch.Generator | None = None) -> Network:
    """Creates a network of this shape with initial weights.

    Args:
        generator: random number generator for the weights; None for PyTorch's default.
    """
    return KINDS[kind_of(config)].network(config, generator)


def count_parameters(config: NetworkConfig) -> int:
    """Number of parameters of a network of this shape, without allocating them."""
    with without_values():
        return make_network(config).n_params()
