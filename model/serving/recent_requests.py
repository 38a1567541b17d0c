"""Requests that may be asked about: those under way and the latest that are over, within bounds of number, memory and time."""

from __future__ import annotations

import threading
import time

from model.config import MAX_RECORD_BYTES, MAX_RECORDS, RECORD_LIFETIME_S
from model.serving.request import Request


class Records:
    """Finds requests by key, and forgets how their characters came to be when that takes too much memory or is long ago."""

    def __init__(self) -> None:
        self._requests: dict[str, tuple[Request, float]] = {}  # oldest first, with the time of their coming
        self._lock = threading.Lock()

    def add(self, request: Request) -> None:
        """Remembers a request from now on."""
        with self._lock:
            self._requests[request.key] = (request, time.monotonic())

    def find(self, key: str) -> Request | None:
        """The request of that key, while it is remembered."""
        with self._lock:
            return self._requests[key][0] if key in self._requests else None

    def forget_old(self) -> None:
        """To be called now and then."""
        with self._lock:
            n_bytes = sum(request.record_bytes for request, _ in self._requests.values())
            long_ago = time.monotonic() - RECORD_LIFETIME_S
            for key, (request, came) in list(self._requests.items()):
                if n_bytes <= MAX_RECORD_BYTES and len(self._requests) <= MAX_RECORDS and came >= long_ago:
                    return
                n_bytes -= request.record_bytes
                request.forget()
                del self._requests[key]
