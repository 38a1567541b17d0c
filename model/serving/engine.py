"""The engine: requests in, texts out, one decode loop in a thread of its own that writes for all viewers together."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.config import MAX_ROWS, MAX_SAMPLES, SamplingParams, check_prompt
from model.errors import BusyError
from model.network.kv_cache import KVCache
from model.precision import apart, free_bytes, set_up_writing
from model.serving.recent_requests import Records
from model.serving.request import FAILED, STOPPED, Character, Request
from model.serving.scheduler import SeatMap
from model.serving.work_queue import Errand, Errands, Result
from model.serving.writer import WENT_WRONG, Writer
from model.weights import Weights

log = logging.getLogger(__name__)

MEMORY_SHARE = 0.25  # of what is free, for keys and values
STUCK_AFTER_S = 60.0  # a round takes milliseconds; after this long something is wrong
FAILING_AFTER = 8  # requests that failed one after the other: it is not theirs, it is the machine's
FORGET_EVERY_S = 10.0
NICENESS = 10
ERRANDS_SHARE = 1 / 3  # of the time, while texts are written: who has long texts scored must not stop those who have some written
SHUTTING_DOWN = "The server is shutting down."


class Engine:
    """Writes texts with one model at a time.

    Args:
        weights: the model, ready for writing; its precision is what matrices are multiplied in. Made ready `apart`, so that the
            engine's thread is the only one with a team of helpers (see `model.precision.apart`).
    """

    def __init__(self, weights: Weights):
        self._work = threading.Condition(threading.RLock())
        self._writers = [apart(lambda: _make_writer(weights, self._work))]  # the last one takes requests, those before it finish theirs
        self._errands = Errands()
        self._records = Records()
        self._closing = self._stopping = self._mixed = False
        self._last_round = self._last_forgetting = time.monotonic()
        self._owed_s = 0.0  # writing time that errands have taken in advance
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._thread.start()

    @property
    def weights(self) -> Weights:
        """The model that new requests are written with."""
        return self._writers[-1].weights

    def use(self, weights: Weights) -> None:
        """Another model for requests from now on; those that were accepted before finish with theirs."""
        writer = apart(lambda: _make_writer(weights, self._work))
        with self._work:
            self._mixed = self._mixed or weights.model.dtype != self.weights.model.dtype
            self._writers.append(writer)
            self._work.notify()

    def submit(self, prompt: str, params: SamplingParams, viewer: str = "", remember: bool = True) -> Request:
        """Queues a request and returns at once. Characters that the vocabulary lacks are left out and named in it.

        Args:
            viewer: who asks; viewers are served in turn.
            remember: whether it can be found by its key; if not it takes no place among those that can.

        Raises:
            ParameterError: the prompt is no text or too long, or a setting does not fit the model.
            BusyError: too many requests wait already.
        """
        check_prompt(prompt)
        while True:
            weights = self.weights
            text, left_out = weights.tokenizer.normalise(prompt)
            fitting = replace(params, top_k=min(params.top_k, weights.model.config.vocab_size))
            request = Request(text, tuple(left_out), fitting, weights.tokenizer.vocabulary, viewer, weights.key)
            with self._work:
                self._begin_to_take()
                if weights is not self.weights:  # another model came meanwhile
                    continue
                self._writers[-1].submit(request)
                self._work.notify()
            if remember:
                self._records.add(request)
            return request

    def run(self, work: Callable[[Weights], Result]) -> Future[Result]:
        """Queues a short piece of work with the model that is then in use, to be done between two rounds of writing, one piece at a
        time. What is cancelled before its turn comes is not done; what fails is the future's, and nobody else's.

        Raises:
            BusyError: too much work waits already.
        """
        errand = Errand(work)
        with self._work:
            self._begin_to_take()
            self._errands.add(errand)
            self._work.notify()
        return errand.future

    def character(self, key: str, sample: int, index: int) -> Character | None:
        """How a character of a request came to be; None if there is none, or it is no longer remembered."""
        request = self._records.find(key)
        return request.character(sample, index) if request else None

    def logits(self, key: str, sample: int, since: int = 0) -> NDArray[np.float32] | None:
        """What the characters of a request's sample were drawn from, from index `since` on, (characters, V); None if there is no
        such sample, or it is no longer remembered."""
        request = self._records.find(key)
        return request.logits(sample, since) if request else None

    def health(self) -> dict[str, bool | int]:
        """Whether the decode loop runs, how many rows it is writing, and how many requests wait."""
        with self._work:
            rows = sum(writer.n_rows for writer in self._writers)
            waiting = sum(writer.n_waiting for writer in self._writers)
            failing = any(writer.failures >= FAILING_AFTER for writer in self._writers)
            moving = not (rows or waiting) or time.monotonic() - self._last_round < STUCK_AFTER_S
        return {"healthy": self._thread.is_alive() and moving and not failing, "writing": rows, "waiting": waiting}

    def close(self) -> None:
        """Ends the loop once all that waits is written."""
        with self._work:
            self._closing = True
            self._work.notify()
        self._thread.join()

    def stop(self) -> None:
        """Ends the loop at once: what is being written stays as it is, and what waits is not begun. Work that waits fails with a
        BusyError."""
        self._stopping = True
        self.close()

    def _loop(self) -> None:
        _step_back()
        try:
            while self._wait_for_work():
                self._run_errand()
                began = time.monotonic()
                self._write()
                self._last_round = time.monotonic()
                self._owed_s = max(0.0, self._owed_s - (self._last_round - began))
        finally:  # whatever ends the loop, nobody is left waiting
            with self._work:
                self._closing = True
            for writer in self._writers:
                writer.end_running(STOPPED)
                writer.end_waiting(STOPPED)
            while errand := self._errands.take():
                errand.future.set_exception(BusyError(SHUTTING_DOWN))

    def _begin_to_take(self) -> None:
        """Something comes to be done.

        Raises:
            BusyError: nothing is done any more.
        """
        if self._closing or not self._thread.is_alive():
            raise BusyError(SHUTTING_DOWN)
        if self._idle:
            self._last_round = time.monotonic()

    @property
    def _idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._errands and all(writer.idle for writer in self._writers)

    def _write(self) -> None:
        """One round of every writer."""
        for writer in self._writers:
            try:
                self._set_up(writer.weights)
                writer.round()
            except Exception:  # a fault of ours: those under way are lost, the loop goes on
                log.exception("a round failed")
                writer.end_running(FAILED, WENT_WRONG)

    def _set_up(self, weights: Weights) -> None:
        """Where models of two precisions have written, each is set up for anew."""
        if self._mixed:
            set_up_writing(weights.model.dtype)

    def _run_errand(self) -> None:
        """Runs the next errand, unless those before it have had more than their share of the time beside what is written."""
        with self._work:
            writing = any(not writer.idle for writer in self._writers)
            errand = self._errands.take() if not (writing and self._owed_s) else None
        if errand:
            began = time.monotonic()
            self._set_up(self.weights)
            errand.run(self.weights)
            self._owed_s = (time.monotonic() - began) * (1 / ERRANDS_SHARE - 1)

    def _wait_for_work(self) -> bool:
        """Sleeps while there is nothing to do; False once it is over."""
        if time.monotonic() - self._last_forgetting > FORGET_EVERY_S:
            self._last_forgetting = time.monotonic()
            self._records.forget_old()
        with self._work:
            while True:
                self._writers = [*(writer for writer in self._writers[:-1] if not writer.idle), self._writers[-1]]
                idle = self._idle
                if self._stopping or not idle or self._closing:
                    return not (self._stopping or idle)
                if not self._work.wait(FORGET_EVERY_S):
                    self._records.forget_old()
                self._last_round = time.monotonic()


def _step_back() -> None:
    """Lets others go first, this process's own server and a browser on the same machine among them: while a text is written the
    loop and its helpers keep all processors busy. Only Linux gives each thread a priority of its own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _make_writer(weights: Weights, lock: threading.Condition) -> Writer:
    """A writer with as many seats as there is memory for."""
    model = weights.model
    per_seat = KVCache.bytes_per_seat(model.config, model.dtype)
    seats = 256 if model.device.type == "cuda" else MAX_ROWS  # a graph computes every seat, taken or not
    seats = min(seats, int(MEMORY_SHARE * free_bytes(model.device)) // per_seat)
    return Writer(weights, max(seats - seats % SeatMap.BENCH, 2 * MAX_SAMPLES), lock)
