"""The arithmetic of reinforcement learning from what a network writes: group-relative REINFORCE with a penalty on the divergence from a
reference.

Several answers to one request make a group. The advantage of an answer is its reward minus the mean of its group: no value network is
learned, and a group whose answers are all equally good teaches nothing. Every character of an answer shares its advantage.

Sources: Williams, "Simple statistical gradient-following algorithms" (1992); Shao et al., "DeepSeekMath" (2024), whose GRPO is this with
the group's deviation as a divisor and with several updates a batch (and so a ratio and its clipping). Neither is needed for one update by
batch, and the division would make much of small differences. The estimate of the divergence is k3 of J. Schulman, "Approximating KL
divergence" (2020): it is never negative, unlike the difference of the log-probabilities. As in
GRPO it is differentiated as it stands: its mean is KL(policy || reference), but the mean of its gradient is that of KL(reference ||
policy). Near the reference, where the penalty keeps the policy, the two are alike.

Shapes: B answers, T characters of a row (request and answer), V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from model.assistant.pairs import IGNORE


class Terms(NamedTuple):
    """What the loss of some answers is made of, for each character, (B, T); 0 where nothing is counted."""

    policy: Tensor  # minus advantage times log-probability
    divergence: Tensor  # from the reference, at least 0
    entropy: Tensor  # of the distribution that the character was drawn from, in nats; without gradient
    counted: Tensor  # whether the character is part of an answer

    def loss(self, kl_weight: float) -> Tensor:
        """Mean over the counted characters."""
        return (self.policy + kl_weight * self.divergence).sum() / self.counted.sum()


def advantages(rewards: Tensor, group_size: int) -> Tensor:
    """Each reward minus the mean of its group, (B,).

    Args:
        rewards: (B,), group after group.
    """
    groups = rewards.view(-1, group_size)
    return (groups - groups.mean(1, keepdim=True)).flatten()


def log_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of each target, (B, T); 0 where it is ignored.

    Args:
        logits: (B, T, V).
        targets: (B, T).
    """
    return -F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="none").view(targets.shape)


def divergence(log_probs: Tensor, reference: Tensor) -> Tensor:
    """An estimate of KL(policy || reference) from each drawn character: r - 1 - ln r, where r is the character's probability under the
    reference divided by that under the policy."""
    log_ratio = reference - log_probs
    return torch.expm1(log_ratio) - log_ratio


def terms(logits: Tensor, targets: Tensor, advantage: Tensor, reference: Tensor) -> Terms:
    """The terms of the loss.

    Args:
        logits: of the policy, (B, T, V).
        targets: the characters that were drawn; IGNORE for those of the request and after the end, (B, T).
        advantage: of each answer, (B,).
        reference: log-probabilities of the targets under the reference, (B, T).
    """
    counted = targets != IGNORE
    log_probs = log_probabilities(logits, targets)
    with torch.no_grad():
        entropy = torch.distributions.Categorical(logits=logits).entropy() * counted
    return Terms(-advantage[:, None] * log_probs, divergence(log_probs, reference) * counted, entropy, counted)
