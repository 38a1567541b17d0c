"""Requests that the pages of other sites make.

The page of any site can make its visitor's browser send requests to this app, to write texts, try passwords or read. Browsers say where a
request comes from: in Sec-Fetch-Site (over https and to their own machine), and in Origin (with each POST, and with whatever a script
wants to read). Requests from another origin are answered by 403, and no header lets their page read the answer. Programs send neither
header.

What remains open to other sites is the page itself, as a link and in a frame. The requests of the page in a frame are the app's own.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.web.hosts import split_host
from ui.web.http import refusal, route_path

PORTS = {"http": "80", "https": "443"}
FOREIGN = (
    "The app does not answer to pages of other sites. If this is the app's own page, a proxy has changed the Host header: "
    "let it pass the header on, or start the app with --root-path and the whole address."
)


class Origins:
    """Middleware: refuses what the pages of other origins ask for.

    Args:
        own: the origin at which browsers reach the app besides the request's Host, as https://example.org; or "".
    """

    def __init__(self, app: ASGIApp, own: str):
        self.app, self.own = app, own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        foreign = scope["type"] == "http" and self._is_foreign(scope)
        await (refusal(FOREIGN, 403) if foreign else self.app)(scope, receive, send)

    def _is_foreign(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        origin, site, referer = headers.get("origin"), headers.get("sec-fetch-site"), headers.get("referer")
        if site:
            return site not in ("same-origin", "none") and not (origin is None and _opens_the_page(scope, headers))
        if origin is not None:
            return not self._is_ours(origin, headers)
        if not referer:
            return False
        return not (self._is_ours(_origin_of(referer), headers) or _opens_the_page(scope, headers))

    def _is_ours(self, origin: str, headers: Headers) -> bool:
        """Whether an origin is the app's. The request's own scheme does not count: a proxy may speak https for the app."""
        asked = f"{origin.partition('://')[0]}://{headers.get('host', '')}"
        at = _host_and_port(origin)
        return at is not None and at in (_host_and_port(asked), _host_and_port(self.own))


def _opens_the_page(scope: Scope, headers: Headers) -> bool:
    """Whether a request opens the page, as far as its headers say what it is for."""
    navigates = headers.get("sec-fetch-mode", "navigate") == "navigate"
    return scope["method"] == "GET" and navigates and route_path(scope) in ("", "/")


def _origin_of(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _host_and_port(origin: str) -> tuple[str, str] | None:
    """What an origin such as https://example.org is at, with the port that may be left out; None for what is no origin, as null."""
    scheme, _, at = origin.partition("://")
    host = split_host(at)
    return (host[0], host[1] or PORTS[scheme]) if host and scheme in PORTS else None
