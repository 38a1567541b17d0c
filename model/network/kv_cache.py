"""The key/value cache of the rows being decoded. Each row has its own position.

A row is one text being written. It occupies a seat in the cache until it leaves. Rows need not be in step: each has its own number of
cached characters, and attention is masked to them. The `Slots` of a step give the network the positions of the new characters, store
their keys and values, and return all keys and values of the rows so far. The network knows nothing else about decoding.

A decoding step of one row spends as much time in Python as in matrix products, so views are created once per step rather than once
per layer. With the compiled attention (model/network/step_attention.py) a step needs no views and no masks.
"""

from __future__ import annotations

import itertools
import math
import mmap
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.config import GPTConfig
from model.network.step_attention import step_attention

ANONYMOUS = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}  # Windows has no flags

Seats = NDArray[np.int64]

# Keys are read in whole blocks of this size, with the surplus masked out. A sum over padded keys is then bit-identical whatever else is
# decoded, so that a seed always gives the same text. (With blocks of 8 it is not.)
KEY_BLOCK = 16

# PyTorch's attention gives each thread a buffer for scores, two sums and the output of one query, in float32, one buffer after the other.
# Products round differently where a buffer is not aligned. On a CPU whose library of products does that (an AMD EPYC's), a row's text
# would depend on the thread that computes it, so as many masked keys are added as align all buffers.
ALIGNED_FLOATS = 4

# Rows of different lengths either share one attention call, which reads as many keys for each row as the longest row has, or use
# an additional call, which takes as long as reading this many keys (two cores, 6 heads of 64 channels in bfloat16: 15 us).
CALL_COST = 160


@dataclass(frozen=True)
class Span:
    """Rows of a step in adjacent seats that share one attention call.

    Attributes:
        rows: indices of the rows in the step.
        keys, values: one (seats, n_head, n_keys, head_dim) per layer.
        mask: added to the scores, (rows or 1, 1, n_new, n_keys): 0 for keys that a query can attend to, -inf for the others. If each seat
            has several rows, (seats, n_head x rows per seat, 1, n_keys).
    """

    rows: slice
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask: Tensor


class KVCache:
    """Keys and values of up to `seats` texts.

    Attributes:
        data: keys and values, (n_layer, 2, seats, n_head, n_keys of a full block, head_dim).
        visible: masks, (block_size, n_keys of a full block): row p is 0 for the keys that a query at position p attends to, -inf otherwise.
        lengths: number of cached characters in each seat, an int64 array, (seats,). Lowering an entry drops the last characters.
        attention: the compiled attention of a step; None to use PyTorch's.
    """

    def __init__(self, config: GPTConfig, seats: int, dtype: torch.dtype, device: torch.device | str = "cpu"):
        self.block_size = config.block_size
        self.surplus = surplus_keys(config, dtype) if torch.device(device).type == "cpu" else 0
        room = self.n_keys(config.block_size)
        shape = (config.n_layer, 2, seats, config.n_head, room, config.n_embd // config.n_head)
        self.data = _zeros(shape, dtype, torch.device(device))
        self.visible = torch.full((config.block_size, room), -torch.inf, dtype=dtype, device=device).triu_(1)
        self.lengths = np.zeros(seats, dtype=np.int64)
        self.attention = step_attention(self.data)
        self._all = np.arange(seats)

    @staticmethod
    def bytes_per_seat(config: GPTConfig, dtype: torch.dtype) -> int:
        """Bytes that a row with a full block takes on a CPU; on a GPU, not more."""
        return 2 * config.n_layer * _n_keys(config.block_size, surplus_keys(config, dtype)) * config.n_embd * dtype.itemsize

    def n_keys(self, length: int) -> int:
        """Number of keys that are read for a row of some length."""
        return _n_keys(length, self.surplus)

    def rows(self, seats: Seats | Sequence[int]) -> Rows:
        """A view of the rows in some seats, in ascending order, that can be passed to the network as its cache."""
        return Rows(self, np.asarray(seats, dtype=np.int64))

    def row(self, seat: int) -> Rows:
        """The row in one seat."""
        return self.rows([seat])

    def reserve(self, n_new: int) -> Slots:
        """Reserves space for `n_new` more characters in every seat."""
        return Rows(self, self._all).reserve(n_new)

    def share_row(self, source: int, seats: Seats | Sequence[int]) -> None:
        """Copies one row to other seats, so that a prompt continued several times is read only once."""
        self.fill(seats, self.contents(source))

    def contents(self, seat: int) -> Tensor:
        """A view of the keys and values of one row, (n_layer, 2, 1, n_head, length, head_dim)."""
        return self.data[:, :, seat : seat + 1, :, : int(self.lengths[seat])]

    def fill(self, seats: Seats | Sequence[int], contents: Tensor) -> None:
        """Copies the keys and values of one row to some seats."""
        chosen, length = torch.as_tensor(np.asarray(seats), device=self.data.device), contents.shape[4]
        self.data[:, :, chosen, :, :length] = contents
        self.lengths[seats] = length

    def clear(self, seat: int) -> None:
        """Sets a seat to zero. Masked values are multiplied by zero, which NaN and infinity would survive."""
        self.data[:, :, seat] = 0
        self.lengths[seat] = 0

    def cut(self, seat: int, length: int, surplus: int) -> None:
        """Sets a seat back to a length, and so many characters beyond it to zero."""
        self.data[:, :, seat, :, length : length + surplus] = 0
        self.lengths[seat] = length


class Rows:
    """A view of some rows of a cache.

    Attributes:
        seats: seats of the rows, ascending, (rows,).
    """

    def __init__(self, cache: KVCache, seats: Seats):
        self.cache, self.seats = cache, seats

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of cached characters of each row (a copy)."""
        return self.cache.lengths[self.seats]

    def forget(self) -> None:
        """Empties the rows."""
        self.cache.lengths[self.seats] = 0

    def reserve(self, n_new: int) -> Slots:
        """Reserves space for `n_new` more characters in every row.

        Raises:
            ValueError: a row would exceed the block; the caller must move the window first.
        """
        lengths = self.lengths
        if (longest := int(lengths.max()) + n_new) > self.cache.block_size:
            raise ValueError(f"{longest} characters do not fit in a block of {self.cache.block_size}")
        slots = Slots(self.cache, self.seats, lengths, n_new)
        self.cache.lengths[self.seats] += n_new
        return slots


class Ahead:
    """A view of some rows of a cache for a step that reads several characters of a row at once, each as a row of its own: then the shapes,
    and with them the last bits, are those of a step that reads one. The rows share their seat's keys.

    Args:
        seats: seats of the rows, ascending, (rows,).
        counts: characters of each row, at least one, (rows,).
        padding: further characters, at the end, that no row has. Only with the compiled attention.
    """

    def __init__(self, cache: KVCache, seats: Seats, counts: NDArray[np.int64], padding: int = 0):
        self.cache, self.seats, self.counts, self.padding = cache, seats, counts, padding

    def reserve(self, n_new: int) -> Slots:
        """As `Rows.reserve`, for one character.

        Raises:
            ValueError: a row would exceed the block.
        """
        assert n_new == 1
        ends = np.cumsum(self.counts, dtype=np.int64)
        first = np.repeat(self.cache.lengths[self.seats] - (ends - self.counts), self.counts)
        lengths = np.append(first + np.arange(ends[-1]), np.zeros(self.padding)).astype(np.int64)
        if (longest := int(lengths.max()) + 1) > self.cache.block_size:
            raise ValueError(f"{longest} characters do not fit in a block of {self.cache.block_size}")
        seats = np.append(np.repeat(self.seats, self.counts), np.repeat(self.seats[-1:], self.padding))
        slots = Slots(self.cache, seats, lengths, 1, self.counts)
        self.cache.lengths[self.seats] += self.counts
        return slots


Seen = tuple[slice, Tensor, Tensor, Tensor | None]


class Slots:
    """The places of one step's `n_new` characters in the cache.

    Attributes:
        positions: positions of the characters, (rows, n_new), or (1, n_new) if all rows are in step; on the cache's device.
        compiled: whether `attend` can be used, instead of `store` and `seen`.
    """

    def __init__(self, cache: KVCache, seats: Seats, lengths: NDArray[np.int64], n_new: int, counts: NDArray[np.int64] | None = None):
        first, last, longest = int(seats[0]), int(seats[-1]) + 1, int(lengths.max())
        self._cache, self._seats, self._lengths, self._n_new, self._counts = cache, seats, lengths, n_new, counts
        self._begins = longest == 0
        self._in_step = last - first == len(seats) and bool((lengths == longest).all())
        starts = lengths[:1] if self._in_step else lengths
        self.positions = torch.from_numpy(starts[:, None] + np.arange(n_new)).to(cache.data.device)
        self.compiled = n_new == 1 and cache.attention is not None

    @cached_property
    def _groups(self) -> tuple[Seats, NDArray[np.int64]]:
        """Seats, and where the rows of each end."""
        if self._counts is None:
            return self._seats, np.arange(1, len(self._seats) + 1)
        ends = np.cumsum(self._counts, dtype=np.int64)
        return self._seats[ends - 1], ends

    @cached_property
    def _rooms(self) -> tuple[Tensor, ...]:
        """Where a layer's new keys and values are stored, as `store` needs it."""
        if not self._in_step:
            return self._cache.data.unbind(0)
        first, start = int(self._seats[0]), int(self._lengths[0])
        return self._cache.data[:, :, first : first + len(self._seats), :, start : start + self._n_new].unbind(0)

    @cached_property
    def _places(self) -> Tensor:
        """The rows' seats on the cache's device, (rows, 1)."""
        return torch.from_numpy(self._seats).to(self._cache.data.device)[:, None]

    @cached_property
    def _spans(self) -> list[Span]:
        cache, seats = self._cache, self._seats
        all_keys = [cache.n_keys(length + self._n_new) for length in self._lengths.tolist()]
        if self._in_step:
            start = int(self._lengths[0])
            mask = cache.visible[start : start + self._n_new, : all_keys[0]]
            return [_span(cache, slice(0, len(seats)), int(seats[0]), all_keys[0], mask)]
        if self._counts is not None:
            return self._shared_spans(all_keys, self._counts.tolist())
        spans = []
        for a, b in itertools.pairwise(_cuts(seats.tolist(), all_keys)):
            n_keys = max(all_keys[a:b])
            mask = cache.visible[self.positions[a:b], :n_keys].unsqueeze(1)
            spans.append(_span(cache, slice(a, b), int(seats[a]), n_keys, mask))
        return spans

    def _shared_spans(self, all_keys: list[int], counts: list[int]) -> list[Span]:
        """The spans of a step in which each seat has several rows."""
        cache, spans = self._cache, []
        ends = list(itertools.accumulate(counts))
        keys = [all_keys[end - 1] for end in ends]
        taken = [int(self._seats[end - 1]) for end in ends]
        for a, b in itertools.pairwise(_cuts(taken, keys, counts)):
            rows, n_keys = slice(ends[a] - counts[a], ends[b - 1]), max(keys[a:b])
            mask = cache.visible[self.positions[rows], :n_keys]  # (rows, 1, n_keys)
            mask = mask.view(b - a, 1, counts[a], n_keys).expand(-1, cache.data.shape[3], -1, -1).reshape(b - a, -1, 1, n_keys)
            seen = cache.data[:, :, taken[a] : taken[a] + b - a, :, :n_keys]
            spans.append(Span(rows, seen.select(1, 0).unbind(0), seen.select(1, 1).unbind(0), mask))
        return spans

    def attend(self, layer: int, qkv: Tensor) -> Tensor:
        """Stores a layer's new keys and values and attends to all that the rows have, as `StepAttention.__call__`."""
        assert self._cache.attention is not None
        return self._cache.attention(layer, qkv, *self._groups, self._lengths)

    def store(self, layer: int, keys_values: Tensor) -> None:
        """Stores a layer's new keys and values, (2, rows, n_head, n_new, head_dim)."""
        room = self._rooms[layer]
        if self._in_step:
            room.copy_(keys_values)
        else:
            room[:, self._places, :, self.positions] = keys_values.permute(1, 3, 0, 2, 4)

    def seen(self, layer: int, keys_values: Tensor) -> list[Seen]:
        """Keys and values that the rows attend to, including those of the new characters.

        Returns:
            for each span its rows, its keys and values, each (rows or seats, n_head, n_keys, head_dim), and its mask. The mask hides keys
            beyond a row's length; it is None for rows without cached characters, which use causal attention among their new characters.
        """
        if self._begins:
            return [(slice(None), keys_values[0], keys_values[1], None)]
        return [(span.rows, span.keys[layer], span.values[layer], span.mask) for span in self._spans]


def _span(cache: KVCache, rows: slice, seat: int, n_keys: int, mask: Tensor) -> Span:
    seen = cache.data[:, :, seat : seat + rows.stop - rows.start, :, :n_keys]
    return Span(rows, seen.select(1, 0).unbind(0), seen.select(1, 1).unbind(0), mask)


def surplus_keys(config: GPTConfig, dtype: torch.dtype) -> int:
    """Number of keys that are read on a CPU in addition to whole blocks, always masked out."""
    buffer = 2 + config.n_embd // config.n_head  # beside the scores
    return -buffer % ALIGNED_FLOATS if dtype == torch.float32 else 0


def _n_keys(length: int, surplus: int) -> int:
    return -(-length // KEY_BLOCK) * KEY_BLOCK + surplus


def _cuts(seats: list[int], n_keys: list[int], counts: list[int] | None = None) -> list[int]:
    """Boundaries of the spans of a step. Spans end where seats are not adjacent, where the number of rows per seat changes, and where
    sharing a call would cost more than an additional call. The first boundary is 0, the last is the number of seats."""
    cuts, begin, widest = [0], 0, n_keys[0]
    for i in range(1, len(seats)):
        grown = max(widest, n_keys[i])
        wasted = (grown - widest) * (i - begin) + grown - n_keys[i]
        if seats[i] != seats[i - 1] + 1 or wasted > CALL_COST or (counts is not None and counts[i] != counts[i - 1]):
            cuts.append(i)
            begin, grown = i, n_keys[i]
        widest = grown
    return [*cuts, len(seats)]


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros that take no memory on a CPU until they are written, so that empty seats cost nothing. Huge pages would take up to 24 MB for a
    short text of the shipped network, and more time when a crowd begins to write."""
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    try:
        memory = mmap.mmap(-1, math.prod(shape) * dtype.itemsize, **ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no memory for a key/value cache of {shape}") from error
    with suppress(AttributeError, OSError):  # no such advice on this system
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype).view(shape)
