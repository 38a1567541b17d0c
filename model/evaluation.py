"""What the network says of a text: its mean loss per character, in nats, and the logits at every place of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.config import Head, NetworkConfig
from model.network import Network

EVAL_ROWS = 16  # windows per pass: few enough for a CPU's caches


@torch.no_grad()
def mean_loss(model: Network, ids: Tensor, heads_off: Collection[Head] = (), each: Callable[[], None] = lambda: None) -> float:
    """Mean loss over all characters of a text but the first, which is only context.

    Windows of block_size at a stride of block_size: each character is predicted once, from what stands before it in its
    window, and the last short window counts too. Overlapping windows would give a lower figure for the same model.

    Args:
        ids: (n,), n > 1.
        heads_off: heads to switch off, as in `Network.forward`.
        each: called before each pass; what it raises ends the evaluation.
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
    try:
        for x, y in pieces:
            each()
            logits = model(x.to(model.device), heads_off=heads_off)
            total += F.cross_entropy(logits.flatten(0, 1), y.flatten().to(model.device), reduction="sum").item()
    finally:
        model.train(was_training)
    return total / n_targets


class Window(NamedTuple):
    """A part of a text that is read at once: text[start:stop], for what comes after each character of text[first:stop]."""

    start: int
    first: int
    stop: int


def windows(config: NetworkConfig, n: int) -> list[Window]:
    """The windows in which a text of n characters is read so that each character's logits come from the context that
    `NetworkConfig.window_start` gives it: the first a whole block, each later one half a block on, for its second half.

    Together they tell what comes after each character of the text, the last one too.
    """
    found: list[Window] = []
    while (first := found[-1].stop if found else 0) < n:
        start = config.window_start(first + 1)
        found.append(Window(start, first, min(start + config.block_size, n)))
    return found


@torch.inference_mode()
def window_logits(model: Network, ids: Sequence[int], window: Window) -> NDArray[np.float32]:
    """Logits of what comes after each character of ids[first:stop], (stop - first, V). For a model that is not training.

    Args:
        ids: the whole text.
    """
    read = torch.tensor([ids[window.start : window.stop]], device=model.device)
    return model(read)[0, window.first - window.start :].cpu().numpy()
