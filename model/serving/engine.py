"""The engine: requests in, texts out. One decode loop in a thread of its own writes for all viewers, with all models in use."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.catalogue import NO_SUCH_MODEL, Catalogue
from model.config import CACHE_MEMORY_SHARE, MAX_LOADED_MODELS, MAX_ROWS, MAX_SAMPLES, SamplingParams, check_prompt
from model.errors import BusyError, UnknownModelError
from model.machine import free_bytes, in_fresh_thread
from model.network import Network
from model.precision import ready_to_write, set_up_writing
from model.serving.recent_requests import RecentRequests
from model.serving.request import FAILED, STOPPED, Character, Request
from model.serving.scheduler import SeatMap
from model.serving.work_queue import Result, Work, WorkQueue
from model.serving.writer import WENT_WRONG, Writer
from model.weights import Weights

log = logging.getLogger(__name__)

LOADING_BYTES = 4 * 4  # per parameter while a model is loaded and its precision chosen: in float32, and three copies to measure
STUCK_AFTER_S = 60.0  # a round takes milliseconds; after this long something is wrong
FAILING_AFTER = 8  # requests that failed one after the other: the fault is the machine's
FORGET_EVERY_S = 10.0
NICENESS = 10
WORK_SHARE = 1 / 3  # of the time, while texts are written: long texts to score must not stop the writing
SHUTTING_DOWN = "The server is shutting down."
ALL_IN_USE = f"{MAX_LOADED_MODELS} models are in use, the most at once. Try again in a minute."


class Engine:
    """Writes texts with the default model, and with every other model that is asked for.

    Args:
        weights: the default model, ready for writing; its precision is the one that matrices are multiplied in. Prepare it with
            `in_fresh_thread`, so that the engine's thread is the only one with a team of helpers (see `model.machine`).
        catalogue: where other models are found; None for no others.
    """

    def __init__(self, weights: Weights, catalogue: Catalogue | None = None):
        self._lock = threading.Condition(threading.RLock())
        self._catalogue = catalogue
        self._cache_bytes = int(CACHE_MEMORY_SHARE * free_bytes(weights.model.device))
        self._default = weights.key
        self._writers = OrderedDict({weights.key: self._make_writer(weights, is_default=True)})  # the one used last comes last
        self._retired: list[Writer] = []  # replaced by another writer of the same model; they finish what they have
        self._loading = threading.Lock()  # one model is loaded at a time
        self._work = WorkQueue()
        self._requests = RecentRequests()
        self._closing = self._stopping = self._mixed = False
        self._last_round = self._last_forgetting = time.monotonic()
        self._owed_s = 0.0  # writing time that pieces of work have taken in advance
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._thread.start()

    @property
    def weights(self) -> Weights:
        """The default model."""
        return self._writers[self._default].weights

    @property
    def default_key(self) -> str:
        """The key of the default model."""
        return self._default

    def loaded(self, key: str | None = None) -> Weights | None:
        """A model that is in memory, at once; None for one that is not. Without a key, the default model."""
        with self._lock:
            writer = self._writers.get(self._default if key is None else key)
            return writer.weights if writer else None

    def load(self, key: str | None = None) -> Weights:
        """A model, loaded if it has to be. Blocks for as long as that takes; never call it from the engine's thread or an event loop.

        The precision is chosen between two rounds of writing. Models that nobody has used for longest, and that are idle, are
        dropped to make room.

        Raises:
            UnknownModelError: there is no model with this key.
            CheckpointError: its files are damaged.
            BusyError: there is no memory for it, or too many models are in use.
        """
        if weights := self._touch(key):
            return weights
        with self._loading:
            if weights := self._touch(key):
                return weights
            if self._catalogue is None or key is None:
                raise UnknownModelError(NO_SUCH_MODEL)
            self._make_room(self._catalogue.find(key).n_params or 0)
            try:
                loaded = self._catalogue.load(key)
                weights = self.run(lambda current: _make_ready(loaded, current)).result()
                writer = self._make_writer(weights, is_default=False)
            except (MemoryError, RuntimeError) as error:
                if isinstance(error, RuntimeError) and "alloc" not in str(error) and "out of memory" not in str(error):
                    raise
                log.warning("no memory for the model %s: %s", key, error)
                raise BusyError("There is not enough memory for this model now. Try again later, or choose a smaller one.") from None
            with self._lock:
                self._add(writer)
            return weights

    def use(self, model: Weights | str) -> None:
        """Makes a model the default for requests from now on. Requests that were accepted before keep theirs.

        Args:
            model: one that is ready for writing, or the key of one in the catalogue.

        Raises:
            UnknownModelError, CheckpointError, BusyError: as `load`.
        """
        weights = self.load(model) if isinstance(model, str) else model
        with self._loading:
            with self._lock:
                known = self._writers.get(weights.key)
                is_ready = known is not None and known.weights is weights and known.seats >= self._seats(weights.model, is_default=True)
            writer = None if is_ready else self._make_writer(weights, is_default=True)
            with self._lock:
                if writer:
                    self._add(writer)
                self._default = weights.key
                self._trim()

    def submit(self, prompt: str, params: SamplingParams, viewer: str = "", remember: bool = True, model: str | None = None) -> Request:
        """Queues a request and returns at once. Characters outside the vocabulary are left out and named in it.

        Args:
            viewer: who asks; viewers take turns.
            remember: whether the request can be looked up by its key later.
            model: the key of a model that is loaded; None for the default.

        Raises:
            ParameterError: the prompt is not a text or too long, or a setting does not fit the model.
            UnknownModelError: the model is not loaded.
            BusyError: too many requests wait already.
        """
        check_prompt(prompt)
        while True:
            weights = self.loaded(model)
            if weights is None:
                raise UnknownModelError(NO_SUCH_MODEL)
            text, left_out = weights.tokenizer.normalise(prompt)
            fitting = replace(params, top_k=min(params.top_k, weights.model.config.vocab_size))
            request = Request(text, tuple(left_out), fitting, weights.tokenizer.vocabulary, viewer, weights.key)
            with self._lock:
                self._begin_to_take()
                writer = self._writers.get(weights.key)
                if writer is None or writer.weights is not weights or (model is None and weights.key != self._default):
                    continue  # the models changed meanwhile
                self._writers.move_to_end(weights.key)
                writer.submit(request)
                self._lock.notify()
            if remember:
                self._requests.add(request)
            return request

    def run(self, work: Callable[[Weights], Result], model: str | None = None) -> Future[Result]:
        """Queues a short piece of work with a model, done between two rounds of writing, one piece at a time. Work that is cancelled
        before its turn is not done. An exception settles the future and harms nobody else.

        Args:
            model: the key of a model that is loaded; None for the default.

        Raises:
            UnknownModelError: the model is not loaded.
            BusyError: too much work waits already.
        """
        with self._lock:
            self._begin_to_take()
            weights = self._touch(model)
            if weights is None:
                raise UnknownModelError(NO_SUCH_MODEL)
            self._work.add(piece := Work(work, weights))
            self._lock.notify()
        return piece.future

    def find(self, key: str) -> Request | None:
        """A request by its key; None if it is no longer remembered."""
        return self._requests.find(key)

    def character(self, key: str, sample: int, index: int) -> Character | None:
        """How a character of a request came to be; None if there is none, or it is no longer remembered."""
        request = self._requests.find(key)
        return request.character(sample, index) if request else None

    def logits(self, key: str, sample: int, since: int = 0) -> NDArray[np.float32] | None:
        """What the characters of a request's sample were drawn from, from index `since` on, (characters, V); None if there is no
        such sample, or it is no longer remembered."""
        request = self._requests.find(key)
        return request.logits(sample, since) if request else None

    def health(self) -> dict[str, bool | int]:
        """Whether the decode loop runs, how many rows it is writing, and how many requests wait."""
        with self._lock:
            writers = self._all_writers()
            rows, waiting = sum(writer.n_rows for writer in writers), sum(writer.n_waiting for writer in writers)
            failing = any(writer.failures >= FAILING_AFTER for writer in writers)
            moving = not (rows or waiting) or time.monotonic() - self._last_round < STUCK_AFTER_S
        return {"healthy": self._thread.is_alive() and moving and not failing, "writing": rows, "waiting": waiting}

    def close(self) -> None:
        """Ends the loop once everything that waits is written."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join()

    def stop(self) -> None:
        """Ends the loop at once. Texts stay as far as they are written; waiting requests are stopped, and waiting work fails with a
        BusyError."""
        self._stopping = True
        self.close()

    def _touch(self, key: str | None) -> Weights | None:
        """As `loaded`, and it counts as used."""
        with self._lock:
            key = self._default if key is None else key
            if key not in self._writers:
                return None
            self._writers.move_to_end(key)
            return self._writers[key].weights

    def _add(self, writer: Writer) -> None:
        """Takes a writer in. The caller holds the lock."""
        self._mixed = self._mixed or writer.weights.model.dtype != self.weights.model.dtype
        if replaced := self._writers.pop(writer.weights.key, None):
            self._retired.append(replaced)
        self._writers[writer.weights.key] = writer
        self._trim()
        self._lock.notify()

    def _trim(self) -> None:
        """Drops models beyond the limit, as far as they are idle. The caller holds the lock."""
        newest = next(reversed(self._writers))
        for _ in range(len(self._writers) - MAX_LOADED_MODELS):
            if not self._drop_one(keep=newest):
                return

    def _drop_one(self, keep: str = "") -> bool:
        """Drops the least recently used model that is idle; False if none is. The caller holds the lock."""
        for key, writer in self._writers.items():
            if key not in (self._default, keep) and writer.idle and not self._work.uses(writer.weights):
                del self._writers[key]
                return True
        return False

    def _make_room(self, n_params: int) -> None:
        """Drops idle models until another one may be loaded.

        Raises:
            BusyError: there is no room.
        """
        need = n_params * LOADING_BYTES
        with self._lock:
            while len(self._writers) >= MAX_LOADED_MODELS:
                if not self._drop_one():
                    raise BusyError(ALL_IN_USE)
            while (free := free_bytes(self.weights.model.device)) < need:
                if not self._drop_one():
                    have = f"{max(free, 0) / 2**30:.1f} GiB are free"
                    raise BusyError(f"This model needs about {need / 2**30:.1f} GiB of memory, and {have}. Try again later.")

    def _seats(self, model: Network, is_default: bool) -> int:
        """How many rows a model may write at once, by the memory for caches."""
        seats = 256 if model.device.type == "cuda" else MAX_ROWS  # a graph computes every seat, taken or not
        cache_bytes = self._cache_bytes if is_default else self._cache_bytes // (MAX_LOADED_MODELS - 1)
        if per_seat := model.cache_bytes_per_seat():
            seats = min(seats, cache_bytes // per_seat)
        return max(seats - seats % SeatMap.BENCH, 2 * MAX_SAMPLES)

    def _make_writer(self, weights: Weights, is_default: bool) -> Writer:
        return in_fresh_thread(lambda: Writer(weights, self._seats(weights.model, is_default), self._lock))

    def _all_writers(self) -> list[Writer]:
        return [*self._writers.values(), *self._retired]

    def _loop(self) -> None:
        _step_back()
        try:
            while self._wait_for_work():
                self._do_work()
                began = time.monotonic()
                self._write()
                self._last_round = time.monotonic()
                self._owed_s = max(0.0, self._owed_s - (self._last_round - began))
        finally:  # however the loop ends, nobody is left waiting
            with self._lock:
                self._closing = True
            for writer in self._all_writers():
                writer.end_running(STOPPED)
                writer.end_waiting(STOPPED)
            while work := self._work.take():
                work.future.set_exception(BusyError(SHUTTING_DOWN))

    def _begin_to_take(self) -> None:
        """Called before anything is queued. The caller holds the lock.

        Raises:
            BusyError: the engine has ended.
        """
        if self._closing or not self._thread.is_alive():
            raise BusyError(SHUTTING_DOWN)
        if self._idle:
            self._last_round = time.monotonic()

    @property
    def _idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._work and all(writer.idle for writer in self._all_writers())

    def _write(self) -> None:
        """One turn of every model: each of its rows gets one character, so that texts of all models grow alike."""
        with self._lock:
            writers = [writer for writer in self._all_writers() if not writer.idle]
        for writer in writers:
            for _ in range(writer.rounds_per_turn if len(writers) > 1 else 1):
                self._round(writer)

    def _round(self, writer: Writer) -> None:
        try:
            self._set_up(writer.weights)
            writer.round()
        except Exception:  # a fault of ours: the texts under way are lost, the loop goes on
            log.exception("a round failed")
            writer.end_running(FAILED, WENT_WRONG)

    def _set_up(self, weights: Weights) -> None:
        """Switches PyTorch to a model's precision, where models of two are loaded."""
        if self._mixed:
            set_up_writing(weights.model.dtype)

    def _do_work(self) -> None:
        """Does the next piece of work, unless those before it took more than their share of the time beside the writing."""
        with self._lock:
            writing = any(not writer.idle for writer in self._all_writers())
            work = self._work.take() if not (writing and self._owed_s) else None
        if work:
            began = time.monotonic()
            self._set_up(work.weights)
            work.run()
            self._owed_s = (time.monotonic() - began) * (1 / WORK_SHARE - 1)

    def _wait_for_work(self) -> bool:
        """Sleeps while there is nothing to do; False once the loop is to end."""
        if time.monotonic() - self._last_forgetting > FORGET_EVERY_S:
            self._last_forgetting = time.monotonic()
            self._requests.forget_old()
        with self._lock:
            while True:
                self._retired = [writer for writer in self._retired if not writer.idle]
                idle = self._idle
                if self._stopping or not idle or self._closing:
                    return not (self._stopping or idle)
                if not self._lock.wait(FORGET_EVERY_S):
                    self._requests.forget_old()
                self._last_round = time.monotonic()


def _step_back() -> None:
    """Lowers the thread's priority, so that the server, and a browser on the same machine, come first: while texts are written the
    loop and its helpers keep all processors busy. Only Linux gives each thread a priority of its own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _make_ready(loaded: Weights, current: Weights) -> Weights:
    """A loaded model in the precision in which it writes faster; PyTorch stays set up for the current one."""
    try:
        return replace(loaded, model=in_fresh_thread(lambda: ready_to_write(loaded.model, precision_name(loaded))))
    finally:
        set_up_writing(current.model.dtype)


def precision_name(weights: Weights) -> str:
    """What the choice of a precision depends on: the shape of the network, not what it has learned."""
    settings = ", ".join(f"{name} {value}" for name, value in vars(weights.model.config).items())
    return f"a {weights.kind} of {settings}"
