"""Gradio's addresses over real HTTP: which of them exist, what programs may ask for, and that nothing is kept for those who do not read."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import pytest
import torch
from gradio.routes import App as Gradio
from gradio_client import Client
from starlette.routing import Match

from model.catalogue import Catalogue
from model.config import GPTConfig
from model.limits import CLASS_SIZE, MAX_PROMPT_CHARS, MAX_VIEWER_ROWS, MAX_VIEWER_WAITING
from model.network.gpt import GPT
from model.sampling import SamplingParams
from model.serving.engine import Engine
from model.serving.request import DONE
from model.tokenizer import CharTokenizer
from model.training.jobs import Jobs
from model.weights import Weights
from tests.conftest import TINY, VOCABULARY
from tests.support.admin import PASSWORD, wait_for
from tests.support.client import host_and_port
from tests.support.viewing import IDLE, PATIENCE_S, serving, wait_until
from ui import gradio_events
from ui.gradio_events import MAX_CLIENT_EVENTS, Events
from ui.gradio_routes import MAX_CALL_BYTES, NO_ENDPOINT, NO_EVENT, open_routes
from ui.page import create_page
from ui.server import NOTHING_HERE, create_routes, make_app, mount_page
from ui.web import stream
from ui.web.admin import Lock
from ui.web.http import TOO_MANY, Route, addresses
from ui.web.progress import View, follow

OPEN = {  # of Gradio's own, as its router calls them
    ("GET", "/"),
    ("GET", "/assets/{path:path}"),
    ("GET", "/static/{path:path}"),
    ("GET", "/theme.css"),
    ("GET", "/favicon.ico"),
    ("GET", "/config"),
    ("GET", "/gradio_api/info"),
    ("POST", "/gradio_api/queue/join"),
    ("GET", "/gradio_api/queue/data"),
    ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/call/{api_name}"),
    ("POST", "/gradio_api/call/v2/{api_name}"),
    ("GET", "/gradio_api/call/{api_name}/{event_id}"),
}
CLOSED = [
    "/pwa_icon",
    "/pwa_icon/8000",
    "/pwa_icon/-1",
    "/monitoring",
    "/monitoring/summary",
    "/manifest.json",
    "/robots.txt",
    "/login",
    "/logout",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/svelte/svelte.js",
    "/static/img/logo.svg",
    "/static/js/../img/logo.svg",
    "/assets/..%2f..%2findex.html",
    "/assets/%00",
    "/assets/" + "x" * 5_000,
    "/gradio_api/upload",
    "/gradio_api/upload_progress?upload_id=1",
    "/gradio_api/component_server",
    "/gradio_api/run/generate",
    "/gradio_api/run/predict",
    "/gradio_api/api/generate",
    "/gradio_api/api/predict",
    "/gradio_api/openapi.json",
    "/gradio_api/deep_link?session_hash=1",
    "/gradio_api/heartbeat/abc",
    "/gradio_api/queue/status",
    "/gradio_api/startup-events",
    "/gradio_api/reset",
    "/gradio_api/stream/abc",
    "/gradio_api/vibe-code",
    "/gradio_api/process_recording",
    "/gradio_api/proxy=https://example.org/",
    "/gradio_api/file=ui/server.py",
    "/gradio_api/file=https://example.org/",
    "/gradio_api/file/ui/server.py",
    "/gradio_api/app_id",
    "/gradio_api/token",
    "/gradio_api/user",
]


@dataclass
class App:
    """The whole app with a small random network that a test can slow down.

    Attributes:
        table: its routes.
        passes: of the network, so far.
        pause_s: before each pass.
    """

    engine: Engine
    page: gr.Blocks = field(init=False)
    gradio: Gradio = field(init=False)
    events: Events = field(init=False)
    table: list[Route] = field(init=False)
    url: str = ""
    passes: int = 0
    pause_s: float = 0.0

    def kept(self) -> dict[str, Any]:
        """Everything that is kept for events and sessions, where there is anything."""
        queue, states = self.page._queue, self.gradio.state_holder
        places = {
            "messages": queue.pending_messages_per_session,
            "unread": queue.pending_event_ids_session,
            "events": queue.event_ids_to_events,
            "diffs": self.page.pending_diff_streams,
            "streams": self.page.pending_streams,
            "iterators": self.gradio.iterators,
            "to reset": self.gradio.iterators_to_reset,
            "states": states.session_data,
            "times": states.time_last_used,
            "ours": self.events._events,
            "listeners": self.events._listeners,
            "turns": self.events._turns,
        }
        return {name: place for name, place in places.items() if place}

    def wait_until_nothing_is_kept(self) -> None:
        wait_until(IDLE, self.url)
        wait_for(lambda: not self.kept(), SOON_S)


SOON_S = 60.0  # even on a busy machine


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One app for all tests."""
    folder = tmp_path_factory.mktemp("app")
    network = GPT(GPTConfig(**TINY), torch.Generator().manual_seed(0)).eval().requires_grad_(False)
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr(gradio_events, "LOOK_S", 0.05)
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)  # of networks this small two threads make short work only where nothing else runs
        app = App(Engine(Weights(name="tiny", model=network, tokenizer=CharTokenizer(VOCABULARY), about={}, sha256="")))
        app.page = create_page(app.engine)
        app.gradio, lifespan = mount_page(app.page)
        app.events = Events(app.page, app.gradio)
        ours = create_routes(app.engine, Catalogue(folder / "weights"), Jobs(folder / "runs"), Lock(PASSWORD))
        app.table = [*ours, *open_routes(app.page, app.gradio, app.events)]

        def slow_down(*_: object) -> None:
            app.passes += 1
            time.sleep(app.pause_s)

        network.register_forward_pre_hook(slow_down)
        stack.callback(app.engine.stop)
        app.url = stack.enter_context(serving(make_app(app.table, app.engine, lifespan=lifespan)))
        yield app


@pytest.fixture
def app(served: App, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[App]:
    """The app as quick as it is, with nothing kept from an earlier test. No exception may escape in it."""
    served.passes = 0
    yield served
    served.pause_s = 0.0
    monkeypatch.setattr(gradio_events, "UNHEARD_S", 0.0)
    served.wait_until_nothing_is_kept()
    assert "Traceback" not in "".join(capfd.readouterr())


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def fetch(url: str, path: str, method: str = "GET", body: Any = None, source: str = "127.0.0.1", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S, source_address=(source, 0))
    try:
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, sent, {"Content-Type": "application/json", **given} if sent is not None else given)
        response = connection.getresponse()
        endless = path.startswith("/class/stream") and response.status == 200 and method == "GET"
        return Answer(response.status, response.headers, response.read1() if endless else response.read())
    finally:
        connection.close()


def call(url: str, source: str = "127.0.0.1", **settings: Any) -> Answer:
    return fetch(url, "/gradio_api/call/v2/generate", "POST", {"prompt": "ROMEO:", "seed": 7, **settings}, source)


def read(url: str, event: str) -> list[tuple[str, Any]]:
    """The names and the data of an event's messages."""
    answer = fetch(url, f"/gradio_api/call/generate/{event}")
    assert answer.status == 200, answer.body
    return [(name, json.loads(data)) for name, data in re.findall(r"event: (\w+)\ndata: (.*)\n\n", answer.body.decode())]


# Which addresses exist.


def addresses_of(router: Any) -> Iterator[tuple[str, str]]:
    """Method and path of each route of a router, and of those that it includes."""
    for route in router.routes:
        if inner := getattr(route, "original_router", None) or (route if hasattr(route, "routes") else None):
            yield from addresses_of(inner)
        else:
            yield from ((method, route.path) for method in route.methods)


def test_each_address_of_gradio_is_in_the_table_or_does_not_exist(app: App) -> None:
    theirs = set(addresses_of(app.gradio))
    assert {("POST", "/gradio_api/upload"), ("GET", "/pwa_icon/{size}"), ("GET", "/monitoring/{key}"), *OPEN} <= theirs
    found = set()
    for method, pattern in sorted(theirs):
        path = re.sub(r"\{[^}]*\}", "js/1" if pattern.startswith("/static") else "1", pattern)
        scope = {"type": "http", "path": path, "method": method, "headers": []}
        matching = [
            route for route, address in zip(app.table, addresses(app.table), strict=True) if address.matches(scope)[0] != Match.NONE
        ]
        if matching and method in (matching[0].method, "HEAD"):
            found.add(("GET" if method == "HEAD" else method, pattern))
            continue
        answer = fetch(app.url, path, method)
        if answer.status == 307:  # as any address with a slash too many
            assert answer.headers["Location"] == app.url + path.rstrip("/")
        else:
            assert answer.status == 404, (method, pattern)
            assert method == "HEAD" or answer.json == {"error": NOTHING_HERE}, (method, pattern)
    assert found == OPEN


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"])
def test_what_the_page_and_programs_do_not_need_does_not_exist(app: App, method: str) -> None:
    for path in CLOSED:
        answer = fetch(app.url, path, method, b"{}" if method == "POST" else None)
        assert answer.status == 404, path
        assert method == "HEAD" or answer.json == {"error": NOTHING_HERE}, path


def test_what_is_passed_on_is_the_same_whatever_the_query_and_the_range(app: App) -> None:
    for path in ("/", "/config", "/gradio_api/info", "/theme.css", "/favicon.ico", "/static/js/iframeResizer.contentWindow.min.js"):
        plain = fetch(app.url, path)
        assert plain.status == 200, path
        odd = fetch(app.url, f"{path}?page=nope&deep_link=../../x&all_endpoints=1", Range="bytes=0-1,3-4,7-,-2")
        assert (odd.status, odd.body) == (200, plain.body), path


# Every route of the table.


def samples(table: list[Route]) -> list[tuple[Route, str]]:
    """An address for each route."""
    words = {"name": "generate", "event": "0123abc", "key": "0123abc", "run": "20261126-101500-ab12"}
    return [(route, re.sub(r"\{(\w+)(:\w+)?\}", lambda match: words.get(match[1], "0"), route.path)) for route in table]


def test_head_is_answered_as_get_is_without_the_body(app: App) -> None:
    for route, path in samples(app.table):
        head = fetch(app.url, path, "HEAD", Accept_Encoding="gzip")
        assert head.body == b""
        if route.method == "GET":
            got = fetch(app.url, path, "GET", Accept_Encoding="gzip")
            assert head.status == got.status, path
            assert {**head.headers, "date": ""} == {**got.headers, "date": ""}, path
        else:
            assert head.status == (401 if isinstance(route.access, Lock) else 405), path


def test_a_route_takes_so_many_bytes(app: App) -> None:
    token = fetch(app.url, "/admin/login", "POST", {"password": PASSWORD}).json["token"]
    for route, path in samples(app.table):
        connection = http.client.HTTPConnection(*host_and_port(app.url), timeout=PATIENCE_S)
        connection.putrequest(route.method, path)
        for name, value in {"Content-Length": str(route.max_bytes + 1), "Authorization": f"Bearer {token}"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        assert (response.status, f"{route.max_bytes:,} bytes" in response.read().decode()) == (413, True), path
        connection.close()
    longest = json.dumps({"data": ["\N{GRINNING FACE}" * MAX_PROMPT_CHARS, 1.0, 1]}).encode()
    assert len(longest) <= MAX_CALL_BYTES
    assert fetch(app.url, "/gradio_api/call/generate", "POST", longest).status == 200


def patient(url: str, path: str, body: bytes) -> Answer:
    """The answer to a body, asked for again as long as the load does not admit it."""
    answers = list[Answer]()

    def is_admitted() -> bool:
        answers.append(fetch(url, path, "POST", body))
        return answers[-1].status != 503

    wait_for(is_admitted, SOON_S)
    return answers[-1]


# Characters that the model does not know are left out and named, also where nothing else is left: an empty text has no numbers, no copies.
LEAVE_OUT = ("/learning/encode", "/learning/copied")


def test_odd_requests_are_refused_at_each_route(app: App) -> None:
    malformed = [b"", b"null", b"[]", b'"x"', b"\xff\x00", b"[" * 5_000, b'{"data": ' * 500, b'{"x": NaN}', b"9" * 9_000]
    fields = ("data", "prompt", "text", "fn_index", "session_hash", "event_id", "seed", "model", "password", "heads_off", "viewer")
    values = (None, -1, 1e999, [], {}, "\ud800", "\0", [[[]]], {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}})
    bodies = [(body, False) for body in malformed]
    for name in fields:  # a few are right: any name of a viewer, for instance
        bodies += [(json.dumps({name: value}).encode(), name in ("data", "prompt", "viewer") or value in (None, [])) for value in values]
    for route, path in samples(app.table):
        if route.method == "POST" and not isinstance(route.access, Lock):
            for body, may_be_right in bodies:
                answer = patient(app.url, path, body)
                words = answer.body.decode()
                names_it = path in LEAVE_OUT and ("Left out" in words or "needs no corpus" in words)
                assert answer.status in range(400, 500) or (answer.status == 200 and (may_be_right or names_it)), (path, body, answer.body)
        elif route.method == "GET":
            for odd in (f"{path}?session_hash=%00&from=-1&edition=%ff", path.replace("0123abc", "%00"), path.replace("/0", "/-1")):
                answer = fetch(app.url, odd, Range="bytes=5-1,-9,99999999999999999999-", If_None_Match="\x7f", Accept_Encoding="x" * 99)
                assert answer.status < 500, (odd, answer.body)


def test_a_client_has_so_many_requests_in_progress_at_each_route(app: App) -> None:
    for route, path in samples(app.table):
        assert 0 < route.at_once <= CLASS_SIZE
        with contextlib.ExitStack() as in_progress:
            wait_for(lambda route=route: not route._in_progress._counts, SOON_S)  # an earlier request has ended for the server too
            for _ in range(route.at_once):
                assert in_progress.enter_context(route._in_progress.one_more("127.0.0.1"))
            refused = fetch(app.url, path, route.method)
            assert (refused.status, refused.headers["Retry-After"].isdigit(), refused.json) == (503, True, {"error": TOO_MANY}), path
            assert fetch(app.url, path, route.method, source="127.0.0.2").status != 503, path
        assert fetch(app.url, path, route.method).status != 503, path


# What programs ask for.


def test_programs_call_by_order_and_by_names(app: App) -> None:
    by_order = fetch(app.url, "/gradio_api/call/generate", "POST", {"data": ["ROMEO:", 1.0, 30, 2, 7]})
    by_names = call(app.url, temperature=1.0, length=30, samples=2)
    texts = [read(app.url, answer.json["event_id"])[-1] for answer in (by_order, by_names)]
    assert [name for name, _ in texts] == ["complete", "complete"]
    first, second = (data[0] for _, data in texts)
    assert (first["state"], [len(text) for text in first["texts"]]) == ("done", [30, 30])
    assert second["texts"] == first["texts"]
    app.wait_until_nothing_is_kept()


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("call/nope", {"data": ["A"]}, 404, NO_ENDPOINT),
        ("call/v2/nope", {"prompt": "A"}, 404, NO_ENDPOINT),
        ("call/generate", {}, 400, "data must be a list of at most 8 values: prompt, temperature"),
        ("call/generate", {"data": "A"}, 400, "data must be a list"),
        ("call/generate", {"data": []}, 400, "prompt is missing."),
        ("call/generate", {"data": ["A"] * 9}, 400, "data must be a list of at most 8 values"),
        ("call/v2/generate", {"prompt": "A", "colour": 1}, 400, "There is no setting 'colour'."),
        ("call/v2/generate", {}, 400, "prompt is missing."),
        ("queue/join", {"data": ["A"], "fn_index": 77, "session_hash": "a"}, 404, NO_ENDPOINT),
        ("queue/join", {"data": ["A"], "fn_index": -1, "session_hash": "a"}, 404, NO_ENDPOINT),
        ("queue/join", {"data": ["A"], "fn_index": "0", "session_hash": "a"}, 404, NO_ENDPOINT),
        ("queue/join", {"data": ["A"], "fn_index": [0], "session_hash": "a"}, 404, NO_ENDPOINT),
        ("queue/join", {"data": ["A"], "session_hash": "a"}, 404, NO_ENDPOINT),
        ("queue/join", {"data": ["A"], "fn_index": 0}, 400, "session_hash must be 1 to 64 letters"),
        ("queue/join", {"data": ["A"], "fn_index": 0, "session_hash": "x" * 65}, 400, "session_hash must be"),
        ("queue/join", {"data": ["A"], "fn_index": 0, "session_hash": "a/../b"}, 400, "session_hash must be"),
        ("queue/join", {"fn_index": 0, "session_hash": "a"}, 400, "data must be a list"),
        ("cancel", {"session_hash": "a"}, 400, "event_id must be"),
    ],
)
def test_what_a_program_gets_wrong_is_said(app: App, path: str, body: dict[str, Any], status: int, error: str) -> None:
    answer = fetch(app.url, f"/gradio_api/{path}", "POST", body)
    assert (answer.status, answer.json["error"][: len(error)]) == (status, error)
    assert not app.kept()


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"prompt": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}}, "The prompt must be a string"),
        ({"prompt": None}, "The prompt must be a string"),
        ({"temperature": "hot"}, "temperature must be a number"),
        ({"length": -1}, "length must be between"),
        ({"samples": 10**30}, "samples must be between"),
        ({"seed": [1]}, "seed must be a whole number"),
        ({"top_p": 1e999}, "top_p must be"),
        ({"model": 5}, "The model must be a key"),
        ({"model": ["a"]}, "The model must be a key"),
        ({"model": "none"}, "There is no such model"),
    ],
)
def test_a_value_of_the_wrong_type_is_a_clear_error(app: App, settings: dict[str, Any], error: str) -> None:
    ((name, data),) = read(app.url, call(app.url, **settings).json["event_id"])
    assert (name, error in data["error"]) == ("error", True), data
    app.wait_until_nothing_is_kept()


def test_only_what_there_is_can_be_read(app: App) -> None:
    for path in (
        "queue/data",
        "queue/data?session_hash=abc",
        "queue/data?session_hash=%00",
        "call/generate/abc",
        "call/generate/" + "0" * 32,
    ):
        answer = fetch(app.url, f"/gradio_api/{path}")
        assert (answer.status, answer.json) == (404, {"error": NO_EVENT})
    event = call(app.url, length=5).json["event_id"]
    assert read(app.url, event)[-1][0] == "complete"
    assert fetch(app.url, f"/gradio_api/call/generate/{event}").status == 404  # it was read already


def test_head_of_a_stream_takes_nothing_from_it(app: App) -> None:
    event = call(app.url, length=5).json["event_id"]
    for _ in range(3):
        head = fetch(app.url, f"/gradio_api/call/generate/{event}", "HEAD")
        assert (head.status, head.headers.get_content_type(), head.body) == (200, "text/event-stream", b"")
    assert read(app.url, event)[-1][0] == "complete"


def test_gradios_client_predicts_streams_cancels_and_lists(app: App) -> None:
    client = Client(app.url, verbose=False)
    assert [*client.view_api(return_format="dict")["named_endpoints"]] == ["/generate"]
    assert len(client.predict("ROMEO:", length=40, seed=7, api_name="/generate")["texts"][0]) == 40
    app.pause_s = 0.01
    views = [*client.submit("ROMEO:", length=100, seed=7, api_name="/generate")]
    assert len(views) > 2
    assert views[-1]["texts"] == client.predict("ROMEO:", length=100, seed=7, api_name="/generate")["texts"]
    app.wait_until_nothing_is_kept()
    job = client.submit("ROMEO:", length=2_000, seed=7, api_name="/generate")
    wait_for(lambda: job.outputs())
    before = app.passes
    job.cancel()
    app.wait_until_nothing_is_kept()
    assert app.passes - before < 1_000


def test_what_is_followed_is_told_without_waiting_for_a_heartbeat(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 10 * SOON_S)
    request = app.engine.submit("ROMEO:", SamplingParams(max_new_chars=5))

    async def views() -> list[View]:
        return [view async for view in follow(request, "float32")]

    told = asyncio.run(asyncio.wait_for(views(), SOON_S))
    assert (told[-1]["state"], len(told[-1]["texts"][0])) == (DONE, 5)


# What is kept, and for how long.


def test_events_are_bounded_per_client_and_in_all(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.pause_s = 0.1
    asked = {"length": 2_000, "samples": 1}
    sessions = [f"invented-{number}" for number in range(MAX_CLIENT_EVENTS)]  # a client is one however it names its sessions
    for session in sessions:
        body = {"data": ["A", 1.0, 2_000], "fn_index": 0, "session_hash": session}
        assert fetch(app.url, "/gradio_api/queue/join", "POST", body).status == 200
    refused = call(app.url, **asked)
    assert (refused.status, refused.headers["Retry-After"].isdigit()) == (503, True)
    assert f"{MAX_CLIENT_EVENTS} of your requests are in progress or unread" in refused.json["error"]
    assert call(app.url, source="127.0.0.2", **asked).status == 200
    monkeypatch.setattr(gradio_events, "MAX_EVENTS", MAX_CLIENT_EVENTS + 1)
    assert "Try again in a minute" in call(app.url, source="127.0.0.3", **asked).json["error"]
    monkeypatch.setattr(gradio_events, "UNHEARD_S", 0.0)
    app.wait_until_nothing_is_kept()
    assert call(app.url, length=5).status == 200


def test_the_engine_counts_a_client_as_one_viewer(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradio_events, "UNHEARD_S", PATIENCE_S)  # nobody listens to those that wait
    app.pause_s = 0.05
    largest = {"length": 2_000, "samples": 16}
    for count, state, reached in ((MAX_VIEWER_ROWS // 16, "writing", MAX_VIEWER_ROWS), (MAX_VIEWER_WAITING, "waiting", MAX_VIEWER_WAITING)):
        for _ in range(count):
            assert call(app.url, **largest).status == 200
        wait_for(lambda state=state, reached=reached: app.engine.health()[state] == reached, SOON_S)
    name, told = read(app.url, call(app.url, **largest).json["event_id"])[0]
    assert name == "error"
    assert f"{MAX_VIEWER_WAITING} of your requests are already waiting" in told["error"]
    assert app.engine.health()["waiting"] == MAX_VIEWER_WAITING


@pytest.mark.parametrize("listener", ["never came", "left", "vanished from a session"])
def test_what_nobody_listens_to_is_given_up(app: App, monkeypatch: pytest.MonkeyPatch, listener: str) -> None:
    app.pause_s = 0.01
    if listener == "vanished from a session":
        body = {"data": ["A", 1.0, 2_000, 16], "fn_index": 0, "session_hash": "s"}
        events = [fetch(app.url, "/gradio_api/queue/join", "POST", body).json["event_id"] for _ in range(3)]
        stream = "/gradio_api/queue/data?session_hash=s"
    else:
        events = [call(app.url, length=2_000, samples=16).json["event_id"] for _ in range(3)]
        stream = f"/gradio_api/call/generate/{events[0]}"
    wait_for(lambda: app.engine.health()["writing"] == 48, SOON_S)
    if listener != "never came":
        connection = http.client.HTTPConnection(*host_and_port(app.url), timeout=PATIENCE_S)
        connection.request("GET", stream)
        assert connection.getresponse().readline()
        connection.close()
        wait_for(lambda: fetch(app.url, stream, "HEAD").status == 404, SOON_S)
    monkeypatch.setattr(gradio_events, "UNHEARD_S", 0.3)
    app.wait_until_nothing_is_kept()
    assert app.passes < 2_000  # none of the texts was written to its end


def test_what_is_listened_to_is_written_to_its_end_however_long_it_takes(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradio_events, "UNHEARD_S", 0.05)
    app.pause_s = 0.01
    monkeypatch.setattr(gradio_events, "LOOK_S", 0.01)
    name, data = read(app.url, call(app.url, length=100).json["event_id"])[-1]
    assert (name, data[0]["state"], len(data[0]["texts"][0])) == ("complete", "done", 100)
    app.wait_until_nothing_is_kept()


def test_an_answer_that_is_ready_waits_for_its_reader_for_a_while(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    event = call(app.url, length=5).json["event_id"]
    wait_until(IDLE, app.url)
    assert read(app.url, event)[-1][0] == "complete"
    unread = call(app.url, length=5).json["event_id"]
    monkeypatch.setattr(gradio_events, "UNHEARD_S", 0.0)
    app.wait_until_nothing_is_kept()
    assert fetch(app.url, f"/gradio_api/call/generate/{unread}").json == {"error": NO_EVENT}


def test_an_event_is_read_by_one_listener_at_a_time_and_by_its_client_alone(app: App) -> None:
    app.pause_s = 0.02
    event = call(app.url, length=60).json["event_id"]
    path = f"/gradio_api/call/generate/{event}"
    with ThreadPoolExecutor() as threads:
        readers = [threads.submit(fetch, app.url, path) for _ in range(3)]
        assert fetch(app.url, path, source="127.0.0.9").status == 404
        answers = [reader.result() for reader in readers]
    assert sorted(answer.status for answer in answers) == [200, 404, 404]
    assert [answer.json for answer in answers if answer.status == 404] == [{"error": NO_EVENT}] * 2
    assert next(answer for answer in answers if answer.status == 200).body.count(b"event: complete") == 1
    app.wait_until_nothing_is_kept()
