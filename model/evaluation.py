"""The loss of a text, per character, in nats."""

from __future__ import annotations

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor

from model.gpt import GPT, Head

EVAL_ROWS = 16  # windows per pass: few enough for a CPU's caches


@torch.no_grad()
def mean_loss(model: GPT, ids: Tensor, heads_off: Collection[Head] = ()) -> float:
    """Mean loss over all characters of a text but the first, which is only context.

    Windows of block_size at a stride of block_size: each character is predicted once, from what stands before it in its
    window, and the last short window counts too. Overlapping windows would give a lower figure for the same model.

    Args:
        ids: (n,), n > 1.
        heads_off: heads to switch off, as in `GPT.forward`.
    """
    block_size, n_targets = model.config.block_size, len(ids) - 1
    n_whole = n_targets // block_size
    inputs = ids[: n_whole * block_size].view(n_whole, block_size)
    targets = ids[1 : n_whole * block_size + 1].view(n_whole, block_size)
    pieces = list(zip(inputs.split(EVAL_ROWS), targets.split(EVAL_ROWS), strict=True)) if n_whole else []
    if n_targets % block_size:
        rest = ids[n_whole * block_size :]
        pieces.append((rest[None, :-1], rest[None, 1:]))
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in pieces:
        logits = model(x.to(model.device), heads_off=heads_off)
        total += F.cross_entropy(logits.flatten(0, 1), y.flatten().to(model.device), reduction="sum").item()
    model.train(was_training)
    return total / n_targets
