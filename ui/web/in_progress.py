"""Bounds on what one client has in progress."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator


class InProgress:
    """Counts what each client has in progress, up to a maximum. For the event loop's thread."""

    def __init__(self, maximum: int):
        self._maximum, self._counts = maximum, Counter[str]()

    @contextlib.contextmanager
    def one_more(self, client: str) -> Iterator[bool]:
        """Counts one more until the end; yields False, and counts nothing, if the client has the maximum already."""
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
