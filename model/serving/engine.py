"""The engine: requests in, texts out, one decode loop in a thread of its own that writes for all viewers together."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import replace

from model.checkpoint import Weights
from model.config import MAX_ROWS, GPTConfig, SamplingParams, check_prompt
from model.errors import BusyError
from model.serving.records import Records
from model.serving.request import FAILED, STOPPED, Character, Request
from model.serving.scheduler import SeatMap
from model.serving.writer import WENT_WRONG, Writer

log = logging.getLogger(__name__)

MEMORY_SHARE = 0.25  # of what is free, for keys and values
STUCK_AFTER_S = 60.0  # a round takes milliseconds; after this long something is wrong


class Engine:
    """Writes texts with one model at a time.

    Args:
        weights: the model, ready for writing; its precision is what matrices are multiplied in.
    """

    def __init__(self, weights: Weights):
        self._work = threading.Condition(threading.RLock())
        self._writers = [_make_writer(weights, self._work)]  # the last one takes requests, those before it finish theirs
        self._records = Records()
        self._closing = self._stopping = False
        self._last_round = time.monotonic()
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._thread.start()

    @property
    def weights(self) -> Weights:
        """The model that new requests are written with."""
        return self._writers[-1].weights

    def use(self, weights: Weights) -> None:
        """Another model for requests from now on; those that were accepted before finish with theirs."""
        writer = _make_writer(weights, self._work)
        with self._work:
            self._writers.append(writer)

    def submit(self, prompt: str, params: SamplingParams, viewer: str = "") -> Request:
        """Queues a request and returns at once. Characters that the vocabulary lacks are left out and named in it.

        Args:
            viewer: who asks; viewers are served in turn.

        Raises:
            ParameterError: the prompt is no text or too long, or a setting does not fit the model.
            BusyError: too many requests wait already.
        """
        check_prompt(prompt)
        with self._work:
            if self._closing:
                raise BusyError("The server is shutting down.")
            weights = self.weights
            text, left_out = weights.tokenizer.normalise(prompt)
            params = replace(params, top_k=min(params.top_k, weights.model.config.vocab_size))
            request = Request(text, tuple(left_out), params, weights.tokenizer.vocabulary, viewer)
            self._writers[-1].submit(request)
            self._work.notify()
        self._records.add(request)
        return request

    def character(self, key: str, sample: int, index: int) -> Character | None:
        """How a character of a request came to be; None if there is none, or it is no longer remembered."""
        request = self._records.find(key)
        return request.character(sample, index) if request else None

    def health(self) -> dict[str, bool | int]:
        """Whether the decode loop runs, how many rows it is writing, and how many requests wait."""
        with self._work:
            rows = sum(writer.n_rows for writer in self._writers)
            waiting = sum(writer.n_waiting for writer in self._writers)
        moving = not (rows or waiting) or time.monotonic() - self._last_round < STUCK_AFTER_S
        return {"healthy": self._thread.is_alive() and moving, "writing": rows, "waiting": waiting}

    def close(self) -> None:
        """Ends the loop once all that waits is written."""
        with self._work:
            self._closing = True
            self._work.notify()
        self._thread.join()

    def stop(self) -> None:
        """Ends the loop at once: what is being written stays as it is, and what waits is not begun."""
        self._stopping = True
        self.close()

    def _loop(self) -> None:
        while self._wait_for_work():
            for writer in self._writers:
                try:
                    writer.round()
                except Exception:  # a fault of ours: those under way are lost, the loop goes on
                    log.exception("a round failed")
                    writer.end_all(FAILED, WENT_WRONG)
            self._last_round = time.monotonic()
        for writer in self._writers:
            writer.end_all(STOPPED)

    def _wait_for_work(self) -> bool:
        """Sleeps while there is nothing to do; False once it is over."""
        with self._work:
            self._writers = [*(writer for writer in self._writers[:-1] if not writer.idle), self._writers[-1]]
            while all(writer.idle for writer in self._writers) and not self._closing:
                self._work.wait()
                self._last_round = time.monotonic()
            return not (self._stopping or all(writer.idle for writer in self._writers))


def _make_writer(weights: Weights, lock: threading.Condition) -> Writer:
    """A writer with as many seats as there is memory for."""
    config, model = weights.model.config, weights.model
    seats = 256 if model.device.type == "cuda" else MAX_ROWS  # a graph computes every seat, taken or not
    seats = min(seats, int(MEMORY_SHARE * _free_bytes()) // _bytes_per_row(config, model.dtype.itemsize))
    return Writer(weights, max(seats - seats % SeatMap.BENCH, 2 * SeatMap.BENCH), lock)


def _bytes_per_row(config: GPTConfig, itemsize: int) -> int:
    return 2 * config.n_layer * config.block_size * config.n_embd * itemsize


def _free_bytes() -> int:
    """Memory that is free on this machine, or 4 GiB where it does not tell."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2**32
