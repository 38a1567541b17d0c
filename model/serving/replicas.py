"""Replicas of the engine behind one page, through Ray Serve: each in a process of its own, on this machine or on others of a Ray cluster.

    python app.py --replicas 2

The app's own engine reads (scores, attention, embeddings); the replicas write. A replica streams what it writes, with logits and dice, into
the app's request, so that whatever shows a generation finds it here. Ray Serve chooses the replica of each request, and starts a new one
for one that died: its texts are written again elsewhere, from their dice, and what the viewers have already is left out.

Ray is not among the requirements: pip install "ray[serve]"
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from model.catalogue import Catalogue
from model.errors import WENT_WRONG, BusyError, ParameterError, SoliloquyError, UnknownModelError
from model.limits import MAX_WAITING_REQUESTS
from model.machine import MAX_THREADS, choose_device, in_fresh_thread
from model.precision import ready_to_write
from model.sampling import SamplingParams
from model.serving.engine import Engine, precision_name
from model.serving.request import FAILED, FINISHED, STOPPED, WAITING, Piece, Request
from model.serving.viewer import Viewer, client_of
from model.serving.writer import Writer
from model.weights import WEIGHTS_FOLDER, Weights, load_weights

log = logging.getLogger(__name__)

MAX_REPLICAS = 64
APP = "soliloquy"
TRIES = 5  # of a request whose replicas die
AGAIN_S = 0.5  # before another try
PAUSE_S, WAITING_PAUSE_S = 0.05, 0.25  # between two parts of a request that is written, or waits
BUSY_PAUSE_S = 0.002  # more for each request of a replica, so that many take no more messages than a few
MAX_AT_ONCE = 10_000  # requests of a replica; its engine has the limit that counts
NO_MODEL = "no model"  # the state of a request for a model that the replica does not find
MISSING = 'Replicas need Ray, which is not installed: pip install "ray[serve]"'
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Source:
    """Where a replica finds its models: the arguments of `Catalogue`, and the folder of the default model."""

    weights: Path
    device: str
    runs: Path
    others: tuple[Path, ...]


@dataclass(frozen=True)
class Part:
    """What a replica has to say of a request since the part before.

    Attributes:
        pieces: of each sample.
        pid: the replica's process.
    """

    state: str
    error: str
    ahead: int
    pieces: list[Piece]
    pid: int


class Replica:
    """An engine in a process of its own. Ray Serve makes it."""

    def __init__(self, source: Source):
        device = choose_device(source.device)
        weights = in_fresh_thread(lambda: load_weights(source.weights, device))
        ready = replace(weights, model=in_fresh_thread(lambda: ready_to_write(weights.model, precision_name(weights))))
        catalogue = Catalogue(WEIGHTS_FOLDER, source.runs, device, source.others)
        self._engine = Engine(ready, catalogue)
        self._at_once = 0

    async def write(self, prompt: str, params: SamplingParams, viewer: Viewer | str, model: str) -> AsyncIterator[Part]:
        """Writes a request, and says every now and then how far it is. Ends it when nobody listens any more."""
        try:
            if self._engine.loaded(model) is None:
                await asyncio.to_thread(self._engine.load, model)
            request = self._engine.submit(prompt, params, viewer, remember=False, model=model)
        except UnknownModelError:
            yield _nothing(NO_MODEL)
            return
        except SoliloquyError as error:
            yield _nothing(FAILED, str(error))
            return
        self._at_once += 1
        begun, loop = asyncio.Event(), asyncio.get_running_loop()
        request.listen(lambda: loop.call_soon_threadsafe(begun.set))
        sent = [0] * params.samples
        try:
            while True:
                progress = request.progress(sent)
                pieces = [request.piece(sample, since) for sample, since in enumerate(sent)]
                yield Part(progress.state, progress.error, progress.ahead, pieces, os.getpid())
                if progress.finished:
                    return
                sent = [since + len(piece.text) for since, piece in zip(sent, pieces, strict=True)]
                pause = (WAITING_PAUSE_S if progress.state == WAITING else PAUSE_S) + BUSY_PAUSE_S * self._at_once
                if any(sent):
                    await asyncio.sleep(pause)
                else:
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(begun.wait(), pause)
        finally:
            self._at_once -= 1
            request.cancel()


def _nothing(state: str, error: str = "") -> Part:
    return Part(state, error, 0, [], os.getpid())


class Replicas(Engine):
    """An engine whose requests are written by replicas.

    Args:
        weights, catalogue: as in `Engine`.
        number: how many replicas there are.
        handle: of their deployment.
    """

    def __init__(self, weights: Weights, catalogue: Catalogue, number: int, handle: Any):
        super().__init__(weights, catalogue)
        self._number, self._handle = number, handle
        self._out: dict[Request, int] = {}  # that replicas write, with the process of each; 0 until it is known
        self._events = asyncio.new_event_loop()
        threading.Thread(target=self._events.run_forever, name="replicas", daemon=True).start()

    @classmethod
    def start(cls, weights: Weights, catalogue: Catalogue, number: int, source: Source) -> Replicas:
        """Starts replicas, and waits until they can write.

        Raises:
            ParameterError: Ray is not installed, or so many replicas are not possible.
            SoliloquyError: they do not start.
        """
        if not 1 <= number <= MAX_REPLICAS:
            raise ParameterError(f"--replicas must be between 1 and {MAX_REPLICAS}, not {number}.")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            from ray import serve
        except ImportError:
            raise ParameterError(MISSING) from None
        threads = max(1, MAX_THREADS // number)
        environment = {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT), "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "")}
        here = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": number, "include_dashboard": False}
        gpus = torch.cuda.device_count() if choose_device(source.device).type == "cuda" else 0  # without a share, a replica sees none
        share = gpus // number if gpus >= number else gpus / number
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **here)
            serve.start(proxy_location="Disabled")  # the page is the only one that asks
            deployment = serve.deployment(Replica).options(
                name="Replica",
                num_replicas=number,
                max_ongoing_requests=MAX_AT_ONCE,
                ray_actor_options={"num_cpus": 1, "num_gpus": share, "runtime_env": {"env_vars": environment}},
                logging_config={"log_level": "ERROR"},
            )
            handle = serve.run(deployment.bind(source), name=APP, route_prefix=None)
        except Exception as error:  # Ray's have no type in common
            raise SoliloquyError(f"The replicas do not start: {str(error).splitlines()[0]}") from error
        return cls(weights, catalogue, number, handle.options(stream=True))

    def health(self) -> dict[str, bool | int]:
        """As `Engine.health`, of all replicas together."""
        own = super().health()
        with self._lock:
            waiting = sum(request.waiting for request in self._out)
            rows = sum(request.n_rows for request in self._out if not request.waiting)
        return {"healthy": own["healthy"], "writing": own["writing"] + rows, "waiting": own["waiting"] + waiting}

    def process_of(self, request: Request) -> int:
        """The process that writes a request; 0 if that is not known, or it is finished."""
        with self._lock:
            return self._out.get(request, 0)

    def stop(self) -> None:
        """As `Engine.stop`, for the replicas as well."""
        import ray
        from ray import serve

        for request in [*self._out]:
            request.cancel()
        super().stop()
        self._events.call_soon_threadsafe(self._events.stop)
        with contextlib.suppress(Exception):  # whatever is left of them ends with this process
            serve.shutdown()
            ray.shutdown()

    def _n_waiting_of(self, viewer: Viewer | str) -> int:
        return super()._n_waiting_of(viewer) + sum(request.waiting and request.viewer == viewer for request in self._out)

    def _n_waiting_of_client(self, client: str, writer: Writer) -> int:
        out = sum(request.waiting and client_of(request.viewer) == client for request in self._out)
        return super()._n_waiting_of_client(client, writer) + out

    def _give(self, request: Request, writer: Writer) -> None:
        request.ahead = sum(other.waiting for other in self._out)
        if request.ahead >= MAX_WAITING_REQUESTS:
            raise BusyError(f"{request.ahead} requests are already waiting. Try again in a minute.")
        self._out[request] = 0
        done: Future[None] = asyncio.run_coroutine_threadsafe(self._write_elsewhere(request, writer), self._events)
        done.add_done_callback(lambda _: self._forget(request))

    def _forget(self, request: Request) -> None:
        with self._lock:
            self._out.pop(request, None)

    async def _write_elsewhere(self, request: Request, writer: Writer) -> None:
        """Has a request written by a replica, and by another one if that dies."""
        for _ in range(TRIES):
            try:
                await self._follow(request, writer)
                return
            except Exception as error:  # a replica that died, or was not there
                log.warning("a replica (process %d) is lost: %s", self.process_of(request), str(error).splitlines()[:1])
            if request.cancelled:
                break
            await asyncio.sleep(AGAIN_S)
        request.end(*((STOPPED,) if request.cancelled else (FAILED, WENT_WRONG)))

    async def _follow(self, request: Request, writer: Writer) -> None:
        """Appends what a replica writes to a request, as far as it is not there.

        Raises:
            Exception: the replica died.
        """
        have, done = request.lengths(), [0] * request.n_rows
        parts = self._handle.write.remote(request.prompt, request.params, request.viewer, request.model)
        async for part in parts:
            if request.cancelled:
                parts.cancel()
                request.end(STOPPED)
                return
            if part.state == NO_MODEL:  # one that this app alone knows: from the Hub, say
                with self._lock:
                    super()._give(request, writer)
                return
            with self._lock:
                self._out[request] = part.pid
            request.ahead = part.ahead
            if part.state != WAITING and request.waiting:
                request.begin()
            for sample, piece in enumerate(part.pieces):
                request.extend(sample, piece.since(max(0, have[sample] - done[sample])))
                done[sample] += len(piece.text)
            if part.state in FINISHED:
                request.end(part.state, part.error)
                return
        raise ConnectionError("it ended before its time")
