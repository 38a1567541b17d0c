"""The names that the app answers to.

A site may let its own name lead to this machine after its page was loaded (DNS rebinding). To the browser, that page and the app then have
the same origin, so it could read and do what the app's page can. But its requests carry its name as their Host. So the app answers to
names that it knows: localhost, this machine's, and those it was started with. Others are answered by 421, a request without a proper Host
by 400.

Every IP address is answered to. A page that has an address as its origin was served from that address, so no name was turned around.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.web.clients import with_host
from ui.web.http import refusal

HOST = re.compile(r"([\w.-]+|\[[\da-f:.]+\])(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE)

NO_HOST = "The request must have one Host header and a path that begins with /."
UNKNOWN_HOST = "The app does not answer to the name in this address. If the name is right, start the app with --allow-host and the name."


class Hosts:
    """Middleware: refuses requests for other hosts. To the app behind it, every request is for the app's own origin, if that is given.

    Args:
        names: that are answered to, besides addresses.
        origin: at which browsers reach the app, as https://example.org, whatever Host a proxy passes on; or "".
    """

    def __init__(self, app: ASGIApp, names: Collection[str], origin: str):
        self.app, self.names = app, names
        self.scheme, _, self.own = origin.partition("://")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        answer = self.app
        if scope["type"] == "http":
            host = split_host(Headers(scope=scope).get("host", ""))
            if not host or not scope["path"].startswith("/"):
                answer = refusal(NO_HOST, 400)
            elif host[0] not in self.names and not is_address(host[0]):
                answer = refusal(UNKNOWN_HOST, 421)
            elif self.own:
                scope = {**scope, "scheme": self.scheme, "headers": with_host(scope["headers"], self.own)}
        await answer(scope, receive, send)


def split_host(text: str) -> tuple[str, str] | None:
    """The name in small letters and the port, "" if there is none; None for what is no host."""
    match = HOST.fullmatch(text)
    return (match[1].lower().rstrip("."), match[2] or "") if match else None


def is_address(name: str) -> bool:
    """Whether a name is an IP address."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def names_of_this_machine() -> set[str]:
    """localhost, and what others in the network may call this machine."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return {"localhost", name, short, f"{short}.local"}
