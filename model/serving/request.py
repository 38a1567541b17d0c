"""What a viewer asked for, and what has been written for it so far."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass

from model.config import SamplingParams

WAITING, RUNNING, DONE, STOPPED, FAILED = "waiting", "running", "done", "stopped", "failed"
FINISHED = (DONE, STOPPED, FAILED)


@dataclass(frozen=True)
class Progress:
    """A request at one moment.

    Attributes:
        state: waiting, running, done, stopped or failed.
        texts: what each sample has so far, without the prompt.
        elapsed_s: time spent writing.
        error: what went wrong, for a failed request.
    """

    state: str
    texts: tuple[str, ...]
    elapsed_s: float
    error: str

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


class Request:
    """One prompt, continued by all samples of one seed at once. The engine writes it; anyone may read or cancel it.

    Attributes:
        prompt: in the model's vocabulary, as it is continued.
        left_out: characters of the original prompt that the vocabulary lacks.
    """

    _numbers = itertools.count(time.time_ns() // 1_000_000)  # they grow on when the server starts again

    def __init__(self, prompt: str, left_out: tuple[str, ...], params: SamplingParams):
        self.number = next(self._numbers)
        self.prompt, self.left_out, self.params = prompt, left_out, params
        self._lock = threading.Lock()
        self._state, self._error = WAITING, ""
        self._texts: list[list[str]] = [[] for _ in range(params.samples)]
        self._began = self._ended = 0.0
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Asks for it to stop; what is written so far stays. May be called at any time and more than once."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def progress(self) -> Progress:
        """What there is now."""
        with self._lock:
            until = self._ended or time.monotonic()
            elapsed_s = until - self._began if self._began else 0.0
            return Progress(self._state, tuple("".join(text) for text in self._texts), elapsed_s, self._error)

    def begin(self) -> None:
        """The engine has started on it."""
        with self._lock:
            self._state, self._began = RUNNING, time.monotonic()

    def append(self, chars: list[str]) -> None:
        """One more character for every sample."""
        with self._lock:
            for text, char in zip(self._texts, chars, strict=True):
                text.append(char)

    def end(self, state: str, error: str = "") -> None:
        """The engine is through with it."""
        with self._lock:
            self._state, self._error, self._ended = state, error, time.monotonic()
