"""Reading windows into a key/value cache before texts go on: prompts, and second halves of texts that have outgrown the block."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from model.network import Network
from model.network.kv_cache import Ahead, KVCache
from model.parts import Part

FINE, COARSE = 16, 64  # passes are padded to multiples of these, up to ...
SMALL = 256  # ... so many characters, and beyond


def read_windows(
    model: Network, cache: KVCache, seats: Sequence[int], windows: Sequence[Sequence[int]], off: Collection[Part] = ()
) -> Tensor:
    """Reads windows into seats, whatever these hold.

    Args:
        seats: different ones.
        off: parts to switch off, as in `Network.forward`.

    Returns:
        Logits after each window, (windows, V).
    """
    if model.windows_agree:
        return read_in_one_pass(model, cache, seats, windows, off)
    cache.lengths[[*seats]] = 0
    passes = [(torch.tensor([list(window)], device=model.device), cache.row(seat)) for seat, window in zip(seats, windows, strict=True)]
    return torch.cat([model(ids, cache=row, off=off, last_only=True)[:, -1] for ids, row in passes])


def read_in_one_pass(
    model: Network, cache: KVCache, seats: Sequence[int], windows: Sequence[Sequence[int]], off: Collection[Part] = ()
) -> Tensor:
    """As `read_windows`, each character as a row of its own.

    It takes two thirds of the time of a pass for each window (two cores of an AMD EPYC, bfloat16, eight windows of 63 characters: 4.1 ms
    each instead of 6.6). Passes are padded to a few sizes: oneDNN compiles products for each number of rows, and keeps them.
    """
    cache.lengths[[*seats]] = 0
    order = np.argsort(seats)
    counts = np.array([len(windows[i]) for i in order])
    padding = -int(counts.sum()) % (FINE if counts.sum() <= SMALL else COARSE)
    ids = torch.tensor([char for i in order for char in windows[i]] + [0] * padding, device=model.device)
    logits = model(ids[:, None], cache=Ahead(cache, np.asarray(seats)[order], counts, padding), off=off)
    last = np.empty(len(order), dtype=np.int64)
    last[order] = np.cumsum(counts) - 1
    return logits[last, -1]
