"""Soliloquy: load the weights, start the engine, serve the page.

python app.py --device cpu --port 7860
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

# Before gradio is imported: no statistics after every event, no telemetry.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")

import uvicorn

from model.checkpoint import load_weights
from model.errors import SoliloquyError
from model.precision import choose_device, in_faster_precision
from model.serving.engine import Engine
from ui.routes import create_server

WEIGHTS = Path(__file__).parent / "weights" / "shakespeare"
ON_A_SPACE = "SPACE_ID" in os.environ


def main() -> int:
    """Runs until it is stopped; returns the exit status."""
    parser = argparse.ArgumentParser(description="Serve Soliloquy.")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the model runs (default: a GPU if there is one)"
    )
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="a folder of weights or of a run (default: the shipped ones)")
    parser.add_argument("--host", default="0.0.0.0" if ON_A_SPACE else "127.0.0.1", help="address to listen on; 0.0.0.0 lets others in")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (default: 7860)")
    options = parser.parse_args()
    try:
        weights = load_weights(options.weights, choose_device(options.device))
        listener = _listen(options.host, options.port)
    except SoliloquyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    weights = replace(weights, model=in_faster_precision(weights.model, weights.name))
    server = uvicorn.Server(uvicorn.Config(create_server(Engine(weights)), log_level="warning"))
    print(f"Soliloquy is at http://{options.host}:{options.port}", flush=True)
    server.run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything slow happens.

    Raises:
        SoliloquyError: the port is taken or the address is not this machine's.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise SoliloquyError(f"Cannot listen on {host}:{port} ({error}). Take another port: python app.py --port {port + 1}") from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
