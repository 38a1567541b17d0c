"""The log of what clients cause: short lines, so many a minute, of each client and of all."""

from __future__ import annotations

import logging

import anyio
import pytest
from starlette.requests import Request as HTTPRequest

from tests.support.clock import Clock
from ui.web.client_log import ALL_LINES, CLIENT_LINES, MinuteLimit, log, log_fault, log_refusal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of a log whose count begins with the test."""
    clock = Clock()
    monkeypatch.setattr(log, "filters", [MinuteLimit(clock)])
    return clock


def request(host: str = "192.0.2.7", path: str = "/train/start") -> HTTPRequest:
    return HTTPRequest({"type": "http", "method": "POST", "path": path, "headers": [], "client": (host, 5)})


def test_a_client_has_so_many_lines_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(10 * CLIENT_LINES):
        log_refusal(request(), "no session")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == CLIENT_LINES
    assert set(lines[:-1]) == {"refused POST '/train/start' to '192.0.2.7': 'no session'"}
    assert lines[-1].endswith("(nothing more of this client is logged this minute)")
    log_refusal(request("192.0.2.8"), "no session")
    assert len(caplog.records) == CLIENT_LINES + 1
    clock.now += 60
    log_refusal(request(), "no session")
    assert len(caplog.records) == CLIENT_LINES + 2


def test_all_clients_together_have_so_many_lines_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(10 * ALL_LINES):
        log_refusal(request(f"client {number}"), "no session")
    assert len(caplog.records) == ALL_LINES
    assert caplog.records[-1].getMessage().endswith("(nothing more but faults is logged this minute)")


def test_a_limit_holds_for_the_records_of_any_logger(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tests.of.somebody.else")
    logger.addFilter(MinuteLimit(Clock()))
    for _ in range(100):
        logger.warning("Invalid %s request received.", "HTTP")
    assert len(caplog.records) == CLIENT_LINES
    assert caplog.records[0].getMessage() == "Invalid HTTP request received."


def test_a_fault_is_one_printable_line_with_its_place(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("no\nsuch \x1b[31mthing" + "x" * 10_000)

    async def in_a_group() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)

    with pytest.raises(Exception, match="unhandled errors") as raised:
        anyio.run(in_a_group)
    log_fault(request(path="/a\nb" + "y" * 10_000), raised.value)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.isprintable()
    assert len(line) < 600
    assert "ValueError at tests/test_client_log.py:" in line
    assert "Traceback" not in caplog.text


def test_refusals_hide_no_fault(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(2 * ALL_LINES):
        log_refusal(request(f"client {number}"), "no session")
    log_fault(request("client 1"), ValueError("a bug"))
    assert caplog.records[-1].getMessage() == "failed POST '/train/start' to 'client 1': 'ValueError at ?: a bug'"


def test_records_of_servers_are_one_line_and_counted_by_their_wording(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tests.of.a.server")
    logger.addFilter(MinuteLimit(Clock()))
    for _ in range(2 * CLIENT_LINES):
        try:
            raise ValueError("no\nsuch \x1b[31mthing" + "x" * 10_000)
        except ValueError:
            logger.exception("Exception in ASGI application\n")
    logger.error("100 %% of %s\nobject: %s", "them", "z" * 10_000)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == CLIENT_LINES + 1
    assert all(line.isprintable() and len(line) < 600 for line in lines)
    assert lines[0].startswith('Exception in ASGI application: "ValueError at tests/test_client_log.py:') or lines[0].startswith(
        "Exception in ASGI application: 'ValueError at tests/test_client_log.py:"
    )
    assert lines[-2].endswith("(nothing more of this kind is logged this minute)")
    assert lines[-1] == "100 % of them"
    assert "Traceback" not in caplog.text
