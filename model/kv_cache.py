"""Keys and values of the rows being decoded, with a position for each row.

A row is one text under way. Rows need not be in step: each has its own number of cached characters, and attention is
masked to it. The network asks the `Slots` of a step where its characters stand, stores their keys and values there and
gets all that the row has so far; it knows nothing else of decoding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.config import GPTConfig

# Keys are read in whole blocks of this many, the surplus masked out: a sum over padded keys comes out the same to the last
# bit whatever else is decoded, which a seed's promise of the same text rests on.
KEY_BLOCK = 32


class KVCache:
    """Keys and values of `rows` texts.

    Attributes:
        lengths: characters cached for each row, (rows,), int64, on the CPU. A caller may lower an entry to forget.
    """

    def __init__(self, config: GPTConfig, rows: int, dtype: torch.dtype, device: torch.device | str = "cpu"):
        shape = (config.n_layer, 2, rows, config.n_head, config.block_size, config.n_embd // config.n_head)
        self._data = torch.zeros(shape, dtype=dtype, device=device)
        self.lengths = torch.zeros(rows, dtype=torch.long)

    @property
    def block_size(self) -> int:
        return self._data.shape[4]

    def row(self, index: int) -> KVCache:
        """One row as a cache of its own that shares this one's memory."""
        view = object.__new__(KVCache)
        view._data = self._data[:, :, index : index + 1]
        view.lengths = self.lengths[index : index + 1]
        return view

    def share_row(self, source: int) -> None:
        """Copies one row's characters to all rows: a prompt is encoded once and continued many times."""
        length = int(self.lengths[source])
        self._data[..., :length, :] = self._data[:, :, source : source + 1, :, :length, :]
        self.lengths.fill_(length)

    def reserve(self, n_new: int) -> Slots:
        """Room for `n_new` more characters in every row.

        Raises:
            ValueError: a row would outgrow the block; the caller moves the window first.
        """
        longest = int(self.lengths.max()) + n_new
        if longest > self.block_size:
            raise ValueError(f"{longest} characters do not fit a block of {self.block_size}")
        slots = Slots(self._data, self.lengths.clone(), n_new)
        self.lengths += n_new
        return slots


class Slots:
    """Where the `n_new` characters of one step stand in the cache.

    Attributes:
        positions: (rows, n_new) on the cache's device.
        mask: added to the attention scores, (rows, 1, n_new, n_keys), 0 where a character may look and -inf where not; None
            for rows that begin, which look at their own characters in causal order.
    """

    def __init__(self, data: Tensor, lengths: Tensor, n_new: int):
        self._data = data
        self._begins = not lengths.any()
        positions = lengths[:, None] + torch.arange(n_new)  # (rows, n_new)
        self.positions = positions.to(data.device)
        in_step = bool((lengths == lengths[0]).all())
        self._span = slice(int(lengths[0]), int(lengths[0]) + n_new) if in_step else None
        self.mask: Tensor | None = None
        if not self._begins:
            longest = int(lengths.max()) + n_new
            self._n_keys = min(-(-longest // KEY_BLOCK) * KEY_BLOCK, data.shape[4])
            seen = torch.arange(self._n_keys) <= (positions[:1] if in_step else positions)[:, None, :, None]
            mask = torch.zeros(seen.shape, dtype=data.dtype).masked_fill_(~seen, -torch.inf)
            self.mask = mask.to(data.device)

    def store(self, layer: int, keys_values: Tensor) -> tuple[Tensor, Tensor]:
        """Stores a layer's new keys and values, (2, rows, n_head, n_new, head_dim), and returns all of the row so far,
        each (rows, n_head, n_keys, head_dim); what lies past a row's own length is for the mask to hide.
        """
        cached = self._data[layer]  # (2, rows, n_head, block_size, head_dim)
        if self._span is not None:
            cached[..., self._span, :] = keys_values
        else:
            rows = torch.arange(cached.shape[1], device=cached.device)[:, None]
            cached[:, rows, :, self.positions] = keys_values.permute(1, 3, 0, 2, 4)
        if self._begins:
            return keys_values[0], keys_values[1]
        return cached[0, :, :, : self._n_keys], cached[1, :, :, : self._n_keys]
