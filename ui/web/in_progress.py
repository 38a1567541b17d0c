"""Limits what each client has in progress: requests, and the bytes that they hold."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator


class InProgress:
    """Counts what each client has in progress, up to a maximum. Use it only in the event loop's thread."""

    def __init__(self, maximum: int):
        self._maximum, self._counts = maximum, Counter[str]()

    @contextlib.contextmanager
    def one_more(self, client: str) -> Iterator[bool]:
        """Counts one more while the context lasts. If the client already has the maximum, it yields False and counts nothing."""
        if self._counts[client] >= self._maximum:
            yield False
            return
        self._counts[client] += 1
        try:
            yield True
        finally:
            self._counts[client] -= 1
            if not self._counts[client]:
                del self._counts[client]


class ByteLimit:
    """Counts the bytes that clients' requests hold, up to a maximum, half of it for one client. Use it only in the event loop's thread."""

    def __init__(self, maximum: int):
        self._maximum, self._held = maximum, Counter[str]()

    @property
    def n_bytes(self) -> int:
        """How many bytes all of them hold."""
        return self._held.total()

    def take(self, client: str, n_bytes: int) -> bool:
        """Counts more bytes; False, counting nothing, if there is no room for them."""
        if self.n_bytes + n_bytes > self._maximum or self._held[client] + n_bytes > self._maximum // 2:
            return False
        self._held[client] += n_bytes
        return True

    def give_back(self, client: str, n_bytes: int) -> None:
        """Ends the counting of bytes that were taken."""
        self._held[client] -= n_bytes
        if not self._held[client]:
            del self._held[client]
