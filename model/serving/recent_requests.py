"""The requests that can still be looked up: those under way and the latest finished ones, bounded by number, memory and time."""

from __future__ import annotations

import threading
import time

from model.config import MAX_RECORD_BYTES, MAX_RECORDS, RECORD_LIFETIME_S
from model.serving.request import Request


class RecentRequests:
    """Requests by key. The oldest are forgotten when their records take too much memory, or after a while."""

    def __init__(self) -> None:
        self._requests: dict[str, tuple[Request, float]] = {}  # oldest first, with the time of their coming
        self._lock = threading.Lock()

    def add(self, request: Request) -> None:
        """Remembers a request."""
        with self._lock:
            self._requests[request.key] = (request, time.monotonic())

    def find(self, key: str) -> Request | None:
        """The request with this key, while it is remembered."""
        with self._lock:
            return self._requests[key][0] if key in self._requests else None

    def forget_old(self) -> None:
        """Drops what is beyond the bounds. Call it from time to time."""
        with self._lock:
            n_bytes = sum(request.record_bytes for request, _ in self._requests.values())
            long_ago = time.monotonic() - RECORD_LIFETIME_S
            for key, (request, came) in list(self._requests.items()):
                if n_bytes <= MAX_RECORD_BYTES and len(self._requests) <= MAX_RECORDS and came >= long_ago:
                    return
                n_bytes -= request.record_bytes
                request.forget()
                del self._requests[key]
