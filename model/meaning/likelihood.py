"""How likely a text is to a model: the log-probability of each of its characters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from model.evaluation import windows
from model.network import Network

ROWS = 64  # windows per pass
BLANK_LINE = "\n\n"  # what comes before a speech


class Read(NamedTuple):
    """A text, and what stands before it, as ids. The context has at least one character."""

    context: Sequence[int]
    text: Sequence[int]


@torch.inference_mode()
def log_probs(network: Network, reads: Sequence[Read], each: Callable[[int], object] = lambda n: None) -> list[NDArray[np.float32]]:
    """The log-probability (nats) of each character of some texts, given what stands before it, before temperature, top-k and top-p.

    Each character is given the context that it would be drawn from (`NetworkConfig.window_start`). The model must be in eval mode.

    Args:
        each: called after each pass with the number of windows that it read; an exception from it ends the reading.

    Raises:
        FloatingPointError: the network's output is not finite.
    """
    found = [np.zeros(len(read.text), np.float32) for read in reads]
    pieces = []  # a window's ids and the text that they belong to
    for i, (context, text) in enumerate(reads):
        ids = [*context, *text]
        for window in windows(network.config, len(ids) - 1):
            first = max(window.first, len(context) - 1)  # the first row of logits that predicts a character of the text
            if first < window.stop:
                pieces.append((ids[window.start : window.stop + 1], first - window.start, found[i], first + 1 - len(context)))
    pieces.sort(key=lambda piece: len(piece[0]))  # of similar length, for shorter ones are padded
    for start in range(0, len(pieces), ROWS):
        some = pieces[start : start + ROWS]
        longest = len(some[-1][0])
        padded = torch.tensor([[*row, *[0] * (longest - len(row))] for row, *_ in some], device=network.device)
        logits = network(padded[:, :-1]).float()
        if not torch.isfinite(logits).all():
            raise FloatingPointError("the network's output is not finite")
        chosen = (logits.gather(2, padded[:, 1:, None])[..., 0] - logits.logsumexp(2)).cpu().numpy()
        for row, (read, first, into, at) in zip(chosen, some, strict=True):
            n = len(read) - 1 - first
            into[at : at + n] = row[first : first + n]
        each(len(some))
    return found
