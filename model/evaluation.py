"""Evaluation of a network on a text: mean loss per character, in nats, and the logits at every position."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.config import NetworkConfig
from model.network import Network
from model.parts import Part

EVAL_ROWS = 16  # windows per pass; few enough for the CPU's caches


@torch.no_grad()
def mean_loss(model: Network, ids: Tensor, off: Collection[Part] = (), each: Callable[[], None] = lambda: None) -> float:
    """Mean loss over all characters of a text except the first, which serves only as context.

    Windows of block_size at a stride of block_size: each character is predicted once, from the characters before it in its window.
    The last, shorter window is included. Overlapping windows would give a lower loss for the same model.

    Args:
        ids: the text, (n,), n > 1.
        off: parts to switch off, as in `Network.forward`.
        each: called before each pass; an exception from it ends the evaluation.
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
            logits = model(x.to(model.device), off=off)
            total += F.cross_entropy(logits.flatten(0, 1), y.flatten().to(model.device), reduction="sum").item()
    finally:
        model.train(was_training)
    return total / n_targets


class Window(NamedTuple):
    """A part of a text read in one pass: text[start:stop], for the logits after each character of text[first:stop]."""

    start: int
    first: int
    stop: int


def windows(config: NetworkConfig, n: int) -> list[Window]:
    """Splits a text of n characters into windows so that each character has the context given by `NetworkConfig.window_start`.

    The first window is a whole block. Each later one starts half a block further on and is used for its second half. Together they
    give the logits after every character of the text, including the last.
    """
    found: list[Window] = []
    while (first := found[-1].stop if found else 0) < n:
        start = config.window_start(first + 1)
        found.append(Window(start, first, min(start + config.block_size, n)))
    return found


@torch.inference_mode()
def window_logits(model: Network, ids: Sequence[int], window: Window) -> NDArray[np.float32]:
    """Logits after each character of ids[first:stop], (stop - first, V). The model must be in eval mode.

    Args:
        ids: ids of the whole text.
    """
    read = torch.tensor([ids[window.start : window.stop]], device=model.device)
    return model(read)[0, window.first - window.start :].cpu().numpy()
