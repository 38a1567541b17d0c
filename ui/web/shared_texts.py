"""Texts that many clients ask for at once, as phones do that follow the lecturer's page: written once, and read by all of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from model.serving.request import DONE, FINISHED, Request

MAX_KEPT = 64  # the latest, for those that ask a moment later


class SharedTexts:
    """Requests, by all that determines their texts. Use it only in the event loop's thread."""

    def __init__(self) -> None:
        self._requests: OrderedDict[Hashable, Request] = OrderedDict()  # the newest comes last
        self._readers: dict[str, int] = {}  # of each request that somebody reads, by its key

    def join(self, key: Hashable, begin: Callable[[], Request]) -> Request:
        """The request that there is, or one that begins now; for one more reader, who leaves at the end. Raises what `begin` raises."""
        request = self._requests.get(key)
        if request is None or not _is_usable(request):
            request = self._requests[key] = begin()
        self._requests.move_to_end(key)
        while len(self._requests) > MAX_KEPT:
            self._requests.popitem(last=False)
        self._readers[request.key] = self._readers.get(request.key, 0) + 1
        return request

    def has(self, request: Request) -> bool:
        """Whether somebody has joined it."""
        return request.key in self._readers

    def leave(self, request: Request) -> None:
        """A reader is gone. With the last one, the writing ends."""
        self._readers[request.key] -= 1
        if not self._readers[request.key]:
            del self._readers[request.key]
            request.cancel()  # has no effect on one that is done


def _is_usable(request: Request) -> bool:
    """Whether it has its whole text, or will have it."""
    state = request.progress().state
    return state == DONE or (state not in FINISHED and not request.cancelled)
