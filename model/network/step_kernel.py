"""The code of `model.network.step_attention`, which Numba compiles. Importing this module needs Numba.

Numbers in bfloat16 are given as their 16 bits, the upper half of a float32's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config, njit, prange, types
from numba.extending import overload

from model.files import cache_dir

folder = cache_dir() / "numba"
try:
    folder.mkdir(parents=True, exist_ok=True)
    keeps = os.access(folder, os.W_OK)
except OSError:
    keeps = False
config.CACHE_DIR = str(folder)  # compiled code is as safe in the user's cache as the bytecode of any Python file
config.THREADING_LAYER = "omp"  # `workqueue` is always available, but aborts if two threads use it at once

# Sums may be reordered, which vector instructions need, and fused with products. NaN and infinity keep their meaning.
FAST_MATH = {"reassoc", "contract", "nsz"}
JIT: dict[str, Any] = {"fastmath": FAST_MATH, "error_model": "numpy", "nogil": True, "cache": keeps}


def load(number: Any) -> Any:
    """A stored number in float32."""


def store(number: Any, like: Any) -> Any:
    """A float32 as it is stored where `like` was."""


@overload(load, inline="always", strict=False)
def _load(number: Any) -> Callable[..., Any]:
    if number == types.int16:
        return lambda number: np.uint32(np.uint32(np.uint16(number)) << np.uint32(16)).view(np.float32)
    return lambda number: number


@overload(store, inline="always", strict=False)
def _store(number: Any, like: Any) -> Callable[..., Any]:
    if like == types.int16:

        def rounded(number: Any, like: Any) -> Any:  # to the nearest, of two to the even one
            bits = np.float32(number).view(np.uint32)
            return np.int16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))

        return rounded
    return lambda number, like: number


@njit(**JIT)
def attend(new: Any, keys: Any, values: Any, seats: Any, ends: Any, positions: Any, out: Any, first: int, step: int) -> None:
    """One thread's part.

    Args:
        new, out: queries, keys and values of the rows' characters, (rows, 3, n_head, head_dim), and their output, (rows, n_head, head_dim).
        keys, values: (seats, n_head, n_keys, head_dim).
        seats, ends, positions: as in `StepAttention.__call__`.
        first, step: every `step`-th pair of a head and a seat from the first on is computed: threads get long texts and short ones.
    """
    head_dim = new.shape[3]
    scale = np.float32(head_dim**-0.5)
    query, total = np.empty(head_dim, np.float32), np.empty(head_dim, np.float32)
    weights = np.empty(keys.shape[2], np.float32)
    for pair in range(first, len(seats) * new.shape[2], step):
        head, i = pair // len(seats), pair % len(seats)
        k, v = keys[seats[i], head], values[seats[i], head]
        for row in range(ends[i - 1] if i else 0, ends[i]):
            n = positions[row]
            for d in range(head_dim):
                k[n, d] = new[row, 1, head, d]
                v[n, d] = new[row, 2, head, d]
                query[d] = load(new[row, 0, head, d]) * scale
                total[d] = np.float32(0)
            highest = np.float32(-np.inf)
            for j in range(n + 1):
                score = np.float32(0)
                for d in range(head_dim):
                    score += query[d] * load(k[j, d])
                weights[j] = score
                highest = max(highest, score)
            norm = np.float32(0)
            for j in range(n + 1):
                weights[j] = np.exp(weights[j] - highest)
                norm += weights[j]
            for j in range(n + 1):
                for d in range(head_dim):
                    total[d] += weights[j] * load(v[j, d])
            for d in range(head_dim):
                out[row, head, d] = store(total[d] / norm, out[row, head, d])


@njit(parallel=True, **JIT)
def attend_in_parallel(new: Any, keys: Any, values: Any, seats: Any, ends: Any, positions: Any, out: Any, threads: int) -> None:
    """As `attend`, all pairs, by several threads."""
    for thread in prange(threads):
        attend(new, keys, values, seats, ends, positions, out, thread, threads)
