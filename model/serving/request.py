"""Requests for texts, with their progress and the record of how each character was drawn."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.limits import MAX_REQUEST_RECORD_BYTES
from model.sampling import Floats, SamplingParams, dice
from model.serving.viewer import Viewer

WAITING, RUNNING, DONE, STOPPED, FAILED = "waiting", "running", "done", "stopped", "failed"
FINISHED = (DONE, STOPPED, FAILED)
NO_GUESS = -1


@dataclass(frozen=True)
class Progress:
    """A snapshot of a request.

    Attributes:
        state: waiting, running, done, stopped or failed.
        texts: text of each sample so far, without the prompt.
        elapsed_s: time spent writing.
        error: error message of a failed request.
        ahead: number of requests ahead of it in the queue.
        guesses: for each character of each text, the id that was guessed before the network wrote it; NO_GUESS where none was.
    """

    state: str
    texts: tuple[str, ...]
    elapsed_s: float
    error: str
    ahead: int = 0
    guesses: tuple[list[int], ...] = ()

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


@dataclass(frozen=True)
class Character:
    """How one character was drawn.

    Attributes:
        char: the character.
        logits: the network's logits before temperature, in vocabulary order, (V,).
        die: the number in [0, 1) that was thrown.
        low, high: bounds of the character's interval.
    """

    char: str
    logits: np.ndarray
    die: float
    low: float
    high: float


class Piece(NamedTuple):
    """What was written of a sample from some character on.

    Attributes:
        logits: before temperature, (characters, V); None without a record.
        edges: the bounds of each character's interval, (characters, 2); None without a record.
        guesses: as in `Progress`.
    """

    text: str
    guesses: list[int]
    logits: NDArray[np.float32] | None
    edges: Floats | None

    def since(self, index: int) -> Piece:
        """The piece without its first characters."""
        if self.logits is None or self.edges is None:
            return Piece(self.text[index:], self.guesses[index:], None, None)
        return Piece(self.text[index:], self.guesses[index:], self.logits[index:], self.edges[index:])


class Request:
    """A prompt to be continued by one or more samples of a seed at once. The engine writes it; any thread can read or cancel it.

    Attributes:
        number: increases from request to request.
        key: an unguessable key for looking up the request.
        prompt: the prompt as it is continued, in the model's vocabulary.
        left_out: characters of the original prompt that are not in the vocabulary.
        viewer: identifies the viewer; viewers take turns.
        model: key of the model that writes it.
        ahead: number of requests ahead of it in the queue.
        throws: throws of each sample's dice, (samples, characters); empty before it is written and once its record is forgotten.
    """

    _numbers = itertools.count(time.time_ns() // 1_000_000)  # starts at the time, so that numbers also increase across restarts

    def __init__(
        self,
        prompt: str,
        left_out: tuple[str, ...],
        params: SamplingParams,
        vocabulary: Sequence[str],
        viewer: Viewer | str = "",
        model: str = "",
    ):
        self.number, self.key = next(self._numbers), secrets.token_urlsafe(12)
        self.prompt, self.left_out, self.params, self.viewer, self.model = prompt, left_out, params, viewer, model
        self.ahead = 0
        self.throws = _NO_THROWS
        self._vocabulary = vocabulary
        self._lock = threading.Lock()
        self._state, self._error = WAITING, ""
        self._texts: list[list[str] | str] = [[] for _ in range(params.samples)]  # lists of characters until the request ends
        self._guesses = [array("i") for _ in range(params.samples)]
        self._record: _Record | None = None
        whole = _Record.size(params.samples, params.max_new_chars, len(vocabulary))
        self._whole_record_bytes = whole if whole <= MAX_REQUEST_RECORD_BYTES else 0
        self._began = self._ended = 0.0
        self._cancelled = threading.Event()
        self._listeners: list[Callable[[], object]] = []

    def cancel(self) -> None:
        """Requests a stop. The text written so far is kept. Can be called at any time and more than once."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def n_rows(self) -> int:
        """Number of seats that it needs at once: one per sample."""
        return self.params.samples

    @property
    def finished(self) -> bool:
        return self._state in FINISHED

    @property
    def waiting(self) -> bool:
        return self._state == WAITING

    def progress(self, since: list[int] | None = None) -> Progress:
        """The current progress.

        Args:
            since: for each sample, the number of leading characters to leave out.
        """
        with self._lock:
            until = self._ended or time.monotonic()
            elapsed_s = until - self._began if self._began else 0.0
            starts = since or [0] * len(self._texts)
            texts = tuple("".join(text[start:]) for text, start in zip(self._texts, starts, strict=True))
            guesses = tuple(guessed[start:].tolist() for guessed, start in zip(self._guesses, starts, strict=True))
            return Progress(self._state, texts, elapsed_s, self._error, self.ahead, guesses)

    def listen(self, listener: Callable[[], object]) -> None:
        """Registers a listener. The engine's thread calls it when every sample has its first character and when the request ends."""
        with self._lock:
            self._listeners.append(listener)
            if self._state in FINISHED or self._texts[-1]:
                self._ring()

    def unlisten(self, listener: Callable[[], object]) -> None:
        """Forgets a listener; one that is not registered, or no longer, is no error."""
        with self._lock, contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    def _ring(self) -> None:
        for listener in self._listeners:
            with contextlib.suppress(RuntimeError):  # its event loop has ended
                listener()

    def character(self, sample: int, index: int) -> Character | None:
        """How character `index` of a sample was drawn; None if it has not been written or its record has been forgotten."""
        with self._lock:
            record = self._record
            if record is None or not (0 <= sample < len(self._texts) and 0 <= index < len(self._texts[sample])):
                return None
            low, high = record.edges[sample, index]
            die = self.throws[sample, index]
            return Character(self._texts[sample][index], record.logits[sample, index].copy(), float(die), float(low), float(high))

    def logits(self, sample: int, since: int = 0) -> NDArray[np.float32] | None:
        """Logits of a sample's characters from index `since` on, before temperature, (characters, V).

        None if the sample does not exist or its record has been forgotten.
        """
        with self._lock:
            if not 0 <= sample < len(self._texts):
                return None
            if self._record is not None:
                return self._record.logits[sample, since : len(self._texts[sample])].copy()
            not_begun = self._state == WAITING and self._whole_record_bytes
            return np.zeros((0, len(self._vocabulary)), dtype=np.float32) if not_begun else None

    @property
    def record_bytes(self) -> int:
        """Size of the record, or its future size while the request is waiting."""
        with self._lock:
            if self._record is not None:
                return self._record.n_bytes
            return self._whole_record_bytes if self._state == WAITING else 0

    def forget(self) -> None:
        """Drops the record and keeps only the texts."""
        with self._lock:
            self._record, self._whole_record_bytes = None, 0
            if self.finished:
                self.throws = _NO_THROWS

    def begin(self) -> None:
        """Marks the request as running and allocates its record. Called by the engine."""
        with self._lock:
            self._state, self._began = RUNNING, time.monotonic()
            self.throws = _throws(self.params)
            if self._whole_record_bytes:
                with contextlib.suppress(MemoryError):  # then the text is written without a record
                    self._record = _Record(self.params.samples, self.params.max_new_chars, len(self._vocabulary))

    def append(self, sample: int, char_id: int, logits: np.ndarray, low: float, high: float, guess: int = NO_GUESS) -> int:
        """Appends a character to a sample, with what was guessed for it, and returns the sample's new length."""
        with self._lock:
            text = self._texts[sample]
            if self._record is not None:
                self._record.logits[sample, len(text)] = logits
                self._record.edges[sample, len(text)] = low, high
            text.append(self._vocabulary[char_id])  # type: ignore[union-attr]
            self._guesses[sample].append(guess)
            if len(text) == 1 and sample == len(self._texts) - 1:
                self._ring()
            return len(text)

    def piece(self, sample: int, since: int) -> Piece:
        """What was written of a sample from character `since` on."""
        with self._lock:
            text, guesses = "".join(self._texts[sample][since:]), self._guesses[sample][since:].tolist()
            if self._record is None:
                return Piece(text, guesses, None, None)
            now = slice(since, since + len(text))
            return Piece(text, guesses, self._record.logits[sample, now].copy(), self._record.edges[sample, now].copy())

    def extend(self, sample: int, piece: Piece) -> None:
        """Appends what was written elsewhere. If its record is missing, that of the request is dropped."""
        with self._lock:
            text = self._texts[sample]
            assert isinstance(text, list)
            begins, now = not text, slice(len(text), len(text) + len(piece.text))
            if self._record is not None and piece.text:
                if piece.logits is None:
                    self._record, self._whole_record_bytes = None, 0
                else:
                    self._record.logits[sample, now], self._record.edges[sample, now] = piece.logits, piece.edges
            text += piece.text
            self._guesses[sample].extend(piece.guesses)
            if begins and piece.text and sample == len(self._texts) - 1:
                self._ring()

    def lengths(self) -> list[int]:
        """Characters of each sample so far."""
        with self._lock:
            return [len(text) for text in self._texts]

    def end(self, state: str, error: str = "") -> None:
        """Marks the request as finished, in the given state. Called by the engine."""
        with self._lock:
            self._state, self._error, self._ended = state, error, time.monotonic()
            self._texts = ["".join(text) for text in self._texts]
            if self._record is None:
                self.throws = _NO_THROWS
            else:
                written = max(map(len, self._texts))
                self._record.trim(written)
                self.throws = self.throws[:, :written].copy()
            self._ring()
            self._listeners.clear()


class _Record:
    """The raw logits and the interval of every character of a request.

    Memory for all characters is allocated at the start; the unused part is freed at the end.
    """

    def __init__(self, samples: int, chars: int, vocab_size: int):
        self.logits = np.zeros((samples, chars, vocab_size), dtype=np.float32)
        self.edges = np.zeros((samples, chars, 2), dtype=np.float64)

    @property
    def n_bytes(self) -> int:
        return self.size(*self.logits.shape)

    def trim(self, chars: int) -> None:
        if chars < self.logits.shape[1]:
            self.logits, self.edges = self.logits[:, :chars].copy(), self.edges[:, :chars].copy()

    @staticmethod
    def size(samples: int, chars: int, vocab_size: int) -> int:
        """Memory in bytes, with the throws, which are kept as long."""
        return samples * chars * (4 * vocab_size + 16 + 8)


_NO_THROWS = np.empty((0, 0))


def _throws(params: SamplingParams) -> Floats:
    """The throws of each sample's dice, (samples, max_new_chars)."""
    numbers = range(params.first_sample, params.first_sample + params.samples)
    return np.stack([dice(params.seed, number, params.max_new_chars, params.first_step) for number in numbers])
