"""A decoding step on CUDA as one graph: launched by a single call, where launching its kernels one by one would take
longer than they run.

A graph has fixed shapes, so every step computes all seats, taken or not; that also makes a row's outcome independent of how many
others there are. No GPU was at hand when this was written: on CUDA it is untried and unmeasured. The same step without the graph is
tested on the CPU.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from model.network import Network
from model.network.kv_cache import KVCache

WARM_UPS = 3  # before the capture: libraries set themselves up in their first calls


class AllSeats:
    """All rows of a cache as the network takes them, one new character each, at positions that are read when the step runs.

    Args:
        positions: (seats, 1).
    """

    def __init__(self, cache: KVCache, positions: Tensor):
        self.positions = positions
        self._layers = cache.data.unbind(0)
        self._visible = cache.visible
        self._seats = torch.arange(len(positions), device=positions.device)[:, None]
        self._mask: Tensor

    def reserve(self, n_new: int) -> AllSeats:
        """For `Network.forward`; the lengths are the caller's affair."""
        self._mask = self._visible[self.positions].unsqueeze(1)  # (seats, 1, 1, block_size)
        return self

    def store(self, layer: int, keys_values: Tensor) -> None:
        """As `Slots.store`."""
        self._layers[layer][:, self._seats, :, self.positions] = keys_values.permute(1, 3, 0, 2, 4)

    def seen(self, layer: int, keys_values: Tensor) -> list[tuple[slice, Tensor, Tensor, Tensor]]:
        """As `Slots.seen`."""
        keys, values = self._layers[layer].unbind(0)
        return [(slice(None), keys, values, self._mask)]


class StepGraph:
    """One character for some rows of a cache.

    A seat that takes no part is computed too. What is stored for it lies behind its text, where the next character goes; in a
    row whose block is full it falls on the last one, which is read anew anyway.
    """

    def __init__(self, model: Network, cache: KVCache):
        self._model, self._cache = model, cache
        seats = len(cache.lengths)
        self._ids = torch.zeros(seats, 1, dtype=torch.long, device=model.device)
        self._positions = torch.zeros(seats, 1, dtype=torch.long, device=model.device)
        self._rows = AllSeats(cache, self._positions)
        self._graph: torch.cuda.CUDAGraph | None = None

    def step(self, seats: np.ndarray, ids: Tensor) -> np.ndarray:
        """Logits of the next character, (rows, V), float32 on the CPU.

        Args:
            seats: (rows,).
            ids: the last character of each row, (rows,).
        """
        lengths = np.minimum(self._cache.lengths, self._cache.block_size - 1)
        self._positions.copy_(torch.from_numpy(lengths)[:, None])
        every = torch.zeros(len(lengths), dtype=torch.long)
        every[torch.from_numpy(seats)] = ids
        self._ids.copy_(every[:, None])
        if self._graph is not None:
            self._graph.replay()
        elif self._model.device.type == "cuda":
            self._graph = self._capture()
            self._graph.replay()
        else:
            self._logits = self._forward()
        self._cache.lengths[seats] += 1
        return self._logits[torch.from_numpy(seats).to(self._logits.device)].cpu().numpy()

    @torch.inference_mode()
    def _forward(self) -> Tensor:
        return self._model(self._ids, cache=self._rows)[:, -1]

    def _capture(self) -> torch.cuda.CUDAGraph:
        """At the first step, in the thread that steps: what other threads do meanwhile would spoil it elsewhere."""
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self._forward()
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._logits = self._forward()
        return graph
