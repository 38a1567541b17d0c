"""Soliloquy: load the weights, start the engine, serve the page.

python app.py --device cpu --port 7860
"""

from __future__ import annotations

from model.program import run_program, stop_at_once

if __name__ == "__main__":
    stop_at_once()  # importing PyTorch takes seconds

import argparse
import asyncio
import contextlib
import errno
import logging
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

# Before gradio is imported: no statistics after every event, no telemetry.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")

# Before torch is imported: OpenMP's helpers spin between products, which makes them quick, but only for 0.05 ms, so that the server, and
# a browser on the same machine, get the processors in between. On two cores a page's script was held up for 0.8 s at a time
# with the default, and a step of 64 rows took 7.8 ms instead of 7.3.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Before torch is imported, for this process and the trainings that it starts: a ZeroGPU Space has no GPU for them (see ui/zero_gpu.py).
if "SPACES_ZERO_GPU" in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

import uvicorn

from model.catalogue import Catalogue
from model.classroom.scenes import load_lecture
from model.errors import SoliloquyError
from model.hub import is_hub_name
from model.machine import choose_device, in_fresh_thread
from model.precision import ready_to_write
from model.serving.engine import Engine, precision_name
from model.training.jobs import Jobs
from model.weights import SHIPPED_WEIGHTS, WEIGHTS_FOLDER, Weights, load_weights
from ui.class_address import class_address, own_address
from ui.connections import OPEN_FILES, ConnectionLimits, make_config
from ui.gradio_import import import_gradio
from ui.web.admin import make_lock
from ui.web.client_log import MinuteLimit
from ui.web.site import make_site

if TYPE_CHECKING:
    from model.hub.download import HubModel

ON_A_SPACE = "SPACE_ID" in os.environ
ON_ZERO_GPU = "SPACES_ZERO_GPU" in os.environ
BACKLOG = 2048  # a class that opens the page at once
GONE_S = 120  # after which a client that acknowledges nothing is given up: phones leave the network without a word


@contextlib.contextmanager
def folder_for_gradio() -> Iterator[None]:
    """Gives Gradio a temporary folder of our own instead of /tmp/gradio, which may be another user's."""
    if "GRADIO_TEMP_DIR" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="soliloquy-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield
    del os.environ["GRADIO_TEMP_DIR"]


class _Printer(logging.Handler):
    """Prints a record as a line; a warning to stderr, where it would be without this handler."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr if record.levelno >= logging.WARNING else sys.stdout, flush=True)


@contextlib.contextmanager
def printed(log: logging.Logger) -> Iterator[None]:
    """Prints what a log says of the start. Later it would say the same of every model that somebody loads."""
    printer, level = _Printer(), log.level
    log.addHandler(printer)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(printer)


@folder_for_gradio()
def main() -> int:
    """Serves until it is stopped; returns the exit status."""
    options = _parser().parse_args()
    if ON_ZERO_GPU:
        from ui.zero_gpu import satisfy_zero_gpu  # imports Gradio, as below

        satisfy_zero_gpu()
    try:
        site = make_site(options.host, options.root_path, options.allow_host, options.trusted_proxy)
        lock, one_time_password = make_lock()
        lecture = load_lecture(options.lecture) if options.lecture else None
        device = choose_device(options.device)
        from_hub = _fetched(options.weights)
        weights = in_fresh_thread(lambda: load_weights(from_hub.folder if from_hub else options.weights, device))
        listener = _listen(options.host, options.port)
    except SoliloquyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with printed(logging.getLogger("model.precision")):
        weights = replace(weights, model=in_fresh_thread(lambda: ready_to_write(weights.model, precision_name(weights))))
    catalogue = Catalogue(WEIGHTS_FOLDER, options.runs, device, others=() if from_hub else _others(options.weights))
    if from_hub:
        weights = replace(weights, name=from_hub.name)
        catalogue.add_from_hub(from_hub.name, from_hub.folder)
    threading.Thread(target=catalogue.entries, name="catalogue", daemon=True).start()  # hashes all weights before somebody waits for it
    try:
        engine = _make_engine(options, weights, catalogue, from_hub)
    except SoliloquyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    host, port = listener.getsockname()[:2]
    for_the_class = site.address or class_address(host, port)
    jobs = Jobs(options.runs)
    if trouble := jobs.trouble():
        print(f"{options.runs}: {trouble}", file=sys.stderr)
    import_gradio()  # only now: it looks for its folder when it is imported
    from ui.server import create_server

    application = create_server(engine, catalogue, jobs, lock, site, for_the_class, lecture)
    connection_limits = ConnectionLimits(_open_files(), site.proxies)
    server = Server(make_config(application, connection_limits), application.state.end_streams)
    for name in ("uvicorn.error", "asyncio"):  # a line for each request that is not HTTP, and for each connection that fails
        logging.getLogger(name).addFilter(MinuteLimit())
    print(f"Soliloquy is at {site.address or own_address(host, port)}", flush=True)
    if for_the_class:
        print(f"For the class: {for_the_class}", flush=True)
    elif host in ("0.0.0.0", "::"):
        print("No address for the class was found. Start with --host and this machine's address to show one.", flush=True)
    if for_the_class and (shortage := connection_limits.shortage()):
        print(shortage, flush=True)
    if one_time_password:
        print(f"The password of the Train tab is {one_time_password} (set ADMIN_PASSWORD to choose your own).", flush=True)
    server.run(sockets=[listener])
    if options.replicas:
        engine.stop()
    print("Stopped.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Serve Soliloquy.")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where models run (default: a GPU if there is one)"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        default=SHIPPED_WEIGHTS,
        help="folder of the default model, or of a run, or hub:USER/NAME[@REVISION] (default: the shipped model)",
    )
    parser.add_argument(
        "--replicas", type=int, default=0, metavar="N", help="let so many copies of the engine write, each in a process; needs Ray"
    )
    parser.add_argument("--host", default="0.0.0.0" if ON_A_SPACE else "127.0.0.1", help="address to listen on; 0.0.0.0 lets others in")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (default: 7860)")
    parser.add_argument(
        "--root-path",
        default=os.environ.get("GRADIO_ROOT_PATH", ""),
        metavar="PATH",
        help="path at which a proxy serves the app, such as /gpt, or its whole address, such as https://example.org/gpt",
    )
    parser.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="address or network of a proxy whose X-Forwarded headers are true; may be repeated",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name of this machine, in addresses that browsers open; may be repeated",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path(os.environ.get("SOLILOQUY_RUNS", "runs")),  # a Space takes no options
        help="the folder of all training runs (default: SOLILOQUY_RUNS, or else runs)",
    )
    parser.add_argument(
        "--lecture", type=Path, metavar="FILE", help="the scenes of the lecture, in Markdown (default: the one that comes with the app)"
    )
    return parser


def _fetched(chosen: Path) -> HubModel | None:
    """The model that --weights names, where that is one on the Hub.

    Raises:
        SoliloquyError: it cannot be fetched.
    """
    if not is_hub_name(chosen):
        return None
    from model.hub.download import fetch_with_bar  # only where it is needed: it takes a second to import

    return fetch_with_bar(chosen)


def _make_engine(options: argparse.Namespace, weights: Weights, catalogue: Catalogue, from_hub: HubModel | None) -> Engine:
    """The engine, or replicas of it.

    Raises:
        SoliloquyError: the replicas do not start.
    """
    if not options.replicas:
        return Engine(weights, catalogue)
    from model.serving.replicas import Replicas, Source

    folder = from_hub.folder if from_hub else options.weights
    source = Source(folder.resolve(), options.device, options.runs.resolve(), () if from_hub else _others(options.weights.resolve()))
    print(f"Starting {options.replicas} replicas ...", flush=True)
    return Replicas.start(weights, catalogue, options.replicas, source)


def _others(chosen: Path) -> tuple[Path, ...]:
    """The folder given with --weights, where it does not ship with the app."""
    return () if chosen.resolve().is_relative_to(WEIGHTS_FOLDER.resolve()) else (chosen,)


class Server(uvicorn.Server):
    """A server for a class that opens the page at once. Ctrl-C and SIGTERM stop it, without complaints about open pages, and without
    waiting for its threads.

    Args:
        end_streams: called before it stops.
    """

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], object]):
        super().__init__(config)
        self._end_streams = end_streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn lets as many connections wait to be accepted as are accepted at once. Here more of them may wait."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until it is stopped. Its event loop stays open, because closing it would wait for a load, a download or a measurement
        in one of its threads."""
        asyncio.new_event_loop().run_until_complete(self.serve(sockets))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stops; the second time without waiting for open connections. The signal is not raised again when the server is down."""
        self.should_exit, self.force_exit = True, self.should_exit

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Open pages hold streams open. It is not an error that those without an end of their own are cut off here."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._end_streams()
        await super().shutdown(sockets)


def _open_files() -> int:
    """How many files the app may open, after raising the limit as far as the user is allowed to."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (OPEN_FILES, OPEN_FILES // 2):  # macOS refuses more than it has, whatever it says is allowed
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return OPEN_FILES if soft == resource.RLIM_INFINITY else soft


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything slow happens.

    Raises:
        SoliloquyError: the port is taken or out of range, or the address is not one of this machine.
    """
    if not 0 < port < 2**16:
        raise SoliloquyError(f"The port must be between 1 and 65,535, not {port:,}.")
    # asyncio sends small answers at once only if the protocol is named. Otherwise each one on a kept connection came 40 ms late.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; its connections inherit it. Others give up by themselves after some minutes
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_S * 1000)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" lets in IPv4 too, on every system
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        remedy = "Choose another port with --port." if taken else "Give an address of this machine with --host and a port with --port."
        raise SoliloquyError(f"Cannot listen on {host}:{port} ({error}). {remedy}") from error
    return listener


if __name__ == "__main__":
    run_program(main)
