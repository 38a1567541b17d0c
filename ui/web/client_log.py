"""The log of what clients cause: one short line per event and a limited number of lines per minute, whatever clients send.

A bug that a request runs into is logged the same way, with the place of the error instead of a traceback. Otherwise a stranger who finds
such a request could fill the disk.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from starlette.requests import HTTPConnection

from ui.web.clients import client_of

CLIENT_LINES = 20  # of one client in a minute, for refusals and for faults each
ALL_LINES = 200  # of all clients in a minute, likewise
SHOWN_CHARS = 200  # of a path or a message
HERE = Path(__file__).parent.parent.parent


class MinuteLimit(logging.Filter):
    """Shortens each record to one line and limits the number of records per minute: those of each client, and those of all clients. Records
    without a client are counted by their wording. Faults have limits of their own, so that nobody can hide them behind refusals."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self._clock, self._minute = clock, 0
        self._faults, self._others = Counter[str](), Counter[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged. The last one within a limit says so."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute = minute
            self._faults.clear()
            self._others.clear()
        lines = self._faults if record.levelno >= logging.ERROR else self._others
        client = getattr(record, "client", None)
        source = client or str(record.msg)
        if lines.total() >= ALL_LINES or lines[source] >= CLIENT_LINES:
            return False
        lines[source] += 1
        _shorten(record)
        if lines.total() == ALL_LINES:
            record.msg = f"{record.msg} (nothing more{'' if lines is self._faults else ' but faults'} is logged this minute)"
        elif lines[source] == CLIENT_LINES:
            record.msg = f"{record.msg} (nothing more {'of this client' if client else 'of this kind'} is logged this minute)"
        return True


log = logging.getLogger(__name__)
log.addFilter(MinuteLimit())


def log_refusal(http: HTTPConnection, why: str) -> None:
    """Logs that a request was refused."""
    _log(logging.WARNING, "refused", http, why)


def log_fault(http: HTTPConnection, error: BaseException) -> None:
    """Logs that a request ran into a bug: what was raised, and where."""
    _log(logging.ERROR, "failed", http, _fault(error))


def _log(level: int, what: str, http: HTTPConnection, why: str) -> None:
    client, path = client_of(http), http.scope["path"][:SHOWN_CHARS]
    log.log(level, "%s %.10s %a to %a: %a", what, http.scope["method"], path, client, why[:SHOWN_CHARS], extra={"client": client})


def _shorten(record: logging.LogRecord) -> None:
    """Reduces a record with a traceback, or with several lines, to one line."""
    error = record.exc_info[1] if record.exc_info else None
    first, *others = record.getMessage().splitlines() or [""]
    if error or others:
        why = f": {_fault(error)[:SHOWN_CHARS]!a}" if error else ""
        record.msg, record.args = f"{first[:SHOWN_CHARS]}{why}", None
        record.exc_info = record.exc_text = record.stack_info = None


def _fault(error: BaseException) -> str:
    """What was raised, and where."""
    while isinstance(grouped := getattr(error, "exceptions", None), tuple):  # of an ExceptionGroup
        error = grouped[0]
    return f"{type(error).__name__} at {_place(error)}: {error}"


def _place(error: BaseException) -> str:
    """Where an error was raised: "ui/web/score.py:71". This is the innermost line of this project's code, or else the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(HERE) and "site-packages" not in frame.filename]
    if not frames:
        return "?"
    last = (ours or frames)[-1]
    return f"{Path(last.filename).relative_to(HERE) if ours else Path(last.filename).name}:{last.lineno}"
