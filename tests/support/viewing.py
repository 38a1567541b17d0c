"""A viewer over real HTTP, for tests that check the app's answers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from tests.support.client import host_and_port
from tests.support.server import health, running_app
from ui.connections import OPEN_FILES, ConnectionLimits, make_config
from ui.web.clients import Proxies

PATIENCE_S = 300.0  # how long to wait for what must happen, even on a busy machine
SOON_S = 10.0  # for what happens at once if nothing blocks it; the longest texts take far longer
IDLE = {"healthy": True, "writing": 0, "waiting": 0}


@contextlib.contextmanager
def app_with_log(log: Path, *arguments: str) -> Iterator[str]:
    """Yields the address of an app on the CPU; its stderr goes to a file."""
    with contextlib.ExitStack() as app:
        ours = os.dup(2)
        with log.open("wb") as file:
            os.dup2(file.fileno(), 2)
        try:
            url = app.enter_context(running_app("--device", "cpu", *arguments))
        finally:
            os.dup2(ours, 2)
            os.close(ours)
        yield url


@contextlib.contextmanager
def serving(server: Starlette, limits: ConnectionLimits | None = None) -> Iterator[str]:
    """Serves routes from a thread of this process and yields their address."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(make_config(server, limits or ConnectionLimits(OPEN_FILES, Proxies())))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join()


class Viewer:
    """A connection that reads the lines of an answer only when a test asks for them.

    Args:
        receive_buffer: size of the receive buffer in bytes; 0 leaves it to the system.
        path: the route.
    """

    def __init__(self, url: str, receive_buffer: int = 0, path: str = "/write"):
        self.path = path
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(host_and_port(url))
        self._http = http.client.HTTPConnection(*host_and_port(url))
        self._http.sock = self.socket
        self.answer: http.client.HTTPResponse | None = None

    def send(self, **asked: Any) -> Viewer:
        """Sends a request without waiting for the answer."""
        self._http.request("POST", self.path, json.dumps(asked), {"Content-Type": "application/json"})
        return self

    def line(self) -> dict[str, Any]:
        """Reads the next line."""
        if self.answer is None:
            self.answer = self._http.getresponse()
            assert self.answer.status == 200, self.answer.read()
        return json.loads(self.answer.readline())

    def ask(self, **asked: Any) -> dict[str, Any]:
        """Sends a request and reads the first line."""
        return self.send(**asked).line()

    def rest(self) -> list[dict[str, Any]]:
        """Reads all other lines; after that the connection can take another request."""
        assert self.answer
        lines = [json.loads(line) for line in self.answer]
        self.answer = None
        return lines

    def write(self, **asked: Any) -> list[str]:
        """Sends a request and reads the texts to their end."""
        self.ask(**asked)
        lines = self.rest()
        assert lines[-1]["state"] == "done"
        return texts_of(lines)

    def close(self) -> None:
        """Closes the connection in the middle of the answer."""
        if self.answer:
            self.answer.close()
        self._http.close()

    def reset(self) -> None:
        """Resets the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def texts_of(lines: list[dict[str, Any]]) -> list[str]:
    """The texts in the lines, one for each sample."""
    return ["".join(new) for new in zip(*(line["new"] for line in lines if "new" in line), strict=True)]


def wait_until(health_is: dict[str, Any], url: str, within_s: float = SOON_S) -> None:
    """Waits until the app reports this health."""
    deadline = time.monotonic() + within_s
    while (now := health(url)) != health_is:
        assert time.monotonic() < deadline, f"still {now}"
        time.sleep(0.02)


def write(url: str, **asked: Any) -> list[str]:
    """The texts of one request, from beginning to end."""
    with Viewer(url) as viewer:
        return viewer.write(**asked)


def answer(url: str, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """Sends a request and returns the status and the JSON of its answer."""
    connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
