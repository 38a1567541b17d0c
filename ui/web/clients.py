"""Who asks: the client of a request, and the proxies that are trusted to name it.

A client is the host that the connection comes from, whatever it claims to be. A proxy connects for many clients. It says whom it serves,
and at which address, in the headers X-Forwarded-For, -Host, -Proto and -Prefix. Anybody can send these. So they are read in one place, and
only from trusted proxies: what they say becomes part of the request, and nothing behind this place sees the headers themselves.

A proxy adds what it knows at the end of a header. What stands before that may come from the client, so X-Forwarded-For is read from its
end, as far as each part is the address of a trusted proxy.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from model.errors import ParameterError

IPV6_NETWORK = 64  # bits of a household's or a class's network
SHOWN_CHARS = 100  # of a client that has no IP address
PREFIX = re.compile(r"(/[\w~-][\w.~-]*)*", re.ASCII)  # the path of a reverse proxy, as /gpt

Header = tuple[bytes, bytes]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Proxies:
    """The proxies that are trusted, by the networks that they are in."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def named(cls, names: Iterable[str]) -> Proxies:
        """Proxies by their addresses or networks.

        Raises:
            ParameterError: a name is neither.
        """
        try:
            return cls(tuple(ipaddress.ip_network(name, strict=False) for name in names))
        except ValueError as error:
            raise ParameterError(f"A trusted proxy is an IP address or a network such as 10.0.0.0/8 ({error}).") from error

    def trust(self, host: str) -> bool:
        """Whether a host is one of them."""
        address = _address(host)
        return address is not None and any(address in network for network in self.networks)

    def client(self, hops: Iterable[str]) -> str:
        """The client behind trusted proxies: the last hop that is not one of them, or else the first; "" if there is no address.

        Where every address is trusted, no hop is known to be a proxy, so it is the last one.

        Args:
            hops: hosts, each as the next one names it. Those before anything that is not an address are not believed.
        """
        client = ""
        known = Proxies(tuple(network for network in self.networks if network.prefixlen))
        for hop in reversed(list(hops)):
            if _address(hop) is None:
                break
            client = hop
            if not known.trust(hop):
                break
        return client


EVERY_PROXY = Proxies.named(["0.0.0.0/0", "::/0"])  # where the app can be reached through a proxy alone, as in a Space


class Forwarded:
    """Middleware around everything: the request as the client made it, without the headers in which a proxy describes it.

    Sets the scope's `client`, `scheme`, `root_path` and Host. The path begins with the prefix, whether the proxy strips it or not.

    Args:
        prefix: the path that a proxy serves the app under, if it does not say so itself.
    """

    def __init__(self, app: ASGIApp, proxies: Proxies, prefix: str):
        self.app, self.proxies, self.prefix = app, proxies, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        await self.app(self._as_made(scope) if scope["type"] == "http" else scope, receive, send)

    def _as_made(self, scope: Scope) -> Scope:
        peer = scope["client"][0] if scope.get("client") else ""
        said = Headers(scope=scope) if self.proxies.trust(peer) else Headers()
        headers = [(name, value) for name, value in scope["headers"] if not _describes_a_request(name)]
        if host := _last(said, "host"):
            headers = with_host(headers, host)
        made = {**scope, "headers": headers}
        if client := self.proxies.client(_without_port(hop.strip()) for hop in _all(said, "for").split(",")):
            made["client"] = (client, 0)
        if (scheme := _last(said, "proto")) in ("http", "https"):
            made["scheme"] = scheme
        made["root_path"] = prefix = as_prefix(_last(said, "prefix")) or self.prefix
        if scope["path"] != prefix and not scope["path"].startswith(f"{prefix}/"):  # the proxy strips it
            made |= {"path": prefix + scope["path"], "raw_path": prefix.encode() + scope["raw_path"]}
        return made


def client_of(http: HTTPConnection) -> str:
    """The client of a request, as `client_at` names it."""
    return client_at(http.client.host if http.client else "")


def client_at(host: str) -> str:
    """Who counts as one client: an IPv4 address, or the network of an IPv6 address."""
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
    return str(address) if address else host[:SHOWN_CHARS]


def with_host(headers: Iterable[Header], host: str) -> list[Header]:
    """A request's headers with another Host."""
    return [*((name, value) for name, value in headers if name != b"host"), (b"host", host.encode("latin-1"))]


def as_prefix(path: str) -> str:
    """A prefix without a slash at its end; "" for the root, and for what is no path."""
    prefix = path.rstrip("/")
    return prefix if PREFIX.fullmatch(prefix) else ""


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None  # where one socket listens for both
    return mapped or address


def _describes_a_request(name: bytes) -> bool:
    """Whether it is one of the headers that proxies send, or that Gradio would believe."""
    return name.startswith(b"x-forwarded-") or name in (b"forwarded", b"x-gradio-server")


def _all(headers: Headers, what: str) -> str:
    return ",".join(headers.getlist(f"x-forwarded-{what}"))


def _last(headers: Headers, what: str) -> str:
    return _all(headers, what).rpartition(",")[2].strip()


def _without_port(host: str) -> str:
    """Some proxies write 192.0.2.7:4711 and [2001:db8::7]:4711."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host
