"""Small reward networks with random weights."""

from __future__ import annotations

import torch

from model.config import LoRAConfig, RewardGPTConfig
from model.network import Network
from model.network.gpt import GPT
from model.network.lora import with_adapters
from model.network.reward import RewardGPT


def reward_network(base: Network, shape: LoRAConfig) -> RewardGPT:
    """A reward network made from a GPT, with adapters and a score that differ from 0, in evaluation mode."""
    assert isinstance(base, GPT)
    dice = torch.Generator().manual_seed(1)
    network = with_adapters(base, RewardGPTConfig(**vars(base.config)), shape, dice)
    assert isinstance(network, RewardGPT)
    for tensor in network.learned().values():
        tensor.normal_(0.0, 0.3, generator=dice)
    return network.eval()
