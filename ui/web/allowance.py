"""How often each client may do something: so often at once, and then again each time that a while has passed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from model.clock import seconds

MAX_CLIENTS = 1_024  # that are remembered; the one that came first is forgotten first


class Allowance:
    """For the event loop's thread.

    Args:
        at_once: how often a client may that has not for long.
        every_s: after which it may once more.
        clock: gives seconds.
    """

    def __init__(self, at_once: int, every_s: float, clock: Callable[[], float] = seconds):
        self._whole_s, self._every_s, self._clock = at_once * every_s, every_s, clock
        self._whole_at: OrderedDict[str, float] = OrderedDict()  # by client: when it may as often as at first again

    def take(self, client: str) -> bool:
        """Whether the client may now; that counts."""
        now = self._clock()
        whole_at = max(now, self._whole_at.pop(client, now)) + self._every_s
        is_allowed = whole_at <= now + self._whole_s
        self._whole_at[client] = whole_at if is_allowed else whole_at - self._every_s
        while len(self._whole_at) > MAX_CLIENTS:
            self._whole_at.popitem(last=False)
        return is_allowed
