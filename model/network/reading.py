"""Reading windows into a key/value cache before texts go on: prompts, and second halves of texts that have outgrown the block."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from model.network import Network
from model.network.kv_cache import Ahead, KVCache
from model.parts import Part

PASS_CHARS = 1280  # at most, in a pass over several windows; takes as long as a few steps with all seats taken
LONGEST_BLOCK = 256  # for longer windows the attention of a step, a query at a time, takes longer than PyTorch's


def padded(n_chars: int) -> int:
    """The number of characters to which a pass is padded: a multiple of 16, and the larger, the coarser. oneDNN compiles its products for
    each number of rows, and keeps them, so that passes have only a few sizes."""
    step = max(16, 1 << (n_chars - 1).bit_length() >> 3)
    return -(-n_chars // step) * step


def pass_sizes() -> list[int]:
    """All sizes of a pass."""
    return sorted({padded(n) for n in range(1, PASS_CHARS + 1)})


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
        parts = [([seats[i] for i in part], [windows[i] for i in part]) for part in _passes([*map(len, windows)])]
        return torch.cat([read_in_one_pass(model, cache, *part, off) for part in parts])
    cache.lengths[[*seats]] = 0
    passes = [(torch.tensor([list(window)], device=model.device), cache.row(seat)) for seat, window in zip(seats, windows, strict=True)]
    return torch.cat([model(ids, cache=row, off=off, last_only=True)[:, -1] for ids, row in passes])


def _passes(lengths: Sequence[int]) -> list[list[int]]:
    """Cuts windows of some lengths into passes: the windows' indices in each."""
    passes: list[list[int]] = []
    room = 0
    for i, length in enumerate(lengths):
        if length > room:
            passes.append([])
            room = PASS_CHARS
        passes[-1].append(i)
        room -= length
    return passes


def read_in_one_pass(
    model: Network, cache: KVCache, seats: Sequence[int], windows: Sequence[Sequence[int]], off: Collection[Part] = ()
) -> Tensor:
    """As `read_windows`, at most PASS_CHARS characters, each as a row of its own.

    In bfloat16 it takes two thirds to three quarters of the time of a pass for each window (two cores of an AMD EPYC: 20 windows of 63
    characters 96 ms instead of 130, 10 of 128 characters 96 instead of 122), in float32, and for windows of 256 characters, about as much.
    """
    cache.lengths[[*seats]] = 0
    order = np.argsort(seats)
    counts = np.array([len(windows[i]) for i in order])
    ends = np.cumsum(counts)
    padding = padded(int(ends[-1])) - int(ends[-1])
    ids = torch.tensor([char for i in order for char in windows[i]] + [0] * padding)
    logits = model(ids[:, None], cache=Ahead(cache, np.asarray(seats)[order], counts, padding), off=off)
    last = np.empty(len(order), dtype=np.int64)
    last[order] = ends - 1
    return logits[last, -1]
