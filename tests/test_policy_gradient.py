"""Group-relative REINFORCE against plain sums over one character at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from model.assistant.pairs import IGNORE
from model.training.policy_gradient import advantages, divergence, log_probabilities, terms

B, T, V, GROUP = 6, 5, 7, 3
KL_WEIGHT = 0.3


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, targets, rewards and reference log-probabilities of answers of different lengths after requests of two lengths."""
    dice = torch.Generator().manual_seed(3)
    logits = torch.randn(B, T, V, generator=dice, dtype=torch.float64)
    targets = torch.randint(V, (B, T), generator=dice)
    targets[:3, :2], targets[3:, :1] = IGNORE, IGNORE
    targets[1, 4], targets[4, 2:] = IGNORE, IGNORE
    reference = torch.log_softmax(torch.randn(B, T, V, generator=dice, dtype=torch.float64), -1)
    reference = reference.gather(2, targets.clamp(min=0)[..., None]).squeeze(-1)
    return logits.requires_grad_(), targets, torch.rand(B, generator=dice, dtype=torch.float64), reference


def test_loss_and_gradient_are_those_of_sums_over_single_characters(batch: tuple[Tensor, ...]) -> None:
    logits, targets, rewards, reference = batch
    found = terms(logits, targets, advantages(rewards, GROUP), reference)
    loss = found.loss(KL_WEIGHT)
    loss.backward()

    expected, gradient, n, entropy = 0.0, torch.zeros(B, T, V, dtype=torch.float64), 0, 0.0
    for row in range(B):
        group = rewards[row // GROUP * GROUP :][:GROUP].tolist()
        advantage = float(rewards[row]) - sum(group) / GROUP
        for place in range(T):
            drawn = int(targets[row, place])
            if drawn == IGNORE:
                continue
            weights = [math.exp(value) for value in logits[row, place].tolist()]
            p = [weight / sum(weights) for weight in weights]
            ratio = math.exp(float(reference[row, place])) / p[drawn]
            expected += -advantage * math.log(p[drawn]) + KL_WEIGHT * (ratio - 1 - math.log(ratio))
            entropy -= sum(share * math.log(share) for share in p)
            by_log_p = -advantage + KL_WEIGHT * (1 - ratio)  # d ratio / d ln p = -ratio
            for other in range(V):
                gradient[row, place, other] = by_log_p * ((other == drawn) - p[other])
            n += 1
    assert n == int(found.counted.sum()) == int((targets != IGNORE).sum())
    assert loss.item() == pytest.approx(expected / n, rel=1e-10)
    assert found.entropy.sum().item() == pytest.approx(entropy, rel=1e-10)
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, gradient / n, rtol=1e-9, atol=1e-12)
    assert (logits.grad[targets == IGNORE] == 0).all()  # the request, and what comes after the stop sign


def test_what_is_not_counted_cannot_change_the_terms(batch: tuple[Tensor, ...]) -> None:
    logits, targets, rewards, reference = batch
    one = terms(logits, targets, rewards, reference)
    changed = torch.where((targets == IGNORE)[..., None], torch.randn_like(logits), logits)
    other = terms(changed, targets, rewards, torch.where(targets == IGNORE, 5.0, reference))
    for name in one._fields:
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0)
        assert (getattr(one, name)[targets == IGNORE] == 0).all()


def test_a_group_of_equal_rewards_gives_no_gradient(batch: tuple[Tensor, ...]) -> None:
    logits, targets, rewards, reference = batch
    rewards = rewards.clone()
    rewards[:GROUP] = 0.25
    terms(logits, targets, advantages(rewards, GROUP), reference).loss(0).backward()
    assert logits.grad is not None
    assert (logits.grad[:GROUP] == 0).all()
    assert (logits.grad[GROUP:] != 0).any()


def test_advantages_add_up_to_nothing_in_each_group_and_keep_their_unit() -> None:
    found = advantages(torch.tensor([1.0, 0.0, 0.0, 0.0, 30.0, 10.0, 10.0, 10.0]), 4)
    torch.testing.assert_close(found, torch.tensor([0.75, -0.25, -0.25, -0.25, 15.0, -5.0, -5.0, -5.0]))


def test_the_divergence_is_never_negative_and_vanishes_only_where_both_agree() -> None:
    steps = torch.tensor([0.0, 1e-38, 1e-20, 1e-9, 1e-7, 1e-4, 1e-2, 0.5, 3.0, 20.0, 60.0])
    log_ratio = torch.cat([-steps, steps])
    for base in (0.0, -0.1, -7.0):
        policy = torch.full_like(log_ratio, base)
        assert (divergence(policy, policy + log_ratio) >= 0).all()
    found = divergence(torch.zeros_like(log_ratio), log_ratio)
    assert (found[log_ratio.abs() >= 1e-4] > 0).all()
    assert (found[log_ratio == 0] == 0).all()


def test_the_mean_of_the_divergence_is_the_kl(batch: tuple[Tensor, ...]) -> None:
    p, q = (torch.log_softmax(batch[0].detach()[row, 0], 0) for row in (0, 1))
    mean = sum(p.exp()[i] * divergence(p[i], q[i]) for i in range(V))
    assert float(mean) == pytest.approx(float((p.exp() * (p - q)).sum()), rel=1e-9)


def test_log_probabilities_are_those_of_the_targets(batch: tuple[Tensor, ...]) -> None:
    logits, targets, _, _ = batch
    expected = torch.log_softmax(logits, -1).gather(2, targets.clamp(min=0)[..., None]).squeeze(-1)
    torch.testing.assert_close(log_probabilities(logits, targets), torch.where(targets == IGNORE, 0.0, expected))
