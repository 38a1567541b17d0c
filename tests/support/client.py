"""The client side of HTTP, as cheap as possible, for tests and benchmarks.

What arrives is kept with its time and read afterwards: hundreds of viewers leave the processor to the app that they visit.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class Stream(asyncio.Protocol):
    """One request and its answer, each piece of it with the time of its arrival.

    Attributes:
        arrivals: time and bytes, as they came.
        ended: done once the connection is closed, by whichever side.
    """

    def __init__(self, request: bytes):
        self.arrivals: list[tuple[float, bytes]] = []
        self.ended = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.arrivals.append((time.perf_counter(), data))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        """Closes the connection in the middle of the answer."""
        if self.transport:
            self.transport.abort()


@dataclass(frozen=True)
class Answer:
    """A parsed answer.

    Attributes:
        status: of HTTP; 0 if none came.
        lines: the JSON objects, each with the time at which it was there.
    """

    status: int
    lines: list[tuple[float, dict[str, Any]]]

    @property
    def state(self) -> str:
        """The last reported state of the writing."""
        return next((str(line["state"]) for _, line in reversed(self.lines) if "state" in line), "")

    @property
    def error(self) -> str:
        """The app's error message."""
        return next((str(line["error"]) for _, line in reversed(self.lines) if line.get("error")), "")

    @property
    def texts(self) -> list[str]:
        """The texts written, one for each sample."""
        parts = [line["new"] for _, line in self.lines if "new" in line]
        return ["".join(new) for new in zip(*parts, strict=True)]

    @property
    def first_at(self) -> float | None:
        """When the first character arrived."""
        return next((at for at, line in self.lines if any(line.get("new", ()))), None)


def http_request(url: str, method: str, path: str, body: bytes = b"") -> bytes:
    """A complete request that asks the app to close the connection after its answer."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nConnection: close\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


async def connect(url: str, request: bytes) -> Stream:
    """Sends a request on a new connection."""
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(lambda: Stream(request), *host_and_port(url))
    return stream


def host_and_port(url: str) -> tuple[str, int]:
    """127.0.0.1, 7860"""
    host, _, port = urlsplit(url).netloc.rpartition(":")
    return host, int(port)


async def to_the_end(url: str, request: bytes) -> Stream:
    """Sends a request and waits until the app has closed the connection."""
    stream = await connect(url, request)
    try:
        await stream.ended
    finally:
        stream.close()
    return stream


def read_answer(arrivals: list[tuple[float, bytes]]) -> Answer:
    """Parses an answer: the head, then chunks or a plain body, one JSON object per line (after `data: ` in an event stream)."""
    status, lines = _lines(arrivals)
    return Answer(status, [(at, json.loads(line.removeprefix(b"data: "))) for at, line in lines if line.strip()])


def read_events(arrivals: list[tuple[float, bytes]]) -> list[tuple[float, str, Any]]:
    """Parses the events of a stream: when each was there, its name and its content."""
    found, name = [], ""
    for at, line in _lines(arrivals)[1]:
        field, _, value = line.decode().partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            found.append((at, name, json.loads(value)))
    return found


def _lines(arrivals: list[tuple[float, bytes]]) -> tuple[int, list[tuple[float, bytes]]]:
    """The status of an answer, 0 if none came, and its lines, each with the time at which it was there."""
    raw = b"".join(data for _, data in arrivals)
    head, found, _ = raw.partition(b"\r\n\r\n")
    if not found:
        return 0, []
    begin = len(head) + 4
    chunked = b"transfer-encoding: chunked" in head.lower()
    pieces = _chunks(raw, begin) if chunked else iter([(len(raw), raw[begin:] + b"\n")])
    lines: list[tuple[float, bytes]] = []
    pending, came, seen, at = b"", iter(arrivals), 0, 0.0
    for end, piece in pieces:
        while seen < end:
            at, data = next(came)
            seen += len(data)
        *whole, pending = (pending + piece).split(b"\n")
        lines += [(at, line) for line in whole]
    return int(head.split()[1]), lines


def _chunks(raw: bytes, begin: int) -> Iterator[tuple[int, bytes]]:
    """Yields where each complete chunk ends, and its content."""
    while (end_of_size := raw.find(b"\r\n", begin)) > 0:
        size = int(raw[begin:end_of_size], 16)
        end = end_of_size + 2 + size + 2
        if size == 0 or end > len(raw):
            return
        yield end, raw[end_of_size + 2 : end - 2]
        begin = end
