"""The right to train: a password for it, and a token for who knew the password.

    POST /admin/login    {"password": "..."}    {"token": "...", "expires_s": 43200}
    POST /admin/logout   {}                     {}
    GET  /admin/right                           {"admin": true, "expires_s": 41023.5, "closed": "", "one_time": true}

The page keeps the token in its local storage and sends it along as "Authorization: Bearer ...". So it survives a reload; it works in a
Space's frame, where browsers keep back cookies; and no other site can send it. The server keeps only what a token hashes to.

A wrong password is answered by 401. After some of them the client has to wait, longer each time, and is told so by 429 with
"Retry-After"; the password of who does not wait is not looked at. A client is the host that the connection comes from. Behind one
address there may be a whole class: whoever once had the right, and sends that token along when logging in again, is a client of
their own, so that no student can lock the lecturer out.

"closed" says why nobody can have the right, and what to do; "one_time" that the password stands in the terminal.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.errors import SoliloquyError
from ui.web.http import Asked, add_get, add_post, refusal

log = logging.getLogger(__name__)

RIGHT_S = 12 * 3600.0  # a day of lectures
MAX_RIGHTS = 64  # the oldest is dropped first
MAX_CLIENTS = 1_024  # whose wrong tries are remembered
FREE_TRIES = 3  # wrong ones, before a client has to wait
LONGEST_WAIT_S = 60.0
FORGIVEN_AFTER_S = 3_600.0  # without a wrong try
SHOWN_CHARS = 100  # of an address, in the log
IPV6_NETWORK = 64  # bits: a household's, or a class's

WRONG = "This is not the password."
NO_RIGHT = "This needs the admin's right: unlock the Train tab. A right ends after a while, and when the app is started anew."
CLOSED_ON_A_SPACE = (
    "Nobody can train on this Space yet. Its owner sets a secret named ADMIN_PASSWORD in the Space's settings, under Variables and "
    "secrets; the Space then restarts, and that password opens this tab."
)


@dataclass
class Tries:
    """Wrong passwords of a client.

    Attributes:
        until: before then no password of theirs is looked at.
    """

    wrong: int = 0
    last: float = 0.0
    until: float = 0.0


class Lock:
    """Who may train. For the event loop's thread.

    Args:
        password: opens it; "" leaves it closed to everybody.
        on_a_space: the connection then comes from the Space's own proxy, which says at the end of X-Forwarded-For who asked.
        one_time: whether the password was made up for this start, and stands in the terminal.
        clock: seconds; they pass while a laptop sleeps, too.
    """

    def __init__(self, password: str, on_a_space: bool = False, clock: Callable[[], float] = time.time, one_time: bool = False):
        self._digest = _digest(password) if password else b""
        self._on_a_space, self._clock, self.one_time = on_a_space, clock, one_time
        self._rights: OrderedDict[bytes, float] = OrderedDict()  # a token's digest -> when it ends; those that ended are kept for a while
        self._tries: OrderedDict[str, Tries] = OrderedDict()  # of each client; who tried last comes last

    @property
    def closed(self) -> str:
        """Why nobody can have the right, and what to do; "" if somebody can."""
        return "" if self._digest else CLOSED_ON_A_SPACE

    def log_in(self, password: str, client: str) -> str | None:
        """A new token, or None for a wrong password."""
        if not hmac.compare_digest(_digest(password), self._digest):
            self._count_wrong(client)
            return None
        self._tries.pop(client, None)
        token = secrets.token_urlsafe(32)
        self._rights[_digest(token)] = self._clock() + RIGHT_S
        while len(self._rights) > MAX_RIGHTS:
            self._rights.popitem(last=False)
        return token

    def log_out(self, token: str) -> None:
        """Ends a right."""
        if (digest := _digest(token)) in self._rights:
            self._rights[digest] = self._clock()

    def left_s(self, token: str) -> float:
        """For how long a token still gives the right; 0 if it does not."""
        return max(0.0, self._rights.get(_digest(token), 0.0) - self._clock()) if token else 0.0

    def wait_s(self, client: str) -> float:
        """For how long a client has to wait before a password is looked at."""
        tries = self._tries.get(client)
        return max(0.0, tries.until - self._clock()) if tries else 0.0

    def _count_wrong(self, client: str) -> None:
        now = self._clock()
        tries = self._tries.pop(client, None) or Tries()
        if now - tries.last > FORGIVEN_AFTER_S:
            tries = Tries()
        tries.wrong, tries.last = tries.wrong + 1, now
        if tries.wrong > FREE_TRIES:
            tries.until = now + min(2.0 ** (tries.wrong - FREE_TRIES - 1), LONGEST_WAIT_S)
        self._tries[client] = tries
        while len(self._tries) > MAX_CLIENTS:
            self._tries.popitem(last=False)

    def admits(self, http: HTTPRequest) -> bool:
        """Whether a request comes with the right."""
        return self.left_s(_token(http)) > 0

    def refuse(self, http: HTTPRequest) -> Response | None:
        """The refusal of a request that comes without the right, which is logged. The one check of all that is the admin's alone."""
        if self.admits(http):
            return None
        self.log(http, "no right")
        return refusal(self.closed or NO_RIGHT, 401)

    def client(self, http: HTTPRequest) -> str:
        """Who asks: one who once had the right, or a host."""
        digest = _digest(_token(http))
        return digest.hex() if digest in self._rights else self._host(http)

    def _host(self, http: HTTPRequest) -> str:
        host = http.client.host if http.client else ""
        if self._on_a_space:  # what stands before the last comma is what the client itself sent
            host = ",".join(http.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip() or host
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host[:SHOWN_CHARS]
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped:  # where one socket listens for both
                return str(address.ipv4_mapped)
            return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
        return host

    def log(self, http: HTTPRequest, why: str) -> None:
        """Logs a refusal, on one line whatever was sent."""
        log.warning("refused %s %s to %s: %s", http.method, ascii(http.url.path[:SHOWN_CHARS]), ascii(self._host(http)), ascii(why))

    def logged(self, respond: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
        """The same answers; what they refuse to the admin is logged too. The request comes last."""

        async def answer(*asked: Any) -> Response:
            try:
                return await respond(*asked)
            except SoliloquyError as error:
                self.log(asked[-1], str(error))
                raise

        return answer

    def answer_login(self, asked: Asked, http: HTTPRequest) -> Response:
        """A token for the password, or the refusal, which is logged."""
        if self.closed:
            self.log(http, "no password is set")
            return refusal(self.closed, 403)
        client = self.client(http)
        if wait_s := self.wait_s(client):
            self.log(http, "has to wait")
            seconds = int(wait_s) + 1
            return refusal(f"Too many wrong passwords. Wait {seconds} s and try again.", 429, **{"Retry-After": str(seconds)})
        password = asked.get("password")
        token = self.log_in(password if isinstance(password, str) else "", client)
        if token is None:
            self.log(http, "wrong password")
            return refusal(WRONG, 401)
        return _private({"token": token, "expires_s": RIGHT_S})


def make_lock(environment: Mapping[str, str] = os.environ) -> tuple[Lock, str]:
    """The lock, and the one-time password to print in the terminal; "" where there is none."""
    on_a_space = "SPACE_ID" in environment
    if password := environment.get("ADMIN_PASSWORD", ""):
        return Lock(password, on_a_space), ""
    if on_a_space:  # its terminal is a log that others may read
        return Lock("", on_a_space), ""
    password = "-".join(secrets.token_hex(2) for _ in range(3))
    return Lock(password, one_time=True), password


def add_lock(server: FastAPI, lock: Lock) -> None:
    """Adds the routes."""

    async def login(asked: Asked, http: HTTPRequest) -> Response:
        return lock.answer_login(asked, http)

    async def logout(asked: Asked, http: HTTPRequest) -> Response:
        lock.log_out(_token(http))
        return _private({})

    async def right(http: HTTPRequest) -> Response:
        left_s = lock.left_s(_token(http))
        return _private({"admin": left_s > 0, "expires_s": round(left_s, 1), "closed": lock.closed, "one_time": lock.one_time})

    add_post(server, "/admin/login", {"password"}, login)
    add_post(server, "/admin/logout", (), logout)
    add_get(server, "/admin/right", right)


def _private(content: dict[str, object]) -> Response:
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


def _token(http: HTTPRequest) -> str:
    """The token that a request brings; "" if it brings none."""
    scheme, _, token = http.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).digest()
