"""Recent requests: the requests that can still be looked up, limited in number, memory and age; and one that is kept."""

from __future__ import annotations

import threading
import time

from model.limits import MAX_RECENT_REQUESTS, MAX_RECORD_BYTES, RECENT_REQUEST_LIFETIME_S
from model.serving.request import Request


class RecentRequests:
    """Requests by key. The oldest are forgotten when their records take too much memory, when there are too many, or after a while. One
    request is kept through all that, until another takes its place."""

    def __init__(self) -> None:
        self._requests: dict[str, tuple[Request, float]] = {}  # oldest first, with the time at which they were added
        self._kept: Request | None = None
        self._lock = threading.Lock()

    def add(self, request: Request) -> None:
        """Adds a request."""
        with self._lock:
            self._requests[request.key] = (request, time.monotonic())
            while len(self._requests) > MAX_RECENT_REQUESTS:
                self._forget(next(iter(self._requests)))

    def keep(self, request: Request) -> None:
        """Keeps a request that was not added; the one that was kept before is forgotten."""
        with self._lock:
            if self._kept:
                self._kept.forget()
            self._kept = request

    def find(self, key: str) -> Request | None:
        """The request with this key; None if it does not exist or has been forgotten."""
        with self._lock:
            if self._kept and self._kept.key == key:
                return self._kept
            return self._requests[key][0] if key in self._requests else None

    def forget_old(self) -> None:
        """Forgets the oldest requests until all limits hold. Call it periodically."""
        with self._lock:
            n_bytes = sum(request.record_bytes for request, _ in self._requests.values())
            long_ago = time.monotonic() - RECENT_REQUEST_LIFETIME_S
            for key, (request, came) in list(self._requests.items()):
                if n_bytes <= MAX_RECORD_BYTES and came >= long_ago:
                    return
                n_bytes -= request.record_bytes
                self._forget(key)

    def _forget(self, key: str) -> None:
        request, _ = self._requests.pop(key)
        request.forget()
