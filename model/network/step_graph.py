"""A decoding step as a CUDA graph, launched by a single call. Launching its kernels one by one would take longer than running them.

A graph has fixed shapes, so every step computes all seats, whether taken or not. A row's result therefore does not depend on the number
of other rows. No GPU was available when this was written: on CUDA it is untested and unmeasured. The same step without the graph is
tested on the CPU.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from model.network import Network
from model.network.kv_cache import KVCache

WARM_UPS = 3  # steps before the capture, because libraries initialise themselves in their first calls


class AllSeats:
    """All rows of a cache in the form that the network expects, with one new character each. Positions are read when the step runs.

    Args:
        positions: positions of the new characters, (seats, 1).
    """

    compiled = False  # as `Slots.compiled`: a graph consists of PyTorch's operators

    def __init__(self, cache: KVCache, positions: Tensor):
        self.positions = positions
        self._layers = cache.data.unbind(0)
        self._visible = cache.visible
        self._seats = torch.arange(len(positions), device=positions.device)[:, None]
        self._mask: Tensor

    def reserve(self, n_new: int) -> AllSeats:
        """Prepares the mask, for `Network.forward`. The caller must update the cache's lengths."""
        self._mask = self._visible[self.positions].unsqueeze(1)  # (seats, 1, 1, n_keys)
        return self

    def store(self, layer: int, keys_values: Tensor) -> None:
        """As `Slots.store`."""
        self._layers[layer][:, self._seats, :, self.positions] = keys_values.permute(1, 3, 0, 2, 4)

    def seen(self, layer: int, keys_values: Tensor) -> list[tuple[slice, Tensor, Tensor, Tensor]]:
        """As `Slots.seen`."""
        keys, values = self._layers[layer].unbind(0)
        return [(slice(None), keys, values, self._mask)]


class StepGraph:
    """Decodes one character for some rows of a cache.

    All other seats are computed too. Their keys and values are stored after the end of their text, where the next character will
    overwrite them; if a row's block is full they replace those of the last character, which will be read again anyway.
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
            seats: seats of the rows, (rows,).
            ids: last character of each row, (rows,).
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
        """Captures the graph at the first step, in the thread that runs the steps, so that other threads cannot invalidate the capture."""
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
