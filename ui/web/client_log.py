"""The log of what clients cause: one short line each, and only so many in a minute, whatever they send.

A bug that a request meets is logged the same way, with the place where it happened instead of a traceback: a stranger who finds it could
otherwise fill the disk.
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

CLIENT_LINES = 20  # of one client in a minute
ALL_LINES = 200  # of all clients in a minute
SHOWN_CHARS = 200  # of a path or a message
HERE = Path(__file__).parent.parent.parent


class MinuteLimit(logging.Filter):
    """Lets so many records of each client pass in a minute, and so many of all. Records without a client share one count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self._clock, self._minute, self._lines = clock, 0, Counter[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged. The last one that is says so."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute = minute
            self._lines.clear()
        client, n_lines = getattr(record, "client", ""), self._lines.total()
        if n_lines >= ALL_LINES or self._lines[client] >= CLIENT_LINES:
            return False
        self._lines[client] += 1
        if n_lines + 1 == ALL_LINES:
            record.msg = f"{record.msg} (nothing more is logged this minute)"
        elif self._lines[client] == CLIENT_LINES:
            record.msg = f"{record.msg} (nothing more of this client is logged this minute)"
        return True


log = logging.getLogger(__name__)
log.addFilter(MinuteLimit())


def log_refusal(http: HTTPConnection, why: str) -> None:
    """Logs that a request was refused."""
    _log(logging.WARNING, "refused", http, why)


def log_fault(http: HTTPConnection, error: BaseException) -> None:
    """Logs that a request met a bug: what was raised, and where."""
    while isinstance(grouped := getattr(error, "exceptions", None), tuple):  # of an ExceptionGroup
        error = grouped[0]
    _log(logging.ERROR, "failed", http, f"{type(error).__name__} at {_place(error)}: {error}")


def _log(level: int, what: str, http: HTTPConnection, why: str) -> None:
    client, path = client_of(http), http.scope["path"][:SHOWN_CHARS]
    log.log(level, "%s %.10s %a to %a: %a", what, http.scope["method"], path, client, why[:SHOWN_CHARS], extra={"client": client})


def _place(error: BaseException) -> str:
    """The last line of ours that an error came through, or the last of all: "ui/web/score.py:71"."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(HERE) and "site-packages" not in frame.filename]
    if not frames:
        return "?"
    last = (ours or frames)[-1]
    return f"{Path(last.filename).relative_to(HERE) if ours else Path(last.filename).name}:{last.lineno}"
