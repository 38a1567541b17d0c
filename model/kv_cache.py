"""Keys and values of the rows being decoded, with a position for each row.

A row is one text under way. Rows need not be in step: each has its own number of cached characters, and attention is
masked to it. The network asks the `Slots` of a step where its characters stand, stores their keys and values there and
gets all that the row has so far; it knows nothing else of decoding.

A decoding step of one row spends as long in Python as in the matrices, so views are made once a step and not once a layer.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from model.config import GPTConfig

# Keys are read in whole blocks of this many, the surplus masked out: a sum over padded keys comes out the same to the last
# bit whatever else is decoded, which a seed's promise of the same text rests on.
KEY_BLOCK = 32


class KVCache:
    """Keys and values of `rows` texts.

    Attributes:
        lengths: characters cached for each row, (rows,), an int64 array. A caller may lower an entry to forget.
    """

    def __init__(self, config: GPTConfig, rows: int, dtype: torch.dtype, device: torch.device | str = "cpu"):
        shape = (config.n_layer, 2, rows, config.n_head, config.block_size, config.n_embd // config.n_head)
        self._data = torch.zeros(shape, dtype=dtype, device=device)
        # Row p: what a character at position p may look at.
        self._visible = torch.full((config.block_size, config.block_size), -torch.inf, dtype=dtype, device=device).triu_(1)
        self.lengths = np.zeros(rows, dtype=np.int64)

    @property
    def block_size(self) -> int:
        return self._data.shape[4]

    def row(self, index: int) -> KVCache:
        """One row as a cache of its own that shares this one's memory."""
        view = object.__new__(KVCache)
        view._data = self._data[:, :, index : index + 1]
        view._visible = self._visible
        view.lengths = self.lengths[index : index + 1]
        return view

    def share_row(self, source: int) -> None:
        """Copies one row's characters to all rows: a prompt is encoded once and continued many times."""
        length = int(self.lengths[source])
        self._data[..., :length, :] = self._data[:, :, source : source + 1, :, :length, :]
        self.lengths[:] = length

    def reserve(self, n_new: int) -> Slots:
        """Room for `n_new` more characters in every row.

        Raises:
            ValueError: a row would outgrow the block; the caller moves the window first.
        """
        longest = int(self.lengths.max()) + n_new
        if longest > self.block_size:
            raise ValueError(f"{longest} characters do not fit a block of {self.block_size}")
        slots = Slots(self._data, self._visible, self.lengths, n_new)
        self.lengths += n_new
        return slots


class Slots:
    """Where the `n_new` characters of one step stand in the cache.

    Attributes:
        positions: (rows, n_new), or (1, n_new) where all rows are in step, on the cache's device.
        mask: added to the attention scores, (rows or 1, 1, n_new, n_keys), 0 where a character may look and -inf where not; None
            for rows that begin, which look at their own characters in causal order.
    """

    def __init__(self, data: Tensor, visible: Tensor, lengths: np.ndarray, n_new: int):
        longest = int(lengths.max())
        self._begins = longest == 0
        self._in_step = bool((lengths == longest).all())
        starts = lengths[:1] if self._in_step else lengths
        self.positions = torch.from_numpy(starts[:, None] + np.arange(n_new)).to(data.device)
        n_keys = min(-(-(longest + n_new) // KEY_BLOCK) * KEY_BLOCK, data.shape[4])
        self.mask = None if self._begins else visible[self.positions, :n_keys].unsqueeze(1)
        self._layers = data.unbind(0) if not self._in_step else data.narrow(4, longest, n_new).unbind(0)
        self._seen = data.narrow(4, 0, n_keys).unbind(0)

    def store(self, layer: int, keys_values: Tensor) -> tuple[Tensor, Tensor]:
        """Stores a layer's new keys and values, (2, rows, n_head, n_new, head_dim), and returns all of the row so far,
        each (rows, n_head, n_keys, head_dim); what lies past a row's own length is for the mask to hide.
        """
        room = self._layers[layer]
        if self._in_step:
            room.copy_(keys_values)
        else:
            rows = torch.arange(room.shape[1], device=room.device)[:, None]
            room[:, rows, :, self.positions] = keys_values.permute(1, 3, 0, 2, 4)
        keys, values = (keys_values if self._begins else self._seen[layer]).unbind(0)
        return keys, values
