"""Sessions of those who may train: who has one, for how long, and what wrong passwords cost."""

from __future__ import annotations

import asyncio
import json
import time
import unicodedata

import pytest
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import Message

from model.errors import ParameterError
from tests.support.clock import Clock
from ui.web.admin import (
    CLOSED_ON_A_SPACE,
    FORGIVEN_AFTER_S,
    FREE_TRIES,
    LONGEST_WAIT_S,
    MAX_CLIENTS,
    MAX_SESSIONS,
    SESSION_S,
    Admin,
    Lock,
    make_lock,
)
from ui.web.http import post

PASSWORD = "correct horse"
COMPOSED = "caf\u00e9  cr\u00e8me"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lock(clock: Clock) -> Lock:
    return Lock(PASSWORD, clock=clock)


def request(host: str = "192.0.2.7", token: str = "", path: str = "/train/start") -> HTTPRequest:
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": headers,
        "client": (host, 5),
        "query_string": b"",
        "server": ("x", 80),
    }
    return HTTPRequest(scope)


def log_in_over_http(lock: Lock, password: str) -> Response:
    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps({"password": password}).encode()}

    scope = request(path="/admin/login").scope
    scope["headers"].append((b"content-type", b"application/json"))
    return asyncio.run(post("/admin/login", Admin(lock).login).answer(HTTPRequest(scope, receive)))


def log_in(lock: Lock) -> str:
    token = lock.log_in(PASSWORD, "somebody")
    assert token
    return token


def test_the_password_opens_a_session(lock: Lock) -> None:
    assert lock.log_in("wrong", "somebody") is None
    token = log_in(lock)
    assert lock.refuse(request(token=token)) is None
    for other in ("", "x", token[:-1], token + "x", PASSWORD):
        refused = lock.refuse(request(token=other))
        assert refused
        assert refused.status_code == 401


def test_a_session_ends_by_itself_and_by_logging_out(lock: Lock, clock: Clock) -> None:
    first, second = log_in(lock), log_in(lock)
    lock.log_out(first)
    assert lock.refuse(request(token=first))
    assert lock.refuse(request(token=second)) is None
    clock.now += SESSION_S
    assert lock.refuse(request(token=second))


def test_tokens_and_password_are_not_kept_as_they_are(lock: Lock) -> None:
    token = log_in(lock)
    kept = repr(vars(lock))
    assert token not in kept
    assert PASSWORD not in kept


def test_sessions_and_clients_are_bounded(lock: Lock) -> None:
    tokens = [log_in(lock) for _ in range(MAX_SESSIONS + 1)]
    assert not lock.left_s(tokens[0])
    assert all(lock.left_s(token) for token in tokens[1:])
    for number in range(MAX_CLIENTS + 100):
        lock.log_in("wrong", f"client {number}")
    assert len(lock._tries) == MAX_CLIENTS


def test_wrong_tries_cost_their_client_time_and_nobody_else(lock: Lock, clock: Clock) -> None:
    for _ in range(FREE_TRIES):
        lock.log_in("wrong", "student")
    assert lock.wait_s("student") == 0
    waits = []
    for _ in range(9):
        lock.log_in("wrong", "student")
        waits.append(lock.wait_s("student"))
        clock.now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert lock.wait_s("lecturer") == 0
    clock.now += FORGIVEN_AFTER_S + 1
    lock.log_in("wrong", "student")
    assert lock.wait_s("student") == 0


def test_behind_one_address_a_browser_that_once_had_a_session_is_a_client_of_its_own(lock: Lock, clock: Clock) -> None:
    token = log_in(lock)
    clock.now += SESSION_S + 1
    for _ in range(100):
        lock.log_in("wrong", lock.client(request()))
    assert lock.wait_s(lock.client(request()))
    assert not lock.wait_s(lock.client(request(token=token)))
    assert lock.wait_s(lock.client(request(token="made up")))


def test_refusals_are_logged_without_secrets_and_control_characters(lock: Lock, caplog: pytest.LogCaptureFixture) -> None:
    lock.refuse(request(token="a-token-that-is-none", path="/train/runs/\n\x1b[31mx/stop"))
    log_in_over_http(lock, "a guess")
    assert len(caplog.records) == 2

    async def fail(http: HTTPRequest) -> Response:
        raise ParameterError("no\nsuch thing")

    asyncio.run(post("/train/start", fail, lock).answer(request(token=log_in(lock))))
    assert len(caplog.records) == 3
    text = "".join(record.getMessage() for record in caplog.records)
    assert text.isprintable()
    assert "a-token" not in text
    assert "a guess" not in text


@pytest.mark.parametrize("set_the_clock_by_s", [-86_400.0, -3_600.0, 3_600.0, 86_400.0])
def test_setting_the_time_changes_no_wait_and_no_session(monkeypatch: pytest.MonkeyPatch, set_the_clock_by_s: float) -> None:
    lock = Lock(PASSWORD)
    token = log_in(lock)
    for _ in range(FREE_TRIES + 20):
        lock.log_in("wrong", "student")
    now, slept = time.time(), time.time_ns()
    monkeypatch.setattr(time, "time", lambda: now + set_the_clock_by_s)
    monkeypatch.setattr(time, "time_ns", lambda: slept + int(set_the_clock_by_s * 1e9))
    assert 0 < lock.wait_s("student") <= LONGEST_WAIT_S
    assert SESSION_S - 60 < lock.left_s(token) <= SESSION_S


@pytest.mark.parametrize(
    "typed", [COMPOSED, unicodedata.normalize("NFD", COMPOSED), f" {COMPOSED} ", f"{COMPOSED}\n", f"\u00a0{COMPOSED}\r\n"]
)
def test_a_password_is_compared_without_blanks_around_it_and_however_it_is_composed(typed: str) -> None:
    for password in (COMPOSED, unicodedata.normalize("NFD", COMPOSED), f"{COMPOSED}\n", f" {COMPOSED}\r\n"):
        assert make_lock({"ADMIN_PASSWORD": password})[0].log_in(typed, "somebody")
    assert make_lock({"ADMIN_PASSWORD": typed})[0].log_in(COMPOSED, "somebody")


@pytest.mark.parametrize("other", ["cafe\u0301  creme", "cafe  cr\u00e8me", "CAF\u00c9  CR\u00c8ME", "caf\u00e9 cr\u00e8me"])
def test_another_password_stays_another(other: str) -> None:
    assert make_lock({"ADMIN_PASSWORD": COMPOSED})[0].log_in(other, "somebody") is None
    assert make_lock({"ADMIN_PASSWORD": "\ufb01"})[0].log_in("fi", "somebody") is None  # the same only in NFKC


def test_a_password_that_would_take_minutes_to_normalise_is_just_wrong(lock: Lock) -> None:
    hostile = "a" + "\u0301\u0316" * 100_000
    assert lock.log_in(hostile, "somebody") is None
    assert Lock(hostile).log_in(hostile + "\n", "somebody")


@pytest.mark.parametrize("blank", [" ", "\n", "\t \r\n", "\u00a0\u3000"])
@pytest.mark.parametrize("place", [{}, {"SPACE_ID": "a/b"}])
def test_a_blank_password_is_refused(blank: str, place: dict[str, str]) -> None:
    with pytest.raises(ParameterError, match="ADMIN_PASSWORD consists of blanks"):
        make_lock(place | {"ADMIN_PASSWORD": blank})
    closed = Lock(blank)
    assert closed.closed
    assert closed.log_in("", "somebody") is None


def test_where_the_password_comes_from() -> None:
    lock, shown = make_lock({"ADMIN_PASSWORD": PASSWORD})
    assert (shown, lock.closed) == ("", "")
    assert lock.log_in(PASSWORD, "somebody")
    lock, shown = make_lock({})
    assert len(shown) == 14
    assert lock.log_in(shown, "somebody")
    assert make_lock({})[1] != shown
    for environment in ({"SPACE_ID": "a/b"}, {"SPACE_ID": "a/b", "ADMIN_PASSWORD": ""}):
        lock, shown = make_lock(environment)
        assert (shown, lock.closed) == ("", CLOSED_ON_A_SPACE)
        assert lock.log_in("", "somebody") is None
        answer = log_in_over_http(lock, "")
        assert answer.status_code == 403
        assert b"ADMIN_PASSWORD" in bytes(answer.body)
    lock, shown = make_lock({"SPACE_ID": "a/b", "ADMIN_PASSWORD": PASSWORD})
    assert lock.log_in(PASSWORD, "somebody")
