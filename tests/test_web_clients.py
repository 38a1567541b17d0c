"""Who the client is, and what is believed of the proxies before the app."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from model.errors import ParameterError
from ui.web.clients import EVERY_PROXY, Forwarded, Proxies, as_prefix, client_of
from ui.web.http import route_path
from ui.web.site import make_site

PROXY = "10.0.0.1"
TRUSTED = Proxies.named([PROXY, "2001:db8:9::/48"])
FORWARDED = {
    "X-Forwarded-For": "203.0.113.5",
    "X-Forwarded-Host": "gpt.example.org",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/gpt/",
    "X-Forwarded-Port": "443",
    "Forwarded": "for=203.0.113.5",
    "X-Gradio-Server": "http://evil.example",
}


def as_made(peer: str, headers: dict[str, str] | None = None, path: str = "/write", proxies: Proxies = TRUSTED, prefix: str = "") -> Scope:
    """A request behind the middleware."""
    made: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        made.append(scope)

    async def nothing(*_: object) -> None: ...

    sent = {"Host": "here:7860", "Accept": "*/*"} | (headers or {})
    raw = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    scope = {
        "type": "http",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "client": (peer, 5),
        "headers": raw,
        "root_path": "",
    }
    asyncio.run(Forwarded(app, proxies, prefix)(scope, nothing, nothing))
    return made[0]


def names_of(scope: Scope) -> list[bytes]:
    return sorted(name for name, _ in scope["headers"])


def client(peer: str, forwarded: str | None = None, proxies: Proxies = TRUSTED) -> str:
    return client_of(HTTPConnection(as_made(peer, {} if forwarded is None else {"X-Forwarded-For": forwarded}, proxies=proxies)))


def test_what_a_stranger_says_about_a_request_is_not_heard() -> None:
    scope = as_made("203.0.113.9", FORWARDED)
    assert scope == as_made("203.0.113.9")
    assert names_of(scope) == [b"accept", b"host"]
    assert (scope["scheme"], scope["path"], scope["client"][0], scope["root_path"]) == ("http", "/write", "203.0.113.9", "")


def test_what_a_trusted_proxy_says_becomes_the_request() -> None:
    scope = as_made(PROXY, FORWARDED)
    assert names_of(scope) == [b"accept", b"host"]
    assert dict(scope["headers"])[b"host"] == b"gpt.example.org"
    assert (scope["scheme"], scope["client"][0]) == ("https", "203.0.113.5")
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/gpt", "/gpt/write", b"/gpt/write")


def test_a_proxy_that_says_nothing_is_a_client_like_others() -> None:
    assert as_made(PROXY) == as_made(PROXY, proxies=Proxies())
    assert client(PROXY) == PROXY


def test_before_the_last_comma_speaks_the_client_itself() -> None:
    told = {name: f"{lie}, {FORWARDED[name]}" for name, lie in {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"}.items()}
    scope = as_made(PROXY, told)
    assert dict(scope["headers"])[b"host"] == b"gpt.example.org"
    assert scope["root_path"] == "/gpt"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("1.1.1.1, 203.0.113.5", "203.0.113.5"),
        ("1.1.1.1, 203.0.113.5, 10.0.0.1", "203.0.113.5"),  # the next proxy in a chain
        ("10.0.0.1", "10.0.0.1"),
        ("203.0.113.5:4711", "203.0.113.5"),
        ("[2001:db8:1:2::5]:4711", "2001:db8:1:2::/64"),
        ("garbage17, 203.0.113.5", "203.0.113.5"),
        ("garbage17, 203.0.113.5, 10.0.0.1", "203.0.113.5"),
        ("1.1.1.1, garbage17, 10.0.0.1", "10.0.0.1"),
        ("2001:db8:9::1, 10.0.0.1", "2001:db8:9::/64"),  # a client in the proxies' network
        (", 203.0.113.5", "203.0.113.5"),
        (", 10.0.0.1", "10.0.0.1"),
        ("1.2.3.4%x, 203.0.113.5", "203.0.113.5"),
        ("1.2.3.4%x, 10.0.0.1", "10.0.0.1"),
        ("1.1.1.1,", PROXY),
        ("", PROXY),
        ("unknown", PROXY),
        ("x" * 1000, PROXY),
    ],
)
def test_a_client_behind_a_trusted_proxy_is_the_last_address_that_is_none(forwarded: str, expected: str) -> None:
    assert client(PROXY, forwarded) == expected


@pytest.mark.parametrize("proxies", [EVERY_PROXY, Proxies.named(["0.0.0.0/0"])], ids=["all", "all of IPv4"])
@pytest.mark.parametrize("lie", ["garbage17", "", "1.2.3.4%x", "fe80::1%x", "1.1.1.1", "1.1.1.1, 10.0.0.1", "1.1.1.1, garbage17, 10.0.0.1"])
def test_where_everybody_is_trusted_nobody_chooses_a_name(proxies: Proxies, lie: str) -> None:
    assert client("10.9.8.7", f"{lie}, 203.0.113.9", proxies) == "203.0.113.9"


def test_on_a_space_every_connection_is_its_proxys() -> None:
    assert client("10.9.8.7", "1.1.1.1, 203.0.113.5", EVERY_PROXY) == "203.0.113.5"
    assert client("10.9.8.7", None, EVERY_PROXY) == "10.9.8.7"
    assert make_site("0.0.0.0", environment={"SPACE_ID": "a/b"}).proxies == EVERY_PROXY
    assert make_site("0.0.0.0", trusted_proxies=[PROXY], environment={}).proxies == Proxies.named([PROXY])


def test_one_client_has_one_name() -> None:
    assert client("::ffff:192.0.2.7") == "192.0.2.7"  # where one socket listens for both
    assert client("2001:db8:1:2::5") == client("2001:db8:1:2:ffff::6") != client("2001:db8:1:3::5")
    assert TRUSTED.trust("::ffff:10.0.0.1")
    assert TRUSTED.trust("2001:db8:9:1::1")
    assert not TRUSTED.trust("")


@pytest.mark.parametrize("path", ["/write", "/gpt/write"])
def test_a_prefix_is_part_of_the_path_whether_the_proxy_strips_it_or_not(path: str) -> None:
    scope = as_made("203.0.113.9", path=path, prefix="/gpt")
    assert (scope["root_path"], scope["path"], route_path(scope)) == ("/gpt", "/gpt/write", "/write")


@pytest.mark.parametrize(
    ("path", "full", "route"), [("/", "/gpt/", "/"), ("/gpt", "/gpt", ""), ("/gpt/", "/gpt/", "/"), ("/gptx", "/gpt/gptx", "/gptx")]
)
def test_what_only_looks_like_the_prefix_is_none(path: str, full: str, route: str) -> None:
    scope = as_made("203.0.113.9", path=path, prefix="/gpt")
    assert (scope["path"], route_path(scope)) == (full, route)


@pytest.mark.parametrize("path", ["gpt", "//evil.example", "/a/../b", "/a b", "/a?b", "/a#b", "/<script>", "/a\\b", "https://x/"])
def test_what_is_no_path_is_no_prefix(path: str) -> None:
    assert as_prefix(path) == ""
    assert as_made(PROXY, {"X-Forwarded-Prefix": path})["root_path"] == ""


def test_the_root_path_may_be_a_path_or_an_address() -> None:
    assert make_site("127.0.0.1", "").prefix == make_site("127.0.0.1", "/").prefix == ""
    site = make_site("127.0.0.1", "/gpt/")
    assert (site.prefix, site.origin, site.address) == ("/gpt", "", "")
    site = make_site("127.0.0.1", "https://GPT.example.org:8443/a/b")
    assert (site.prefix, site.origin, site.address) == ("/a/b", "https://GPT.example.org:8443", "https://GPT.example.org:8443/a/b/")
    assert "gpt.example.org" in site.names
    assert make_site("127.0.0.1", "https://example.org").address == "https://example.org/"


@pytest.mark.parametrize(
    "root_path", ["gpt", "ftp://example.org/gpt", "https://", "/a?b=c", "https://user@example.org/", "//example.org", "/../x"]
)
def test_another_root_path_is_refused(root_path: str) -> None:
    with pytest.raises(ParameterError, match="--root-path must be"):
        make_site("127.0.0.1", root_path)


def test_names_that_are_none_are_refused() -> None:
    with pytest.raises(ParameterError, match="--allow-host must be a name"):
        make_site("127.0.0.1", allow_hosts=["https://example.org"])
    with pytest.raises(ParameterError, match="A trusted proxy is an IP address or a network"):
        make_site("127.0.0.1", trusted_proxies=["localhost"])


def test_a_space_answers_to_the_names_that_it_is_given() -> None:
    names = make_site("0.0.0.0", environment={"SPACE_ID": "a/b", "SPACE_HOST": "a-b.hf.space,gpt.example.org"}).names
    assert {"a-b.hf.space", "gpt.example.org", "localhost"} <= set(names)
