"""The route table over real HTTP: its bounds, HEAD, and what a bug in a handler does."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import anyio
import pytest
from starlette.requests import Request as HTTPRequest
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from model.errors import WENT_WRONG
from model.serving.engine import Engine
from model.weights import Weights
from tests.support.admin import wait_for
from tests.support.client import host_and_port
from tests.support.viewing import PATIENCE_S, answer, serving
from ui.server import NOTHING_HERE, make_app
from ui.web import http as web_http
from ui.web.client_log import MinuteLimit, log
from ui.web.http import NO_ROOM, TOO_LARGE, TOO_MANY, get, post
from ui.web.in_progress import ByteLimit


@dataclass
class Table:
    """An app of a few routes.

    Attributes:
        entered: how often a slow request has begun.
        go: lets slow requests end.
        pieces: how many pieces of streams were made.
    """

    url: str = ""
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Event = field(default_factory=threading.Event)
    pieces: int = 0

    async def slow(self, http: HTTPRequest) -> Response:
        self.entered.release()
        await anyio.to_thread.run_sync(self.go.wait)
        return PlainTextResponse("done", headers={"X-Client": "z"})

    async def endless(self, http: HTTPRequest) -> Response:
        return StreamingResponse(self._pieces(), media_type="text/plain")

    async def _pieces(self) -> AsyncIterator[bytes]:
        while True:
            self.pieces += 1
            yield b"piece"
            await anyio.sleep(0.001)

    async def echo(self, http: HTTPRequest) -> Response:
        return Response(await http.body())

    async def bug(self, http: HTTPRequest) -> Response:
        raise KeyError("a bug of ours\nin two lines")

    async def late_bug(self, http: HTTPRequest) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"piece"
            raise KeyError("a late bug of ours")

        return StreamingResponse(pieces())


@pytest.fixture
def table(tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    monkeypatch.setattr(log, "filters", [MinuteLimit()])  # whatever other tests have logged
    table, engine = Table(), Engine(tiny)
    routes = [
        get("/slow", table.slow, at_once=2),
        get("/endless", table.endless),
        post("/echo", table.echo, max_bytes=100),
        get("/bug", table.bug),
        get("/late_bug", table.late_bug),
        get("/word/{key:word}", table.echo),
        get("/file/{name:file}", table.echo),
    ]
    with serving(make_app(routes, engine)) as table.url:
        yield table
        table.go.set()
    engine.stop()


def connection(url: str, source: str = "127.0.0.1") -> http.client.HTTPConnection:
    return http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S, source_address=(source, 0))


def test_a_client_has_so_many_requests_of_a_kind_in_progress(table: Table) -> None:
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(contextlib.closing(connection(table.url))) for _ in range(2)]
        for each in waiting:
            each.request("GET", "/slow")
            assert table.entered.acquire(timeout=PATIENCE_S)
        third = stack.enter_context(contextlib.closing(connection(table.url)))
        third.request("GET", "/slow")
        refused = third.getresponse()
        assert (refused.status, refused.headers["Retry-After"], TOO_MANY in refused.read().decode()) == (503, "5", True)
        other = stack.enter_context(contextlib.closing(connection(table.url, "127.0.0.2")))
        other.request("GET", "/slow")
        assert table.entered.acquire(timeout=PATIENCE_S)
        table.go.set()
        assert [each.getresponse().status for each in [*waiting, other]] == [200, 200, 200]
    with contextlib.closing(connection(table.url)) as again:
        again.request("GET", "/slow")
        assert again.getresponse().status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_bounded_whether_its_size_is_announced_or_not(table: Table, chunked: bool) -> None:
    for size, status in ((100, 200), (101, 413), (10_000, 413)):
        with contextlib.closing(connection(table.url)) as client:
            body = iter([b"x" * 50] * (size // 50) + [b"x" * (size % 50)]) if chunked else b"x" * size
            client.request("POST", "/echo", body, encode_chunked=chunked, headers={"Transfer-Encoding": "chunked"} if chunked else {})
            response = client.getresponse()
            assert response.status == status
            text = response.read().decode()
            assert len(text) == 100 if status == 200 else (TOO_LARGE if chunked else "at most 100 bytes") in text


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> ByteLimit:
    """Room for 300 bytes of bodies, 150 of one client."""
    room = ByteLimit(300)
    monkeypatch.setattr(web_http, "bodies", room)
    return room


def upload(stack: contextlib.ExitStack, url: str, source: str, *parts: bytes) -> http.client.HTTPConnection:
    """Begins a request with a body in chunks."""
    client = stack.enter_context(contextlib.closing(connection(url, source)))
    client.putrequest("POST", "/echo")
    client.putheader("Transfer-Encoding", "chunked")
    client.endheaders()
    for part in parts:
        client.send(b"%x\r\n%b\r\n" % (len(part), part))
    return client


def finish(client: http.client.HTTPConnection) -> tuple[int, bytes]:
    """Ends such a request. Returns status and content of its answer."""
    client.send(b"0\r\n\r\n")
    return read(client)


def read(client: http.client.HTTPConnection) -> tuple[int, bytes]:
    # http.client answers only to requests that it has sent by itself
    response = http.client.HTTPResponse(client.sock)
    response.begin()
    return response.status, response.read()


def test_bodies_share_room_half_of_it_for_one_client(table: Table, room: ByteLimit) -> None:
    with contextlib.ExitStack() as stack:
        first = upload(stack, table.url, "127.0.0.1", b"x" * 90)
        wait_for(lambda: room.n_bytes == 90)
        status, content = read(upload(stack, table.url, "127.0.0.1", b"x" * 61))
        assert (status, NO_ROOM in content.decode()) == (503, True)
        others = [upload(stack, table.url, f"127.0.0.{number}", b"x" * 80) for number in (2, 3)]
        wait_for(lambda: room.n_bytes == 250)
        assert read(upload(stack, table.url, "127.0.0.4", b"x" * 51))[0] == 503
        assert finish(upload(stack, table.url, "127.0.0.4", b"x" * 50)) == (200, b"x" * 50)
        assert finish(first) == (200, b"x" * 90)
        others[0].close()  # in the middle
        wait_for(lambda: room.n_bytes == 80)
        assert finish(upload(stack, table.url, "127.0.0.1", b"x" * 61)) == (200, b"x" * 61)
        assert finish(others[1]) == (200, b"x" * 80)
    wait_for(lambda: room.n_bytes == 0)


def test_a_bug_is_an_answer_and_a_line_in_the_log(
    table: Table, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert answer(table.url, "GET", "/bug") == (500, {"error": WENT_WRONG})
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("failed GET '/bug' to '127.0.0.1': \"KeyError at tests/test_web_http.py:")
    assert line.isprintable()
    with contextlib.closing(connection(table.url)) as client:
        client.request("GET", "/late_bug")
        begun = client.getresponse()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            begun.read()
    assert "KeyError" in caplog.records[1].getMessage()
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


def test_head_ends_a_stream_before_it_begins(table: Table) -> None:
    with contextlib.closing(connection(table.url)) as client:
        for _ in range(3):  # on one connection, which stays in order
            client.request("HEAD", "/endless")
            response = client.getresponse()
            assert (response.status, response.headers.get_content_type(), response.read()) == (200, "text/plain", b"")
        client.request("HEAD", "/slow/none")
        assert client.getresponse().status == 404
    assert table.pieces == 0


def test_head_of_a_route_that_takes_a_body_is_refused_with_the_method(table: Table) -> None:
    with contextlib.closing(connection(table.url)) as client:
        for method, path, allowed in (("HEAD", "/echo", "POST"), ("GET", "/echo", "POST"), ("BREW", "/bug", "GET, HEAD")):
            client.request(method, path)
            response = client.getresponse()
            response.read()
            assert (response.status, response.headers["Allow"]) == (405, allowed)


def test_addresses_take_plain_words_and_files_alone(table: Table) -> None:
    fine = ["/word/a", "/word/" + "a-_9" * 16, "/file/a.js", "/file/a/b-c/d_e.min.js", "/file/" + "x" * 200]
    none = ["/word/", "/word/a.b", "/word/%00", "/word/a/b", "/word/" + "a" * 65, "/word/\N{FULLWIDTH LATIN SMALL LETTER A}"]
    none += ["/file/", "/file/.env", "/file/a/../b", "/file/a//b", "/file/a%00", "/file/%2e%2e/b", "/file/" + "x" * 201, "/file/C:b"]
    with contextlib.closing(connection(table.url)) as client:
        for path in fine + none:
            client.request("GET", quote(path) if not path.isascii() else path)
            response = client.getresponse()
            body = response.read().decode()
            assert response.status == (200 if path in fine else 404), path
            assert path in fine or NOTHING_HERE in body, path
