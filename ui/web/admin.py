"""Who may train: a password opens a session, which a token stands for.

    POST /admin/login    {"password": "..."}    {"token": "...", "expires_s": 43200}
    POST /admin/logout   {}                     {}
    GET  /admin/session                         {"admin": true, "expires_s": 41023.5, "closed": "", "one_time": true}

The page keeps the token in its local storage and sends it as "Authorization: Bearer ...". So a session survives a reload; it works in the
frame of a Space, where browsers block cookies; and no other site can send the token. The server keeps only a hash of it.

A wrong password is answered by 401. After a few of them the client has to wait, longer each time: it is answered by 429 with
"Retry-After", and its passwords are not checked until then. A client is a host, as ui/web/clients.py names it. A whole class may share one
address; so a browser that once had a session, and sends its old token when it logs in again, counts as a client of its own, and no student
can lock the lecturer out.

"closed" says why nobody can log in, and what to do; "one_time" that the password was printed in the terminal.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.clock import seconds
from model.errors import ParameterError
from ui.web.client_log import log_refusal
from ui.web.clients import client_of
from ui.web.http import NO_STORE, Body, refusal, takes_json

SESSION_S = 12 * 3600.0  # a day of lectures
MAX_SESSIONS = 64  # the oldest ends first
MAX_CLIENTS = 1_024  # with wrong passwords that are remembered
FREE_TRIES = 3  # wrong passwords before a client has to wait
LONGEST_WAIT_S = 60.0
FORGIVEN_AFTER_S = 3_600.0  # without a wrong password
MAX_NORMALISED_CHARS = 1_024  # of a password; the time grows with the square of the length, to minutes for the longest request

BLANK = "ADMIN_PASSWORD consists of blanks. Set it to a password with other characters, or unset it."
WRONG = "Wrong password."
LOCKED = "Unlock the Train tab first."
CLOSED_ON_A_SPACE = (
    "Training is not set up on this Space yet. Its owner has to set a secret named ADMIN_PASSWORD in the Space's settings, under "
    "Variables and secrets. The Space then restarts, and that password unlocks this tab."
)


@dataclass
class Tries:
    """Wrong passwords of a client.

    Attributes:
        last: when the last one came.
        until: no password of the client's is checked before.
    """

    wrong: int = 0
    last: float = 0.0
    until: float = 0.0


class Lock:
    """Keeps the sessions of those who may train, and checks requests. The `Access` of every route that is the admin's alone. For the
    event loop's thread.

    Args:
        password: opens a session; with "" nobody can.
        one_time: whether the password was made up for this start and printed in the terminal.
        clock: gives seconds, which must pass while a laptop sleeps, too, and must not jump when its time is set.
    """

    def __init__(self, password: str, clock: Callable[[], float] = seconds, one_time: bool = False):
        self._digest = _digest(normal) if (normal := _normal_form(password)) else b""
        self._clock, self.one_time = clock, one_time
        self._sessions: OrderedDict[bytes, float] = OrderedDict()  # hash of the token -> when it ends; ended ones are kept for a while
        self._tries: OrderedDict[str, Tries] = OrderedDict()  # per client; the one that tried last comes last

    @property
    def closed(self) -> str:
        """Why nobody can log in, and what to do; "" if somebody can."""
        return "" if self._digest else CLOSED_ON_A_SPACE

    def log_in(self, password: str, client: str) -> str | None:
        """The token of a new session, or None for a wrong password."""
        if not hmac.compare_digest(_digest(_normal_form(password)), self._digest):
            self._count_wrong(client)
            return None
        self._tries.pop(client, None)
        token = secrets.token_urlsafe(32)
        self._sessions[_digest(token)] = self._clock() + SESSION_S
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return token

    def log_out(self, token: str) -> None:
        """Ends a session."""
        if (digest := _digest(token)) in self._sessions:
            self._sessions[digest] = self._clock()

    def left_s(self, token: str) -> float:
        """How long the session of a token lasts; 0 if there is none."""
        return max(0.0, self._sessions.get(_digest(token), 0.0) - self._clock()) if token else 0.0

    def wait_s(self, client: str) -> float:
        """How long a client has to wait until its passwords are checked."""
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
        """Whether a request belongs to a session."""
        return self.left_s(_token(http)) > 0

    def refuse(self, http: HTTPRequest) -> Response | None:
        """The refusal of a request without a session, which is logged. All routes that are the admin's alone are checked here."""
        if self.admits(http):
            return None
        self.log(http, "no session")
        return refusal(self.closed or LOCKED, 401)

    def client(self, http: HTTPRequest) -> str:
        """Where a request comes from: a browser that once had a session, or a host."""
        digest = _digest(_token(http))
        return digest.hex() if digest in self._sessions else client_of(http)

    def log(self, http: HTTPRequest, why: str) -> None:
        """Logs a refusal."""
        log_refusal(http, why)


def make_lock(environment: Mapping[str, str] = os.environ) -> tuple[Lock, str]:
    """The lock, and the one-time password to print in the terminal; "" if there is none.

    Raises:
        ParameterError: the password that was set is blank.
    """
    if password := environment.get("ADMIN_PASSWORD", ""):
        if not _normal_form(password):
            raise ParameterError(BLANK)
        return Lock(password), ""
    if "SPACE_ID" in environment:  # its terminal is a log that others may be able to read
        return Lock(""), ""
    password = "-".join(secrets.token_hex(2) for _ in range(3))
    return Lock(password, one_time=True), password


class Admin:
    """The handlers."""

    def __init__(self, lock: Lock):
        self._lock = lock
        self.login, self.logout = takes_json({"password"}, self._login), takes_json((), self._logout)

    async def session(self, http: HTTPRequest) -> Response:
        """Whether a token's session still lasts, and whether anybody can log in."""
        left_s = self._lock.left_s(_token(http))
        return _private({"admin": left_s > 0, "expires_s": round(left_s, 1), "closed": self._lock.closed, "one_time": self._lock.one_time})

    async def _login(self, body: Body, http: HTTPRequest) -> Response:
        """A token for the password, or a refusal, which is logged."""
        lock = self._lock
        if lock.closed:
            lock.log(http, "no password is set")
            return refusal(lock.closed, 403)
        client = lock.client(http)
        if wait_s := lock.wait_s(client):
            lock.log(http, "has to wait")
            seconds = int(wait_s) + 1
            return refusal(f"Too many wrong passwords. Wait {seconds} s and try again.", 429, **{"Retry-After": str(seconds)})
        password = body.get("password")
        token = lock.log_in(password if isinstance(password, str) else "", client)
        if token is None:
            lock.log(http, "wrong password")
            return refusal(WRONG, 401)
        return _private({"token": token, "expires_s": SESSION_S})

    async def _logout(self, body: Body, http: HTTPRequest) -> Response:
        self._lock.log_out(_token(http))
        return _private({})


def _private(content: dict[str, object]) -> Response:
    return JSONResponse(content, headers=NO_STORE)


def _token(http: HTTPRequest) -> str:
    """The token that a request brings; "" if it brings none."""
    scheme, _, token = http.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _normal_form(password: str) -> str:
    """A password as it is compared: without blanks at its ends, such as the newline of a file; and in NFC, so that it does not matter how a
    keyboard composes an accented letter. NFKC would also equate different characters, and so make guessing easier."""
    password = password.strip()
    return unicodedata.normalize("NFC", password) if len(password) <= MAX_NORMALISED_CHARS else password


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).digest()
