"""Connections over real sockets: clients that send or read nothing are let go, and whoever holds many keeps nobody out."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.responses import Response

from model.limits import CLASS_SIZE, MAX_NEW_CHARS, MAX_SAMPLES
from model.serving.engine import Engine
from model.weights import Weights
from tests.support.admin import wait_for
from tests.support.client import host_and_port
from tests.support.routes import serving_routes
from tests.support.server import health, running_process
from tests.support.viewing import IDLE, PATIENCE_S, Viewer, serving, wait_until, write
from ui import connections
from ui.class_address import class_address
from ui.connections import ACCEPTED_AT_ONCE, CONNECTIONS_PER_BROWSER, OPEN_FILES, OWN_FILES, ConnectionLimits
from ui.web.clients import Proxies
from ui.web.stream import Line, LineStream

OTHER_CLIENT = "127.0.0.2"
FLOOD = 2_000
FEW_FILES = 1_024
HEAD = b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
BODY = b'{"length": 1}'
LARGE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n"
LARGE_BYTES = 50_000_000
LONG = {"samples": MAX_SAMPLES, "length": MAX_NEW_CHARS}


@pytest.fixture
def small() -> ConnectionLimits:
    """Eight connections, four for each client."""
    return ConnectionLimits(OWN_FILES + ACCEPTED_AT_ONCE + 16, Proxies())


@pytest.fixture
def impatient(tiny: Weights, small: ConnectionLimits, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an app that waits for its clients for a moment only."""
    for limit in ("HEAD_S", "BODY_S", "UNREAD_S"):
        monkeypatch.setattr(connections, limit, 0.2)
    with serving_routes(Engine(tiny), limits=small) as url:
        yield url


@pytest.fixture
def large(small: ConnectionLimits, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server whose only answer is more than the system keeps for a connection."""
    monkeypatch.setattr(connections, "UNREAD_S", 0.5)
    server = FastAPI()
    server.add_route("/", lambda http: Response(bytes(LARGE_BYTES)))
    with serving(server, small) as url:
        yield url


@pytest.fixture
def bounded(tiny: Weights, small: ConnectionLimits) -> Iterator[str]:
    """The address of an app with room for few connections."""
    with serving_routes(Engine(tiny), limits=small) as url:
        yield url


def connect(url: str, client: str = "127.0.0.1", sent: bytes = b"") -> socket.socket:
    """A connection from one of this machine's addresses."""
    connection = socket.create_connection(host_and_port(url), PATIENCE_S, source_address=(client, 0))
    connection.sendall(sent)
    return connection


def read_to_the_end(connection: socket.socket) -> bytes:
    """What comes until the app closes or resets the connection."""
    parts = []
    with connection, contextlib.suppress(ConnectionError):
        while part := connection.recv(2**16):
            parts.append(part)
    return b"".join(parts)


def is_open(connection: socket.socket) -> bool:
    """Whether the app still holds a connection on which it has nothing to send."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /heal",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half: ",
        HEAD % 1_000,
        HEAD % 1_000 + BODY,
        HEAD.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked"),
    ],
)
def test_a_client_that_does_not_finish_its_request_is_let_go(impatient: str, small: ConnectionLimits, sent: bytes) -> None:
    assert read_to_the_end(connect(impatient, sent=sent)) == b""
    wait_for(lambda: small.n_connections == 0)
    assert health(impatient) == IDLE


@pytest.mark.parametrize("sent", [b"GET /healthz HTTP/1.1\r\nX-Drip: ", HEAD % 100_000])
def test_single_bytes_now_and_then_do_not_keep_a_connection(impatient: str, small: ConnectionLimits, sent: bytes) -> None:
    with connect(impatient, sent=sent) as dripping, contextlib.suppress(ConnectionError):
        dripping.settimeout(0.02)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                dripping.sendall(b"x")
                assert dripping.recv(1) == b""
                break
    wait_for(lambda: small.n_connections == 0)


def test_a_body_that_comes_at_once_but_for_its_last_byte_is_not_waited_for(impatient: str, small: ConnectionLimits) -> None:
    """At the minimum rate alone, what was sent would do for 100 s."""
    assert read_to_the_end(connect(impatient, sent=HEAD % 100_000 + bytes(99_999))) == b""
    wait_for(lambda: small.n_connections == 0)


def test_a_kept_connection_is_let_go_after_its_answer(impatient: str) -> None:
    answer = read_to_the_end(connect(impatient, sent=b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 200")
    refused = read_to_the_end(connect(impatient, sent=(HEAD % 1_000).replace(b"json", b"xml") + BODY))  # answered before its body
    assert refused.startswith(b"HTTP/1.1 415")


def test_a_body_that_comes_slowly_and_steadily_is_read(impatient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MIN_BYTES_PER_S", 5)  # so that each byte gives 0.2 s
    body = b'{"length": 1, "prompt": "%s"}' % (b"x" * 100)
    with connect(impatient, sent=HEAD % len(body)) as slow:
        for byte in body:
            slow.sendall(bytes([byte]))
            time.sleep(0.005)
        assert slow.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("kept", ["keep-alive", "close"])
def test_a_client_that_takes_nothing_of_its_answer_is_let_go(large: str, small: ConnectionLimits, kept: str) -> None:
    with connect(large, sent=LARGE % kept.encode()) as deaf:
        assert deaf.recv(1)
        wait_for(lambda: small.n_connections == 0)


def test_a_client_that_takes_single_bytes_of_its_answer_is_let_go(large: str, small: ConnectionLimits) -> None:
    with connect(large, sent=LARGE % b"close") as dripping:
        deadline = time.monotonic() + PATIENCE_S
        while small.n_connections and time.monotonic() < deadline:
            dripping.recv(1)
            time.sleep(0.02)
        assert not small.n_connections


def test_clients_that_do_not_read_their_answers_make_room(large: str, small: ConnectionLimits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", 100 * PATIENCE_S)
    with contextlib.ExitStack() as held:
        for client in ("127.0.0.1", OTHER_CLIENT) * small.maximum_per_client:
            assert held.enter_context(connect(large, client, LARGE % b"keep-alive")).recv(1)
        for client in ("127.0.0.1", "127.0.0.3"):
            assert held.enter_context(connect(large, client, LARGE % b"close")).recv(1)
        assert small.n_connections == small.maximum


def test_a_client_that_reads_slowly_gets_everything(large: str) -> None:
    received = 0
    with connect(large, sent=LARGE % b"close") as slow:
        while part := slow.recv(LARGE_BYTES // 100):
            received += len(part)
            time.sleep(0.01)
    assert received > LARGE_BYTES


def test_a_stream_that_is_not_read_ends_the_work_behind_it(small: ConnectionLimits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's buffers take the longest text whole. These lines have no end."""
    monkeypatch.setattr(connections, "UNREAD_S", 0.2)
    ended = threading.Event()

    async def lines() -> AsyncGenerator[Line]:
        while True:
            yield {"new": "x" * 100_000}
            await asyncio.sleep(0)

    server = FastAPI()
    server.add_route("/", lambda http: LineStream(lines(), ended.set))
    with serving(server, small) as url, connect(url, sent=LARGE % b"keep-alive") as deaf:
        assert deaf.recv(1)
        assert ended.wait(PATIENCE_S)


def test_a_stream_that_is_read_outlasts_every_limit(impatient: str) -> None:
    with Viewer(impatient) as viewer:
        assert viewer.ask(prompt="A", samples=MAX_SAMPLES, length=500)["samples"] == MAX_SAMPLES
        assert viewer.rest()[-1]["state"] == "done"


@pytest.mark.parametrize("garbage", [b"zz\r\n", b"5\r\nabcdefgh", b"\x00\xff\r\n\r\n"])
def test_what_is_not_http_leaves_no_traceback(impatient: str, caplog: pytest.LogCaptureFixture, garbage: bytes) -> None:
    chunked = HEAD.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked")
    assert read_to_the_end(connect(impatient, sent=garbage + b"\r\n\r\n")).startswith(b"HTTP/1.1 400")
    with connect(impatient, sent=chunked.replace(b"json", b"xml")) as answered:
        assert answered.recv(12) == b"HTTP/1.1 415"
        with contextlib.suppress(ConnectionError):
            answered.sendall(garbage)
        read_to_the_end(answered)
    read_to_the_end(connect(impatient, sent=chunked + garbage))
    assert health(impatient) == IDLE
    assert not caplog.records


def test_web_sockets_are_not_spoken(impatient: str, caplog: pytest.LogCaptureFixture) -> None:
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    answer = read_to_the_end(connect(impatient, sent=b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + upgrade))
    assert answer.startswith(b"HTTP/1.1 200")
    assert not caplog.records


def test_one_client_has_half_of_the_places_and_its_idle_ones_make_room(bounded: str, small: ConnectionLimits) -> None:
    assert (small.maximum, small.maximum_per_client) == (8, 4)
    with contextlib.ExitStack() as held:
        idle = [held.enter_context(connect(bounded, OTHER_CLIENT)) for _ in range(4)]
        wait_for(lambda: small.n_connections == 4)
        fifth = held.enter_context(connect(bounded, OTHER_CLIENT, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert fifth.recv(12) == b"HTTP/1.1 200"
        assert [is_open(connection) for connection in idle] == [False, True, True, True]
        assert health(bounded) == IDLE


def test_where_all_of_a_clients_connections_are_in_use_a_new_one_is_closed(bounded: str) -> None:
    with contextlib.ExitStack() as held:
        for number in range(4):
            held.enter_context(Viewer(bounded)).ask(prompt="A", viewer=f"viewer {number}", **LONG)
        assert read_to_the_end(connect(bounded)) == b""
        with connect(bounded, OTHER_CLIENT, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as other:
            assert other.recv(12) == b"HTTP/1.1 200"
    wait_until(IDLE, bounded)
    assert [len(text) for text in write(bounded, length=5)] == [5]


def test_a_trusted_proxy_may_have_all_places(tiny: Weights) -> None:
    limits = ConnectionLimits(OWN_FILES + ACCEPTED_AT_ONCE + 16, Proxies.named([OTHER_CLIENT]))
    with serving_routes(Engine(tiny), limits=limits) as url, contextlib.ExitStack() as held:
        idle = [held.enter_context(connect(url, OTHER_CLIENT)) for _ in range(8)]
        wait_for(lambda: limits.n_connections == 8)
        assert all(map(is_open, idle))
        assert health(url) == IDLE  # in the place of the first
        wait_for(lambda: not is_open(idle[0]))


def test_a_class_behind_one_router_fits_and_is_told_where_it_does_not() -> None:
    assert ConnectionLimits(OPEN_FILES, Proxies()).maximum_per_client >= CLASS_SIZE * CONNECTIONS_PER_BROWSER
    assert ConnectionLimits(OPEN_FILES, Proxies()).shortage() == ""
    shortage = ConnectionLimits(FEW_FILES, Proxies()).shortage()
    assert "380 connections at once and 190 from one address: about 31 phones" in shortage
    needed = int(shortage.split(" to ")[1].split()[0].replace(",", ""))
    assert ConnectionLimits(needed, Proxies()).shortage() == ""
    assert ConnectionLimits(needed - 4 * CONNECTIONS_PER_BROWSER, Proxies()).shortage()


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", HEAD % 1_000], ids=["idle", "without a body"])
def test_an_app_with_few_files_answers_while_one_client_holds_thousands_of_connections(tmp_path: Path, sent: bytes) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < FLOOD + 500:
        pytest.skip("this machine does not let a process open so many files")
    network = ["--host", "0.0.0.0"] if class_address("0.0.0.0", 7860) else []

    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, FEW_FILES))

    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err, contextlib.ExitStack() as held:
        url, pid = held.enter_context(running_process("--device", "cpu", *network, stdout=out, stderr=err, preexec_fn=few_files))
        for number in range(FLOOD):
            held.enter_context(connect(url, OTHER_CLIENT, sent))
            if number % 100 == 0:
                assert health(url)["healthy"]
                assert len(list(Path(f"/proc/{pid}/fd").iterdir())) < FEW_FILES // 2
        with connect(url, OTHER_CLIENT, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as same_client:
            assert same_client.recv(12) == b"HTTP/1.1 200"
        assert [len(text) for text in write(url, length=5)] == [5]
    assert ("about 31 phones" in (tmp_path / "out").read_text()) == bool(network)
    assert not [line for line in (tmp_path / "err").read_text().splitlines() if "seed may give another" not in line]
