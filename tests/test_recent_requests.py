"""What is remembered of requests, within a bound of memory and time."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model.serving import recent_requests as records_module
from model.serving.recent_requests import RecentRequests
from model.serving.request import STOPPED, Request
from tests.support.serving import params

N_BYTES = 5 * (4 * 4 + 16 + 8)  # of one sample of five characters out of four


def new_request(begin: bool = True, **settings: Any) -> Request:
    """One with a character, if it is begun."""
    request = Request("ab", (), params(**{"max_new_chars": 5} | settings), "\nabc")
    if begin:
        request.begin()
        request.append(0, 1, np.zeros(4, dtype=np.float32), 0.0, 1.0)
    return request


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that goes on when it is told to: `clock.now += 5`."""
    clock = SimpleNamespace(now=1_000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(records_module, "time", clock)
    return clock


def add(records: RecentRequests, *requests: Request) -> None:
    """All of them, in order."""
    for request in requests:
        records.add(request)


def known(records: RecentRequests, *requests: Request) -> list[bool]:
    """Which of them are found once the old are forgotten, and how their characters came to be with them."""
    records.forget_old()
    found = [records.find(request.key) is request for request in requests]
    assert found == [request.character(0, 0) is not None for request in requests]
    return found


def test_a_request_is_found_by_its_key_alone() -> None:
    records, first, second = RecentRequests(), new_request(), new_request()
    add(records, first, second)
    assert records.find(first.key) is first
    assert records.find(second.key) is second
    for other in ("", first.key[:-1], str(first.number), new_request().key):
        assert records.find(other) is None


def test_the_oldest_are_forgotten_first_when_there_are_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "MAX_RECORD_BYTES", 3 * N_BYTES)
    records, requests = RecentRequests(), [new_request() for _ in range(5)]
    add(records, *requests[:3])
    assert known(records, *requests[:3]) == [True, True, True]
    records.add(requests[3])
    assert known(records, *requests[:4]) == [False, True, True, True]
    records.add(requests[4])
    assert known(records, *requests) == [False, False, True, True, True]
    large = new_request(max_new_chars=10)
    records.add(large)
    assert known(records, *requests, large) == [False, False, False, False, True, True]


def test_what_waits_counts_as_what_it_will_take_and_what_is_over_as_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "MAX_RECORD_BYTES", 3 * N_BYTES)
    records, requests = RecentRequests(), [new_request(begin=False) for _ in range(4)]
    add(records, *requests)
    records.forget_old()
    assert [records.find(request.key) is not None for request in requests] == [False, True, True, True]
    for request in requests[1:]:
        request.begin()
    records.forget_old()
    assert [records.find(request.key) is not None for request in requests] == [False, True, True, True]
    requests[3].end(STOPPED)  # with no character
    records.add(new_request())
    records.forget_old()
    assert [records.find(request.key) is not None for request in requests] == [False, True, True, True]
    assert sum(request.record_bytes for request in requests[1:]) == 2 * N_BYTES


def test_what_is_long_ago_is_forgotten(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "RECENT_REQUEST_LIFETIME_S", 100)
    records, first, second = RecentRequests(), new_request(), new_request()
    records.add(first)
    clock.now += 60
    records.add(second)
    clock.now += 40
    assert known(records, first, second) == [True, True]
    clock.now += 0.1
    assert known(records, first, second) == [False, True]
    clock.now += 60
    records.forget_old()
    assert second.record_bytes == 0
    assert records.find(second.key) is None


def test_forgotten_requests_keep_their_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "MAX_RECORD_BYTES", 0)
    records, request = RecentRequests(), new_request()
    records.add(request)
    assert known(records, request) == [False]
    assert request.progress().texts == ("a",)


def test_no_more_are_remembered_than_their_greatest_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "MAX_RECENT_REQUESTS", 3)
    records, requests = RecentRequests(), [new_request() for _ in range(5)]
    add(records, *requests[:3])
    assert known(records, *requests[:3]) == [True] * 3
    add(records, *requests[3:])
    assert known(records, *requests) == [False, False, True, True, True]


def test_one_request_is_kept_until_another_takes_its_place(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "MAX_RECENT_REQUESTS", 1)
    monkeypatch.setattr(records_module, "MAX_RECORD_BYTES", 0)
    records, first, second, third = RecentRequests(), new_request(), new_request(), new_request()
    records.keep(first)
    add(records, second, third)
    clock.now += 10 * records_module.RECENT_REQUEST_LIFETIME_S
    assert known(records, first, second, third) == [True, False, False]
    other = new_request()
    records.keep(other)
    assert known(records, first, other) == [False, True]


@pytest.mark.parametrize("cancelled", [True, False])
def test_forgotten_requests_take_no_memory(monkeypatch: pytest.MonkeyPatch, cancelled: bool) -> None:
    monkeypatch.setattr(records_module, "MAX_RECENT_REQUESTS", 10)
    records = RecentRequests()
    alive: weakref.WeakSet[Request] = weakref.WeakSet()
    for _ in range(100):
        request = new_request(begin=not cancelled)
        request.end(STOPPED)
        alive.add(request)
        records.add(request)
        del request
    records.forget_old()
    assert len(alive) == 10
