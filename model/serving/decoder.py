"""Decoders: they assign seats to the rows of one model and compute logits, either with a cache or from the rows' whole windows.

Both decoders read windows (a prompt, or the second half of a text that has outgrown the block) so that the result does not depend on
other rows. They then decode one character for many rows at a time.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from model.network import Network
from model.network.kv_cache import KEY_BLOCK, Ahead, Rows
from model.network.reading import read_windows
from model.network.step_graph import StepGraph
from model.serving.scheduler import SeatMap

KEPT_PROMPTS = 4  # the prompts read last, whose keys and values are kept for the next request that begins alike
WINDOW_ROWS = 16  # rows per pass without a cache; fixed, so that a row's logits do not depend on its neighbours

Logits = NDArray[np.float32]
Contents = TypeVar("Contents")


class Decoder(Protocol):
    """The interface that the writer needs. A seat holds the state of one row.

    Attributes:
        seats: number of seats.
    """

    seats: int

    @property
    def computes_all(self) -> bool:
        """Whether a step costs the same for any number of rows."""
        ...

    def take(self, length: int) -> int:
        """Takes a seat for a row whose window will have this many characters."""
        ...

    def give_back(self, seat: int) -> None:
        """Frees a seat."""
        ...

    def wipe(self, seat: int) -> None:
        """Clears the state that a failed row left in its seat."""
        ...

    @property
    def reads_together(self) -> bool:
        """Whether several windows are read in one pass."""
        ...

    def read(self, places: Sequence[Sequence[int]], windows: Sequence[Sequence[int]]) -> Logits:
        """Reads windows, each into one or more seats; returns the logits after them, (windows, V)."""
        ...

    def knows(self, prompt: Sequence[int]) -> bool:
        """Whether `begin` need not read a prompt."""
        ...

    def begin(self, places: Sequence[Sequence[int]], prompts: Sequence[Sequence[int]]) -> Logits:
        """As `read`, for prompts that other texts may begin with as well: equal ones are read once, and those read last are known."""
        ...

    def step(self, seats: Sequence[int], windows: Sequence[Sequence[int]]) -> Logits:
        """Reads the last character of each row and returns the logits after it, (rows, V). The rows' earlier characters must have been
        read. Seats must ascend. If it raises, the state of all seats is unchanged."""
        ...

    @property
    def looks_ahead(self) -> bool:
        """Whether `step_ahead` can be used."""
        ...

    def step_ahead(self, seats: Sequence[int], windows: Sequence[Sequence[int]], guesses: Sequence[Sequence[int]]) -> Logits:
        """As `step`, and reads guesses of the characters that follow: the logits after each row's last character and each of its guesses,
        row by row, to the last bit as `step` computes them. `forget` must then be told of the guesses that were wrong.

        Raises:
            FloatingPointError: some logits are not finite.
        """
        ...

    def forget(self, seat: int, characters: int) -> None:
        """Forgets the characters read last."""
        ...


def make_decoder(model: Network, seats: int) -> Decoder:
    """Creates the decoder for a network."""
    return CachedDecoder(model, seats) if model.keeps_cache else WindowDecoder(model, seats)


class Recent(Generic[Contents]):
    """What the prompts read last have left in a seat, and the logits after them."""

    def __init__(self) -> None:
        self._prompts: OrderedDict[tuple[int, ...], tuple[Contents, Logits]] = OrderedDict()

    def __contains__(self, prompt: Sequence[int]) -> bool:
        return tuple(prompt) in self._prompts

    def find(self, prompt: Sequence[int]) -> tuple[Contents, Logits] | None:
        """The contents of a seat and the logits after a prompt, (V,); None if it was not among the last."""
        if (key := tuple(prompt)) not in self._prompts:
            return None
        self._prompts.move_to_end(key)
        return self._prompts[key]

    def keep(self, prompt: Sequence[int], contents: Contents, logits: Logits) -> None:
        """Keeps a prompt instead of the one that was used the longest time ago. What is not finite is not kept: it may have been a fault
        that passes."""
        if np.isfinite(logits).all():
            self._prompts[tuple(prompt)] = contents, logits
            if len(self._prompts) > KEPT_PROMPTS:
                self._prompts.popitem(last=False)


class CachedDecoder:
    """A decoder with a key/value cache: a step reads one character of each row."""

    def __init__(self, model: Network, seats: int):
        self.seats, self._model = seats, model
        self._cache = model.make_cache(seats)
        self._graph = StepGraph(model, self._cache) if model.device.type == "cuda" else None
        self._map = SeatMap(seats, 2 * KEY_BLOCK)
        self._kept = Recent[torch.Tensor]()

    @property
    def computes_all(self) -> bool:
        """As `Decoder.computes_all`: a CUDA graph computes every seat, whether taken or not."""
        return self._graph is not None

    def take(self, length: int) -> int:
        """As `Decoder.take`."""
        seat = self._map.take(length, self._cache.lengths.tolist())
        self._cache.lengths[seat] = length  # its future length, so that rows of similar length can be seated next to it
        return seat

    def give_back(self, seat: int) -> None:
        """As `Decoder.give_back`."""
        self._map.give_back(seat)

    def wipe(self, seat: int) -> None:
        """As `Decoder.wipe`."""
        self._cache.clear(seat)

    @property
    def reads_together(self) -> bool:
        """As `Decoder.reads_together`."""
        return self._model.windows_agree

    def read(self, places: Sequence[Sequence[int]], windows: Sequence[Sequence[int]]) -> Logits:
        """As `Decoder.read`."""
        with _inference():
            logits: Logits = read_windows(self._model, self._cache, [seats[0] for seats in places], windows).cpu().numpy()
        for first, *others in places:
            if others:
                self._cache.fill(others, self._cache.contents(first))
        return logits

    def knows(self, prompt: Sequence[int]) -> bool:
        """As `Decoder.knows`."""
        return prompt in self._kept

    def begin(self, places: Sequence[Sequence[int]], prompts: Sequence[Sequence[int]]) -> Logits:
        """As `Decoder.begin`."""
        logits = np.empty((len(prompts), self._model.config.vocab_size), dtype=np.float32)
        first = {tuple(prompt): i for i, prompt in reversed([*enumerate(prompts)])}
        known = {i: kept for prompt, i in first.items() if (kept := self._kept.find(prompt))}
        for i, (contents, after) in known.items():
            self._cache.fill(places[i], contents)
            logits[i] = after
        new = sorted({*first.values()} - known.keys())
        self._read_some(new, places, prompts, logits)
        again = []
        for i, prompt in enumerate(prompts):
            if (source := first[tuple(prompt)]) == i:
                continue
            if np.isfinite(logits[source]).all():
                self._cache.fill(places[i], self._cache.contents(places[source][0]))
                logits[i] = logits[source]
            else:  # it may have been a fault that passes
                again.append(i)
        self._read_some(again, places, prompts, logits)
        for i in new[-KEPT_PROMPTS:]:
            self._kept.keep(prompts[i], self._cache.contents(places[i][0]).clone(), logits[i])
        return logits

    def _read_some(self, chosen: list[int], places: Sequence[Sequence[int]], windows: Sequence[Sequence[int]], logits: Logits) -> None:
        """Reads the chosen ones of some windows; fills in their logits."""
        if chosen:
            logits[chosen] = self.read([places[i] for i in chosen], [windows[i] for i in chosen])

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

    @property
    def looks_ahead(self) -> bool:
        """As `Decoder.looks_ahead`."""
        return self._graph is None and self._model.guesses_agree

    def step_ahead(self, seats: Sequence[int], windows: Sequence[Sequence[int]], guesses: Sequence[Sequence[int]]) -> Logits:
        """As `Decoder.step_ahead`."""
        ids = [char for window, guessed in zip(windows, guesses, strict=True) for char in (window[-1], *guessed)]
        rows = np.array(seats)
        lengths = self._cache.lengths[rows]
        try:
            counts = np.array([1 + len(guessed) for guessed in guesses])
            logits = self._forward(torch.tensor(ids)[:, None], Ahead(self._cache, rows, counts))
            if not np.isfinite(logits).all():
                raise FloatingPointError("the network's output is not finite")
            return logits
        except Exception:
            for seat, length, guessed in zip(seats, lengths.tolist(), guesses, strict=True):
                self._cache.cut(seat, length, 1 + len(guessed))
            raise

    def forget(self, seat: int, characters: int) -> None:
        """As `Decoder.forget`."""
        self._cache.lengths[seat] -= characters

    def _forward(self, ids: torch.Tensor, cache: Rows | Ahead) -> Logits:
        """Logits after the last of the characters, (rows, V)."""
        with _inference():
            return self._model(ids.to(self._model.device), cache=cache, last_only=True)[:, -1].cpu().numpy()


@contextmanager
def _inference() -> Iterator[None]:
    """No gradients.

    PyTorch checks every argument of an operator for `__torch_function__`. For FBGEMM's packed matrices this check raises an internal
    exception and takes 9 us of the 27 us of a product with one row, so it is disabled.
    """
    with torch.inference_mode(), torch._C.DisableTorchFunctionSubclass():
        yield


class WindowDecoder:
    """A decoder without a cache: every step reads the rows' whole windows. For small networks that have no cache."""

    computes_all = looks_ahead = reads_together = False

    def __init__(self, model: Network, seats: int):
        self.seats, self._model = seats, model
        self._free = list(range(seats))
        self._kept = Recent[None]()

    def take(self, length: int) -> int:
        """As `Decoder.take`."""
        return self._free.pop()

    def give_back(self, seat: int) -> None:
        """As `Decoder.give_back`."""
        self._free.append(seat)

    def wipe(self, seat: int) -> None:
        """As `Decoder.wipe`; there is no state to clear."""

    def read(self, places: Sequence[Sequence[int]], windows: Sequence[Sequence[int]]) -> Logits:
        """As `Decoder.read`."""
        return np.concatenate([self._forward([window]) for window in windows])

    def knows(self, prompt: Sequence[int]) -> bool:
        """As `Decoder.knows`."""
        return prompt in self._kept

    def begin(self, places: Sequence[Sequence[int]], prompts: Sequence[Sequence[int]]) -> Logits:
        """As `Decoder.begin`."""
        return np.stack([self._begin(prompt) for prompt in prompts])

    def _begin(self, prompt: Sequence[int]) -> Logits:
        if kept := self._kept.find(prompt):
            return kept[1]
        logits: Logits = self._forward([prompt])[0]
        self._kept.keep(prompt, None, logits)
        return logits

    def step(self, seats: Sequence[int], windows: Sequence[Sequence[int]]) -> Logits:
        """As `Decoder.step`. Windows of the same length share a pass."""
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        for row, window in enumerate(windows):
            by_length[len(window)].append(row)
        logits = np.empty((len(windows), self._model.config.vocab_size), dtype=np.float32)
        for rows in by_length.values():
            for first in range(0, len(rows), WINDOW_ROWS):
                part = rows[first : first + WINDOW_ROWS]
                logits[part] = self._forward([windows[row] for row in part])
        return logits

    def step_ahead(self, seats: Sequence[int], windows: Sequence[Sequence[int]], guesses: Sequence[Sequence[int]]) -> Logits:
        """As `Decoder.step_ahead`; never used."""
        raise NotImplementedError

    def forget(self, seat: int, characters: int) -> None:
        """As `Decoder.forget`; there is no state."""

    def _forward(self, windows: Sequence[Sequence[int]]) -> Logits:
        """Logits after each of up to WINDOW_ROWS windows of the same length. The pass is padded with rows of zeros."""
        ids = torch.zeros(WINDOW_ROWS, len(windows[0]), dtype=torch.long)
        ids[: len(windows)] = torch.tensor([list(window) for window in windows])
        with torch.inference_mode():
            return self._model(ids.to(self._model.device), last_only=True)[: len(windows), -1].cpu().numpy()
