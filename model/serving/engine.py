"""The engine: requests in, texts out. A single decode loop in its own thread writes for all viewers with all models in use."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import torch

from model.catalogue import NO_SUCH_MODEL, SNAPSHOT, Catalogue, Entry
from model.config import check_prompt
from model.errors import WENT_WRONG, BusyError, CheckpointError, UnknownModelError
from model.limits import (
    CACHE_MEMORY_SHARE,
    MAX_CLIENT_WAITING,
    MAX_LOADED_MODELS,
    MAX_ROWS,
    MAX_SAMPLES,
    MAX_SNAPSHOT_ROWS,
    MAX_STEP_ROWS,
    MAX_VIEWER_WAITING,
    OTHER_MODELS_MEMORY_SHARE,
)
from model.machine import MAX_THREADS, free_bytes, in_fresh_thread
from model.network import Network
from model.precision import ready_to_write, set_up_writing
from model.sampling import SamplingParams
from model.serving.recent_requests import RecentRequests
from model.serving.request import FAILED, STOPPED, Request
from model.serving.scheduler import SeatMap
from model.serving.viewer import Viewer, client_of
from model.serving.work_queue import Result, Work, WorkQueue
from model.serving.writer import Writer
from model.weights import Weights

log = logging.getLogger(__name__)

LOADING_BYTES = 4 * 4  # per parameter while a model is loaded: the model in float32, and three copies to measure its precision
STUCK_AFTER_S = 60.0  # a round takes milliseconds; after this time the loop counts as stuck
FAILING_AFTER = 8  # consecutive failures after which the fault is likely in the machine
FORGET_EVERY_S = 10.0
NICENESS = 10
WORK_SHARE = 1 / 3  # share of the time for work while texts are written, so that scoring long texts does not stop the writing
SHUTTING_DOWN = "The server is shutting down."
ALL_IN_USE = "{number} models are in use, which is the maximum. Try again in a minute."
NO_MEMORY_LEFT = "The models in use take all the memory that is set aside for them. Try again in a minute."
CACHE_SHARES = 8  # how many of the other models' caches would fill the memory set aside for them; small networks take less


class Engine:
    """Writes texts with the default model and with other models on demand.

    Args:
        weights: the default model, ready for writing. Its dtype is the precision of its matrix products. Prepare it with
            `in_fresh_thread`, so that only the engine's thread has a team of worker threads (see `model.machine`).
        catalogue: catalogue of the other models; None if there are none.
    """

    def __init__(self, weights: Weights, catalogue: Catalogue | None = None):
        self._lock = threading.Condition(threading.RLock())
        self._catalogue = catalogue
        free = free_bytes(weights.model.device)
        self._cache_bytes, self._others_bytes = int(CACHE_MEMORY_SHARE * free), int(OTHER_MODELS_MEMORY_SHARE * free)
        self._default = weights.key
        self._writers = OrderedDict({weights.key: self._make_writer(weights)})  # least recently used first
        self._retired: list[Writer] = []  # writers replaced by another one for the same model; they finish their requests
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader")  # one model is loaded, or made the default, at a time
        self._loads: set[Future[Weights]] = set()  # those that wait or run
        self._work = WorkQueue()
        self._requests = RecentRequests()
        self._closing = self._stopping = self._mixed = False
        self._last_round = self._last_forgetting = time.monotonic()
        self._owed_s = 0.0  # time that writing is owed for the last piece of work
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
        """A model in memory, without loading it; None if it is not in memory. Without a key, the default model."""
        with self._lock:
            writer = self._writers.get(self._default if key is None else key)
            return writer.weights if writer else None

    def load(self, key: str | None = None) -> Weights:
        """A model, loaded on demand. Blocks while it loads; never call it from the engine's thread or an event loop.

        The precision is chosen between two rounds of writing. The least recently used idle models are dropped to make room.

        Raises:
            UnknownModelError: no model has this key.
            CheckpointError: the model's files are damaged.
            BusyError: there is not enough memory, or too many models are in use.
        """
        return self._touch(key) or self.load_later(self.find_model(str(key))).result()

    def find_model(self, key: str) -> Entry:
        """What is known of a model that can be loaded. May read files.

        Raises:
            UnknownModelError: no model has this key.
            CheckpointError: the model's files are damaged.
        """
        if self._catalogue is None:
            raise UnknownModelError(NO_SUCH_MODEL)
        entry = self._catalogue.find(key)
        if entry.trouble:
            raise CheckpointError(entry.trouble)
        return entry

    def load_later(self, entry: Entry) -> Future[Weights]:
        """As `load`, without waiting. A future that is cancelled before its load begins loads nothing.

        Raises:
            BusyError: too many models are being loaded already; the future raises what else comes up.
        """
        with self._lock:
            self._check_open()
            if len(self._loads) >= MAX_LOADED_MODELS:
                raise BusyError(f"{len(self._loads)} models are being loaded already. Try again in a minute.")
            loading = self._loader.submit(self._load, entry)
            self._loads.add(loading)
        loading.add_done_callback(self._loads.discard)
        return loading

    def _load(self, entry: Entry) -> Weights:
        """Loads a model, unless that was done meanwhile. Runs in the loader's thread."""
        assert self._catalogue
        if known := self._touch(entry.key):
            return known
        with _memory_for(entry.key):
            self._make_room(entry.n_params or 0)
            loaded = self._catalogue.load(entry.key)
            weights = self._queue(Work(lambda current: _make_ready(loaded, current), self.weights, is_owed=False)).result()
            writer = self._make_writer(weights, MAX_SNAPSHOT_ROWS if entry.source == SNAPSHOT else MAX_STEP_ROWS)
        with self._lock:
            self._add(writer)
        return weights

    def use(self, model: Weights | str) -> None:
        """Makes a model the default for new requests. Requests that were already accepted keep their model.

        Args:
            model: a model that is ready for writing, or the key of a model in the catalogue.

        Raises:
            UnknownModelError, CheckpointError, BusyError: as `load`.
        """
        weights = self.load(model) if isinstance(model, str) else model
        self._loader.submit(self._use, weights).result()

    def _use(self, weights: Weights) -> None:
        """Makes a model the default: it gets the large cache, and the former default a small one. Runs in the loader's thread."""
        former = self.weights
        if former is weights:
            return
        with _memory_for(weights.key):
            writers = [self._make_writer(weights)]
            if former.key != weights.key:
                writers.insert(0, self._make_writer(former, MAX_STEP_ROWS))
        with self._lock:
            for writer in writers:
                self._add(writer)
            self._default = weights.key
            self._trim()

    def submit(
        self, prompt: str, params: SamplingParams, viewer: Viewer | str = "", remember: bool = True, model: str | None = None
    ) -> Request:
        """Queues a request and returns immediately. Characters outside the vocabulary are left out and listed in the request.

        Args:
            viewer: viewers take turns, and the viewers of one client may fill half of the queue.
            remember: whether the request can be looked up by its key later.
            model: key of a loaded model; None for the default.

        Raises:
            ParameterError: the prompt is not text or too long, or a setting does not fit the model.
            UnknownModelError: the model is not loaded.
            BusyError: too many requests are already waiting.
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
                self._check_open()
                writer = self._writers.get(weights.key)
                if writer is None or writer.weights is not weights or (model is None and weights.key != self._default):
                    continue  # the models have changed since
                self._writers.move_to_end(weights.key)
                if (own := self._n_waiting_of(viewer)) >= MAX_VIEWER_WAITING:
                    raise BusyError(f"{own} of your requests are already waiting. Try again when they are done.")
                if (near := self._n_waiting_of_client(client_of(viewer), writer)) >= MAX_CLIENT_WAITING:
                    raise BusyError(f"{near} requests from your network are already waiting. Try again in a minute.")
                self._give(request, writer)
            if remember:
                self._requests.add(request)
            return request

    def _n_waiting_of(self, viewer: Viewer | str) -> int:
        """Requests of a viewer that are waiting. The caller must hold the lock."""
        return sum(each.n_waiting_of(viewer) for each in self._all_writers())

    def _n_waiting_of_client(self, client: str, writer: Writer) -> int:
        """Requests of a client that are waiting for a model. The caller must hold the lock."""
        return writer.n_waiting_of_client(client)

    def _give(self, request: Request, writer: Writer) -> None:
        """Lets a request be written. The caller must hold the lock.

        Raises:
            BusyError: too many requests are already waiting.
        """
        writer.submit(request)
        self._lock.notify()

    def run(self, work: Callable[[Weights], Result], weights: Weights | None = None) -> Future[Result]:
        """Queues a short piece of work with a model. Pieces run one at a time between two rounds of writing. Work that is cancelled before
        its turn does not run. An exception from the work is set on its future and affects nothing else.

        Args:
            weights: the model; None for the default.

        Raises:
            BusyError: too much work is already waiting.
        """
        with self._lock:
            if weights is None:
                weights = self.weights
            self._touch(weights.key)
            return self._queue(Work(work, weights))

    def _queue(self, work: Work[Result]) -> Future[Result]:
        with self._lock:
            self._check_open()
            self._work.add(work)
            self._lock.notify()
        return work.future

    def keep(self, request: Request) -> None:
        """Lets a request that is not remembered be looked up until another is kept in its place."""
        self._requests.keep(request)

    def find(self, key: str) -> Request | None:
        """The request with this key; None if it does not exist or has been forgotten."""
        return self._requests.find(key)

    def health(self) -> dict[str, bool | int]:
        """Whether the decode loop is healthy, how many rows it is writing, and how many requests are waiting."""
        with self._lock:
            writers = self._all_writers()
            rows, waiting = sum(writer.n_rows for writer in writers), sum(writer.n_waiting for writer in writers)
            failing = self._writers[self._default].failures >= FAILING_AFTER
            moving = not (rows or waiting) or time.monotonic() - self._last_round < STUCK_AFTER_S
        return {"healthy": self._thread.is_alive() and moving and not failing, "writing": rows, "waiting": waiting}

    def close(self) -> None:
        """Ends the loop after all queued requests and work are done."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join()
        self._loader.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Ends the loop immediately. Texts keep the characters written so far; waiting requests are stopped, and waiting work fails with a
        BusyError."""
        self._stopping = True
        self.close()

    def _touch(self, key: str | None) -> Weights | None:
        """Like `loaded`, and marks the model as the most recently used."""
        with self._lock:
            key = self._default if key is None else key
            if key not in self._writers:
                return None
            self._writers.move_to_end(key)
            return self._writers[key].weights

    def _add(self, writer: Writer) -> None:
        """Adds a writer. The caller must hold the lock."""
        self._mixed = self._mixed or writer.weights.model.dtype != self.weights.model.dtype
        if replaced := self._writers.pop(writer.weights.key, None):
            self._retired.append(replaced)
        self._writers[writer.weights.key] = writer
        self._trim()
        self._lock.notify()

    def _trim(self) -> None:
        """Drops idle models beyond the limits. The caller must hold the lock."""
        newest = next(reversed(self._writers))
        while len(self._writers) > MAX_LOADED_MODELS or self._held_bytes() > self._others_bytes:
            if not self._drop_one(keep=newest):
                return

    def _held_bytes(self) -> int:
        """Memory that the models other than the default one may take. The caller must hold the lock."""
        return sum(_n_bytes(writer.weights) + writer.cache_bytes for key, writer in self._writers.items() if key != self._default)

    def _drop_one(self, keep: str = "") -> bool:
        """Drops the least recently used idle model; returns False if none is idle. The caller must hold the lock."""
        for key, writer in self._writers.items():
            if key not in (self._default, keep) and writer.idle and not self._work.uses(writer.weights):
                del self._writers[key]
                if writer.weights.model.device.type == "cuda":
                    torch.cuda.empty_cache()  # memory that PyTorch keeps does not count as free
                return True
        return False

    def _make_room(self, n_params: int) -> None:
        """Drops idle models until there is room for another model.

        Raises:
            BusyError: too many models are in use, or there is not enough memory.
        """
        need = n_params * LOADING_BYTES
        with self._lock:
            while len(self._writers) >= MAX_LOADED_MODELS:
                if not self._drop_one():
                    raise BusyError(ALL_IN_USE.format(number=len(self._writers)))
            while self._held_bytes() > self._others_bytes:
                if not self._drop_one():
                    raise BusyError(NO_MEMORY_LEFT)
            idle = sum(_n_bytes(writer.weights) for key, writer in self._writers.items() if key != self._default and writer.idle)
            while (free := free_bytes(self.weights.model.device)) < need:
                if free + idle < need or not self._drop_one():
                    have = f"only {max(free, 0) / 2**30:.1f} GiB is free"
                    raise BusyError(f"This model needs about {need / 2**30:.1f} GiB of memory, but {have}. Try again later.")

    def _seats(self, model: Network, most: int | None) -> int:
        """Number of rows that a model can write at once, given the memory for caches.

        Args:
            most: of a model other than the default one; None for that.
        """
        seats = 256 if model.device.type == "cuda" else MAX_ROWS  # a CUDA graph computes every seat, whether taken or not
        cache_bytes = self._cache_bytes
        if most is not None:
            seats, cache_bytes = min(seats, most), self._others_bytes // CACHE_SHARES
        if per_seat := model.cache_bytes_per_seat():
            seats = min(seats, cache_bytes // per_seat)
        return max(seats - seats % SeatMap.BENCH, 2 * MAX_SAMPLES)

    def _make_writer(self, weights: Weights, most: int | None = None) -> Writer:
        return in_fresh_thread(lambda: Writer(weights, self._seats(weights.model, most), self._lock))

    def _all_writers(self) -> list[Writer]:
        return [*self._writers.values(), *self._retired]

    def _loop(self) -> None:
        _lower_priority()
        try:
            while self._wait_for_work():
                self._do_work()
                began = time.monotonic()
                self._write()
                self._last_round = time.monotonic()
                self._owed_s = max(0.0, self._owed_s - (self._last_round - began))
        finally:  # however the loop ends, no caller is left waiting
            with self._lock:
                self._closing = True
            for writer in self._all_writers():
                writer.end_running(STOPPED)
                writer.end_waiting(STOPPED)
            while work := self._work.take():
                work.future.set_exception(BusyError(SHUTTING_DOWN))

    def _check_open(self) -> None:
        """Checks that the engine accepts requests and work, before something is queued. The caller must hold the lock.

        Raises:
            BusyError: the engine is shutting down.
        """
        if self._closing or not self._thread.is_alive():
            raise BusyError(SHUTTING_DOWN)
        if self._idle:
            self._last_round = time.monotonic()

    @property
    def _idle(self) -> bool:
        """Whether no request and no work is pending."""
        return not self._work and all(writer.idle for writer in self._all_writers())

    def _write(self) -> None:
        """Gives every model one turn, in which each of its rows gets one character, so that all models write at the same pace."""
        with self._lock:
            writers = [writer for writer in self._all_writers() if not writer.idle]
        for writer in writers:
            for _ in range(writer.rounds_per_turn if len(writers) > 1 else 1):
                self._round(writer)

    def _round(self, writer: Writer) -> None:
        try:
            self._set_up(writer.weights)
            writer.round()
        except Exception:  # a bug: the texts being written fail, and the loop continues
            log.exception("a round failed")
            writer.end_running(FAILED, WENT_WRONG)

    def _set_up(self, weights: Weights) -> None:
        """Sets PyTorch up for a model's precision if models of both precisions are loaded, and with all threads for a model whose logits
        depend on their number."""
        if self._mixed:
            set_up_writing(weights.model.dtype)
        if not weights.model.threads_agree:
            torch.set_num_threads(MAX_THREADS)

    def _do_work(self) -> None:
        """Runs the next piece of work, unless earlier ones have used up work's share of the time while texts are written."""
        with self._lock:
            writing = any(not writer.idle for writer in self._all_writers())
            work = self._work.take() if not (writing and self._owed_s) else None
        if work:
            began = time.monotonic()
            self._set_up(work.weights)
            work.run()
            if work.is_owed:
                self._owed_s = (time.monotonic() - began) * (1 / WORK_SHARE - 1)

    def _wait_for_work(self) -> bool:
        """Sleeps while nothing is pending; returns False when the loop must end."""
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


def _lower_priority() -> None:
    """Lowers the thread's priority so that the server, and a browser on the same machine, come first. While texts are written, the loop
    and its OpenMP team keep all processors busy. Only Linux has per-thread priorities."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


@contextlib.contextmanager
def _memory_for(key: str) -> Iterator[None]:
    """
    Raises:
        BusyError: instead of the errors that say that there is no memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "alloc" not in str(error) and "out of memory" not in str(error):
            raise
        log.warning("no memory for the model %s: %s", key, error)
        raise BusyError("There is not enough memory for this model right now. Try again later or choose a smaller model.") from None


def _n_bytes(weights: Weights) -> int:
    """Memory that dropping a model frees at least: its parameters."""
    return sum(parameter.nbytes for parameter in weights.model.parameters())


def _make_ready(loaded: Weights, current: Weights) -> Weights:
    """Converts a loaded model to the precision in which it writes faster, and leaves PyTorch set up for the current model."""
    try:
        return replace(loaded, model=in_fresh_thread(lambda: ready_to_write(loaded.model, precision_name(loaded))))
    finally:
        set_up_writing(current.model.dtype)


def precision_name(weights: Weights) -> str:
    """A name for what the choice of precision depends on: the network's shape, not its weights. So it is measured once for all snapshots of
    a run, and for runs that differ in dropout, which is off while a network writes."""
    settings = ", ".join(f"{name} {value}" for name, value in vars(weights.model.config).items() if name != "dropout")
    return f"a {weights.kind} of {settings}"
