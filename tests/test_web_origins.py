"""Other sites: hosts that are not the app's, and pages of other origins in the browsers of its visitors."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
from collections.abc import Iterator

import pytest

from model.catalogue import Catalogue
from model.serving.engine import Engine
from model.training.jobs import Jobs
from model.weights import Weights
from tests.support.admin import PASSWORD
from tests.support.client import host_and_port
from tests.support.routes import NOWHERE
from tests.support.viewing import PATIENCE_S, serving
from ui.server import create_server
from ui.web.admin import Lock
from ui.web.hosts import NO_HOST, UNKNOWN_HOST
from ui.web.origins import FOREIGN
from ui.web.site import Site, make_site

EVIL = "http://evil.example"
WRITE = json.dumps({"length": 1}).encode()
GENERATE = json.dumps({"data": ["A", 1, 1, 1, 7, 0, 1, None]}).encode()
REQUESTS = {
    ("GET", "/"): None,
    ("GET", "/config"): None,
    ("GET", "/theme.css"): None,
    ("GET", "/gradio_api/info"): None,
    ("POST", "/gradio_api/call/generate"): GENERATE,
    ("GET", "/healthz"): None,
    ("GET", "/models"): None,
    ("GET", "/limits"): None,
    ("POST", "/write"): WRITE,
    ("POST", "/next"): b'{"prompt": "A"}',
    ("POST", "/admin/login"): b'{"password": "x"}',
    ("GET", "/admin/session"): None,
    ("GET", "/train/runs"): None,
    ("POST", "/train/start"): b"{}",
    ("GET", "/no/such/address"): None,
}
NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
SITE = "gpt.example.org"
REFERERS = [
    f"{EVIL}/",
    f"{EVIL}/127.0.0.1",
    "http://127.0.0.1:1/",
    "android-app://evil.example/",
    "nowhere",
]  # of a picture, over plain http


@contextlib.contextmanager
def serving_page(weights: Weights, site: Site) -> Iterator[str]:
    """The whole app, Gradio's page included, at this site."""
    engine = Engine(weights)
    try:
        with serving(create_server(engine, Catalogue(NOWHERE), Jobs(NOWHERE), Lock(PASSWORD), site)) as url:
            yield url
    finally:
        engine.stop()


@pytest.fixture
def proxied_url(tiny: Weights) -> Iterator[str]:
    """An app behind a proxy on this machine that is trusted, with two more names."""
    with serving_page(tiny, make_site("127.0.0.1", allow_hosts=[SITE, "other.example"], trusted_proxies=["127.0.0.1"])) as url:
        yield url


@pytest.fixture
def addressed_url(tiny: Weights) -> Iterator[str]:
    """An app that was given its whole address."""
    with serving_page(tiny, make_site("127.0.0.1", f"https://{SITE}/gpt")) as url:
        yield url


def ask(url: str, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Sends a request with these headers and returns status, headers and content."""
    connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
    try:
        sent = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, body, sent | {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def allowed(headers: http.client.HTTPMessage) -> list[str]:
    """What the answer lets pages of another origin do."""
    return [value for name, value in headers.items() if name.lower() == "access-control-allow-origin"]


def raw(url: str, request: str) -> tuple[int, bytes]:
    """Status and content of the answer to a request as it is written."""
    with socket.create_connection(host_and_port(url), PATIENCE_S) as connection:
        connection.sendall(request.encode("latin-1"))
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read()


@pytest.mark.parametrize("request_", REQUESTS, ids=" ".join)
def test_a_page_of_another_origin_is_refused_everywhere(url: str, request_: tuple[str, str]) -> None:
    method, path = request_
    for said in (
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": url.replace("http://", "ftp://")},
        {"Origin": url[:-1]},  # another port of this machine
        {"Origin": f"{url}.evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": EVIL},
        *({"Referer": address} for address in REFERERS if method != "GET" or path != "/"),
    ):
        status, headers, content = ask(url, method, path, REQUESTS[request_], **said)
        assert (status, json.loads(content)) == (403, {"error": FOREIGN}), said
        assert not allowed(headers)
    preflight = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type"}
    status, headers, _ = ask(url, "OPTIONS", path, Origin=EVIL, **preflight)
    assert status == 403
    assert not [name for name in headers if name.lower().startswith("access-control-allow")]


@pytest.mark.parametrize("request_", REQUESTS, ids=" ".join)
def test_the_apps_own_page_and_programs_are_answered(url: str, request_: tuple[str, str]) -> None:
    method, path = request_
    for said in (
        {},
        {"Origin": url},
        {"Origin": url, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Origin": "https://the-proxy-changed-the-host.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Referer": f"{url}/?seed=5"},
        {"Referer": url},
        {"Referer": ""},
        {"Referer": f"{EVIL}/", "Origin": url},
    ):
        assert ask(url, method, path, REQUESTS[request_], **said)[0] in (200, 401, 404, 429)  # as if nobody had said anything


def test_a_link_and_a_frame_on_another_site_open_the_page_and_nothing_else(url: str) -> None:
    for opened in (NAVIGATION, NAVIGATION | {"Sec-Fetch-Dest": "iframe"}):
        for path in ("/", "/?prompt=JULIET", "/?__theme=dark"):
            status, headers, content = ask(url, "GET", path, **opened)
            assert status == 200
            assert b"Soliloquy" in content
            assert not allowed(headers)
        for path in ("/models", "/config", "/healthz", "/gradio_api/info"):
            assert ask(url, "GET", path, **opened)[0] == 403
        assert ask(url, "POST", "/", b"x=1", **opened)[0] == 403
    for address in REFERERS:
        assert ask(url, "GET", "/?prompt=JULIET", Referer=address)[0] == 200
        assert ask(url, "GET", "/models", Referer=address)[0] == 403
        assert ask(url, "POST", "/", b"x=1", Referer=address)[0] == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example", "evil", "local", "2130706433", "127.1"],
)
def test_another_host_is_refused_everywhere(url: str, host: str) -> None:
    for (method, path), body in REQUESTS.items():
        status, headers, content = ask(url, method, path, body, Host=host)
        assert (status, json.loads(content)) == (421, {"error": UNKNOWN_HOST})
        assert "--allow-host" in UNKNOWN_HOST
        assert host.encode() not in content
        assert not allowed(headers)
        assert ask(url, method, path, body, Host=host, Origin=f"http://{host}")[0] == 421


def test_this_machine_is_answered_by_all_its_names(url: str) -> None:
    name = socket.gethostname().partition(".")[0]
    for host in (
        "localhost",
        "LOCALHOST:7860",
        "localhost.",
        "127.0.0.1",
        "192.168.1.20:80",
        "[::1]:7860",
        "[2001:db8::5]",
        name,
        f"{name}.local",
    ):
        assert ask(url, "GET", "/healthz", Host=host)[0] == 200, host
        assert ask(url, "POST", "/write", WRITE, Host=host, Origin=f"http://{host}")[0] == 200, host
        assert ask(url, "POST", "/write", WRITE, Host=host, Origin=f"https://{host}")[0] == 200, host  # a proxy that speaks https
        assert ask(url, "POST", "/write", WRITE, Host=host, Origin="http://127.0.0.9")[0] == 403, host


@pytest.mark.parametrize(
    "request_",
    [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost/evil\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost:port\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: b\xfccher.example\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_a_request_without_a_proper_host_is_refused(url: str, request_: str) -> None:
    status, content = raw(url, request_)
    assert status == 400
    assert b"evil" not in content


def test_the_refusal_of_a_host_is_in_words(url: str) -> None:
    assert NO_HOST.encode() in raw(url, "GET / HTTP/1.0\r\n\r\n")[1]


@pytest.mark.parametrize(
    "said",
    [
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Prefix": "/evil"},
        {"X-Gradio-Server": "http://evil.example"},
        {"Forwarded": "host=evil.example"},
    ],
    ids=lambda said: next(iter(said)),
)
def test_what_a_stranger_says_is_not_in_the_page(url: str, said: dict[str, str]) -> None:
    for path in ("/", "/config"):
        told, plain = (re.sub(rb"soliloquy\.answers = .*?;</script>", b"", ask(url, "GET", path, **headers)[2]) for headers in (said, {}))
        assert told == plain  # but for the first screen's texts, which may still be written


def root_of(url: str, path: str = "/config", **headers: str) -> str:
    """Where the page is told that its files are."""
    status, _, content = ask(url, "GET", path, **headers)
    assert status == 200, content
    return json.loads(content)["root"]


def test_the_page_asks_for_nothing_at_the_root_of_its_host(url: str) -> None:
    _, _, page = ask(url, "GET", "/")
    assert b'<link rel="icon" href="favicon.ico" />' in page
    assert re.findall(rb'(?:href|src)="(?!https:)([^"]*)"', page)
    assert not re.findall(rb'(?:href|src)="/[^"]*"', page)


def test_what_a_trusted_proxy_says_is_where_the_page_is(proxied_url: str) -> None:
    said = {"X-Forwarded-Host": SITE, "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/gpt", "X-Forwarded-For": "203.0.113.5"}
    assert root_of(proxied_url, **said) == f"https://{SITE}/gpt"
    assert root_of(proxied_url, "/gpt/config", **said) == f"https://{SITE}/gpt"
    assert root_of(proxied_url) == proxied_url
    assert ask(proxied_url, "POST", "/write", WRITE, Origin=f"https://{SITE}", **said)[0] == 200
    assert ask(proxied_url, "POST", "/write", WRITE, Origin=EVIL, **said)[0] == 403
    assert ask(proxied_url, "GET", "/", **said | {"X-Forwarded-Host": "evil.example"})[0] == 421
    assert ask(proxied_url, "GET", "/healthz", Host="other.example:80")[0] == 200


def test_an_address_that_was_given_is_where_the_page_is(addressed_url: str) -> None:
    for headers in ({}, {"Host": SITE}, {"Host": SITE, "X-Forwarded-Proto": "http"}):
        assert root_of(addressed_url, **headers) == f"https://{SITE}/gpt"
        assert root_of(addressed_url, "/gpt/config", **headers) == f"https://{SITE}/gpt"
        assert ask(addressed_url, "POST", "/write", WRITE, Origin=f"https://{SITE}", **headers)[0] == 200
        assert ask(addressed_url, "POST", "/gpt/write", WRITE, Origin=f"https://{SITE}", **headers)[0] == 200
        assert ask(addressed_url, "POST", "/write", WRITE, Origin=EVIL, **headers)[0] == 403


def test_an_address_that_was_given_is_not_the_only_one(addressed_url: str) -> None:
    """The lecturer may open the page at the machine's own address too."""
    for host in ("192.168.1.20:7860", "localhost:7860"):
        own = {"Host": host, "Origin": f"http://{host}", "Referer": f"http://{host}/"}
        assert ask(addressed_url, "GET", "/", Host=host)[0] == 200
        assert ask(addressed_url, "POST", "/write", WRITE, **own)[0] == 200
        assert ask(addressed_url, "GET", "/models", Host=host, Referer=f"http://{host}/")[0] == 200
        assert ask(addressed_url, "GET", "/models", Host=host, Referer=f"https://{SITE}/gpt/")[0] == 200
        assert ask(addressed_url, "POST", "/write", WRITE, **own | {"Origin": "http://192.168.1.21:7860"})[0] == 403


@pytest.mark.parametrize("name", ["example.org", "lectern.local"])
def test_behind_a_proxy_that_passes_on_its_name_the_app_has_to_know_it(tiny: Weights, name: str) -> None:
    said = {"Host": name, "Origin": f"https://{name}"}
    with serving_page(tiny, make_site("127.0.0.1", "/gpt")) as url:
        assert ask(url, "POST", "/gpt/write", WRITE, **said)[0] == 421
    with serving_page(tiny, make_site("127.0.0.1", "/gpt", allow_hosts=[name])) as url:
        for path in ("/write", "/gpt/write"):
            assert ask(url, "POST", path, WRITE, **said)[0] == 200
            assert ask(url, "POST", path, WRITE, **said | {"Origin": EVIL})[0] == 403
        assert root_of(url, "/gpt/config", Host=name) == f"http://{name}/gpt"


def test_the_prefix_alone_leads_to_the_page(addressed_url: str) -> None:
    status, headers, _ = ask(addressed_url, "GET", "/gpt?prompt=A")
    assert status == 307
    assert headers["Location"] == f"https://{SITE}/gpt/?prompt=A"
