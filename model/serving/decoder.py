"""Where the rows of one model sit, and how the logits of their next characters come: from a cache, or from their windows.

Both decoders read a window (a prompt, or the second half of a text that has outgrown the block) on its own, so that its outcome does
not depend on what else is going on, and then give one character for many rows at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model.network import Network
from model.network.kv_cache import KEY_BLOCK, Rows
from model.network.step_graph import StepGraph
from model.serving.scheduler import SeatMap

WINDOW_ROWS = 16  # rows of a pass without a cache: always as many, so that a row's logits do not depend on its neighbours

Logits = NDArray[np.float32]


class Decoder(Protocol):
    """What the writer needs. A seat is where a row's state is kept.

    Attributes:
        seats: rows that can sit at once.
    """

    seats: int

    @property
    def computes_all(self) -> bool:
        """Whether a step costs the same however many rows take part."""
        ...

    def take(self, length: int) -> int:
        """A seat for a row whose window will have this many characters."""
        ...

    def give_back(self, seat: int) -> None:
        """Frees a seat."""
        ...

    def wipe(self, seat: int) -> None:
        """Clears what a failed row left in its seat."""
        ...

    def read(self, seat: int, window: Sequence[int], sharing: Sequence[int]) -> Logits:
        """Logits after a window that begins in a seat, (1, V); rows in the seats `sharing` begin with the same window."""
        ...

    def step(self, seats: Sequence[int], windows: Sequence[Sequence[int]]) -> Logits:
        """Logits after the last characters of rows whose earlier ones were read, (rows, V). Seats ascend. Where it raises, nothing
        has changed."""
        ...


def make_decoder(model: Network, seats: int) -> Decoder:
    """The decoder for a network."""
    return CachedDecoder(model, seats) if model.keeps_cache else WindowDecoder(model, seats)


class CachedDecoder:
    """Keeps keys and values, so that a step reads one character of each row."""

    def __init__(self, model: Network, seats: int):
        self.seats, self._model = seats, model
        self._cache = model.make_cache(seats)
        self._graph = StepGraph(model, self._cache) if model.device.type == "cuda" else None
        self._map = SeatMap(seats, 2 * KEY_BLOCK)

    @property
    def computes_all(self) -> bool:
        """A graph computes every seat, taken or not."""
        return self._graph is not None

    def take(self, length: int) -> int:
        """As `Decoder.take`."""
        seat = self._map.take(length, self._cache.lengths.tolist())
        self._cache.lengths[seat] = length  # what it will be, for others to sit beside
        return seat

    def give_back(self, seat: int) -> None:
        """As `Decoder.give_back`."""
        self._map.give_back(seat)

    def wipe(self, seat: int) -> None:
        """As `Decoder.wipe`."""
        self._cache.clear(seat)

    def read(self, seat: int, window: Sequence[int], sharing: Sequence[int]) -> Logits:
        """As `Decoder.read`."""
        row = self._cache.row(seat)
        row.forget()
        logits = self._forward(torch.tensor([list(window)]), row)
        if sharing:
            self._cache.share_row(seat, sharing)
        return logits

    def step(self, seats: Sequence[int], windows: Sequence[Sequence[int]]) -> Logits:
        """As `Decoder.step`."""
        ids, rows = torch.tensor([window[-1] for window in windows]), np.array(seats)
        lengths = self._cache.lengths[rows]
        try:
            if self._graph is not None:
                return self._graph.step(rows, ids)
            return self._forward(ids[:, None], self._cache.rows(rows))
        except Exception:
            self._cache.lengths[rows] = lengths
            raise

    def _forward(self, ids: torch.Tensor, cache: Rows) -> Logits:
        """Logits after the last of the characters, (rows, V).

        PyTorch looks at every argument of an operator for a way to override it. For FBGEMM's packed matrices that look ends in an
        exception, and costs 9 us of a product's 27 for one row.
        """
        with torch.inference_mode(), torch._C.DisableTorchFunctionSubclass():
            return self._model(ids.to(self._model.device), cache=cache, last_only=True)[:, -1].cpu().numpy()


class WindowDecoder:
    """Keeps nothing: every step reads the rows' whole windows. For small networks without a cache."""

    computes_all = False

    def __init__(self, model: Network, seats: int):
        self.seats, self._model = seats, model
        self._free = list(range(seats))

    def take(self, length: int) -> int:
        """As `Decoder.take`."""
        return self._free.pop()

    def give_back(self, seat: int) -> None:
        """As `Decoder.give_back`."""
        self._free.append(seat)

    def wipe(self, seat: int) -> None:
        """As `Decoder.wipe`: nothing is kept."""

    def read(self, seat: int, window: Sequence[int], sharing: Sequence[int]) -> Logits:
        """As `Decoder.read`."""
        return self._forward([window])

    def step(self, seats: Sequence[int], windows: Sequence[Sequence[int]]) -> Logits:
        """As `Decoder.step`. Windows of one length share a pass."""
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        for row, window in enumerate(windows):
            by_length[len(window)].append(row)
        logits = np.empty((len(windows), self._model.config.vocab_size), dtype=np.float32)
        for rows in by_length.values():
            for first in range(0, len(rows), WINDOW_ROWS):
                part = rows[first : first + WINDOW_ROWS]
                logits[part] = self._forward([windows[row] for row in part])
        return logits

    def _forward(self, windows: Sequence[Sequence[int]]) -> Logits:
        """Logits after each of up to WINDOW_ROWS windows of one length; rows of zeros fill up the pass."""
        ids = torch.zeros(WINDOW_ROWS, len(windows[0]), dtype=torch.long)
        ids[: len(windows)] = torch.tensor([list(window) for window in windows])
        with torch.inference_mode():
            return self._model(ids.to(self._model.device), last_only=True)[: len(windows), -1].cpu().numpy()
